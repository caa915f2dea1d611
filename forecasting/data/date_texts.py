"""How people write dates: patterns of text, month names of many languages, and the dates they mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from .date_centuries import full_years, with_full_years
from .date_patterns import PATTERNS
from .month_names import fold, month_numbers
from .plain_text import plain_signs

Label = Literal["Y", "H", "Q", "M", "W"]

_CHINESE = {"一": "1", "二": "2", "三": "3", "四": "4"}

_NUMBERED = re.compile(r"(\d{1,4})([-/.])(\d{1,2})\2(\d{4}|\d{2})( .*)?")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %H.%M", " %I%p", " %I %p")
_WEEKDAY = re.compile(r"^[^\W\d_]{1,12}[.,]{0,2} (?=\d{1,4}[-/.] ?\d{1,2}[-/.])|(?<=\d|\w) ?\([^\W\d_]{1,9}\.?\)$")
"""The day of the week before a date in numbers, or in brackets behind it."""
_RANGE = re.compile(r"(\S.*?)(?: [-–—~/] | to | bis | – |–|~|/|(?<=[./]\d{4})-(?=\d))(\S.*)")


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to read a list of texts as dates.

    Args:
        times: datetime64[us] [N], NaT where a text is no date in this way.
        written: how the texts write dates, for a note.
        label: the period that each text names as a whole ("2008-Q1"), None where it names a day or a time.
        fields: year and number in the year of each label, int64 [N] each.
    """

    times: np.ndarray
    written: str
    label: Label | None = None
    fields: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def failures(self) -> int:
        """How many texts are no dates."""
        return int(np.isnat(self.times).sum())


def clean(text: str) -> str:
    """Return a text in the letters and digits of ASCII as far as it goes, with one space before a clock.

    Example:
        >>> clean("2024-01-05T06:00"), clean("05.01.2024, 06:00")
        ('2024-01-05 06:00', '05.01.2024 06:00')
    """
    text = plain_signs(text)
    text = re.sub(r"^'(?=\d{3}|\d+\D)", "", " ".join(text.split()))  # by which spreadsheets keep text
    if text[4:5] != "-" or text[-1:] == ")":  # Most begin with a year and a dash, and need none of this.
        text = _WEEKDAY.sub("", text)
        text = re.sub(r"(?<=\d)([./]) (?=\d+(?![:\d]))", r"\1", text)  # "3. 1. 2024"
        text = re.sub(r"^(\d\d/\w{3}/\d{4}):(?=\d\d:)", r"\1 ", text)  # as web servers log
    return re.sub(r"(?<=[\d.])(?:T|,? (?:um |at |à |às |a las )?|,)(?=\d{1,2}[:h]\d\d)", " ", text)


def read_dates(texts: Sequence[str]) -> list[Reading]:
    """Return the ways in which texts can be dates, the best first: those by which the fewest are none.

    Args:
        texts: different texts, without an offset from UTC.

    Returns:
        Readings with as few failures; more than one where day and month can change places.

    Example:
        >>> [reading.written for reading in read_dates(["01/02/2024", "02/02/2024"])]
        ['written as %m/%d/%Y', 'written as %d/%m/%Y']
        >>> read_dates(["2008-Q1"])[0].times.astype("M8[D]").tolist(), read_dates(["janv. 2018"])[0].label
        ([datetime.date(2008, 1, 1)], 'M')
    """
    cleaned = [clean(text) for text in texts]
    whole, late = without_24(cleaned)
    tried = [*_iso(whole), *_numbered(whole), *_day_of_year(whole)]
    if not tried or min(reading.failures for reading in tried):
        tried += _by_pattern(whole)
    if not tried or min(reading.failures for reading in tried) == len(texts):
        tried += _ranges(whole)
    least = min((reading.failures for reading in tried), default=0)
    best = [reading for reading in tried if reading.failures == least]
    return [replace(reading, times=reading.times + late) for reading in best]


