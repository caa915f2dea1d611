"""Turning a column into dates: which format it is written in, and which cell is not a date."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .source import Source

_WORDED = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %Y", "%b-%Y", "%b-%y", "%Y %b", "%YM%m")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_QUARTER = r"(?i)(?:(?P<y>\d{4})[ -]?Q(?P<q>[1-4])|Q(?P<q2>[1-4])[ -]?(?P<y2>\d{4}))"
_NUMBERED = re.compile(r"\d{1,2}([/.-])\d{1,2}\1(\d{4}|\d{2})(.*)")
_OFFSET = r":\d\d.*(?:Z|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, eq=False)
class Times:
    """Dates of a column.

    Args:
        index: one date a row, NaT where a cell is empty or no date.
        written: how the column writes them, for a note.
    """

    index: pd.DatetimeIndex
    written: str


def parse_times(column: pd.Series, name: str, source: Source, date_format: str | None = None) -> Times:
    """Read a column of dates; an empty cell gives NaT.

    Args:
        column: dates as text, date objects, pandas datetimes or periods, or whole numbers such as 20200131.
            Its index holds each row's position in the source.
        name: what the column is called.
        source: where the rows come from, for messages.
        date_format: strptime format; None finds it.

    Raises:
        UserError: for a cell that is not a date, with its line.

    Example:
        >>> column = pd.Series(["1/2/2020", "1/13/2020"])
        >>> times = parse_times(column, "day", Source.of("a.csv"))
        >>> times.index[0].date().isoformat(), times.written
        ('2020-01-02', 'written as %m/%d/%Y')
    """
    times = _read(column, date_format)
    try:
        times = replace(times, index=times.index.as_unit("ns"))
    except pd.errors.OutOfBoundsDatetime as error:
        raise UserError(
            f"{source.name}: column {name!r} holds dates outside the years 1678 to 2261: remove their rows ({error})"
        ) from error
    wrong = np.flatnonzero(np.asarray(times.index.isna() & column.notna()))
    if len(wrong):
        like = f"a date {times.written}" if times.written else "a date"
        cell = str(column.iloc[wrong[0]])
        raise UserError(
            f"{source.at(column.index[wrong[0]])}: {cell!r} in the time column {name!r} is not {like}: "
            "correct the cell, give date_format, or name another column as time"
        )
    return times


def column_of(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column called `name`, of which there is one; pandas leaves open whether there are several."""
    return cast(pd.Series, frame[name])


def looks_like_dates(column: pd.Series) -> bool:
    """Whether a column holds dates: by its type, or half of a sample of text parses. Numbers never are."""
    if isinstance(column.dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)) or column.dtype.kind == "M":
        return True
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    present = column.dropna()
    if not len(present):
        return False
    sample = present.iloc[np.unique(np.linspace(0, len(present) - 1, 50).astype(int))]
    numbers: Any = pd.to_numeric(sample.astype(str), errors="coerce")
    if numbers.notna().mean() > 0.5:
        return False
    return bool(_read(sample, None).index.notna().mean() >= 0.5)


def date_number_format(column: pd.Series) -> str | None:
    """The strptime format of whole numbers that are all dates (20200131, 202001, 2020), None for others."""
    if not pd.api.types.is_integer_dtype(column.dtype) or column.isna().any():
        return None
    low, high = int(column.min()), int(column.max())
    for date_format, least, most in (
        ("%Y%m%d", 17000101, 22611231),
        ("%Y%m", 170001, 226112),
        ("%Y", 1700, 2261),
    ):
        if least <= low and high <= most:
            parsed = pd.to_datetime(column.astype(str), format=date_format, errors="coerce")
            return date_format if parsed.notna().all() else None
    return None


def _read(column: pd.Series, date_format: str | None) -> Times:
    if isinstance(column.dtype, pd.PeriodDtype):
        return Times(pd.DatetimeIndex(column.dt.to_timestamp()), "")
    if column.dtype.kind == "M" or isinstance(column.dtype, pd.DatetimeTZDtype):
        zoned = isinstance(column.dtype, pd.DatetimeTZDtype)
        return Times(_utc(column), "with a time zone, moved to UTC" if zoned else "")
    present = column.dropna()
    if len(present) and isinstance(present.iloc[0], dt.date):
        return Times(_utc(column), "")
    text = column.astype("string").str.strip()
    if date_format is not None:
        return Times(_utc(text, date_format), f"written as {date_format}")
    # One sort of writing is tried after another until one fits every cell. Of the formats of one sort
    # (1/2/2020 fits two) the fewest failures win, then the fewest different steps, then the first, which
    # has the month before the day.
    sorts: tuple[Callable[[pd.Series], list[Times]], ...] = (_iso, _by_format, _quarters)
    tried: list[Times] = []
    for sort in sorts:
        tried += sorted(sort(text), key=lambda times: (_failures(times), _irregularity(times.index)))
        if tried and min(map(_failures, tried)) == text.isna().sum():
            break
    return min(tried, key=_failures)


def _failures(times: Times) -> int:
    return int(np.isnat(times.index.to_numpy()).sum())


def _irregularity(index: pd.DatetimeIndex) -> int:
    return len(np.unique(np.diff(np.unique(index.dropna().to_numpy()))))


def _utc(column: pd.Series, date_format: str | None = None) -> pd.DatetimeIndex:
    times = pd.to_datetime(column, format=date_format, errors="coerce", utc=True)
    return pd.DatetimeIndex(times).tz_localize(None)


def _iso(text: pd.Series) -> list[Times]:
    zoned = text.str.contains(_OFFSET, na=False).any()
    # Bare digits would pass as years; a column of numbers is handled by `date_number_format` instead.
    dashed = text.where(text.str.contains(r"^\d{4}[-/T ]?\d", na=False))
    return [Times(_utc(dashed, "ISO8601"), "with a time zone, moved to UTC" if zoned else "")]


def _by_format(text: pd.Series) -> list[Times]:
    present = text.dropna()
    if not len(present):
        return []
    match = _NUMBERED.fullmatch(str(present.iloc[0]))
    formats: tuple[str, ...] = _WORDED
    if match:
        mark, year, clock = match[1], "%Y" if len(match[2]) == 4 else "%y", match[3]
        days = (f"%m{mark}%d{mark}{year}", f"%d{mark}%m{mark}{year}")
        formats = tuple(day + suffix for day in days for suffix in _CLOCKS if bool(suffix) == bool(clock))
    return [Times(_utc(text, date_format), f"written as {date_format}") for date_format in formats]


def _quarters(text: pd.Series) -> list[Times]:
    fields = text.where(text.str.fullmatch(_QUARTER).fillna(False)).str.extract(_QUARTER)
    year = column_of(fields, "y").fillna(column_of(fields, "y2"))
    quarter = column_of(fields, "q").fillna(column_of(fields, "q2"))
    first_month = quarter.map({"1": "01", "2": "04", "3": "07", "4": "10"}).astype("string")
    return [Times(_utc(year + "-" + first_month, "%Y-%m"), "written as quarters")]
