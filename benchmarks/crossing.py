"""The length from which a block with a memory trains faster than a block with attention over everything.

python -m benchmarks.crossing
python -m benchmarks.crossing --memories "matrix" --lengths 512 1024 --rounds 3 --out /tmp/crossing.json
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import tyro
from rich.console import Console

from benchmarks.profile_block import seconds_of, train
from benchmarks.provenance import provenance
from benchmarks.results_file import write_json
from titans_seq.blocks import AttentionBlockConfig, Block, LMMConfig
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule, MLPMemory

RESULTS = Path(__file__).parent / "results" / "crossing.json"

PROTOCOL = " ".join(
    """
    Whole blocks (norms, mixer, feed-forward) with random weights, one sequence, float32, forward and backward to the
    input and the parameters; the state after the sequence is not asked for. Attention has rotary positions and calls
    PyTorch's scaled_dot_product_attention. At each length the blocks are called in turn, round after round, after one
    call that warms up: medians of CPU time on one thread. Where they meet lies between two lengths, on a straight line
    of the logarithms of length and of the times' ratio. A memory that is faster than attention at one length is not
    measured at longer ones. Seeds: blocks 0, inputs their length.
    """.split()
)


@dataclass(frozen=True)
class Memory:
    """A memory to train.

    Attributes:
        rule: the memory.
        chunk_size: its chunks.
    """

    rule: MemoryRule
    chunk_size: int


MEMORIES: Mapping[str, Memory] = {
    "matrix": Memory(MemoryRule(LinearMemory()), 64),
    "deep x2": Memory(MemoryRule(MLPMemory(expansion=2.0)), 64),
    "deep x4": Memory(MemoryRule(MLPMemory(expansion=4.0)), 16),
}


@dataclass(frozen=True)
class Size:
    """The blocks' sizes.

    Attributes:
        dim: width.
        heads: of the memory, and of attention.
    """

    dim: int = 256
    heads: int = 4


def _blocks(names: Sequence[str], size: Size) -> dict[str, Block]:
    """Make the block with attention, and those with memories by name."""
    torch.manual_seed(0)
    built = {"attention": AttentionBlockConfig(AttentionConfig(size.heads, None)).build(size.dim)}
    for name in names:
        memory = MEMORIES[name]
        config = NeuralMemoryConfig(heads=size.heads, chunk_size=memory.chunk_size, rule=memory.rule)
        built[name] = LMMConfig(config).build(size.dim)
    return built


def times(blocks: Mapping[str, Block], length: int, dim: int, rounds: int) -> dict[str, float]:
    """Return the median milliseconds that each block trains for at a length."""
    x = torch.randn(1, length, dim, generator=torch.Generator().manual_seed(length)).requires_grad_()
    spent: dict[str, list[float]] = {name: [] for name in blocks}
    for _ in range(rounds + 1):
        for name, block in blocks.items():
            spent[name].append(seconds_of(lambda block=block: train(block, x)))
    return {name: 1e3 * statistics.median(each[1:]) for name, each in spent.items()}


def meeting(points: Sequence[tuple[int, float, float]]) -> float | None:
    """Return the length from which the first of two is the faster.

    Args:
        points: lengths, from short to long, with the times of both; of the first and of the second.

    Returns:
        None if it is slower at all of them. If it is faster at all, their shortest.

    Example:
        >>> round(meeting([(100, 4.0, 2.0), (400, 8.0, 16.0)]))
        200
        >>> meeting([(100, 4.0, 2.0)]) is None
        True
    """
    logs = [(math.log(length), math.log(first / second)) for length, first, second in points]
    if logs[0][1] <= 0:
        return float(points[0][0])
    for (a, above), (b, below) in itertools.pairwise(logs):
        if below <= 0:
            return math.exp(a + (b - a) * above / (above - below))
    return None


def measure(names: Sequence[str], lengths: Sequence[int], size: Size, rounds: int) -> list[dict]:
    """Return a row for each memory: milliseconds at each length beside attention's, and where they meet."""
    blocks = _blocks(names, size)
    rows = {
        name: {"memory": name, "chunk_size": MEMORIES[name].chunk_size, "times": [], "meet": None} for name in names
    }
    for length in lengths:
        slower = [name for name in names if rows[name]["meet"] is None]
        if not slower:
            break
        found = times({name: blocks[name] for name in ("attention", *slower)}, length, size.dim, rounds)
        for name in slower:
            row = rows[name]
            row["times"].append({"length": length, "ms": found[name], "attention_ms": found["attention"]})
            row["meet"] = meeting([tuple(each.values()) for each in row["times"]])
            row["measured"] = provenance()
    return list(rows.values())


def table(content: Mapping) -> str:
    """One line a memory: where it meets attention, and both blocks' milliseconds at each length."""
    rows, size = content["rows"], content["size"]
    lengths = sorted({each["length"] for row in rows for each in row["times"]})
    heads = ["memory", "faster from", *(f"{length:,}" for length in lengths)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        found = {each["length"]: f"{each['ms']:,.0f} / {each['attention_ms']:,.0f}" for each in row["times"]}
        meet = f"above {lengths[-1]:,}" if row["meet"] is None else f"{row['meet']:,.0f}"
        cells = [f"{row['memory']}, chunks of {row['chunk_size']}", meet, *(found.get(n, "") for n in lengths)]
        lines.append(f"| {' | '.join(cells)} |")
    dates = sorted({row["measured"]["date"][:10] for row in rows})
    loads = [row["measured"]["load_average"][0] for row in rows]
    said = (
        f"Milliseconds with the memory / with attention, by length in tokens. Width {size['dim']}, {size['heads']} "
        f"heads. {content['protocol']} Measured {' to '.join(dates)}, at loads of {min(loads):.1f} to "
        f"{max(loads):.1f} on the machine."
    )
    return "\n".join([*lines, "", said])


def main(
    size: Size = Size(),  # noqa: B008 - frozen
    memories: tuple[str, ...] = tuple(MEMORIES),
    lengths: tuple[int, ...] = (512, 1024, 2048, 4096, 8192),
    rounds: int = 5,
    out: Path = RESULTS,
) -> None:
    """Train a block with each memory beside one with attention, at growing lengths, and print the table.

    Args:
        size: of the blocks.
        memories: which, by the names of the table.
        lengths: tokens of a sequence, from short to long.
        rounds: passes of each, of which the medians are kept.
        out: results file, written anew.
    """
    if unknown := [name for name in memories if name not in MEMORIES]:
        raise SystemExit(f"error: no memory {', '.join(unknown)}: choose from {', '.join(MEMORIES)}")
    torch.set_num_threads(1)
    content = {"protocol": PROTOCOL, "size": asdict(size), "rows": measure(memories, sorted(lengths), size, rounds)}
    write_json(out, content)
    Console(width=140).print(table(content), highlight=False)


if __name__ == "__main__":
    tyro.cli(main)
