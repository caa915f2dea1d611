"""Results as tables on the screen."""

from rich.console import Console
from rich.table import Table


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def _size(row: dict) -> list[str]:
    size = row["size"]
    memory = f"{size['depth']} x {size['expansion']:g}" if size["depth"] > 1 else "1"
    return [str(size["dim"]), memory, str(size["chunk"]), str(size["length"])]


_SIZE = ("width", "memory", "chunk", "T")


def _peer(rows: list[dict]) -> Table:
    table = Table(
        *_SIZE, "pass", "side", "tok/CPU-s", "tok/s", "extra MB", "ours: CPU x", "wall x", "memory x"
    )
    for row in rows:
        table.add_section()
        for side in ("ours", "exact", "coarse"):
            if side not in row:
                continue
            cell = row[side]
            lead = [*_size(row), row["pass"], side]
            if "skipped" in cell:
                table.add_row(*lead, cell["skipped"])
                continue
            names = ("tokens_per_cpu_s", "tokens_per_s", "extra_mb")
            ratios = ("ours_times_tokens_per_cpu_s", "ours_times_tokens_per_s", "times_our_extra_mb")
            table.add_row(*lead, *(_number(cell.get(name)) for name in names + ratios))
    return table


def _plain(rows: list[dict], *columns: str) -> Table:
    table = Table(*_SIZE, *columns)
    for row in rows:
        cells = [row.get(name) for name in columns]
        table.add_row(*_size(row), *(cell if isinstance(cell, str) else _number(cell) for cell in cells))
    return table


def _streaming(result: dict) -> Table:
    table = Table("position", "ms per token", "relative")
    for row in result["decoding"]:
        table.add_row(f"{row['position']:,}", _number(row["ms_per_token"]), _number(row["relative"]))
    pieces = result["pieces"]
    table.caption = (
        f"{pieces['tokens']:,} tokens in pieces of {pieces['piece']:,}: {pieces['tokens_per_cpu_s']:,.0f} tokens per "
        f"CPU second, resident memory grew {pieces['growth_mb']:.1f} MB"
    )
    return table


def print_suite(console: Console, suite: str, results, judged: list[dict]) -> None:
    """Print a suite's results and its targets."""
    if suite == "peer":
        table = _peer(results)
    elif suite == "recompute":
        table = _plain(results, "recompute_every", "tokens_per_cpu_s", "tokens_per_s", "extra_mb", "skipped")
    elif suite == "growth":
        names = ("pass", "tokens_per_cpu_s", "tokens_per_s", "relative_time_per_token", "extra_mb", "skipped")
        table = _plain(results, *names)
    else:
        table = _streaming(results)
    table.title = suite
    console.print(table)
    for row in judged:
        mark = "[green]holds[/]" if row["holds"] else "[red]misses[/]"
        console.print(f"{mark}  {row['target']}: {_number(row['value'])} ({row['bound']})", highlight=False)
