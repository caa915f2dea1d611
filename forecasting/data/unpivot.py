"""Tables with a column a year: one row for each cell instead."""

import re

import numpy as np
import pandas as pd

from .clock_columns import PARTS
from .date_texts import clean, read_dates
from .month_names import fold, month_numbers
from .source import Source, column_of, is_summary
from .timestamps import looks_like_dates

_LEAST = 3
"""Columns that must be dates: two may be chance."""


def unpivot(frame: pd.DataFrame, source: Source) -> tuple[pd.DataFrame, Source, tuple[str, ...]]:
    """Turn columns that are called by dates into rows; other tables stay as they are.

    Returns:
        The table with the columns "time" and "value" in the place of those, where its rows stand, and a note.

    Example:
        >>> frame = pd.DataFrame({"country": ["A"], "1960": [1.5], "1961": [2.5], "1962": [3.5]})
        >>> table, _, notes = unpivot(frame, Source.of(None))
        >>> table.to_numpy().tolist(), notes[0]
        ([['A', '1960', 1.5], ['A', '1961', 2.5], ['A', '1962', 3.5]], "columns '1960' to '1962' are dates: a row each")
    """
    names = [str(name) for name in frame.columns]
    months = _months(names)
    if months:
        return _year_by_month(frame.set_axis(pd.Index(names), axis=1), months, source)
    dated = [name for name in names if _may_be_date(name)]
    others = [name for name in names if name not in dated]
    if len(dated) < _LEAST or 2 * len(dated) < len(names) or not others:
        return frame, source, ()
    readings = read_dates([clean(name) for name in dated])
    if not readings or readings[0].failures or len(np.unique(readings[0].times)) < len(dated):
        return frame, source, ()
    plain = frame.set_axis(pd.Index(names), axis=1)
    if any(looks_like_dates(column_of(plain, name)) for name in others):
        return frame, source, ()
    count = len(dated)
    columns = {name: plain[name].repeat(count).reset_index(drop=True) for name in others}
    # Below each other, and then row by row.
    below = pd.concat([plain[name] for name in dated], ignore_index=True)
    columns["time"] = pd.Series(np.tile(np.array(dated, dtype=object), len(plain)))
    columns["value"] = below.take(np.arange(len(below)).reshape(count, -1).T.ravel()).reset_index(drop=True)
    lines = [source.number(row) for row in range(len(plain)) for _ in dated]
    note = f"columns {dated[0]!r} to {dated[-1]!r} are dates: a row each"
    return pd.DataFrame(columns), Source(source.name, source.unit, source.first, lines), (note,)


def _months(names: list[str]) -> dict[str, int]:
    """The columns that are called by the twelve months of a year, where another is called year; none else."""
    if not any(name.lower() in PARTS["year"] for name in names):
        return {}
    words = {name: fold(name) for name in names if re.fullmatch(r"[^\W\d_]{3,}\.?", name)}
    known = {name: month_numbers(frozenset({word})) for name, word in words.items()}
    named = [name for name, month in known.items() if month]
    numbers = month_numbers(frozenset(words[name] for name in named)) if len(named) == 12 else None
    months = {name: numbers[words[name]] for name in named} if numbers else {}
    return months if sorted(months.values()) == list(range(1, 13)) else {}


def _year_by_month(
    frame: pd.DataFrame, months: dict[str, int], source: Source
) -> tuple[pd.DataFrame, Source, tuple[str, ...]]:
    """Turn a row a year with a column a month into a row a month."""
    year = next(str(name) for name in frame.columns if name.lower() in PARTS["year"])
    # Sums over the months are no part of a month.
    others = [name for name in frame.columns if name not in months and name != year and not is_summary(name)]
    ordered = sorted(months, key=lambda name: months[name])
    columns = {name: frame[name].repeat(12).reset_index(drop=True) for name in others}
    years = [str(cell).removesuffix(".0") for cell in frame[year]]
    columns["time"] = pd.Series([f"{cell}-{number:02}" for cell in years for number in range(1, 13)], dtype=object)
    below = pd.concat([frame[name] for name in ordered], ignore_index=True)
    columns["value"] = below.take(np.arange(len(below)).reshape(12, -1).T.ravel()).reset_index(drop=True)
    lines = [source.number(row) for row in range(len(frame)) for _ in range(12)]
    note = f"columns {ordered[0]!r} to {ordered[-1]!r} are the months of {year!r}: a row each"
    return pd.DataFrame(columns), Source(source.name, source.unit, source.first, lines), (note,)


def _may_be_date(name: str) -> bool:
    if re.fullmatch(r"[^\W\d_]{3,}\.?[-' ]+\d{2}", name):
        return True  # A month and two digits of a year: others like it are no dates, and are told by that.
    return bool(re.search(r"\d", name)) and not re.fullmatch(r"\d{1,3}|[^\d]*\D\d{1,2}", name)
