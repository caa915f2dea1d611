"""`python -m benchmarks.gpu`: on an NVIDIA GPU, correctness first, then speed against the card and against others."""

import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import tyro
from rich.console import Console

from benchmarks import gpu_contenders as contenders
from benchmarks.gpu_contenders import BACKENDS, Absent, Call, Cell, Side
from benchmarks.gpu_tables import table
from benchmarks.provenance import provenance
from benchmarks.results_file import read_json, write_json
from benchmarks.roofline import Ceilings, Shape, bound, work
from titans_seq.ops import Backend

RESULTS = Path(__file__).parent / "results" / "gpu.json"
LENGTHS = (8_192, 16_384, 2_048, 65_536)  # those with a target first
SHAPES = (Shape(64, 64), Shape(64, 64, expansion=1))
SIDES: tuple[Side, ...] = get_args(Side)
# The PyTorch path launches kernels for each chunk, and a recorded call holds all of them.
LONGEST = {side: 16_384 for side in SIDES if side.startswith("chunked")} | {"chunked, graph": 2_048}
BATCH, HEADS = 11, 12  # 132 sequences times heads, one for each multiprocessor of an H200
BLOCK_TOKENS = 65_536
# Root mean square of the difference to float64, over that of what is expected.
ALLOWED = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
# A deep memory's decay scales a network that its norm makes blind to scale: its gradient is what little is left of a
# sum that cancels, with all of the roundings of its terms.
ALLOWED_OF_DECAY = ALLOWED | {torch.bfloat16: 4e-2}

Section = Literal["correctness", "operators", "blocks"]
SECTIONS: tuple[Section, ...] = get_args(Section)

# Calls a function so many times and returns the seconds of each.
Timer = Callable[[Call, int], list[float]]
# Takes a row of a section, to be kept.
Keep = Callable[[Section, dict], None]


def refused() -> str | None:
    """Say why the suite cannot run here; None if it can."""
    if not torch.cuda.is_available():
        return "the GPU suite needs an NVIDIA GPU, and torch finds none: nothing was measured, no file was written"
    return None


def elapsed(call: Call, rounds: int) -> list[float]:
    """Time calls on the GPU by its own clock, after three that warm up."""
    for _ in range(3):
        call()
    found = []
    for _ in range(rounds):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        stop.record()
        stop.synchronize()
        found.append(start.elapsed_time(stop) / 1e3)
    return found


def ceilings(timer: Timer, device: str, numbers: int = 2**28, side: int = 8192) -> Ceilings:
    """Measure what the card reaches: a copy of so many floats, and a product of two square bf16 matrices."""
    source = torch.zeros(numbers, device=device)
    target = torch.empty_like(source)
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    copied = statistics.median(timer(lambda: target.copy_(source), 10))
    multiplied = statistics.median(timer(lambda: a @ a, 10))
    return Ceilings(flops=2 * side**3 / multiplied, bytes=2 * 4 * numbers / copied)


def gate(shape: Shape, dtype: torch.dtype, backend: Backend, device: str) -> dict:
    """Compare outputs, final weights and all gradients at a small size with the chunked operator in float64.

    Returns:
        A row with the largest relative difference of any tensor and that tensor's name, and with `refused`, a reason,
        where one is larger than allowed or not a number, or the call fails.
    """
    row: dict = {"shape": asdict(shape), "dtype": str(dtype)}
    cell = Cell(shape, batch=2, heads=2, length=2 * shape.chunk + 7, device=device, dtype=dtype)
    try:
        actual = contenders.memory(cell, backend)()
    except Exception as error:  # whatever a compiler raises
        return row | {"refused": _reason(error)}
    expected = _in_float64(cell)
    errors = {name: _difference(x, expected[name]) / _allowed(name, cell) for name, x in actual.items()}
    worst = max(errors, key=lambda name: (errors[name] != errors[name], errors[name]))
    row |= {"error": errors[worst] * _allowed(worst, cell), "of": worst}
    if not errors[worst] <= 1:
        allowed = _allowed(worst, cell)
        row["refused"] = f"{backend} and float64 differ by {row['error']:.1e} in {worst}; allowed is {allowed:.0e}"
    return row


