"""Results as tables on the screen."""

from typing import get_args

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import Side


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def _size(row: dict) -> str:
    size = row["size"]
    memory = f"{size['depth']} x {size['expansion']:g}" if size["depth"] > 1 else "1"
    return f"{size['dim']}, {memory}, {size['chunk']}, {size['length']}"


_SIZE = "width, layers x expansion, chunk, T"


def _sides(row: dict) -> list[Side]:
    return [side for side in get_args(Side) if side in row]


def _peer(rows: list[dict]) -> Table:
    table = Table(_SIZE, "pass", "side", "tok/CPU-s", "tok/s", "MB", "ours: CPU x", "wall x", "MB x")
    names = ("tokens_per_cpu_s", "tokens_per_s", "extra_mb")
    ratios = ("ours_times_tokens_per_cpu_s", "ours_times_tokens_per_s", "times_our_extra_mb")
    for row in rows:
        lead = (_size(row), row["pass"])
        for side in _sides(row):
            table.add_row(*lead, side, *(_number(row[side].get(name)) for name in names + ratios))
            lead = ("", "")
        table.add_section()
    skipped = [(row, side) for row in rows for side in _sides(row) if "skipped" in row[side]]
    table.caption = "\n".join(f"{_size(row)} {row['pass']}, {side}: {row[side]['skipped']}" for row, side in skipped)
    return table


def _plain(rows: list[dict], *columns: str) -> Table:
    table = Table(_SIZE, *columns)
    for row in rows:
        cells = [row.get(name) for name in columns]
        table.add_row(_size(row), *(cell if isinstance(cell, str) else _number(cell) for cell in cells))
    return table


def _streaming(rows: list[dict]) -> Table:
    table = Table("position", "ms per token", "relative")
    for row in rows[0]["decoding"]:
        table.add_row(f"{row['position']:,}", _number(row["ms_per_token"]), _number(row["relative"]))
    pieces = rows[0]["pieces"]
    table.caption = (
        f"{pieces['tokens']:,} tokens in pieces of {pieces['piece']:,}: {pieces['tokens_per_cpu_s']:,.0f} "
        f"tokens per CPU second, resident memory grew {pieces['growth_mb']:.1f} MB"
    )
    return table


def print_suite(console: Console, suite: str, results: list[dict], judged: list[dict]) -> None:
    """Print a suite's results and its targets."""
    if suite == "peer":
        table = _peer(results)
    elif suite in ("autograd", "recompute"):
        table = _plain(results, "recompute_every", "tokens_per_cpu_s", "tokens_per_s", "extra_mb", "skipped")
    elif suite == "growth":
        names = ("pass", "tokens_per_cpu_s", "tokens_per_s", "relative_time_per_token", "extra_mb")
        table = _plain(results, *names)
    else:
        table = _streaming(results)
    table.title = suite
    console.print(table)
    for row in judged:
        mark = "[green]holds[/]" if row["holds"] else "[red]misses[/]"
        console.print(f"{mark}  {row['target']}: {_number(row['value'])} ({row['bound']})", highlight=False)
