"""`python -m benchmarks.ops`: correctness first, then speed and memory of the memory layer on one CPU thread."""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
import tyro
from rich.console import Console

from benchmarks import correctness, streaming, suites, targets
from benchmarks.measure import Limits
from benchmarks.provenance import provenance
from benchmarks.tables import print_suite
from titans_seq.files import atomic_path

Suite = Literal["peer", "recompute", "growth", "streaming"]
SUITES: tuple[Suite, ...] = ("peer", "recompute", "growth", "streaming")

PROTOCOL = (
    "One thread. Whole layers: projections, gates, memory, output; batch and heads as in each row; float32; the final "
    "state is computed. Each contender lives in a process of its own; after two small calls of each pass, the contenders "
    "are called in turn. Speed: median over calls, in tokens per CPU second (tokens_per_cpu_s, the steadier on a shared "
    "machine; targets use it) and per wall second. training = forward, sum of squares, backward to the input and every "
    "parameter. extra_mb: growth of peak resident memory in the first full call, over the level before it with freed memory "
    "given back. exact = titans-pytorch with chunk_size 1, batch_size = chunk; coarse = chunk_size = chunk, batch_size "
    "None. titans-pytorch runs with a largest inner step that keeps its values finite, and with subnormal numbers flushed "
    "to zero, which its decays would otherwise slow down on; ours runs without that help. Seeds: layers 0, inputs their "
    "length."
)


def _results(suite: Suite, limits: Limits) -> Iterator[list[dict] | dict]:
    """Run a suite; yield its results so far, again and again, so that a run cut short leaves something."""
    rows: list[dict] = []
    if suite == "streaming":
        torch.set_num_threads(1)
        pieces = streaming.pieces(total=1_000_000, piece=4096)
        yield {"pieces": pieces, "decoding": streaming.decoding([0, 1_000, 10_000, 100_000], steps=1_000)}
    elif suite == "growth":
        for cell in suites.GROWTH_CELLS:
            yield (rows := rows + suites.growth(cell, suites.GROWTH_LENGTHS, limits))
    else:
        cells = suites.PEER_CELLS if suite == "peer" else suites.RECOMPUTE_CELLS
        for cell, length in cells:
            yield (rows := rows + getattr(suites, suite)(cell, length, limits))


def _save(out: Path, suite: Suite, content: dict) -> None:
    """Put one suite's results into the file and keep the others'."""
    results = json.loads(out.read_text()) if out.exists() else {}
    results[suite] = content
    with atomic_path(out) as path:
        path.write_text(json.dumps(results, indent=1) + "\n")


def main(
    suite: Literal[Suite, "all"] = "all",
    out: Path = Path("benchmarks/results/ops.json"),
    time_limit: float = 150.0,
    memory_limit: float = 8.0,
) -> None:
    """Measure the memory layer and say which targets hold.

    Args:
        suite: peer (against titans-pytorch), recompute (carries kept in training), growth (with length), streaming
            (a million tokens), or all.
        out: results file; the suites that are not run keep their results in it.
        time_limit: CPU seconds a single call may take.
        memory_limit: GB a single call may take.
    """
    console = Console()
    limits = Limits(time_limit, int(memory_limit * 1e9))
    try:
        checked = correctness.check([cell for cell, _ in suites.PEER_CELLS])
    except ArithmeticError as error:
        raise SystemExit(f"error: {error}") from None
    worst = max(row["relative_error"] for row in checked)
    console.print(
        f"chunked against reference, float64, {len(checked)} cases: worst relative difference {worst:.1e}"
    )
    for name in SUITES if suite == "all" else (suite,):
        head = {
            "provenance": provenance(),
            "protocol": PROTOCOL,
            "limits": asdict(limits),
            "correctness": checked,
        }
        for results in _results(name, limits):
            judged = targets.evaluate(name, results)
            _save(out, name, head | {"results": results, "targets": judged})
            console.print(f"{name}: {len(results)} rows", style="dim")
        print_suite(console, name, results, judged)


if __name__ == "__main__":
    tyro.cli(main)
