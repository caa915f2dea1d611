"""`python -m benchmarks.gpu`: on an NVIDIA GPU, correctness first, then speed against the card and against others."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
import tyro
from rich.console import Console

from benchmarks import gpu_contenders as contenders
from benchmarks.gpu_contenders import Absent, Call, Cell, Side
from benchmarks.gpu_tables import table
from benchmarks.provenance import provenance
from benchmarks.roofline import Ceilings, Shape, bound, work
from titans_seq.files import atomic_path

RESULTS = Path(__file__).parent / "results" / "gpu.json"
LENGTHS = (2_048, 8_192, 16_384, 65_536)
SHAPES = (Shape(64, 64), Shape(64, 64, expansion=1))
SIDES: tuple[Side, ...] = ("fused", "chunked", "chunked, graph", "chunked, compiled", "gated delta rule", "attention")
# The PyTorch path launches kernels for each chunk, and a recorded call holds all of them.
LONGEST = {"chunked": 16_384, "chunked, compiled": 16_384, "chunked, graph": 2_048}
BATCH, HEADS = 11, 12  # 132 sequences times heads, one for each multiprocessor of an H200
BLOCK_TOKENS = 65_536
# Root mean square of the difference to float64, over that of what is expected.
ALLOWED = {torch.float32: 1e-5, torch.bfloat16: 1e-2}

# Calls a function so many times and returns the seconds of each.
Timer = Callable[[Call, int], list[float]]


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


def gate(backend: contenders.Backend, device: str, dtypes: Sequence[torch.dtype] = tuple(ALLOWED)) -> list[dict]:
    """Compare outputs, final weights and all gradients at small sizes with the chunked operator in float64.

    Returns:
        A row per shape and dtype, with the largest relative difference of any tensor.

    Raises:
        ArithmeticError: if one is larger than allowed, or not a number.
    """
    rows = []
    for shape in SHAPES:
        for dtype in dtypes:
            cell = Cell(shape, batch=2, heads=2, length=2 * shape.chunk + 7, device=device, dtype=dtype)
            actual = contenders.memory(cell, backend)()
            expected = _in_float64(cell)
            errors = [_difference(x, y) for x, y in zip(actual, expected, strict=True)]  # type: ignore[arg-type]
            worst = max(errors, key=lambda error: (error != error, error))
            rows.append({"shape": asdict(shape), "dtype": str(dtype), "error": worst})
            if not worst <= ALLOWED[dtype]:
                raise ArithmeticError(
                    f"{backend} and float64 differ by {worst:.1e} ({shape}, {dtype}); allowed is {ALLOWED[dtype]:.0e}; "
                    f"nothing was timed"
                )
    return rows


def _in_float64(cell: Cell) -> list[torch.Tensor]:
    """What the memory should return for the same, rounded inputs."""
    rounded = contenders.inputs(cell)
    double = {name: x.detach().double().requires_grad_() for name, x in rounded.items()}
    return contenders.scanned(cell, double, contenders.initial(cell, torch.float64), "chunked")


def _difference(actual: torch.Tensor, expected: torch.Tensor) -> float:
    off = (actual.double() - expected).square().mean().sqrt()
    return (off / expected.square().mean().sqrt().clamp_min(1e-12)).item()


def operator_row(side: Side, cell: Cell, limits: Ceilings, timer: Timer, rounds: int) -> dict:
    """Time one contender at one size; a row of the results."""
    row = {"side": side, "shape": asdict(cell.shape), "batch": cell.batch, "heads": cell.heads, "length": cell.length}
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
    row = {"kind": kind, "shape": asdict(cell.shape), "batch": cell.batch, "heads": cell.heads, "length": cell.length}
    made = {
        "memory": lambda: contenders.block("memory", cell),
        "attention": lambda: contenders.block("attention", cell),
        "our layer": lambda: contenders.peer("ours", cell),
        "titans-pytorch, coarse": lambda: contenders.peer("coarse", cell),
        "titans-pytorch, exact": lambda: contenders.peer("exact", cell),
    }
    found = _timed(made[kind], timer, rounds)
    return row | found | ({"tokens_per_s": cell.batch * cell.length / found["seconds"]} if "seconds" in found else {})


def _timed(make: Callable[[], Call], timer: Timer, rounds: int) -> dict:
    """Median seconds of a call, or why there are none: a table must not end because one of its cells cannot run."""
    try:
        return {"seconds": statistics.median(timer(make(), rounds))}
    except Absent as error:
        return {"skipped": str(error)}
    except (RuntimeError, ValueError) as error:  # out of memory, no kernel for it, not to be compiled
        return {"skipped": f"{type(error).__name__}: {str(error).splitlines()[0]}"}


def measure(device: str, timer: Timer, lengths: Sequence[int], rounds: int, report: Callable[[str], None]) -> dict:
    """Measure everything, correctness first."""
    content: dict = {"correctness": gate("triton", device)}
    limits = ceilings(timer, device)
    content |= {"ceilings": asdict(limits), "operators": [], "blocks": []}
    cell = Cell(SHAPES[0], BATCH, HEADS, lengths[0], device)
    for shape in SHAPES:
        for length in lengths:
            at = replace(cell, shape=shape, length=length)
            content["operators"] += [operator_row(side, at, limits, timer, rounds) for side in SIDES]
            report(f"{shape}, {length} tokens")
    for length in lengths:
        at = replace(cell, length=length, batch=max(1, BLOCK_TOKENS // length))
        content["blocks"] += [block_row(kind, at, timer, rounds) for kind in ("memory", "attention")]
        report(f"blocks, {length} tokens")
    layer = replace(cell, shape=SHAPES[1], length=lengths[0], batch=2)
    layers = ("our layer", "titans-pytorch, coarse", "titans-pytorch, exact")
    content["blocks"] += [block_row(kind, layer, timer, rounds) for kind in layers]
    return content


def main(lengths: tuple[int, ...] = LENGTHS, rounds: int = 10, out: Path = RESULTS) -> None:
    """Measure the kernels on this machine's GPU and print the tables.

    Args:
        lengths: tokens of a sequence.
        rounds: timed calls of each cell, of which the median is kept.
        out: results file, written anew.
    """
    if reason := refused():
        raise SystemExit(f"error: {reason}")
    console = Console(width=160)
    try:
        content = measure("cuda", elapsed, lengths, rounds, lambda text: console.print(text, style="dim"))
    except ArithmeticError as error:
        raise SystemExit(f"error: {error}") from None
    content["measured"] = provenance() | {"card": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    with atomic_path(out) as path:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    console.print(table(content), highlight=False)


if __name__ == "__main__":
    tyro.cli(main)
