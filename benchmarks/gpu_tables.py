"""The tables and targets of the GPU suite."""

from collections.abc import Mapping, Sequence
from typing import Any

NOT_RUN = "Not run: no GPU was at hand."


def _name(shape: Mapping[str, Any]) -> str:
    kind = "linear" if shape["expansion"] is None else f"two layers x {shape['expansion']}"
    return f"{kind}, {shape['width']}, {shape['chunk']}"


def _number(value: float | None, scale: float = 1.0, digits: int = 1) -> str:
    return "" if value is None else f"{value / scale:,.{digits}f}"


def operators(rows: Sequence[Mapping[str, Any]]) -> str:
    """Every contender at every size, forward and backward."""
    lines = [
        "| memory, width, chunk | T | side | tokens/s | million token-heads/s | us/chunk | TFLOP/s | TB/s | of bound |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            _number(row.get("tokens_per_s"), digits=0),
            _number(row.get("token_heads_per_s"), 1e6),
            _number(row.get("us_per_chunk")),
            _number(row.get("flops_per_s"), 1e12),
            _number(row.get("bytes_per_s"), 1e12, 2),
            "" if row.get("share_of_bound") is None else f"{row['share_of_bound']:.1%}",
        ]
        lines.append(f"| {_name(row['shape'])} | {row['length']:,} | {row['side']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def blocks(rows: Sequence[Mapping[str, Any]]) -> str:
    """Whole blocks and layers, forward and backward."""
    lines = ["| what | width | batch x T | tokens/s | ms |", "|---|---|---|---|---|"]
    for row in rows:
        seconds = row.get("seconds")
        lines.append(
            f"| {row['kind']} | {row['heads'] * row['shape']['width']} | {row['batch']} x {row['length']:,} "
            f"| {_number(row.get('tokens_per_s'), digits=0)} | {_number(seconds, 1e-3, 2)} |"
        )
    return "\n".join(lines)


def targets(content: Mapping[str, Any]) -> list[dict]:
    """Return what issue 6 asks for: name, value, bound and whether it holds; a missing value does not."""
    rows = {(r["shape"]["expansion"], r["side"], r["length"]): r for r in content["operators"]}
    kinds = {(r["kind"], r["length"]): r for r in content["blocks"]}

    def ratio(slow: Mapping[str, Any], fast: Mapping[str, Any]) -> float | None:
        return slow["seconds"] / fast["seconds"] if "seconds" in slow and "seconds" in fast else None

    found = []
    for expansion, least in ((None, 0.25), (1, 0.15)):
        name = "linear" if expansion is None else "two layers"
        for length in sorted({r["length"] for r in content["operators"]}):
            share = rows.get((expansion, "fused", length), {}).get("share_of_bound")
            found.append(_target(f"{name}, T {length:,}: share of the bound", share, at_least=least))
        ours, theirs = (rows.get((expansion, side, 8192), {}) for side in ("fused", "chunked"))
        found.append(_target(f"{name}, T 8,192: times the PyTorch path's speed", ratio(theirs, ours), at_least=10))
    ours, theirs = (rows.get((None, side, 8192), {}) for side in ("fused", "gated delta rule"))
    found.append(_target("linear, T 8,192: times the gated delta rule's time", ratio(ours, theirs), at_most=1.5))
    for length in sorted(length for kind, length in kinds if kind == "memory" and length >= 16_384):
        value = ratio(kinds["attention", length], kinds["memory", length])
        found.append(_target(f"block, T {length:,}: times attention's speed", value, at_least=1))
    return found


def _target(name: str, value: float | None, at_least: float | None = None, at_most: float | None = None) -> dict:
    holds = value is not None and (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return {
        "target": name,
        "value": value,
        "bound": f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}",
        "holds": holds,
    }


def table(content: Mapping[str, Any] | None) -> str:
    """All tables, what the card reached, what was not measured and why; without results, that there are none."""
    if content is None:
        return NOT_RUN
    limits, measured = content["ceilings"], content["measured"]
    rows = [*content["operators"], *content["blocks"]]
    skipped = [
        f"{row.get('side') or row['kind']}, {_name(row['shape'])}, T {row['length']:,}: {row['skipped']}"
        for row in rows
        if "skipped" in row
    ]
    judged = [
        f"* {'holds' if row['holds'] else 'missing' if row['value'] is None else 'misses'}: {row['target']} "
        f"{'' if row['value'] is None else format(row['value'], '.3g')} ({row['bound']})"
        for row in targets(content)
    ]
    said = (
        f"{measured['card']}, {measured['date'][:10]}. Forward and backward, medians. In this run a copy reached "
        f"{limits['bytes'] / 1e12:.2f} TB/s and a bf16 product {limits['flops'] / 1e12:.0f} TFLOP/s; the bound is what "
        f"those allow (benchmarks/roofline.py)."
    )
    if skipped:
        said += f" Empty: {'; '.join(skipped)}."
    return "\n\n".join([operators(content["operators"]), blocks(content["blocks"]), "\n".join(judged), said])
