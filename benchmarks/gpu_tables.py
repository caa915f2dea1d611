"""The tables and targets of the GPU suite."""

from collections.abc import Mapping, Sequence
from typing import Any

_FUSED = ("fused", "fused, graph")
# Tokens times heads a second that are asked for: shares of the bounds that `roofline` computes, whatever a card's copy
# and product reach in a run.
LEAST = {None: 0.25 * 2198e6, 1: 0.15 * 1692e6}


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
    """Return the targets: name, value, bound and whether it holds; a missing value does not."""
    rows = {(r["shape"]["expansion"], r["side"], r["length"]): r for r in content["operators"]}

    def ratio(slow: Mapping[str, Any], fast: Mapping[str, Any]) -> float | None:
        return slow["seconds"] / fast["seconds"] if "seconds" in slow and "seconds" in fast else None

    found = []
    for expansion, least in LEAST.items():
        name = "linear" if expansion is None else "two layers"
        for length in sorted({r["length"] for r in content["operators"]}):
            rates = [rows.get((expansion, side, length), {}).get("token_heads_per_s") for side in _FUSED]
            fastest = max((rate / 1e6 for rate in rates if rate is not None), default=None)
            found.append(_target(f"{name}, T {length:,}: million token-heads/s", fastest, at_least=least / 1e6))
        ours = _fastest(rows, expansion, _FUSED)
        theirs = _fastest(rows, expansion, [side for _, side, _ in rows if side.startswith("chunked")])
        found.append(_target(f"{name}, T 8,192: times the PyTorch path's speed", ratio(theirs, ours), at_least=10))
    ours, theirs = _fastest(rows, None, _FUSED), rows.get((None, "gated delta rule", 8192), {})
    found.append(_target("linear, T 8,192: times the gated delta rule's time", ratio(ours, theirs), at_most=1.5))
    blocks = {(r["kind"], r["shape"]["expansion"], r["length"]): r for r in content["blocks"]}
    for kind, expansion, length in sorted(blocks, key=str):
        if kind == "memory" and length >= 16_384:
            name = "linear" if expansion is None else "two layers"
            value = ratio(blocks.get(("attention", None, length), {}), blocks[kind, expansion, length])
            found.append(_target(f"block, {name}, T {length:,}: times attention's speed", value, at_least=1))
    return found


def _fastest(rows: Mapping[tuple, Mapping[str, Any]], expansion: int | None, sides: Sequence[str]) -> Mapping[str, Any]:
    """The fastest of some sides at 8,192 tokens; empty if none was timed."""
    timed = [row for side in sides if "seconds" in (row := rows.get((expansion, side, 8192), {}))]
    return min(timed, key=lambda row: row["seconds"], default={})


def _target(name: str, value: float | None, at_least: float | None = None, at_most: float | None = None) -> dict:
    holds = value is not None and (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return {
        "target": name,
        "value": value,
        "bound": f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}",
        "holds": holds,
    }


def table(content: Mapping[str, Any]) -> str:
    """All tables, what the card reached, what was not measured and why."""
    limits, measured = content["ceilings"], content["measured"]
    rows = [*content["operators"], *content["blocks"]]
    skipped = [
        f"{row.get('side') or row['kind']}, {_name(row['shape'])}, T {row['length']:,}: {row['skipped']}"
        for row in rows
        if "skipped" in row
    ]
    gates = [
        f"{_name(row['shape'])}, {row['dtype']}: {row.get('refused') or format(row['error'], '.1e')}"
        for row in content["correctness"]
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
    if gates:
        said += f" Largest difference to float64 of any result or gradient: {'; '.join(gates)}."
    if skipped:
        said += f" Empty: {'; '.join(skipped)}."
    return "\n\n".join([operators(content["operators"]), blocks(content["blocks"]), "\n".join(judged), said])
