"""`python -m benchmarks.ops`: correctness first, then speed and memory of the layer on one CPU thread."""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import tyro
from rich.console import Console

from benchmarks import correctness, streaming, suites, targets
from benchmarks.measure import Limits
from benchmarks.provenance import provenance
from benchmarks.results_file import read_json, write_json
from benchmarks.tables import print_suite

Suite = Literal["peer", "autograd", "recompute", "growth", "streaming"]
SUITES: tuple[Suite, ...] = get_args(Suite)

PROTOCOL = " ".join(
    """
    One thread. Whole layers: projections, gates, memory, output; batch and heads as in each row; float32;
    the final state is computed. Each contender lives in a process of its own; after two small calls of
    each pass, they are called in turn. Speed: median over calls, in tokens per CPU second
    (tokens_per_cpu_s: the steadier on a shared machine, targets use it) and per wall second. training =
    forward, sum of squares, backward to input and parameters. extra_mb: growth of peak resident memory in
    the first full call over the level before it, freed memory given back. exact = titans-pytorch with
    chunk_size 1, batch_size = chunk; coarse = chunk_size = chunk, batch_size None. titans-pytorch runs
    with a largest inner step that keeps its values finite, and with subnormal numbers flushed to zero, so
    that its underflowing decays do not slow it down; ours runs without that help. Seeds: layers 0, inputs
    their length.
    """.split()
)


def _jobs(suite: Suite) -> list[Callable[[Limits], list[dict]]]:
    """Return what a suite measures, one after the other."""
    if suite == "streaming":
        return [lambda _: [streaming.stream()]]
    if suite == "growth":
        return [partial(suites.growth, cell, suites.GROWTH_LENGTHS) for cell in suites.GROWTH_CELLS]
    measure, cells = {
        "peer": (suites.peer, suites.PEER_CELLS),
        "autograd": (partial(suites.recompute, options=(None, 0)), suites.AUTOGRAD_CELLS),
        "recompute": (suites.recompute, suites.RECOMPUTE_CELLS),
    }[suite]
    return [partial(measure, cell, length) for cell, length in cells]


def _key(row: dict) -> tuple:
    return tuple(json.dumps(row.get(name)) for name in ("size", "pass", "recompute_every"))


def _merge(out: Path, suite: Suite, content: dict) -> dict:
    """Put a suite's rows into the file, in place of rows on the same; return the suite's part of the file."""
    results = read_json(out) if out.exists() else {}
    rows = {_key(row): row for row in results.get(suite, {}).get("results", [])}
    rows |= {_key(row): row for row in content["results"]}
    kept = list(rows.values())
    results[suite] = content | {"results": kept, "targets": targets.evaluate(suite, kept)}
    write_json(out, results)
    return results[suite]


def main(
    suite: Literal[Suite, "all"] = "all",
    out: Path = Path("benchmarks/results/ops.json"),
    only: tuple[int, ...] = (),
    time_limit: float = 150.0,
    memory_limit: float = 8.0,
) -> None:
    """Measure the memory layer and say which targets hold.

    Args:
        suite: peer (against titans-pytorch), autograd (the operator alone, by hand and by autograd), recompute (carries
            kept in training), growth (with length), streaming (a million tokens), or all.
        out: results file; what is not measured keeps its results in it.
        only: which of the suite's sizes to measure, counted from 0; all if none is given.
        time_limit: CPU seconds a single call may take.
        memory_limit: GB a single call may take.
    """
    console = Console()
    if not console.is_terminal:
        console.width = 140
    limits = Limits(time_limit, int(memory_limit * 1e9))
    try:
        checked = correctness.check([cell for cell, _ in suites.PEER_CELLS])
    except ArithmeticError as error:
        raise SystemExit(f"error: {error}") from None
    worst = max(row["error"] for row in checked)
    console.print(f"chunked against reference in float64, {len(checked)} cases: relative difference {worst:.1e}")
    for name in SUITES if suite == "all" else (suite,):
        jobs, content = _jobs(name), {"results": [], "targets": []}
        for index in only or range(len(jobs)):
            context = {"protocol": PROTOCOL, "limits": asdict(limits), "correctness": checked}
            measured = provenance()
            rows = [row | {"measured": measured} for row in jobs[index](limits)]
            content = _merge(out, name, context | {"results": rows})
            console.print(f"{name}: size {index} measured ({len(jobs)} sizes)", style="dim")
        print_suite(console, name, content["results"], content["targets"])


if __name__ == "__main__":
    tyro.cli(main)