def _allowed(name: str, cell: Cell) -> float:
    decay_of_deep = name == "d decay" and cell.shape.expansion is not None
    return (ALLOWED_OF_DECAY if decay_of_deep else ALLOWED)[cell.dtype]


def _in_float64(cell: Cell) -> dict[str, torch.Tensor]:
    """What the memory should return for the same, rounded inputs."""
    double = {name: x.detach().double().requires_grad_() for name, x in contenders.inputs(cell).items()}
    weights = contenders.initial(cell, torch.float64)
    return contenders.scanned(cell, double, weights, contenders.weighing(cell).double(), "chunked")


def _difference(actual: torch.Tensor, expected: torch.Tensor) -> float:
    off = (actual.double() - expected).square().mean().sqrt()
    return (off / expected.square().mean().sqrt().clamp_min(1e-12)).item()


def operator_row(side: Side, cell: Cell, limits: Ceilings, timer: Timer, rounds: int) -> dict:
    """Time one contender at one size; a row of the results."""
    row = {"side": side, **_size(cell)}
    if cell.length > LONGEST.get(side, cell.length):
        return row | {"skipped": f"only up to {LONGEST[side]:,} tokens"}
    found = _timed(lambda: contenders.operator(side, cell), timer, rounds)
    if "seconds" not in found:
        return row | found
    seconds, needed = found["seconds"], work(cell.shape)
    rate = cell.batch * cell.length * cell.heads / seconds
    row |= found | {"tokens_per_s": cell.batch * cell.length / seconds, "token_heads_per_s": rate}
    if side.startswith(("fused", "chunked")):  # the others have other counts
        row |= {
            "us_per_chunk": 1e6 * seconds / (cell.length / cell.shape.chunk),
            "flops_per_s": needed.flops * rate,
            "bytes_per_s": needed.bytes * rate,
            "share_of_bound": rate / bound(needed, limits),
        }
    return row


def block_row(kind: str, cell: Cell, timer: Timer, rounds: int) -> dict:
    """Time a whole block of a memory or of attention, or a memory layer of ours or of titans-pytorch."""
    made = {
        "memory": lambda: contenders.block("memory", cell),
        "attention": lambda: contenders.block("attention", cell),
        "our layer": lambda: contenders.layer("ours", cell),
        "titans-pytorch, coarse": lambda: contenders.layer("coarse", cell),
        "titans-pytorch, exact": lambda: contenders.layer("exact", cell),
    }
    found = _timed(made[kind], timer, rounds)
    rate = {"tokens_per_s": cell.batch * cell.length / found["seconds"]} if "seconds" in found else {}
    return {"kind": kind, **_size(cell)} | found | rate


def _size(cell: Cell) -> dict:
    return {"shape": asdict(cell.shape), "batch": cell.batch, "heads": cell.heads, "length": cell.length}


