"""What trials came to, as a table for the screen and for a document."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from titans_seq import tables as tables_

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """All seeds of one model on one task.

    Attributes:
        task: its name.
        label: the model's name, with the settings in which it differs from another of that name.
        rows: one for each seed.
        scores: mean, least and largest test score by length.

    Example:
        >>> Summary("mqar", "lmm", (), {256: (0.9, 0.8, 1.0)}).scores[256][0]
        0.9
    """

    task: str
    label: str
    rows: tuple[Row, ...]
    scores: Mapping[int, tuple[float, float, float]]


def summarise(rows: Iterable[Row]) -> list[Summary]:
    """Put the seeds of each model together, in the order in which models first appear.

    Several runs of a seed are one, with the lengths that any of them was tested at; the latest counts where they share.

    Example:
        >>> summarise([])
        []
    """
    groups: dict[tuple[str, str, str], dict[int, Row]] = {}
    for row in rows:
        if row["kind"] == "trial":
            key = (row["task"], row["model"], repr((row["settings"], row["lr"], row.get("data"))))
            seeds = groups.setdefault(key, {})
            seeds[row["seed"]] = {**row, "test": _joined(seeds.get(row["seed"], {"test": []})["test"], row["test"])}
    ordered = sorted(groups.items(), key=lambda item: list(groups).index(item[0]))
    summaries = []
    for (task, model, _), by_seed in ordered:
        alike = [next(iter(other.values())) for (t, m, _), other in ordered if (t, m) == (task, model)]
        seeds = tuple(by_seed[seed] for seed in sorted(by_seed))
        label = ", ".join([model, *_distinguishing(seeds[0], alike)])
        summaries.append(Summary(task, label, seeds, mean_scores(seeds)))
    return summaries


def _joined(earlier: Sequence[Row], later: Sequence[Row]) -> list[Row]:
    by_length = {test["length"]: test for test in (*earlier, *later)}
    return [by_length[length] for length in sorted(by_length)]


def _distinguishing(row: Row, alike: Sequence[Row]) -> list[str]:
    """The settings of a row that are not the same in all rows like it, as text."""
    flat = [_flat(other) for other in alike]
    return [f"{name} {value}" for name, value in _flat(row).items() if any(o.get(name) != value for o in flat)]


def _flat(row: Row) -> dict[str, Any]:
    """What a run was given besides model and seed: learning rate, settings, and the files that it read, if any."""
    files = {"data": row["data"][:8]} if "data" in row else {}
    settings = {name: value for part in row["settings"].values() for name, value in part.items()}
    return {"lr": row["lr"]} | settings | files


def mean_scores(rows: Sequence[Row]) -> dict[int, tuple[float, float, float]]:
    """Return the mean, least and largest test score of some rows, at least one, at every length that all have.

    Example:
        >>> mean_scores([{"test": [{"length": 8, "score": score}]} for score in (0.5, 1.0)])
        {8: (0.75, 0.5, 1.0)}
    """
    by_row = [{test["length"]: test["score"] for test in row["test"]} for row in rows]
    shared = set(by_row[0]).intersection(*by_row[1:])
    columns = {length: [scores[length] for scores in by_row] for length in sorted(shared)}
    return {length: (sum(column) / len(column), min(column), max(column)) for length, column in columns.items()}


def cells(summaries: Sequence[Summary]) -> list[list[str]]:
    """Return the header and rows of one task's table, as text.

    Args:
        summaries: at least one, of one task.

    Returns:
        Model, parameters, seeds, steps (mean), CPU seconds (mean), then the score at every length in percent: the
        mean, and the spread of the seeds where there are several.
    """
    lengths = sorted({length for summary in summaries for length in summary.scores})
    header = ["model", "parameters", "seeds", "lr", "steps", "CPU s", *(f"{length:,}" for length in lengths)]
    return [header, *(_line(summary, lengths) for summary in summaries)]


def _line(summary: Summary, lengths: Sequence[int]) -> list[str]:
    first, count = summary.rows[0], len(summary.rows)
    steps = sum(row["training"]["steps"] for row in summary.rows) / count
    seconds = sum(row["training"]["cpu_seconds"] for row in summary.rows) / count
    diverged = any(row["training"]["diverged"] for row in summary.rows)
    return [
        summary.label,
        f"{first['parameters']:,}",
        str(count),
        f"{first['lr']:g}",
        f"{steps:,.0f}" + (" (diverged)" if diverged else ""),
        f"{seconds:,.0f}",
        *(_score(summary.scores.get(length)) for length in lengths),
    ]


def _score(score: tuple[float, float, float] | None) -> str:
    if score is None:
        return "-"
    mean, least, most = (100 * value for value in score)
    return f"{mean:.1f}" if most - least < 0.05 else f"{mean:.1f} ({least:.1f}-{most:.1f})"


def tables(summaries: Sequence[Summary]) -> list[Table]:
    """Return one table a task, for the screen.

    Example:
        >>> tables([])
        []
    """
    made = []
    for task, lines in _by_task(summaries).items():
        header, *body = cells(lines)
        title = f"{task}: score in percent at every test length"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for number, name in enumerate(header):
            table.add_column(name, justify="left" if number == 0 else "right")
        for line in body:
            table.add_row(*line)
        made.append(table)
    return made


def markdown(summaries: Sequence[Summary], heading: str = "##") -> str:
    """Return the same as Markdown, each table below a heading with its task's name."""
    parts = []
    for task, lines in _by_task(summaries).items():
        parts.append(f"{heading} {task}\n\n{tables_.markdown(cells(lines))}\n")
    return "\n".join(parts)


def _by_task(summaries: Sequence[Summary]) -> dict[str, list[Summary]]:
    tasks: dict[str, list[Summary]] = {}
    for summary in summaries:
        tasks.setdefault(summary.task, []).append(summary)
    return tasks
