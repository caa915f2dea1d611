"""Calendars: which dates a step leads through, as whole numbers to dates and back.

Each calendar counts its units (microseconds, months, trading slots) from 1970, so that reading a million dates, walking
ahead and finding holes are array arithmetic. What pandas has an alias for is named by it; four kinds have names of our
own:

    M[15], 3M[30]                  the 15th of each month, the 30th of each third one (its last day where it is shorter)
    M[1,11,21]                     several days a month
    D[MON-SAT]                     some days of the week
    15min[MON-FRI 09:30-16:00]     some hours of some days; several stretches are parted by "+"
    16D[YEAR]                      every 16 days, beginning anew on 1 January
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from titans_seq.errors import UserError

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAY = 86_400 * 10**6
"""Microseconds of a day."""

_OWN = re.compile(r"(?P<n>\d*)(?P<unit>[A-Za-z]+)\[(?P<within>[^\]]+)\]")
_MONTH_UNITS = {"M": 1, "Q": 3, "Y": 12}


@dataclass(frozen=True)
class Ticks:
    """Steps of one length, from wherever the first date lies.

    Args:
        size: microseconds of a step.
    """

    size: int

    def number(self, times: np.ndarray) -> np.ndarray:
        """Return the microseconds of each time since 1970."""
        return micros(times)

    def time(self, numbers: np.ndarray) -> np.ndarray:
        """Return what `number` counted, datetime64[us]."""
        return numbers.astype("datetime64[us]")


@dataclass(frozen=True)
class Months:
    """One day in each month.

    Args:
        size: months of a step.
        day: day of the month, from 1; a month that is shorter has its last day. With a weekday the n-th such
            day, -1 for the last.
        weekday: 0 for Monday; None for a day of the month.
        business: move the day to the first (day 1) or last (day 31) weekday, as "BMS" and "BME" do.
    """

    size: int
    day: int
    weekday: int | None = None
    business: bool = False

    def number(self, times: np.ndarray) -> np.ndarray:
        """Return the months of each time since 1970."""
        return times.astype("datetime64[M]").astype(np.int64)

    def time(self, numbers: np.ndarray) -> np.ndarray:
        """Return the date in each month, datetime64[us]."""
        first = numbers.astype("datetime64[M]").astype("datetime64[D]")
        last = (numbers + 1).astype("datetime64[M]").astype("datetime64[D]") - 1
        if self.weekday is not None:
            if self.day < 0:
                days = last - (_weekday(last) - self.weekday) % 7
            else:
                days = first + (self.weekday - _weekday(first)) % 7 + 7 * (self.day - 1)
        elif self.business:
            days = np.busday_offset(first, 0, "forward") if self.day == 1 else np.busday_offset(last, 0, "backward")
        else:
            days = np.minimum(first + (self.day - 1), last)
        return days.astype("datetime64[us]")


@dataclass(frozen=True)
class MonthDays:
    """Several days in each month.

    Args:
        size: dates of a step.
        days: days of the month, ascending; a month that is shorter has its last day.
    """

    size: int
    days: tuple[int, ...]

    def number(self, times: np.ndarray) -> np.ndarray:
        """Return the dates up to each time since 1970; a time between two counts as the earlier."""
        months = times.astype("datetime64[M]")
        within = (times.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64) + 1
        length = _length(months)
        found = sum((within >= np.minimum(day, length)).astype(np.int64) for day in self.days)
        return months.astype(np.int64) * len(self.days) + found - 1

    def time(self, numbers: np.ndarray) -> np.ndarray:
        """Return the dates, datetime64[us]."""
        months = (numbers // len(self.days)).astype("datetime64[M]")
        days = np.asarray(self.days)[numbers % len(self.days)]
        return (months.astype("datetime64[D]") + (np.minimum(days, _length(months)) - 1)).astype("datetime64[us]")


@dataclass(frozen=True)
class Weekly:
    """The same slots in every week: days, or hours of some days.

    Args:
        size: slots of a step.
        slots: microseconds since Monday 00:00, ascending.
        name: how the alias writes them, such as "D[MON-SAT]".
    """

    size: int
    slots: tuple[int, ...]
    name: str

    def number(self, times: np.ndarray) -> np.ndarray:
        """Return the slots up to each time since the week of 1970-01-01; a time between two counts as the earlier."""
        week, within = np.divmod(micros(times) + 3 * DAY, 7 * DAY)  # 1970-01-01 was a Thursday
        return week * len(self.slots) + np.searchsorted(self.slots, within, side="right") - 1

    def time(self, numbers: np.ndarray) -> np.ndarray:
        """Return the slots, datetime64[us]."""
        week, slot = np.divmod(numbers, len(self.slots))
        return (week * (7 * DAY) - 3 * DAY + np.asarray(self.slots)[slot]).astype("datetime64[us]")


@dataclass(frozen=True)
class YearDays:
    """Every so many days, beginning anew on 1 January, as satellite composites are dated.

    Args:
        size: dates of a step.
        days: between two dates.
    """

    size: int
    days: int

    def number(self, times: np.ndarray) -> np.ndarray:
        """Return the dates up to each time since 1970; a time between two counts as the earlier."""
        years = times.astype("datetime64[Y]")
        within = (times.astype("datetime64[D]") - years.astype("datetime64[D]")).astype(np.int64)
        return years.astype(np.int64) * self.dates_a_year + within // self.days

    def time(self, numbers: np.ndarray) -> np.ndarray:
        """Return the dates, datetime64[us]."""
        years, at = np.divmod(numbers, self.dates_a_year)
        return (years.astype("datetime64[Y]").astype("datetime64[D]") + at * self.days).astype("datetime64[us]")

    @property
    def dates_a_year(self) -> int:
        """Dates of each year, leap or not."""
        return (365 - 1) // self.days + 1


Calendar = Ticks | Months | MonthDays | Weekly | YearDays


@lru_cache(maxsize=512)
def calendar_of(freq: str) -> Calendar:
    """Return the calendar that an alias names.

    Its anchor counts for nothing here: "QS-FEB" walks three months from any month start, "W-SUN" seven days from any
    day.

    Raises:
        UserError: if there is no such alias, or it does not step forwards.

    Example:
        >>> calendar_of("15min"), calendar_of("QS-FEB"), calendar_of("M[1,15]")
        (Ticks(size=900000000), Months(size=3, day=1, weekday=None, business=False), MonthDays(size=1, days=(1, 15)))
        >>> calendar_of("D[MON-SAT]").time(np.array([0, 5, 6])).astype("datetime64[D]").tolist()[1:]
        [datetime.date(1970, 1, 3), datetime.date(1970, 1, 5)]
    """
    own = _OWN.fullmatch(freq)
    if own:
        return _own_calendar(freq, int(own["n"] or 1), own["unit"], own["within"].upper())
    try:
        offset: Any = to_offset(freq)
    except ValueError as error:
        raise _unknown(freq) from error
    if offset is None:
        raise _unknown(freq)
    n, code = offset.n, offset.rule_code.split("-")[0]
    if n < 1:
        raise UserError(f"the frequency must step forwards, got {freq!r}")
    if isinstance(offset, pd.offsets.Tick):
        if offset.nanos % 1000:
            raise UserError(f"the frequency {freq!r} is finer than a microsecond: resample the data")
        return Ticks(offset.nanos // 1000)
    if code == "W":
        return Ticks(7 * DAY * n)
    if code in ("B", "C"):
        return Weekly(n, tuple(day * DAY for day in range(5)), "B")
    if code in ("SMS", "SME"):
        day = getattr(offset, "day_of_month", 15)
        return MonthDays(n, (1, day) if code == "SMS" else (day, 31))
    if code == "WOM":
        return Months(n, offset.week + 1, offset.weekday)
    side = re.fullmatch(r"(B?)([MQY])([SE])", code)
    side = side or re.fullmatch(r"(B?)([QY])([SE])", code)
    if side:
        return Months(n * _MONTH_UNITS[side[2]], 1 if side[3] == "S" else 31, business=bool(side[1]))
    raise _unknown(freq)


def _own_calendar(freq: str, n: int, unit: str, within: str) -> Calendar:
    last = re.fullmatch(r"-1(?P<day>MON|TUE|WED|THU|FRI|SAT|SUN)", within)
    if unit == "M" and last:
        return Months(n, -1, DAYS.index(last["day"]))
    if unit == "M" and re.fullmatch(r"\d+(,\d+)*", within):
        days = tuple(sorted({int(day) for day in within.split(",")}))
        if n >= 1 and 1 <= days[0] and days[-1] <= 31:
            return Months(n, days[0]) if len(days) == 1 else MonthDays(n, days)
    if unit == "D" and within == "YEAR" and n >= 2 and 365 % n:
        return YearDays(1, n)
    parts = within.split(" ")
    days = _days_of(parts[0]) if parts[0][0].isalpha() else tuple(range(7))
    clocks = parts[-1] if parts[-1][0].isdigit() else None
    if unit == "D" and clocks is None and days and len(parts) == 1:
        return Weekly(n, tuple(day * DAY for day in days), f"D[{within}]")
    tick = _tick(n, unit)
    if tick and clocks and days and len(parts) <= 2:
        slots = _slots(clocks, tick)
        if slots:
            every = tuple(day * DAY + slot for day in days for slot in slots)
            return Weekly(1, every, f"{n if n > 1 else ''}{unit}[{within}]")
    raise _unknown(freq)


def _tick(n: int, unit: str) -> int | None:
    sizes = {"h": 3600 * 10**6, "min": 60 * 10**6, "s": 10**6}
    return n * sizes[unit] if unit in sizes and n >= 1 else None


def _days_of(text: str) -> tuple[int, ...]:
    """The weekdays of "MON-SAT", "SUN-THU" or "MON,WED,FRI"; none where it is not such."""
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            return ()
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {(begin + ahead) % 7 for ahead in range((end - begin) % 7 + 1)}
    return tuple(sorted(days))


def days_text(days: tuple[int, ...]) -> str:
    """Weekdays as an alias writes them.

    Example:
        >>> days_text((0, 1, 2, 3, 6)), days_text((0, 2, 4))
        ('SUN-THU', 'MON,WED,FRI')
    """
    starts = [day for day in days if (day - 1) % 7 not in days]
    if len(starts) == 1 and len(days) > 2:
        return f"{DAYS[starts[0]]}-{DAYS[(starts[0] + len(days) - 1) % 7]}"
    return ",".join(DAYS[day] for day in days)


def _slots(clocks: str, tick: int) -> tuple[int, ...]:
    slots: list[int] = []
    for part in clocks.split("+"):
        ends = [_clock(end) for end in part.split("-")]
        if any(end is None for end in ends) or len(ends) != 2:
            return ()
        slots += range(ends[0] or 0, (ends[1] or 0) + 1, tick)
    return tuple(slots) if slots == sorted(set(slots)) else ()


def _clock(text: str) -> int | None:
    found = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d))?", text)
    return None if not found else ((int(found[1]) * 60 + int(found[2])) * 60 + int(found[3] or 0)) * 10**6


def clock_text(slot: int) -> str:
    """Microseconds of a day as a clock.

    Example:
        >>> clock_text(34_200_000_000)
        '09:30'
    """
    seconds = slot // 10**6
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    return text if seconds % 60 == 0 else f"{text}:{seconds % 60:02}"


def micros(times: np.ndarray) -> np.ndarray:
    """Return the microseconds of each time since 1970, int64."""
    return times.astype("datetime64[us]").astype(np.int64)


def _weekday(days: np.ndarray) -> np.ndarray:
    return (days.astype(np.int64) + 3) % 7


def _length(months: np.ndarray) -> np.ndarray:
    return ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)


def _unknown(freq: str) -> UserError:
    return UserError(
        f"unknown frequency {freq!r}: give a pandas alias such as min, 15min, h, D, B, W, MS, QS or YS, or one such as "
        "M[15], D[MON-SAT] or 15min[MON-FRI 09:30-16:00]"
    )
