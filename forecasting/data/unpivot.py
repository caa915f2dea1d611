"""Tables with a column a year, a month, an hour or a step: one row for each cell instead."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .clock_columns import PARTS
from .date_texts import clean, read_dates
from .id_columns import is_text
from .month_names import fold, month_numbers
from .pandas_columns import column_of
from .source import Source
from .summaries import is_summary
from .timestamps import looks_like_dates

_LEAST = 3
"""Columns that must be dates: two may be chance."""
_LEAST_STEPS = 10
"""Columns that must be numbered on, to be steps."""
_PREFIXED = re.compile(r"([^\W\d]+[._ ]?)(\d.*)")
"""A date behind letters, as programs make names of numbers: "X1990", "pop_1990"."""
_HOUR = re.compile(r"(?:h|hr|hour|he|hora|heure|stunde)[ _.]?(\d{1,2})", re.IGNORECASE)
_QUARTER = re.compile(r"(?:q|qtr|quarter|quartal|trimestre)[ _.]?([1-4])", re.IGNORECASE)
_MONTH = re.compile(r"m?0?(\d{1,2})", re.IGNORECASE)

Unpivoted = tuple[pd.DataFrame, Source, tuple[str, ...]]


def unpivot(frame: pd.DataFrame, source: Source) -> Unpivoted:
    """Turn columns that are called by dates, or by parts of them, into rows; other tables stay as they are.

    Returns:
        The table with the columns "time" and "value" in the place of those, where its rows stand, and a note.

    Example:
        >>> frame = pd.DataFrame({"country": ["A"], "1960": [1.5], "1961": [2.5], "1962": [3.5]})
        >>> table, _, notes = unpivot(frame, Source.of(None))
        >>> table.to_numpy().tolist(), notes[0]
        ([['A', '1960', 1.5], ['A', '1961', 2.5], ['A', '1962', 3.5]], "columns '1960' to '1962' are dates: a row each")
        >>> frame = pd.DataFrame({"Year": [2020, 2021], "Q1": [1, 5], "Q2": [2, 6], "Q3": [3, 7], "Q4": [4, 8]})
        >>> unpivot(frame, Source.of(None))[0]["time"].tolist()[:5]
        ['2020-Q1', '2020-Q2', '2020-Q3', '2020-Q4', '2021-Q1']
    """
    plain = frame.set_axis(pd.Index([str(name) for name in frame.columns]), axis=1)
    if not plain.columns.is_unique:
        return frame, source, ()
    for one in (_by_part_of_year, _by_hour, _by_date, _by_step):
        found = one(plain, source)
        if found is not None:
            return found
    return frame, source, ()


def _rows(
    frame: pd.DataFrame, source: Source, kept: Sequence[str], names: Sequence[str], times: np.ndarray
) -> tuple[pd.DataFrame, Source]:
    """A row for each of the named columns of each row, with its time, [rows * names]; `kept` are repeated."""
    count = len(names)
    columns = {name: frame[name].repeat(count).reset_index(drop=True) for name in kept}
    # Below each other, and then row by row.
    below = pd.concat([frame[name] for name in names], ignore_index=True)
    columns["time"] = pd.Series(times)
    columns["value"] = below.take(np.arange(len(below)).reshape(count, -1).T.ravel()).reset_index(drop=True)
    lines = [source.number(row) for row in range(len(frame)) for _ in names]
    return pd.DataFrame(columns), Source(source.name, source.unit, source.first, lines)


def _by_date(frame: pd.DataFrame, source: Source) -> Unpivoted | None:
    names = [str(name) for name in frame.columns]
    tried = ({name: name for name in names if _may_be_date(name)}, _prefixed(names))
    labels = next((one for one in tried if 2 * len(one) >= len(names) and _are_dates(list(one.values()))), {})
    others = [name for name in names if name not in labels]
    if not labels or not others or any(looks_like_dates(column_of(frame, name)) for name in others):
        return None
    dated = list(labels)
    times = np.tile(np.array(list(labels.values()), dtype=object), len(frame))
    note = f"columns {dated[0]!r} to {dated[-1]!r} are dates: a row each"
    return *_rows(frame, source, others, dated, times), (note,)


def _are_dates(labels: Sequence[str]) -> bool:
    if len(labels) < _LEAST:
        return False
    readings = read_dates([clean(label) for label in labels])
    return bool(readings) and not readings[0].failures and len(np.unique(readings[0].times)) == len(labels)


def _prefixed(names: Sequence[str]) -> dict[str, str]:
    """The columns whose names are dates behind the same letters, and these dates."""
    found = {name: match for name in names if (match := _PREFIXED.fullmatch(name)) and _may_be_date(match[2])}
    common = Counter(match[1] for match in found.values()).most_common(1)
    return {name: match[2] for name, match in found.items() if match[1] == common[0][0]}


def _by_part_of_year(frame: pd.DataFrame, source: Source) -> Unpivoted | None:
    """Turn a row a year with a column a month or a quarter into a row for each of these."""
    names = [str(name) for name in frame.columns]
    year = next((name for name in names if name.lower() in PARTS["year"]), None)
    if year is None:
        return None
    months = _month_words(names) or _numbered(names, _MONTH, 12)
    parts = months or _numbered(names, _QUARTER, 4)
    if not parts:
        return None
    ordered = sorted(parts, key=lambda name: parts[name])
    others = [name for name in names if name not in parts and name != year and not is_summary(name)]
    if not frame[year].duplicated().any():
        # A number for the whole year is none of its months.
        others = [name for name in others if is_text(column_of(frame, name))]
    gone = [name for name in names if name not in parts and name != year and name not in others]
    years = [str(cell).removesuffix(".0") for cell in frame[year]]
    written = "{}-{:02}" if months else "{}-Q{}"
    times = np.array([written.format(cell, parts[name]) for cell in years for name in ordered], dtype=object)
    kind = "months" if months else "quarters"
    notes = [f"columns {ordered[0]!r} to {ordered[-1]!r} are the {kind} of {year!r}: a row each"]
    notes += [f"left out {', '.join(map(repr, gone))}: of whole years"] if gone else []
    return *_rows(frame, source, others, ordered, times), tuple(notes)


def _month_words(names: Sequence[str]) -> dict[str, int]:
    """The columns that are called by the twelve months of a year; none else."""
    words = {name: fold(name) for name in names if re.fullmatch(r"[^\W\d_]{3,}\.?", name)}
    known = {name: month_numbers(frozenset({word})) for name, word in words.items()}
    named = [name for name, month in known.items() if month]
    numbers = month_numbers(frozenset(words[name] for name in named)) if len(named) == 12 else None
    months = {name: numbers[words[name]] for name in named} if numbers else {}
    return months if sorted(months.values()) == list(range(1, 13)) else {}


def _numbered(names: Sequence[str], pattern: re.Pattern[str], count: int, first: int = 1) -> dict[str, int]:
    """The columns whose numbers are those from `first` on, as many as `count`; none else."""
    found = {name: int(match[1]) for name in names if (match := pattern.fullmatch(name))}
    return found if sorted(found.values()) == list(range(first, first + count)) else {}


def _by_hour(frame: pd.DataFrame, source: Source) -> Unpivoted | None:
    """Turn a row a day with a column an hour, or a clock time, into a row for each of these."""
    names = [str(name) for name in frame.columns]
    hours = _numbered(names, _HOUR, 24, 0) or _numbered(names, _HOUR, 24, 1)
    clocks = {name: f"{hour:02}:00" for name, hour in hours.items()}
    clocks = clocks or {name: name for name in names if re.fullmatch(r"\d{1,2}:\d\d(:00)?", name)}
    others = [name for name in names if name not in clocks]
    days = [name for name in others if looks_like_dates(column_of(frame, name))] if len(clocks) >= _LEAST else []
    if len(days) != 1:
        return None
    texts = [str(cell).removesuffix(" 00:00:00") for cell in frame[days[0]]]
    times = np.array([f"{day} {clock}" for day in texts for clock in clocks.values()], dtype=object)
    times[frame[days[0]].isna().to_numpy().repeat(len(clocks))] = None
    kept = [name for name in others if name != days[0] and not is_summary(name)]
    note = f"columns {next(iter(clocks))!r} to {list(clocks)[-1]!r} are the hours of {days[0]!r}: a row each"
    return *_rows(frame, source, kept, list(clocks), times), (note,)


def _by_step(frame: pd.DataFrame, source: Source) -> Unpivoted | None:
    """Turn a row a series with a column a step ("d_1", "d_2", ...) into a row for each step up to the series' end."""
    names = [str(name) for name in frame.columns]
    found = {name: match for name in names if (match := re.fullmatch(r"([^\W\d]+[._ ]?)(\d+)", name))}
    common = Counter(match[1] for match in found.values()).most_common(1)
    steps = {name: int(match[2]) for name, match in found.items() if match[1] == common[0][0]}
    others = [name for name in names if name not in steps]
    on = np.diff(list(steps.values())) == 1
    if len(steps) < _LEAST_STEPS or not on.all() or not others or frame[others].duplicated().any():
        return None
    columns = [column_of(frame, name) for name in others]
    if any(map(looks_like_dates, columns)) or not all(map(is_text, columns)):
        return None
    times = np.tile(np.array([str(step) for step in steps.values()], dtype=object), len(frame))
    table, source = _rows(frame, source, others, list(steps), times)
    # Rows that are shorter than others end there.
    filled = table["value"].notna().to_numpy().reshape(len(frame), -1)
    held = np.logical_or.accumulate(filled[:, ::-1], axis=1)[:, ::-1].ravel()
    lines = [line for line, one in zip(source.lines or (), held, strict=True) if one]
    note = f"columns {next(iter(steps))!r} to {list(steps)[-1]!r} are steps: a row each"
    kept = table.loc[held].reset_index(drop=True)
    return kept, Source(source.name, source.unit, source.first, lines), (note,)


def _may_be_date(name: str) -> bool:
    if re.fullmatch(r"[^\W\d_]{3,}\.?[-' ]+\d{2}", name):
        return True  # A month and two digits of a year: others like it are no dates, and are told by that.
    return bool(re.search(r"\d", name)) and not re.fullmatch(r"\d{1,3}|[^\d]*\D\d{1,2}", name)
