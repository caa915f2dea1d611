"""One token at a time: a memory block against an attention block of the same width with a cache of keys and values.

python -m benchmarks.decoding
python -m benchmarks.decoding --batches 1 --positions 1024 --steps 5 --out /tmp/decoding.json
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from rich.console import Console
from torch import Tensor, nn

from benchmarks.provenance import provenance, results_on
from benchmarks.results_file import write_json
from titans_seq.blocks import Block, LMMConfig
from titans_seq.layers import NeuralMemoryConfig
from titans_seq.layers.heads import HeadProjections, rotated
from titans_seq.memory import MemoryRule, MLPMemory

RESULTS = Path(__file__).parent / "results" / "decoding.json"
# The memory's state has one size at all positions: after so many tokens it is what it will be after a million.
_READ = 1024
_ROPE_BASE = 10_000.0

PROTOCOL = " ".join(
    """
    Whole blocks (norms, mixer, feed-forward) with random weights, float32, in inference mode. Attention sees everything
    before it: its cache of rotated keys and of values is filled with random numbers up to the position, and each step
    writes its own key and value into it and calls PyTorch's scaled_dot_product_attention. The memory block has read
    1,024 tokens; its state has one size, so that it takes the same time at every position (the streaming benchmark
    reads 100,000). Milliseconds of a step of the whole batch: the median over steps, on a CPU of CPU time on one
    thread. MB: what the states or caches of the whole batch take.
    """.split()
)


@dataclass(frozen=True)
class Size:
    """The blocks' sizes.

    Attributes:
        dim: width.
        heads: of the memory, and of attention.
        chunk_size: of the memory.
        expansion: hidden width of the memory over that of a head.
    """

    dim: int = 256
    heads: int = 4
    chunk_size: int = 16
    expansion: float = 4.0


class CachedAttention(nn.Module):
    """Attention for decoding, into a cache that has room for one token more than it holds.

    Args:
        dim: width.
        heads: number of heads.
        batch: sequences.
        position: tokens that the cache holds, at least 0.
    """

    def __init__(self, dim: int, heads: int, batch: int, position: int) -> None:
        super().__init__()
        self.heads, self.position = HeadProjections(heads, dim, 0), position
        shape = (batch, heads, position + 1, dim // heads)
        self.keys, self.values = nn.Buffer(torch.randn(shape)), nn.Buffer(torch.randn(shape))

    def forward(self, x: Tensor, state: None = None, *, return_state: bool = True) -> tuple[Tensor, None]:
        """Attend from one token `[B, 1, dim]`; it is written where the step before wrote, so the position stays."""
        q, k, v = self.heads(x)
        self.keys[:, :, self.position :] = rotated(k, self.position, _ROPE_BASE)
        self.values[:, :, self.position :] = v
        q = rotated(q, self.position, _ROPE_BASE)
        return self.heads.joined(F.scaled_dot_product_attention(q, self.keys, self.values)), None


def cache_bytes(size: Size, batch: int, position: int) -> int:
    """Return what the keys and values of a batch take, with the token that is being decoded."""
    return 2 * 4 * batch * (position + 1) * size.dim


def memory_row(size: Size, batch: int, steps: int, device: str) -> dict:
    """Time steps of a block whose mixer is the memory."""
    torch.manual_seed(0)
    rule = MemoryRule(MLPMemory(expansion=size.expansion))
    config = NeuralMemoryConfig(heads=size.heads, chunk_size=size.chunk_size, rule=rule)
    block = LMMConfig(config).build(size.dim).to(device)
    with torch.inference_mode():
        state: Any = None
        for piece in torch.randn(batch, _READ, size.dim, device=device).split(128, 1):  # little memory at any batch
            _, state = block(piece, state)
        tensors: list[Tensor] = []
        state.map(lambda x: tensors.append(x) or x)
        token = torch.randn(batch, 1, size.dim, device=device)

        def step() -> None:
            nonlocal state
            _, state = block(token, state)

        ms = _median_ms(step, steps, device)
    taken = sum(x.numel() * x.element_size() for x in tensors)
    return {"model": "memory", "batch": batch, "position": None, "ms": ms, "mb": taken / 1e6}


def attention_row(size: Size, batch: int, position: int, steps: int, device: str, memory_limit: float) -> dict:
    """Time steps of a block whose mixer is attention, or say why not."""
    row = {"model": "attention", "batch": batch, "position": position, "mb": cache_bytes(size, batch, position) / 1e6}
    if row["mb"] > 1e3 * memory_limit:
        return row | {"skipped": f"its cache takes {row['mb'] / 1e3:.3g} GB, over the limit of {memory_limit:.3g}"}
    torch.manual_seed(0)
    with torch.device(device):
        block = Block(CachedAttention(size.dim, size.heads, batch, position), size.dim)
        token = torch.randn(batch, 1, size.dim)
    with torch.inference_mode():
        return row | {"ms": _median_ms(lambda: block(token), steps, device)}


def _median_ms(step: Callable[[], Any], steps: int, device: str) -> float:
    """Median time of a step after two that warm up: CPU time, or elapsed time on another device."""
    clock, wait = (time.process_time, lambda: None) if device == "cpu" else (time.perf_counter, torch.cuda.synchronize)
    spent = []
    for _ in range(steps + 2):
        wait()
        start = clock()
        step()
        wait()
        spent.append(clock() - start)
    return 1e3 * statistics.median(spent[2:])


def table(content: dict) -> str:
    """One line a batch: the memory, then attention at each position; below it why a cell is empty."""
    rows, size = content["rows"], content["size"]
    positions = sorted({row["position"] for row in rows if row["position"] is not None})
    heads = ["batch", "memory, any position", *(f"attention at {position:,}" for position in positions)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for batch in sorted({row["batch"] for row in rows}):
        found = {row["position"]: row for row in rows if row["batch"] == batch}
        lines.append(f"| {batch} | {' | '.join(_cell(found.get(at)) for at in (None, *positions))} |")
    skipped = [f"{row['batch']} x {row['position']:,}: {row['skipped']}" for row in rows if "skipped" in row]
    said = (
        f"Width {size['dim']}, {size['heads']} heads, chunks of {size['chunk_size']}, "
        f"expansion {size['expansion']:g}, on {content['device']}. "
        f"{content['protocol']}"
    )
    if skipped:
        said += f" Not measured: {'; '.join(skipped)}."
    measured = [row["measured"] for row in rows if "measured" in row]
    if measured:
        loads = [x["load_average"][0] for x in measured]
        said += (
            f" Measured {measured[-1]['date'][:10]}, at loads of {min(loads):.1f} to {max(loads):.1f} on the machine."
        )
    return "\n".join([*lines, "", said])


def _cell(row: dict | None) -> str:
    return "" if row is None or "ms" not in row else f"{row['ms']:.2f} ms, {row['mb']:,.1f} MB"


def main(
    size: Size = Size(),  # noqa: B008 - frozen
    batches: tuple[int, ...] = (1, 8, 64),
    positions: tuple[int, ...] = (1_024, 16_384, 131_072, 1_048_576),
    steps: int = 50,
    device: str = "cpu",
    memory_limit: float = 4.0,
    out: Path | None = None,
) -> None:
    """Time one decoding step of both blocks and print the table.

    Args:
        size: of the blocks.
        batches: sequences decoded at once.
        positions: tokens that attention has before it.
        steps: timed at each cell.
        device: "cpu" or "cuda".
        memory_limit: GB that a cache may take.
        out: results file, written anew; by default one of this folder's results, apart for each kind of device.
    """
    if device != "cpu" and not torch.cuda.is_available():
        raise SystemExit(f"error: device {device!r} needs a GPU, and torch finds none: use --device cpu")
    torch.set_num_threads(1)
    console, rows = Console(width=140), []
    for batch in batches:
        for position in (None, *positions):
            if position is None:
                row = memory_row(size, batch, steps, device)
            else:
                row = attention_row(size, batch, position, steps, device, memory_limit)
            rows.append(row | {"measured": provenance()})
            console.print(f"{row['model']}, batch {batch}, position {position}", style="dim", highlight=False)
    content = {"protocol": PROTOCOL, "size": asdict(size), "device": device, "rows": rows}
    write_json(out or results_on(RESULTS, device), content)
    console.print(table(content), highlight=False)


if __name__ == "__main__":
    tyro.cli(main)
