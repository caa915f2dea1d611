"""The step between dates: naming it by an alias, and walking along it."""

import datetime as dt
import re
from functools import lru_cache
from typing import Literal, cast

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from .calendars import DAY, DAYS, MONTHS, Calendar, MonthDays, Months, Ticks, Weekly, YearDays, calendar_of, micros
from .date_parts import date_at, date_part, month_number

Period = Literal["Y", "Q", "M", "W", "B", "D", "h", "min", "s"]

_OLD_ALIASES = {
    "H": "h",
    "T": "min",
    "S": "s",
    "L": "ms",
    "AS": "YS",
    "AE": "YE",
    "BM": "BME",
    "BQ": "BQE",
    "BA": "BYE",
}
# Aliases that leave open whether a period is named by its first or its last day.
_OPEN_ALIASES = {"M": ("MS", "ME"), "Q": ("QS", "QE"), "Y": ("YS", "YE"), "A": ("YS", "YE")}
_ANCHORED = ("W", "QS", "QE", "YS", "YE", "BQS", "BQE", "BYS", "BYE")


def settle_frequency(freq: str, index: pd.DatetimeIndex) -> str:
    """Return the modern alias of a frequency that a user gave; what it leaves open is taken from its dates.

    An anchor that is given stays: dates that do not lie on it are refused later, not moved to another.

    Raises:
        UserError: if there is no such frequency.

    Example:
        >>> settle_frequency("Q", pd.DatetimeIndex(["2020-03-31", "2020-06-30"]))
        'QE-DEC'
        >>> settle_frequency("15T", pd.DatetimeIndex([])), settle_frequency("D[MON,TUE]", pd.DatetimeIndex([]))
        ('15min', 'D[MON,TUE]')
    """
    if "[" in freq:
        calendar = calendar_of(freq)
        return alias_of(calendar) if not isinstance(calendar, Ticks) else freq
    digits = freq[: len(freq) - len(freq.lstrip("0123456789"))]
    code, _, month = freq[len(digits) :].partition("-")
    if code in _OPEN_ALIASES:
        ends = len(index) > 0 and bool((date_part(index + pd.Timedelta(days=1), "day_of_month") == 0).all())
        code = _OPEN_ALIASES[code][ends]
        # The anchor of an open alias is the last month of its year; a start is named by the month after.
        if month in MONTHS and not ends:
            month = MONTHS[(MONTHS.index(month) + 1) % 12]
    code = _OLD_ALIASES.get(code, code)
    settled = digits + code + (f"-{month}" if month else "")
    calendar_of(settled)
    plain = to_offset(settled).freqstr
    return anchor(plain, date_at(index, 0)) if len(index) and not month else plain


