"""Labels of periods: those that only a column's name, or their order, tells from numbers, and the days they name."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .calendars import DAYS, MONTHS, Months, calendar_of
from .date_texts import years_of
from .frequency import anchor_of, fine_index
from .times import Times

_WEEKS = re.compile(r"week|woche|^kw|^cw|semaine|semana|settimana|周|週|wk", re.IGNORECASE)
_YEARS = re.compile(r"years?|jahr|ann[ée]e|año|anno|rok|år|jaar|год|年", re.IGNORECASE)
_QUARTERS = re.compile(r"quarter|qtr|quartal|trimestre|kwartał|四半期|季度", re.IGNORECASE)
_LABEL = re.compile(r"(1[789]\d\d|2[012]\d\d)([-/.:_ ]?)(\d{1,2})")
_TURNED = re.compile(r"^(\d{1,2})[-/.](\d{4})$")
_LEAST = 5
"""Labels that must follow each other, to be taken for quarters or months without a name that says so."""


def speaks_of_weeks(name: str) -> bool:
    """Say whether a column's name speaks of weeks."""
    return bool(_WEEKS.search(name))


def named_periods(texts: Sequence[str], name: str) -> list[str] | None:
    """Labels such as 2005.1 in the words of their periods, None where they name neither weeks nor quarters nor months.

    Args:
        texts: different labels, in their order.
        name: of their column.

    Example:
        >>> named_periods(["2022-09", "2022-10"], "week"), named_periods(["2005-1", "2005-4"], "Quarter")
        (['2022-W09', '2022-W10'], ['2005-Q1', '2005-Q4'])
        >>> named_periods(["2005.1", "2005.2", "2005.3", "2005.4", "2006.1"], "x")[-1], named_periods(["2005.1"], "x")
        ('2006-Q1', None)
    """
    turned = speaks_of_weeks(name) or _QUARTERS.search(name)
    texts = [_TURNED.sub(r"\2-\1", text) for text in texts] if turned else texts
    if _YEARS.fullmatch(name) and all(re.fullmatch(r"'?\d\d", text) for text in texts):
        years = years_of([{"y": text} for text in texts]).tolist()
        return [str(year) for year in years] if len(years) >= _LEAST and (np.diff(years) == 1).all() else None
    found = [_LABEL.fullmatch(text) for text in texts]
    if not found or not all(found):
        return None
    years, marks, numbers = zip(*((int(m[1]), m[2], int(m[3])) for m in found if m), strict=True)
    if min(numbers) < 1:
        return None
    if _QUARTERS.search(name) and max(numbers) <= 4:
        return [f"{year}-Q{number}" for year, number in zip(years, numbers, strict=True)]
    if speaks_of_weeks(name) and all(marks) and max(numbers) <= 53:
        return [f"{year}-W{number:02}" for year, number in zip(years, numbers, strict=True)]
    if set(marks) != {"."} or len(texts) < _LEAST:
        return None
    for size, written in ((4, "{}-Q{}"), (12, "{}-{:02}")):
        if max(numbers) <= size and (np.diff(np.array(years) * size + np.array(numbers)) == 1).all():
            return [written.format(year, number) for year, number in zip(years, numbers, strict=True)]
    return None


def period_dates(times: Times, freq: str) -> pd.DatetimeIndex | None:
    """Return the days by which a frequency names the periods of labels; None where the labels do not name such periods.

    Quarters of an anchor that no calendar quarter has ("QE-JAN") are those of a year that ends in that month, as pandas
    counts them.

    Example:
        >>> year = pd.DatetimeIndex(["1960-01-01"])
        >>> times = Times(year, "written as %Y", "Y", (np.array([1960]), np.array([0])))
        >>> [str(period_dates(times, freq)[0].date()) for freq in ("YE-DEC", "YE-JUN", "YS-JUL")]
        ['1960-12-31', '1960-06-30', '1960-07-01']
    """
    if times.label is None or times.fields is None or not isinstance(times.index, pd.DatetimeIndex):
        return None
    years, numbers = times.fields
    named = anchor_of(freq)
    if times.label == "W":
        return times.index + pd.Timedelta(days=DAYS.index(named)) if named in DAYS else None
    calendar = calendar_of(freq)
    size = {"Y": 12, "H": 6, "Q": 3, "M": 1}[times.label]
    if not isinstance(calendar, Months) or calendar.size % size:
        return None
    starts = calendar.day == 1
    month = (years - 1970) * 12 + numbers * size + (0 if starts else size - 1)
    if named in MONTHS:
        at = MONTHS.index(named)
        if times.label == "Y":
            month = (years - 1970) * 12 + at
        elif times.label == "Q" and (at if starts else at + 1) % 3:
            last = (at - 1) % 12 if starts else at
            month = (years - 1970) * 12 + last - 9 + 3 * numbers - (2 if starts else 0)
    return fine_index(calendar.time(month))
