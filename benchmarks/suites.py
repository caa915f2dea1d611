"""What is measured: against the peer, against autograd, over recomputation, length and a long stream."""

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.contenders import Contender, Side
from benchmarks.measure import Limits, Measurement, Pass, Worker, interleaved

PASSES: tuple[Pass, ...] = ("forward", "training")
PEER_SIDES: tuple[Side, ...] = ("exact", "coarse")

# The sizes a CPU comparison is made at, the ones with a target first.
PEER_CELLS: tuple[tuple[Contender, int], ...] = (
    (Contender("ours", 128, 16), 2048),
    (Contender("ours", 384, 64), 512),
    (Contender("ours", 128, 16), 512),
    (Contender("ours", 128, 64), 512),
    (Contender("ours", 384, 64, depth=1), 512),
    (Contender("ours", 384, 16, expansion=4.0), 512),
    (Contender("ours", 384, 64), 2048),
    (Contender("ours", 384, 64), 8192),
)
RECOMPUTE_CELLS = tuple(PEER_CELLS[index] for index in (0, 6, 7))
RECOMPUTE_OPTIONS = (1, 2, 4, 8, 16, 0)
AUTOGRAD_CELLS: tuple[tuple[Contender, int], ...] = (
    (Contender("ours", 128, 16, alone=True), 2048),
    (Contender("ours", 384, 64, alone=True), 8192),
    (Contender("ours", 384, 64, depth=1, alone=True), 8192),
)
GROWTH_CELLS = (Contender("ours", 128, 16, batch=1), Contender("ours", 128, 64, batch=1))
GROWTH_LENGTHS = tuple(1024 * 2**i for i in range(7))


def _size(contender: Contender, length: int) -> dict:
    names = ("dim", "depth", "expansion", "chunk", "heads", "batch")
    return {name: getattr(contender, name) for name in names} | {"length": length}


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


def peer(cell: Contender, length: int, limits: Limits) -> list[dict]:
    """Measure our layer and titans-pytorch's modes, a row per pass.

    Ratios are tokens per second of ours over theirs, and extra memory of theirs over ours.
    """
    rows = []
    with ExitStack() as stack:
        sides = [cell, *(dataclasses.replace(cell, side=side) for side in PEER_SIDES)]
        workers = [stack.enter_context(Worker(side, limits)) for side in sides]
        for which in PASSES:
            ours, *others = interleaved([(worker, length) for worker in workers], which)
            row = {"size": _size(cell, length), "pass": which, "ours": ours.to_json()}
            for other in others:
                row[other.contender.side] = other.to_json() | _ratios(ours, other)
            rows.append(row)
    return rows


def _ratios(ours: Measurement, other: Measurement) -> dict:
    return {
        "ours_times_tokens_per_cpu_s": _ratio(ours.tokens_per_cpu_s, other.tokens_per_cpu_s),
        "ours_times_tokens_per_s": _ratio(ours.tokens_per_s, other.tokens_per_s),
        "times_our_extra_mb": _ratio(other.extra_mb, ours.extra_mb),
    }


def recompute(
    cell: Contender, length: int, limits: Limits, options: Sequence[int | None] = RECOMPUTE_OPTIONS
) -> list[dict]:
    """Measure training with carries kept every so many chunks, None for the usual, and with everything kept (0)."""
    with ExitStack() as stack:
        sides = [dataclasses.replace(cell, recompute=every) for every in options]
        workers = [stack.enter_context(Worker(side, limits)) for side in sides]
        results = interleaved([(worker, length) for worker in workers], "training", most=3)
    size = _size(cell, length)
    return [{"size": size, "recompute_every": r.contender.recompute} | r.to_json() for r in results]


def growth(cell: Contender, lengths: Sequence[int], limits: Limits) -> list[dict]:
    """Measure time per token over length; relative to that at the shortest length."""
    rows = []
    with Worker(cell, limits) as worker:
        for which in PASSES:
            results = interleaved([(worker, length) for length in lengths], which, most=5)
            first = results[0].tokens_per_cpu_s
            for result in results:
                row = {"size": _size(cell, result.length), "pass": which} | result.to_json()
                row["relative_time_per_token"] = _ratio(first, result.tokens_per_cpu_s)
                rows.append(row)
    return rows