def alias_of(calendar: Calendar) -> str:
    """Return the alias of a calendar, without an anchor.

    Example:
        >>> alias_of(Months(3, 30)), alias_of(Months(12, 1)), alias_of(Ticks(7 * DAY))
        ('3M[30]', 'YS', 'W')
    """
    match calendar:
        case Ticks(size) if size % (7 * DAY) == 0:
            return _counted(size // (7 * DAY), "W")
        case Ticks(size):
            return to_offset(dt.timedelta(microseconds=size)).freqstr
        case Months(size, day, None, business) if day in (1, 31):
            unit, months = next((u, m) for u, m in (("Y", 12), ("Q", 3), ("M", 1)) if size % m == 0)
            return _counted(size // months, f"{'B' if business else ''}{unit}{'S' if day == 1 else 'E'}")
        case Months(size, day, None):
            return _counted(size, f"M[{day}]")
        case Months(size, day, weekday):
            return _counted(size, f"WOM-{day}{DAYS[weekday or 0]}" if day > 0 else f"M[-1{DAYS[weekday or 0]}]")
        case MonthDays(size, days):
            return _counted(size, f"M[{','.join(map(str, days))}]")
        case Weekly(size, _, name):
            return _counted(size, name)
        case YearDays(_, days):
            return f"{days}D[YEAR]"


def _counted(count: int, alias: str) -> str:
    return f"{count}{alias}" if count > 1 else alias


@lru_cache(maxsize=512)
def period_of(freq: str) -> Period:
    """Return the kind of period a frequency steps by; "s" also for shorter ones.

    Example:
        >>> [period_of(freq) for freq in ("QS-FEB", "BME", "2W-FRI", "15min", "36h", "ms", "M[15]", "D[MON-SAT]")]
        ['Q', 'M', 'W', 'min', 'h', 's', 'M', 'B']
    """
    match calendar_of(freq):
        case Ticks(size):
            if size % (7 * DAY) == 0 and "W" in freq:
                return "W"
            return _tick_period(size)
        case Months(size):
            return "Y" if size % 12 == 0 else "Q" if size % 3 == 0 else "M"
        case Weekly(_, slots):
            clocks = int(np.gcd.reduce(np.asarray(slots)))
            return "B" if clocks % DAY == 0 else _tick_period(clocks)
        case _:
            return "D"


def _tick_period(size: int) -> Period:
    units: tuple[tuple[Period, int], ...] = (("D", DAY), ("h", DAY // 24), ("min", DAY // 1440), ("s", 1))
    return next(period for period, unit in units if size % unit == 0)


def anchor(freq: str, first: pd.Timestamp) -> str:
    """Give a weekly, quarterly or yearly alias the anchor that `first` lies on.

    Example:
        >>> anchor("W-SUN", pd.Timestamp("2021-04-30")), anchor("QS-OCT", pd.Timestamp("2020-04-01"))
        ('W-FRI', 'QS-JAN')
    """
    found = re.fullmatch(r"(\d*)([A-Z]+)(-[A-Z]+)?", freq)
    if not found or found[2] not in _ANCHORED:
        return freq
    count, code = found[1], found[2]
    if code == "W":
        return f"{count}W-{DAYS[first.weekday()]}"
    if "Q" in code:
        # The same quarters have four names; the one nearest to a calendar year is used.
        months = ("JAN", "FEB", "MAR") if code.endswith("S") else ("OCT", "NOV", "DEC")
        return f"{count}{code}-{months[(first.month - 1) % 3]}"
    return f"{count}{code}-{MONTHS[first.month - 1]}"


def anchor_of(freq: str) -> str | None:
    """Return the month or weekday that anchors an alias, None where there is none.

    Example:
        >>> anchor_of("QE-JAN"), anchor_of("2W-SUN"), anchor_of("WOM-3FRI"), anchor_of("h")
        ('JAN', 'SUN', None, None)
    """
    found = re.fullmatch(r"\d*([A-Z]+)-([A-Z]{3})", freq)
    return found[2] if found and found[1] in _ANCHORED else None


def without_anchor(freq: str) -> str:
    """Return an alias that takes its anchor from the dates.

    Example:
        >>> without_anchor("QS-OCT"), without_anchor("WOM-3FRI")
        ('QS', 'WOM-3FRI')
    """
    return freq.partition("-")[0] if anchor_of(freq) else freq


def on_anchor(freq: str, index: pd.DatetimeIndex) -> np.ndarray:
    """Say whether dates lie on the anchor of a weekly, quarterly or yearly alias; True for an alias without one.

    Example:
        >>> on_anchor("YE-JUN", pd.DatetimeIndex(["2020-06-30", "2020-12-31"])).tolist()
        [True, False]
    """
    named = anchor_of(freq)
    if named in DAYS:
        return date_part(index, "day_of_week") == DAYS.index(named)
    if named in MONTHS:
        return (month_number(index) - MONTHS.index(named)) % (3 if "Q" in freq else 12) == 0
    return np.ones(len(index), dtype=bool)


def base_times(index: pd.DatetimeIndex, freq: str) -> np.ndarray:
    """Return the dates without their time zone, datetime64[us]: clock times for steps of days and longer, else UTC.

    So a step of a day leads from midnight to midnight across a clock change, and one of an hour lasts an hour.

    Example:
        >>> index = pd.DatetimeIndex(["2024-01-01"]).tz_localize("Europe/Berlin")
        >>> str(base_times(index, "D")[0])[:13], str(base_times(index, "h")[0])[:13]
        ('2024-01-01T00', '2023-12-31T23')
    """
    if index.tz is None:
        return index.to_numpy().astype("datetime64[us]")
    if not _in_local_time(freq):
        return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
    wall = index.tz_localize(None)
    # A day that begins at 01:00, because its midnight does not exist, is still that day.
    midnight = pd.DatetimeIndex(wall.to_numpy().astype("datetime64[D]")).as_unit(wall.unit)
    begins = np.asarray(_localize(midnight, index.tz) == index)
    return np.where(begins, midnight.to_numpy(), wall.to_numpy()).astype("datetime64[us]")


def dated(times: np.ndarray, freq: str, zone: object = None) -> pd.DatetimeIndex:
    """Undo `base_times`: an index in nanoseconds, or in microseconds where those would not reach the years."""
    index = fine_index(times)
    if zone is None:
        return index
    return _localize(index, zone) if _in_local_time(freq) else index.tz_localize("UTC").tz_convert(cast(str, zone))


def fine_index(times: np.ndarray) -> pd.DatetimeIndex:
    """Return an index in the unit that pandas uses, nanoseconds; microseconds outside the years 1700 to 2200.

    Example:
        >>> fine_index(np.array(["2020-01-01"], "M8[D]")).unit, fine_index(np.array(["2300-01-01"], "M8[D]")).unit
        ('ns', 'us')
    """
    years = times[~np.isnat(times)].astype("datetime64[Y]").astype(np.int64) + 1970
    near = not len(years) or (years.min() >= 1700 and years.max() <= 2200)
    return pd.DatetimeIndex(times.astype("datetime64[ns]" if near else "datetime64[us]"))


def _in_local_time(freq: str) -> bool:
    calendar = calendar_of(freq)
    return not isinstance(calendar, Ticks) or calendar.size % DAY == 0


def _localize(index: pd.DatetimeIndex, zone: object) -> pd.DatetimeIndex:
    """Clock times in a zone: the first of two that are called alike, the next that exists for one that does not."""
    first = np.ones(len(index), dtype=bool)
    return index.tz_localize(cast(str, zone), ambiguous=first, nonexistent="shift_forward")


def snap(index: pd.DatetimeIndex, freq: str) -> pd.DatetimeIndex:
    """Move dates to the day of their month, where the frequency names one in each month.

    Example:
        >>> snap(pd.DatetimeIndex(["2020-02-15"]), "ME")[0].date().isoformat()
        '2020-02-29'
    """
    calendar = calendar_of(freq)
    if not isinstance(calendar, Months):
        return index
    times = base_times(index, freq)
    moved = calendar.time(calendar.number(times)).astype("datetime64[D]")
    # The clock stays: only the day of the month is the calendar's.
    return dated(moved + (times - times.astype("datetime64[D]")), freq, index.tz)


def walk(first: pd.Timestamp, length: int, freq: str) -> pd.DatetimeIndex:
    """Return the `length` dates that begin with `first`, which must lie on a step.

    Example:
        >>> walk(pd.Timestamp("2020-01-31"), 2, "ME")[1].date().isoformat()
        '2020-02-29'
        >>> [day.day for day in walk(pd.Timestamp("2024-03-01"), 3, "D[MON-FRI]")]
        [1, 4, 5]
    """
    calendar = calendar_of(freq)
    start = base_times(pd.DatetimeIndex([first]), freq)
    number = calendar.number(start)
    clock = start - calendar.time(number)
    times = calendar.time(number + calendar.size * np.arange(length)) + clock
    return dated(times, freq, first.tzinfo)


def future_index(
    index: pd.DatetimeIndex | pd.RangeIndex, freq: str | None, horizon: int
) -> pd.DatetimeIndex | pd.RangeIndex:
    """Return the `horizon` steps that follow the last of `index`.

    Args:
        index: at least one step.
        freq: alias of the step of dates; not used for step numbers.
        horizon: number of steps, at least 1.

    Raises:
        ValueError: if dates come without a frequency.

    Example:
        >>> future_index(pd.DatetimeIndex(["2020-01-31"]), "ME", 2).strftime("%Y-%m-%d").tolist()
        ['2020-02-29', '2020-03-31']
        >>> future_index(pd.RangeIndex(10), None, 2)
        RangeIndex(start=10, stop=12, step=1)
    """
    if not isinstance(index, pd.DatetimeIndex):
        return pd.RangeIndex(index.stop, index.stop + horizon * index.step, index.step)
    if freq is None:
        raise ValueError("a dated index needs a frequency")
    return cast(pd.DatetimeIndex, walk(date_at(index, -1), horizon + 1, freq)[1:])


def phases(calendar: Calendar, times: np.ndarray) -> np.ndarray:
    """Return what is left of each time after whole steps: equal for all times of one grid.

    Returns:
        int64 [N]: microseconds for steps of one length; otherwise microseconds after the calendar's date, together
        with the units by which it lies off whole steps.

    Example:
        >>> phases(calendar_of("QS"), np.array(["2020-01-01", "2020-04-01", "2020-05-01"], "M8[us]")).tolist()
        [0, 0, 1000000000000000000]
    """
    numbers = calendar.number(times)
    if isinstance(calendar, Ticks):
        return numbers % calendar.size
    late = micros(times) - micros(calendar.time(numbers))
    return late + numbers % calendar.size * 10**18
