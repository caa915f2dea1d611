"""Turning a column into dates: which way of writing gives a grid, which cell is no date, in which time zone."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .date_centuries import with_full_years
from .date_formats import read_format
from .date_numbers import CLEARLY, REGULAR, date_numbers
from .date_parts import date_at
from .date_texts import CLOCKS, Label, Reading, clean, read_dates, without_24
from .frequency import fine_index
from .inferring import regularity
from .named_periods import named_periods
from .pandas_columns import as_numbers
from .times import TimeColumn, Times
from .zone_texts import offsets, without_offset, without_spans, without_zone
from .zones import check_zone, localize, zone_of_offsets

LAST_YEAR = 2261
"""The last year that dates in nanoseconds reach to in full."""
_BUDDHIST_FIRST, _BUDDHIST_LAST = 2300, 2700
CENTURIES = ", years of two digits"
_USUAL_FIRST = 1969
"""The first of the years that two digits stand for as programs read them."""


class UndecidedDatesError(UserError):
    """Dates that can be read in two ways.

    Attributes:
        formats: strptime formats of both.
    """

    def __init__(self, message: str, formats: Sequence[str]) -> None:
        super().__init__(message)
        self.formats = tuple(formats)


def parse_times(values: pd.Index, column: TimeColumn, date_format: str | None = None, zone: str | None = None) -> Times:
    """Read the different values of a column as dates, or as step numbers where they can be none.

    Args:
        values: dates as text, date objects, pandas datetimes or periods, or numbers such as 20200131; none missing.
        column: where they stand, for messages; its name tells weeks and serial days from other numbers.
        date_format: strptime format; None finds it.
        zone: the time zone of clock times, or to convert to.

    Raises:
        UserError: for a value that is not a date, with its line; for dates that can be read in two ways.

    Example:
        >>> from forecasting.data.source import Source
        >>> column = TimeColumn("day", Source.of("a.csv"), np.arange(2))
        >>> times = parse_times(pd.Index(["1/2/2020", "1/13/2020"]), column)
        >>> times.index[0].date().isoformat(), times.written
        ('2020-01-02', 'written as %m/%d/%Y')
    """
    if isinstance(values.dtype, pd.StringDtype):
        values = pd.Index(values.to_numpy(dtype=object), dtype=object)  # whose elements are reached faster
    if date_format is None and isinstance(values[0], str):
        plain, named = without_zone([str(value).strip() for value in values])
        values, zone = pd.Index(plain, dtype=object) if named else values, zone or named
    if zone is not None:
        check_zone(zone)
    times = _read(values, column, date_format, zone)
    index = times.index
    if isinstance(index, pd.DatetimeIndex) and date_at(index, int(index.argmax())).year > LAST_YEAR:
        last = int(index.argmax())
        raise _too_late(date_at(index, last).year, column, last)
    if zone is None or not isinstance(index, pd.DatetimeIndex):
        return times
    if times.universal:
        index = index.tz_localize("UTC")
    if index.tz is not None:
        return replace(times, index=index.tz_convert(zone), written=f"in the time zone {zone}")
    first, second = localize(index, zone)
    never = np.flatnonzero(first.isna())
    if len(never):
        raise UserError(
            f"{column.at(never[0])}: {values[never[0]]} in column {column.name!r} does not exist in {zone}, where the "
            "clock is put forward: give another --time-zone, or none"
        )
    return replace(times, index=first, second=second, written=f"in the time zone {zone}")


def late_year(text: str) -> int | None:
    """Return the year of a date in numbers that lies beyond the years that dates reach to; None for another text.

    Example:
        >>> late_year("31/01/2560"), late_year("31/01/2017"), late_year("2560")
        (2560, None, None)
    """
    found = re.match(r"\d{1,2}([-/.])\d{1,2}\1(\d{4})(?!\d)", text)
    return int(found[2]) if found and int(found[2]) > LAST_YEAR else None


def _too_late(year: int, column: TimeColumn, at: int) -> UserError:
    buddhist = _BUDDHIST_FIRST <= year <= _BUDDHIST_LAST
    meant = f"it looks like one of the Buddhist calendar: subtract 543 from the years, which makes it {year - 543}"
    return UserError(
        f"{column.cell(at, f'the year {year}')} lies beyond {LAST_YEAR}, to which dates reach: "
        + (meant if buddhist else "correct the cell, or remove its row")
    )


def looks_like_dates(column: pd.Series) -> bool:
    """Say whether a column holds dates: by its type, or as half of a sample of text parses. Numbers never are."""
    if isinstance(column.dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)) or column.dtype.kind == "M":
        return True
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    texts = sample_of(column)
    if (
        texts
        and re.match(r"\d{4}|\d\d?[-/.]\d{4}|'?\d\d$", texts[0])
        and named_periods(_different(column), str(column.name))
    ):
        return True
    if not texts or _share_of_numbers(texts) > 0.5:
        return False
    if 2 * sum(late_year(text) is not None for text in texts) >= len(texts):
        return True
    plain = [clean(text) for text in without_zone(texts)[0]]
    best = read_dates([without_offset(text) for text in without_spans(plain) or plain])
    return bool(best) and 2 * best[0].failures <= len(texts)


def sample_of(column: pd.Series, size: int = 50) -> list[str]:
    """Return different values of a column as text, spread over it."""
    present = column.dropna()
    at = np.unique(np.linspace(0, len(present) - 1, size).astype(int)) if len(present) else []
    texts = (str(value).strip() for value in present.iloc[at])
    return list(dict.fromkeys(text for text in texts if text))


def _different(column: pd.Series) -> list[str]:
    """The different values of a column as text, in their order."""
    return [str(value).strip() for value in column.dropna().unique()]


def _read(values: pd.Index, column: TimeColumn, date_format: str | None, zone: str | None) -> Times:
    if isinstance(values, pd.PeriodIndex):
        return _periods(values)
    if isinstance(values, pd.DatetimeIndex):
        return Times(_in_unit(values), "" if values.tz is None else f"in the time zone {values.tz}")
    if pd.api.types.is_numeric_dtype(values.dtype) and date_format is None:
        return _numbers(values, column)
    if isinstance(values[0], dt.date) and all(isinstance(value, dt.date) for value in values):
        return _objects(values, column, zone)
    return _read_texts([str(value).strip() for value in values], column, date_format, zone)


def _read_texts(texts: list[str], column: TimeColumn, date_format: str | None, zone: str | None) -> Times:
    labels = named_periods(texts, column.name) if date_format is None else None
    if labels is not None:
        reading = read_dates(labels)[0]
        if not reading.failures:
            written = reading.written + _centuries(reading.times, texts)
            return Times(fine_index(reading.times), written, reading.label, reading.fields)
    if date_format is None and _share_of_numbers(texts) == 1:
        return _numbers(pd.Index(np.array(texts, dtype=np.float64)), column)
    if date_format is None:
        if not re.match(r"\d{4}-\d\d-\d\d", texts[0]):
            texts = [clean(text) for text in texts]
        spans = without_spans(texts)
        texts = spans or texts
        local = [without_offset(text) for text in texts]
        readings = read_dates(local)
        if spans:
            readings = [replace(one, written="spans, by their beginning") for one in readings]
    else:
        local, readings = texts, [read_with_format(texts, date_format)]
    wrong = np.flatnonzero(np.isnat(readings[0].times)) if readings else np.arange(1)
    if len(wrong):
        late = late_year(texts[wrong[0]])
        if late is not None:
            raise _too_late(late, column, int(wrong[0]))
        raise _no_date(texts, int(wrong[0]), readings, column)
    reading = readings[0] if len(readings) == 1 else _choose(readings, texts, column)
    reading = replace(reading, written=reading.written + _centuries(reading.times, texts))
    ahead = offsets(texts, local, column)
    if ahead is None:
        universal = date_format is not None and ("%z" in date_format or date_format in ("%s", "%Q"))
        return Times(fine_index(reading.times), reading.written, reading.label, reading.fields, universal=universal)
    return _in_zone(reading.times, ahead, column, zone)


def _centuries(times: np.ndarray, texts: Sequence[str]) -> str:
    """A note on the years that are meant where two digits stand for other ones than they mostly do."""
    first = int(np.argmin(times))
    begin, end = (int(time.astype("datetime64[Y]").astype(np.int64)) + 1970 for time in (times[first], times.max()))
    if begin >= _USUAL_FIRST or any(str(year) in texts[first] for year in (begin, begin + 1)):
        return ""
    return f"{CENTURIES} from {begin} to {end}"


def _in_unit(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    if index.tz is None:
        return fine_index(index.to_numpy())
    return fine_index(index.tz_convert("UTC").tz_localize(None).to_numpy()).tz_localize("UTC").tz_convert(index.tz)


def _periods(values: pd.PeriodIndex) -> Times:
    """Periods by their first day; months, quarters and years are labels."""
    label: Label | None = {"M": "M", "Q": "Q", "Y": "Y", "A": "Y"}.get(values.freqstr.split("-")[0])  # pyright: ignore
    index = fine_index(values.to_timestamp(how="start").to_numpy())
    parts: Any = values
    years = np.asarray(parts.year)
    if label is None or values.freqstr not in ("M", "Q-DEC", "Y-DEC", "A-DEC"):
        return Times(index, "")
    number = {"M": np.asarray(parts.month) - 1, "Q": np.asarray(parts.quarter) - 1}.get(label, np.zeros_like(years))
    return Times(index, "", label, (years, number))


def _numbers(values: pd.Index, column: TimeColumn) -> Times:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    dates = date_numbers(numbers, column.name)
    if dates is not None and dates.other is not None:
        raise UserError(
            f"{column.cell(-1, f'{numbers[-1]:.0f}')} can be "
            f"{date_at(dates.index, -1).date()} ({dates.written}) or {date_at(dates.other.index, -1).date()} "
            f"({dates.other.written}): give --date-format {'%G%V' if dates.label == 'W' else '%Y%m'} or %y%m%d"
        )
    if dates is not None and dates.written == "written as %y%m%d":
        texts = [f"{number:06.0f}" for number in numbers]
        return replace(dates, written=dates.written + _centuries(dates.index.to_numpy(), texts))
    if dates is not None:
        return dates
    odd = np.flatnonzero(~np.isfinite(numbers) | (numbers != np.round(numbers)))
    if len(odd):
        raise UserError(
            f"{column.cell(odd[0], values[odd[0]])} is neither a date nor a whole step number: turn it into dates, "
            "give --date-format, name another column with --time, or take the rows as steps with --rows-are-steps"
        )
    return Times(pd.Index(numbers.astype(np.int64)), "step numbers, not dates")


def _objects(values: pd.Index, column: TimeColumn, zone: str | None) -> Times:
    """Date objects of Python, some of which may have a time zone."""
    offsets = [value.utcoffset() if isinstance(value, dt.datetime) else None for value in values]
    times = np.asarray(pd.to_datetime(values, utc=True).tz_localize(None)).astype("datetime64[us]")
    if all(offset is None for offset in offsets):
        return Times(fine_index(times), "")
    if any(offset is None for offset in offsets):
        raise UserError(
            f"{column.source.name}: only some dates in column {column.name!r} have a time zone: give all of them one"
        )
    ahead = np.array([int(offset.total_seconds()) // 60 for offset in offsets if offset is not None])
    return _in_zone(times + ahead * np.timedelta64(1, "m"), ahead, column, zone)


def _in_zone(times: np.ndarray, ahead: np.ndarray, column: TimeColumn, zone: str | None) -> Times:
    universal = times - ahead * np.timedelta64(1, "m")
    zone = zone or zone_of_offsets(universal, ahead)
    if zone is None:
        raise UserError(
            f"{column.source.name}: the offsets from UTC in column {column.name!r} change as in no time zone that is "
            "known: name one to convert the times to with --time-zone, such as UTC"
        )
    return Times(fine_index(universal).tz_localize("UTC").tz_convert(zone), f"in the time zone {zone}")


def read_with_format(texts: Sequence[str], date_format: str) -> Reading:
    """Read texts by a format that a user gave, to which an offset from UTC may belong; see `read_format`."""
    if "%z" not in date_format:
        whole, late = without_24(list(texts))
        reading = read_format(whole, date_format)
        return replace(reading, times=reading.times + late) if late.any() else reading
    read = pd.to_datetime(pd.Series(list(texts)), format=date_format, errors="coerce", utc=True)
    times = np.asarray(read.dt.tz_localize(None)).astype("datetime64[us]")
    times = with_full_years(times) if "%y" in date_format else times
    return Reading(times, f"written as {date_format}, in UTC")


def format_with_clock(date_format: str, texts: Sequence[str]) -> str:
    """Return the format of a date for texts that go on with a clock time from another column.

    Example:
        >>> format_with_clock("%d/%m/%Y", ["13/01/2024 06:30"])
        '%d/%m/%Y %H:%M'
    """
    if "%H" in date_format or "%I" in date_format:
        return date_format
    tried = [date_format + clock for clock in CLOCKS if clock]
    return min(tried, key=lambda one: read_with_format(texts, one).failures)


def _choose(readings: Sequence[Reading], texts: Sequence[str], column: TimeColumn) -> Reading:
    """The reading whose dates make a grid.

    Raises:
        UserError: if two do.
    """
    regular = [regularity(fine_index(np.unique(reading.times))) for reading in readings]
    ranked = sorted(range(len(readings)), key=lambda at: -regular[at])
    first, second = ranked[0], ranked[1]
    both = regular[second] >= REGULAR or regular[first] - regular[second] < CLEARLY
    if not both or (readings[first].times == readings[second].times).all():
        return readings[first]
    odd = int(np.argmax(readings[0].times != readings[1].times))
    shown = [f"{str(readings[at].times[odd])[:10]} ({readings[at].written})" for at in sorted((first, second))]
    formats = [readings[at].written.removeprefix("written as ") for at in sorted((first, second))]
    named = " or ".join(f'"{one}"' for one in formats)
    raise UndecidedDatesError(
        f"{column.source.name}, column {column.name!r}: {texts[odd]!r} can be {' or '.join(shown)}, and nothing in the "
        f"column tells which: give --date-format {named}",
        formats,
    )


def _no_date(texts: Sequence[str], at: int, readings: Sequence[Reading], column: TimeColumn) -> UserError:
    like = f"a date {readings[0].written}" if readings and readings[0].written and len(texts) > 1 else "a date"
    return UserError(
        f"{column.cell(at, repr(texts[at]))} is not {like}: correct the cell or remove its row, give --date-format, "
        "name another column with --time, or take the rows as steps with --rows-are-steps"
    )


def _share_of_numbers(texts: Sequence[str]) -> float:
    return float(np.mean(~np.isnan(as_numbers(list(texts))))) if len(texts) else 0.0
