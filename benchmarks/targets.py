"""The targets that the operator benchmark has to meet, and whether its results do."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def _target(name: str, value: float | None, at_least: float | None = None, at_most: float | None = None) -> dict:
    holds = value is not None and value >= (at_least or 0.0) and (at_most is None or value <= at_most)
    bound = f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}"
    return {"target": name, "value": value, "bound": bound, "holds": holds}


def _title(row: dict) -> str:
    size = row["size"]
    kind = f"depth {size['depth']}" + (f" x {size['expansion']:g}" if size["depth"] > 1 else "")
    return f"width {size['dim']}, {kind}, chunk {size['chunk']}, T {size['length']}, {row['pass']}"


def _of_peer(rows: Iterable[dict]) -> list[dict]:
    found = []
    for row in rows:
        size, which = row["size"], row["pass"]
        shape = (size["dim"], size["depth"], size["expansion"], size["chunk"], size["length"], which)
        exact, coarse = row.get("exact", {}), row.get("coarse", {})
        if shape == (128, 2, 2.0, 16, 2048, "training"):
            speed = exact.get("ours_times_tokens_per_cpu_s")
            found.append(_target(f"{_title(row)}: speed over exact", speed, at_least=60))
            memory = exact.get("times_our_extra_mb")
            found.append(_target(f"{_title(row)}: exact's extra memory over ours", memory, at_least=20))
        if shape == (384, 2, 2.0, 64, 512, "forward"):
            speed = exact.get("ours_times_tokens_per_cpu_s")
            found.append(_target(f"{_title(row)}: speed over exact", speed, at_least=50))
        if "skipped" not in coarse:
            speed = coarse.get("ours_times_tokens_per_cpu_s")
            least = 1.5 if shape == (384, 2, 2.0, 64, 8192, "training") else 1
            found.append(_target(f"{_title(row)}: speed over coarse", speed, at_least=least))
    return found


def _of_autograd(rows: list[dict]) -> list[dict]:
    found = []
    for ours, plain in autograd_pairs(rows):
        title = _title({**ours, "pass": "training"})
        speed, memory = (ours[name] / plain[name] for name in ("tokens_per_cpu_s", "extra_mb"))
        found.append(_target(f"{title}: speed over autograd", speed, at_least=1.5))
        found.append(_target(f"{title}: extra memory over autograd's", memory, at_most=1 / 3))
    return found


def autograd_pairs(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The rows of the suite `autograd`, by hand and by autograd, for each size."""
    by_hand = [row for row in rows if row["recompute_every"] is None]
    plain = {str(row["size"]): row for row in rows if row["recompute_every"] == 0}
    return [(row, plain[str(row["size"])]) for row in by_hand]


def _of_growth(rows: list[dict]) -> list[dict]:
    found = []
    for key in sorted({(row["size"]["chunk"], row["pass"]) for row in rows}):
        group = [row for row in rows if (row["size"]["chunk"], row["pass"]) == key]
        times = [row["relative_time_per_token"] for row in group]
        worst = None if None in times else max(times)
        name = f"chunk {key[0]}, {key[1]}, T {group[0]['size']['length']} to {group[-1]['size']['length']}"
        found.append(_target(f"{name}: largest time per token over the first's", worst, at_most=1.1))
    return found


def _of_streaming(rows: list[dict]) -> list[dict]:
    pieces, steps = rows[0]["pieces"], rows[0]["decoding"]
    memory = f"{pieces['tokens']:,} tokens: growth of resident memory after the first tenth, MB"
    slowest = f"one token at position {steps[-1]['position']:,}: slowest time over the first position's"
    return [
        _target(memory, pieces["growth_mb"], at_most=5),
        _target(slowest, max(row["relative"] for row in steps), at_most=1.1),
    ]


def evaluate(suite: str, rows: list[dict]) -> list[dict]:
    """Return a suite's targets: name, value, bound, and whether it holds (a missing value does not)."""
    judges = {"peer": _of_peer, "autograd": _of_autograd, "growth": _of_growth, "streaming": _of_streaming}
    return judges[suite](rows) if suite in judges else []
