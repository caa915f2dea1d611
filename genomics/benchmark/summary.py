"""The table of a benchmark, from its rows alone."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from titans_seq import tables

from ..runs.comparison import Spread
from .sets import SETS

OURS = "Titans"
SCORES = {"mcc": "MCC", "accuracy": "accuracy", "macro_f1": "macro F1", "auroc": "AUROC"}

Row = Mapping[str, Any]


def markdown(rows: Iterable[Row], heading: str = "##") -> str:
    """Make a table for each set: mean and deviation of the test scores, the best MCC first, published ones last.

    Models of one name and other settings have a line each. Runs on other data than that of the last are left out.

    Args:
        rows: of any sets.
        heading: marks of each set's heading.

    Returns:
        Markdown; empty without rows.
    """
    return "\n\n".join(_section(name, held, heading) for name, held in _by_set(rows).items())


def overview(rows: Iterable[Row]) -> str:
    """Make one table of all sets: MCC on the test part, mean and deviation over runs, ours and the baselines.

    The last column has the runs of each model of a set: seeds, or folds.

    A model whose MCC is 0 on every set, as the majority's is, has no column, nor has ours with other settings than the
    set's usual ones: see `variants`.
    """
    named = _named(rows)
    seen = dict.fromkeys(model for groups in named.values() for model in groups if _mean(groups[model], "mcc") != 0)
    models = [OURS, *(model for model in seen if not model.startswith(OURS))]
    published = list(dict.fromkeys(model for name in named for model in SETS[name].published))
    columns = [*models, *published, "runs"]
    lines = [["test MCC", *columns]]
    for name, groups in named.items():
        cells = [_spread(groups[model], "test", "mcc") if model in groups else "-" for model in models]
        cells += [f"{SETS[name].published[model]:.4f}" if model in SETS[name].published else "-" for model in published]
        runs = dict.fromkeys(len(groups[model]) for model in models if model in groups)
        lines.append([name, *cells, " or ".join(map(str, runs))])
    return tables.markdown(lines)


def variants(rows: Iterable[Row]) -> str:
    """Make one table of our model with other settings, for all sets that have such runs.

    Test and validation MCC, mean and standard deviation over runs.
    """
    lines = [["set", "settings", "test MCC", "validation MCC", "runs"]]
    for name, groups in _named(rows).items():
        ours = {model: held for model, held in groups.items() if held[0].get("ours")}
        if len(ours) < 2:
            continue
        for model in sorted(ours, key=lambda model: (model != OURS, model)):
            cells = [_spread(ours[model], part, "mcc") for part in ("test", "validation")]
            settings = "as above" if model == OURS else model.removeprefix(f"{OURS}, ")
            lines.append([name, settings, *cells, str(len(ours[model]))])
    return tables.markdown(lines, left=2)


def _named(rows: Iterable[Row]) -> dict[str, dict[str, list[Row]]]:
    """The runs of each set by the names that models have in tables of all sets."""
    held = _by_set(rows).items()
    return {name: _groups([{**row, "model": _column(row)} for row in _of_last_data(each)]) for name, each in held}


def _column(row: Row) -> str:
    """A model's name without its size, and without the strands that a set's runs have unless told otherwise."""
    if not row.get("ours"):
        return row["model"]
    _, *settings = row["model"].split(", ")
    strands = next((setting for setting in settings if setting.startswith("strands ")), "strands given")
    usual = "strands augment" if SETS[row["dataset"]].both_strands else "strands given"
    others = [setting for setting in settings if setting != strands]
    return ", ".join([OURS, *others, *([strands] if strands != usual else [])])


def _by_set(rows: Iterable[Row]) -> dict[str, list[Row]]:
    by_set: dict[str, list[Row]] = {}
    for row in rows:
        by_set.setdefault(row["dataset"], []).append(row)
    return {name: by_set[name] for name in SETS if name in by_set}


def _of_last_data(rows: list[Row]) -> list[Row]:
    """The rows of the data, or of the fold of it, that the last of them is of: scores of others have no mean."""
    last = {row["fold"]: row["data"] for row in rows}
    return [row for row in rows if row["data"] == last[row["fold"]]]


def _section(name: str, rows: list[Row], heading: str) -> str:
    kept = _of_last_data(rows)
    chosen, groups = SETS[name], _groups(kept)
    lines = [f"{heading} {name}", "", f"{chosen.what}. {_protocol(kept)}"]
    if chosen.note:
        lines += [chosen.note]
    if len(kept) < len(rows):
        lines += [f"Left out: {len(rows) - len(kept):,} runs on other data than that of the last."]
    rows_ = [["model", *SCORES.values(), "validation MCC", "runs", "seconds"]]
    ranked = sorted(groups, key=lambda title: -_mean(groups[title], "mcc"))
    for title in ranked:
        held = groups[title]
        cells = [_spread(held, "test", score) for score in SCORES]
        cells += [_spread(held, "validation", "mcc"), str(len(held)), f"{_seconds(held):.0f}"]
        shown = f"**{title}**" if held[0].get("ours") else title
        rows_.append([shown, *cells])
    rows_ += [[title, f"{mcc:.4f}", *[""] * (len(SCORES) + 2)] for title, mcc in chosen.published.items()]
    return "\n".join([*lines, "", tables.markdown(rows_)])


def _protocol(rows: list[Row]) -> str:
    counts = rows[0]["counts"]
    folds = {row["fold"] for row in rows}
    seeds = len({row["seed"] for row in rows})
    how = "Official split" if folds == {None} else f"{len(folds)} folds"
    return (
        f"{how}, {counts['train']:,} training, {counts['validation']:,} validation and {counts['test']:,} test "
        f"sequences, {seeds} {'seed' if seeds == 1 else 'seeds'}; validation chose epoch and settings."
    )


def _groups(rows: list[Row]) -> dict[str, list[Row]]:
    """The runs of each model with the same settings."""
    groups: dict[str, list[Row]] = {}
    settings: dict[str, list[str]] = {}
    for row in rows:
        known = settings.setdefault(row["model"], [])
        text = json.dumps(row["settings"], sort_keys=True)
        if text not in known:
            known.append(text)
        number = known.index(text) + 1
        groups.setdefault(row["model"] if number == 1 else f"{row['model']} ({number})", []).append(row)
    return groups


def _spread(rows: list[Row], part: str, score: str) -> str:
    values = [row[part][score] for row in rows if score in row[part]]
    if not values:
        return "-"
    return str(Spread.of(values)) if len(values) > 1 else f"{values[0]:.4f}"


def _mean(rows: list[Row], score: str) -> float:
    values = [row["test"][score] for row in rows if score in row["test"]]
    return Spread.of(values).mean if values else -1.0


def _seconds(rows: list[Row]) -> float:
    return Spread.of(row["seconds"] for row in rows).mean