def _timed(make: Callable[[], Call], timer: Timer, rounds: int) -> dict:
    """Median seconds of a call, or why there are none: a table must not end because one of its cells cannot run."""
    try:
        return {"seconds": statistics.median(timer(make(), rounds))}
    except Absent as error:
        return {"skipped": str(error)}
    except Exception as error:  # out of memory, no kernel for it, whatever a compiler or a peer raises
        return {"skipped": _reason(error)}


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def measure(device: str, timer: Timer, lengths: Sequence[int], rounds: int, keep: Keep, limits: Ceilings) -> None:
    """Measure everything, correctness first: kernels that fail their shape's gate are not timed."""
    wrong: dict[Shape, str] = {}
    for shape in SHAPES:
        for dtype in ALLOWED:
            row = gate(shape, dtype, "triton", device)
            keep("correctness", row)
            if "refused" in row:
                wrong[shape] = row["refused"]

    def ours(kind: str, at: Cell) -> dict:
        if at.shape in wrong:
            return {"kind": kind, **_size(at), "skipped": wrong[at.shape]}
        return block_row(kind, at, timer, rounds)

    cell = Cell(SHAPES[0], BATCH, HEADS, lengths[0], device)
    for length in lengths:
        for shape in SHAPES:
            at = replace(cell, shape=shape, length=length)
            for side in SIDES:
                if shape in wrong and BACKENDS.get(side) == "triton":
                    keep("operators", {"side": side, **_size(at), "skipped": wrong[shape]})
                else:
                    keep("operators", operator_row(side, at, limits, timer, rounds))
        at = replace(cell, length=length, batch=max(1, BLOCK_TOKENS // length))
        keep("blocks", block_row("attention", at, timer, rounds))
        for shape in SHAPES:
            keep("blocks", ours("memory", replace(at, shape=shape)))
    layer = replace(cell, shape=SHAPES[-1], length=min(lengths), batch=2)
    keep("blocks", ours("our layer", layer))
    for kind in ("titans-pytorch, coarse", "titans-pytorch, exact"):
        keep("blocks", block_row(kind, layer, timer, rounds))


def merged(content: Mapping[str, Any], section: Section, row: dict) -> dict:
    """Put a row into results, in place of an earlier one of the same cell.

    Example:
        >>> content = merged({}, "blocks", {"kind": "memory", "length": 8, "seconds": 2.0})
        >>> merged(content, "blocks", {"kind": "memory", "length": 8, "seconds": 1.0})["blocks"]
        [{'kind': 'memory', 'length': 8, 'seconds': 1.0}]
    """

    def cell(one: dict) -> list:
        return [one.get(name) for name in ("side", "kind", "dtype", "shape", "batch", "heads", "length")]

    rows: Iterable[dict] = content.get(section, [])
    return {**content, section: [*(old for old in rows if cell(old) != cell(row)), row]}


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def main(lengths: tuple[int, ...] = LENGTHS, rounds: int = 10, commit: str | None = None, out: Path = RESULTS) -> None:
    """Measure the kernels on this machine's GPU and print the tables.

    Each row is written as soon as it is there, in place of an earlier one of the same cell, so that a run that is
    stopped, or that measures some lengths alone, loses nothing.

    Args:
        lengths: tokens of a sequence.
        rounds: timed calls of each cell, of which the median is kept.
        commit: what is measured, where the code was copied without its history.
        out: results file; rows of other cells stay.
    """
    if reason := refused():
        raise SystemExit(f"error: {reason}")
    console = Console(width=160)
    limits = ceilings(elapsed, "cuda")
    content: dict = read_json(out) if out.exists() else {}
    card = torch.cuda.get_device_name()
    if content and content["measured"]["card"] != card:
        raise SystemExit(f"error: {out} is of {content['measured']['card']}, and this is {card}: give another --out")
    content = {**{name: [] for name in SECTIONS}, **content, "ceilings": asdict(limits)}
    measured = provenance() | {"card": card, "cuda": torch.version.cuda, "driver": _driver()}
    content["measured"] = measured | ({"commit": commit} if commit else {})
    run = {name: content["measured"][name] for name in ("date", "commit")}

    def keep(section: Section, row: dict) -> None:
        nonlocal content
        content = merged(content, section, row | run)
        write_json(out, content)
        what = row.get("side") or row.get("kind") or row["dtype"]
        console.print(f"{what}, {row['shape']}, {row.get('length', '')}", style="dim", highlight=False)

    measure("cuda", elapsed, lengths, rounds, keep, limits)
    console.print(table(content), highlight=False)


if __name__ == "__main__":
    tyro.cli(main)