def without_24(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the texts with 24:00 as 00:00, and the day that is to be added for it."""
    late = np.zeros(len(texts), dtype="timedelta64[D]")
    for at, text in enumerate(texts):
        if " 24:00" in text:
            texts[at] = text.replace(" 24:00", " 00:00", 1)
            late[at] = np.timedelta64(1, "D")
    return texts, late


def parse_column(texts: Any, date_format: str) -> np.ndarray:
    """Return texts by a strptime format, or "ISO8601", as datetime64[us]; NaT for what is not written so."""
    times = np.asarray(pd.to_datetime(pd.Series(texts), format=date_format, errors="coerce")).astype("datetime64[us]")
    # Days that are counted by weeks of a year are those of no other year.
    return with_full_years(times) if "%y" in date_format and not re.search("%[UW]", date_format) else times


def _iso(texts: list[str]) -> list[Reading]:
    """Year, month, day with dashes, and a clock: by far the commonest, and read fast."""
    dashed = [text if re.match(r"\d{4}-\d\d", text) else None for text in texts]
    if dashed.count(None) == len(texts):
        return []
    times = parse_column(dashed, "ISO8601")
    months = all(text is not None and len(text) == 7 for text in dashed)
    seasons = _seasons(texts) if months else None
    if seasons is not None and (np.diff(np.sort(seasons.times.astype("datetime64[Y]").astype(np.int64))) == 1).all():
        return [seasons]  # As months, 2001-02 and 2002-03 would lie thirteen apart.
    return [label_months(times, "", "M" if months else None)]


def _day_of_year(texts: list[str]) -> list[Reading]:
    """Year and day of the year: 2022-032."""
    if not re.fullmatch(r"\d{4}[-.]\d{3}", texts[0]):
        return []
    days = [text[:4] + text[5:] if re.fullmatch(r"\d{4}[-.]\d{3}", text) else None for text in texts]
    return [Reading(parse_column(days, "%Y%j"), "written as year, day of the year")]


def _numbered(texts: list[str]) -> list[Reading]:
    """Three numbers: the month or the day first, or a year of two digits."""
    first = _NUMBERED.fullmatch(texts[0])
    if not first or len(first[1]) > 2:
        return []
    mark, year = first[2], "%Y" if len(first[4]) == 4 else "%y"
    clocked = [bool(match and match[5]) for match in map(_NUMBERED.fullmatch, texts)]
    orders = [("%m", "%d", year), ("%d", "%m", year)] + ([("%y", "%m", "%d")] if year == "%y" else [])
    tried: list[Reading] = []
    for order in orders:
        formats = [mark.join(order) + clock for clock in CLOCKS if bool(clock) == any(clocked)]
        readings = [Reading(parse_column(texts, date_format), f"written as {date_format}") for date_format in formats]
        if any(clocked) and not all(clocked):
            midnights = parse_column(texts, mark.join(order))  # Some programs leave out the clock where it shows 00:00.
            readings = [replace(one, times=np.where(np.isnat(one.times), midnights, one.times)) for one in readings]
        tried.append(min(readings, key=lambda reading: reading.failures))
    least = min(reading.failures for reading in tried)
    # Between dots the day comes before the month, wherever it can.
    kept = tried[1:] if mark == "." and tried[1].failures == least else tried
    return [reading for reading in kept if reading.failures == least]


def _by_pattern(texts: list[str]) -> list[Reading]:
    tried: list[Reading] = []
    for pattern, written in PATTERNS:
        matches = [re.fullmatch(pattern, text, re.IGNORECASE) for text in texts]
        if sum(match is not None for match in matches) * 2 < len(texts):
            continue
        reading = _dates_of(matches, written)
        if reading is not None:
            tried.append(reading)
            if not reading.failures:
                break
    seasons = _seasons(texts)
    return [seasons] if seasons is not None else tried


def _seasons(texts: list[str]) -> Reading | None:
    """Years that begin in one and end in the next: 2007/08."""
    found = [re.fullmatch(r"(?:FY ?)?(\d{4})[-/](\d{2}|\d{4})", text, re.IGNORECASE) for text in texts]
    if len(texts) < 2 or not all(m and int(m[2]) in (int(m[1]) + 1, (int(m[1]) + 1) % 100) for m in found):
        return None
    years = np.array([int(m[1]) for m in found if m])
    return label_periods(years, np.zeros(len(years), dtype=np.int64), "Y", "years, by the one they begin in")


def _ranges(texts: list[str]) -> list[Reading]:
    """From one day to another: the first day."""
    found = [_RANGE.fullmatch(text) for text in texts]
    if not all(found):
        return []
    begins, ends = read_dates([m[1] for m in found if m]), read_dates([m[2] for m in found if m])
    if not begins or not ends or ends[0].failures == len(texts):
        return []
    return [replace(reading, written="ranges, by their first day") for reading in begins]


def _dates_of(matches: list[re.Match[str] | None], written: str) -> Reading | None:
    """The dates of a pattern's parts; None where they name months of no language."""
    groups = [{} if match is None else match.groupdict() for match in matches]
    month = _months(groups)
    if month is None:
        return None
    written = f"written as {written}"
    years = years_of(groups)
    return _period_dates(groups, years, month, written) or _day_dates(groups, years, month, written)


def _months(groups: list[dict[str, str | None]]) -> np.ndarray | None:
    """The number of each month, 0 where there is none; None where the names are of no language."""
    names = [fold(str(group["mon"])) if group.get("mon") else "" for group in groups]
    if not any(names):
        return _field(groups, "m")
    months = month_numbers(frozenset(name for name in names if name))
    return None if months is None else np.array([months.get(name, 0) for name in names])


def _period_dates(
    groups: list[dict[str, str | None]], years: np.ndarray, month: np.ndarray, written: str
) -> Reading | None:
    """Quarters, halves, weeks, years or months as labels; a day of a week as a date; None where there are days."""
    quarter = np.array([int(_CHINESE.get(group.get("q") or "0", group.get("q") or "0")) for group in groups])
    if quarter.any():
        return label_periods(years, quarter - 1, "Q", written)
    half, week, weekday = (_field(groups, part) for part in ("h", "w", "wd"))
    if half.any():
        return label_periods(years, half - 1, "H", written)
    if week.any():
        exists = (week >= 1) & (week <= weeks_of(np.where(years > 0, years, 2000)))
        label = label_periods(np.where(exists, years, 0), week - 1, "W", written)
        days = np.maximum(weekday, 1) - 1
        return replace(label, times=label.times + days * np.timedelta64(1, "D"), label=None) if days.any() else label
    if not month.any():
        return label_periods(years, np.zeros(len(years), np.int64), "Y", written)
    if not _field(groups, "d").any():
        return label_periods(np.where((month >= 1) & (month <= 12), years, 0), month - 1, "M", written)
    return None


def _day_dates(groups: list[dict[str, str | None]], years: np.ndarray, month: np.ndarray, written: str) -> Reading:
    """Days of a month, with their clock times."""
    day, minute, second = (_field(groups, part) for part in ("d", "M", "S"))
    valid = (years > 0) & (month >= 1) & (month <= 12)
    first = ((np.where(valid, years, 1970) - 1970) * 12 + np.where(valid, month, 1) - 1).astype("datetime64[M]")
    length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
    hour = _hours(_field(groups, "H"), groups)
    valid &= (day >= 1) & (day <= length) & (hour >= 0) & (hour < 24) & (minute < 60) & (second < 60)
    seconds = (hour * 60 + minute) * 60 + second
    fractions = np.array([int((group.get("F") or "")[1:7].ljust(6, "0")) for group in groups], dtype=np.int64)
    times = (first.astype("datetime64[D]") + np.maximum(day, 1) - 1).astype("datetime64[us]")
    times = times + seconds * np.timedelta64(1, "s") + fractions * np.timedelta64(1, "us")
    return Reading(np.where(valid, times, np.datetime64("NaT")), written)


def _hours(hours: np.ndarray, groups: list[dict[str, str | None]]) -> np.ndarray:
    half = np.array([{"a": 0, "p": 12}.get((group.get("ap") or "").lower(), -1) for group in groups])
    twelve = np.where((hours >= 1) & (hours <= 12), hours % 12 + half, -1)
    return np.where(half >= 0, twelve, np.maximum(hours, 0))


def _field(groups: list[dict[str, str | None]], part: str) -> np.ndarray:
    return np.array([int(group.get(part) or 0) for group in groups], dtype=np.int64)


def years_of(groups: Sequence[dict[str, str | None]]) -> np.ndarray:
    """Return the years that the parts of dates give, 0 where there is none; of two digits see `full_years`.

    Example:
        >>> years_of([{"y": "'99"}, {"y2": "2001"}, {}]).tolist()
        [1999, 2001, 0]
    """
    texts = [(group.get("y") or group.get("y2") or "").lstrip("'") for group in groups]
    years, short = (
        np.array([int(text or 0) for text in texts]),
        np.array([len(text) == 2 for text in texts], dtype=bool),
    )
    if short.any():
        years[short] = full_years(years[short])
    return years


def label_periods(years: np.ndarray, numbers: np.ndarray, label: Label, written: str) -> Reading:
    """Labels of periods, year 0 where a text is none, by their first day."""
    valid = years > 0
    year = np.where(valid, years, 1970)
    if label == "W":
        # The week of 4 January is the first of its year.
        fourth = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + 3
        times = fourth - (fourth.astype(np.int64) + 3) % 7 + 7 * numbers
    else:
        months = {"Y": 12, "H": 6, "Q": 3, "M": 1}[label] * numbers
        times = ((year - 1970) * 12 + months).astype("datetime64[M]")
    times = np.where(valid, times.astype("datetime64[us]"), np.datetime64("NaT"))
    return Reading(times, written, label, (years, numbers))


def label_months(times: np.ndarray, written: str, label: Label | None) -> Reading:
    """Return times as labels of their months, or as they are where they are no labels."""
    if label is None:
        return Reading(times, written)
    months = times.astype("datetime64[M]").astype(np.int64)
    return Reading(times, written, label, (np.where(np.isnat(times), 0, months // 12 + 1970), months % 12))


def weeks_of(years: np.ndarray) -> np.ndarray:
    """Return how many ISO weeks each year has, 52 or 53.

    Example:
        >>> weeks_of(np.array([2020, 2021])).tolist()
        [53, 52]
    """
    fourth = [(year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + 3 for year in (years, years + 1)]
    monday = [day - (day.astype(np.int64) + 3) % 7 for day in fourth]
    return (monday[1] - monday[0]).astype(np.int64) // 7
