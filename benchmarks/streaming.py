"""A long stream through our layer with its state carried: memory, speed, and one decoding step's time."""

import statistics
import time

import torch
from torch import Tensor

from benchmarks import memory_use
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig, NeuralMemoryState
from titans_seq.memory import MemoryRule, MLPMemory

_DIM, _CHUNK = 128, 16


class _Stream:
    """The layer, its state, and how far it has read."""

    def __init__(self, dim: int, chunk: int) -> None:
        torch.manual_seed(0)
        config = NeuralMemoryConfig(heads=4, chunk_size=chunk, rule=MemoryRule(MLPMemory(2, 2)))
        self.layer, self.dim = NeuralMemory(config, dim), dim
        self.generator = torch.Generator().manual_seed(0)
        self.state: NeuralMemoryState | None = None
        self.position = 0

    def read(self, tokens: int) -> tuple[Tensor, float]:
        """Pass on `tokens` random tokens; return the outputs and the CPU seconds."""
        x = torch.randn(1, tokens, self.dim, generator=self.generator)
        start = time.process_time()
        y, self.state = self.layer(x, self.state)
        seconds = time.process_time() - start
        self.position += tokens
        return y, seconds


def pieces(total: int, piece: int, dim: int = _DIM, chunk: int = _CHUNK) -> dict:
    """Stream `total` tokens in pieces, and look at resident memory after each tenth.

    Returns:
        Speed, and per tenth its last position, its peak, and what stays when freed memory is given back; `growth_mb` is
        the largest rise of either after the first tenth.
    """
    stream, seconds, tenths = _Stream(dim, chunk), 0.0, []
    with torch.inference_mode():
        for tenth in range(1, 11):
            while stream.position < total * tenth // 10:
                y, spent = stream.read(min(piece, total * tenth // 10 - stream.position))
                seconds += spent
                if not y.isfinite().all():
                    raise FloatingPointError(f"outputs are not finite before token {stream.position}")
            peak = memory_use.peak()
            tenths.append({"position": stream.position, "peak_mb": peak / 1e6, "kept_mb": memory_use.mark() / 1e6})
    rises = [max(row[name] for row in tenths) - tenths[0][name] for name in ("peak_mb", "kept_mb")]
    return {
        "tokens": total,
        "piece": piece,
        "dim": dim,
        "chunk": chunk,
        "tokens_per_cpu_s": total / seconds,
        "tenths": tenths,
        "growth_mb": max(rises),
    }


def decoding(positions: list[int], steps: int, dim: int = _DIM, chunk: int = _CHUNK) -> list[dict]:
    """Time `steps` calls of one token at each position; `relative` is to the first position's median."""
    stream, rows = _Stream(dim, chunk), []
    with torch.inference_mode():
        for position in positions:
            while stream.position < position:
                stream.read(min(4096, position - stream.position))
            spent = [stream.read(1)[1] for _ in range(steps)]
            rows.append({"position": position, "ms_per_token": 1e3 * statistics.median(spent)})
    for row in rows:
        row["relative"] = row["ms_per_token"] / rows[0]["ms_per_token"]
    return rows


def stream() -> dict:
    """Measure both at full size."""
    torch.set_num_threads(1)
    positions = [0, 1_000, 10_000, 100_000]
    return {"pieces": pieces(total=1_000_000, piece=4096), "decoding": decoding(positions, steps=1_000)}
