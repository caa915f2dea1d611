"""Numbers that are dates: years, months and days run together, weeks, Unix times, serial days of Excel."""

import functools
import re
from dataclasses import replace

import numpy as np
import pandas as pd

from .date_formats import epoch_times, read_format
from .date_texts import read_dates, weeks_of
from .frequency import fine_index
from .inferring import regularity
from .named_periods import speaks_of_weeks
from .times import Times

_DIGITS: tuple[tuple[int, str], ...] = ((8, "%Y%m%d"), (10, "%Y%m%d%H"), (12, "%Y%m%d%H%M"), (14, "%Y%m%d%H%M%S"))


_EPOCHS = (("s", 1e8, 4.2e9), ("ms", 1e11, 4.2e12), ("us", 1e14, 4.2e15), ("ns", 1e17, 4.2e18))


_EXCEL = (20_000, 80_000)


"""Serial days of Excel from 1954 to 2119."""


REGULAR = 0.9
"""Share of a grid that dates fill which are taken for regular."""
CLEARLY = 0.3
"""By how much one reading must be more regular than another, where neither is."""
_LEAST_DECIMAL = 5
"""Numbers that there must be, to be taken for years with a fraction."""


_DATE_WORDS = r"dat|fecha|日|day|tag|jour|jul|doy"


_TIME_WORDS = rf"{_DATE_WORDS}|time|zeit|hora|heure|stamp|uhr"


def date_numbers(values: np.ndarray, name: str) -> Times | None:
    """Read numbers that are dates: years, 202001, 20200131, 2020031, weeks, Unix times, days of Excel; else None.

    Args:
        values: different numbers, float64.
        name: of their column: serial days need one that speaks of dates, and weeks one that speaks of weeks where the
            numbers could be months.

    Example:
        >>> date_numbers(np.array([202201.0, 202253.0]), "x"), date_numbers(np.array([202201.0, 202252.0]), "x").label
        (None, 'W')
        >>> date_numbers(np.array([45292.0]), "Date").written
        'serial days of Excel'
    """
    if not len(values) or not np.isfinite(values).all():
        return None
    low, high = values.min(), values.max()
    whole = bool((values == np.round(values)).all())
    if whole and low >= 1700 and high <= 2261:
        return _years(values.astype(np.int64))
    if not whole and low >= 1700 and high < 2262 and len(values) >= _LEAST_DECIMAL:
        return _decimal_years(values)
    if whole and low >= 170001 and high <= 226112:
        return _periods_or_days(values.astype(np.int64), name)
    speaks = functools.partial(re.search, string=name, flags=re.IGNORECASE)
    if whole and low >= 100_101 and high <= 991_231 and speaks(_DATE_WORDS):
        days = _short_days(values.astype(np.int64))
        if days is not None and _regularity(days) >= REGULAR:
            return days
    if whole and 1_900_000 < low and high < 2_262_000 and speaks(_DATE_WORDS):
        reading = read_format([f"{number:.0f}" for number in values], "%Y%j")
        if not reading.failures:
            return Times(fine_index(reading.times), "written as %Y%j")
    for digits, date_format in _DIGITS:
        # Unix seconds of this century have ten digits too, and begin with 1.
        if whole and low >= (17 if digits == 8 else 19) * 10.0 ** (digits - 2) and high < 23 * 10.0 ** (digits - 2):
            reading = read_format([f"{number:.0f}" for number in values], date_format)
            if not reading.failures:
                return Times(fine_index(reading.times), f"written as {date_format}")
    for unit, least, most in _EPOCHS:
        if least <= low and high <= most:
            names = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
            times = epoch_times(values, unit)
            return Times(fine_index(times), f"Unix {names[unit]}, in UTC", universal=True)
    if _EXCEL[0] <= low and high <= _EXCEL[1] and speaks(_DATE_WORDS if whole else _TIME_WORDS):
        days = np.round(values * 86400).astype(np.int64) * np.timedelta64(1, "s")
        return Times(fine_index(np.datetime64("1899-12-30", "us") + days), "serial days of Excel")
    return None


def _years(years: np.ndarray) -> Times:
    first = (years - 1970).astype("datetime64[Y]")
    return Times(fine_index(first.astype("datetime64[D]")), "written as %Y", "Y", (years, np.zeros_like(years)))


def _decimal_years(values: np.ndarray) -> Times | None:
    """Years with a fraction, such as 1958.042 or 1958.083: months by their beginning or their middle."""
    months = values * 12
    for middle in (0.0, 0.5):
        whole = np.round(months - middle)
        if np.abs(months - middle - whole).max() < 0.07 and len(np.unique(whole)) == len(values):
            number = whole.astype(np.int64)
            times = (number - 1970 * 12).astype("datetime64[M]").astype("datetime64[us]")
            return Times(fine_index(times), "years with a fraction, read as months", "M", (number // 12, number % 12))
    return None


def _periods_or_days(numbers: np.ndarray, name: str) -> Times | None:
    """Months or weeks of a year of four digits, or days of a year of two: what makes a grid."""
    periods = _months_or_weeks(numbers, name)
    days = None if speaks_of_weeks(name) else _short_days(numbers)
    if periods is None or days is None:
        return days if periods is None and re.search(_DATE_WORDS, name, re.IGNORECASE) else periods
    as_periods, as_days = _regularity(periods), _regularity(days)
    if as_days < REGULAR or as_periods < REGULAR:
        return days if as_days - as_periods >= CLEARLY else periods
    if (
        periods.label == "M"
        and (np.diff(np.sort(periods.index.to_numpy()).astype("datetime64[M]")).astype(int) == 1).all()
    ):
        return periods
    if periods.label == "W" and re.search(_DATE_WORDS, name, re.IGNORECASE):
        return days
    return replace(periods, other=days)


def _short_days(numbers: np.ndarray) -> Times | None:
    """Days whose year has two digits: 240131."""
    reading = read_format([f"{number:06}" for number in numbers], "%y%m%d")
    return None if reading.failures else Times(fine_index(reading.times), "written as %y%m%d")


def _regularity(times: Times) -> float:
    return regularity(pd.DatetimeIndex(times.index.sort_values()))


def _months_or_weeks(numbers: np.ndarray, name: str) -> Times | None:
    years, within = numbers // 100, numbers % 100
    weekly = speaks_of_weeks(name) or within.max() > 12
    if within.min() < 1 or (weekly and (within > weeks_of(years)).any()):
        return None
    text = [
        f"{year}-W{number:02}" if weekly else f"{year}-{number:02}" for year, number in zip(years, within, strict=True)
    ]
    reading = read_dates(text)[0]
    return Times(
        fine_index(reading.times), "weeks (ISO)" if weekly else "written as %Y%m", reading.label, reading.fields
    )
