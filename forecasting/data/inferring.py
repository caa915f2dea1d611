"""Finding the step that dates follow."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from .calendars import (
    DAY,
    Calendar,
    MonthDays,
    Months,
    Ticks,
    Weekly,
    YearDays,
    calendar_of,
    clock_text,
    days_text,
    micros,
)
from .date_parts import clock_times, date_at
from .frequency import alias_of, anchor, base_times, phases

_FILLED = 0.8
"""Share of its dates that a calendar with pauses must have, to be believed."""
_WEEKS = 3
"""Weeks in which a weekday must be absent, to be a day of rest."""
_MOST_DAYS = 6
"""Dates a month, at most, of a calendar with several."""
_MOST_STRETCHES = 3
_NICE = [
    *(seconds * 10**6 for seconds in (1, 2, 5, 10, 15, 20, 30)),
    *(minutes * 60 * 10**6 for minutes in (1, 2, 3, 5, 6, 10, 12, 15, 20, 30)),
    *(hours * 3600 * 10**6 for hours in (1, 2, 3, 4, 6, 8, 12, 24, 168)),
]


def infer_frequency(index: pd.DatetimeIndex) -> str | None:
    """Return the alias of the step that most of the dates follow; dates may be missing in between.

    Calendar steps (months, days of the month, trading days and hours) are recognised before steps of fixed length.

    Args:
        index: strictly increasing dates.

    Returns:
        An alias such as "h", "W-SUN", "QS-JAN", "M[15]" or "D[MON-SAT]"; None for fewer than two dates.

    Example:
        >>> infer_frequency(pd.DatetimeIndex(["2020-01-01", "2020-02-01", "2020-05-01", "2020-06-01"]))
        'MS'
        >>> infer_frequency(pd.DatetimeIndex(["2020-01-15", "2020-02-15", "2020-03-15"]))
        'M[15]'
    """
    if len(index) < 2:
        return None
    absolute = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    times, wall = absolute.to_numpy().astype("datetime64[us]"), clock_times(index).astype("datetime64[us]")
    steps = np.diff(micros(times))
    tick = _mode(steps)
    if (steps == steps[0]).all() and tick < DAY:
        return alias_of(Ticks(tick))
    found: Calendar | None = _months(wall)
    local = np.diff(micros(wall))
    if found is None and (local == local[0]).all():
        found = Ticks(int(local[0]))
    tries: tuple[Callable[[np.ndarray], Calendar | None], ...] = (_month_days, _year_days, _week_days, _hours)
    for one in tries:
        found = found or one(wall)
    found = found or _rough_months(wall)
    if found is None:
        # Local days of 23 or 25 hours are days.
        found = Ticks(tick if tick < DAY * 9 // 10 else _mode(local))
    return anchor(alias_of(found), date_at(index, 0))


def regularity(index: pd.DatetimeIndex) -> float:
    """Return the share of the steps from the first date to the last that are there, 0 for dates off their own step.

    Example:
        >>> regularity(pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2020-01-04"]))
        0.75
    """
    freq = infer_frequency(index)
    return 0.0 if freq is None else _filled(calendar_of(freq), base_times(index, freq))


def infer_round_step(index: pd.DatetimeIndex) -> str | None:
    """Return the alias of the round step (a second to a week) that dates follow more or less, None if they follow none.

    Example:
        >>> infer_round_step(pd.DatetimeIndex(["2020-01-01 00:00:02", "2020-01-01 00:15:00", "2020-01-01 00:30:03"]))
        '15min'
    """
    steps = np.diff(micros(index.to_numpy()))
    if not len(steps):
        return None
    middle = float(np.median(steps))
    near = min(_NICE, key=lambda step: abs(step - middle))
    if abs(near - middle) > 0.1 * near or np.mean(np.abs(steps - near) < 0.25 * near) < _FILLED:
        return None
    return alias_of(Ticks(near))


def _filled(calendar: Calendar, times: np.ndarray) -> float:
    """The share of the calendar's dates between the first time and the last that the times make, if all lie on it."""
    if len(np.unique(phases(calendar, times))) > 1:
        return 0.0
    numbers = calendar.number(times)
    return len(numbers) / (int(numbers[-1] - numbers[0]) // calendar.size + 1)


def _months(times: np.ndarray) -> Months | None:
    """One date in each month or each few months, the same day by one rule."""
    months = times.astype("datetime64[M]").astype(np.int64)
    gaps, steps = np.diff(months), np.diff(micros(times))
    if gaps.min() < 1 or np.median(steps) < 27 * DAY:
        return None
    days = (times.astype("datetime64[D]") - times.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    weekdays = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    size = _mode(gaps)
    rules = [Months(size, 1), Months(size, 31), Months(size, int(days.max()))]
    rules += [Months(size, 1, business=True), Months(size, 31, business=True)]
    if len(np.unique(weekdays)) == 1 and len(times) >= 3 and (steps != steps[0]).any():
        rules += [Months(size, int((days[0] - 1) // 7) + 1, int(weekdays[0])), Months(size, -1, int(weekdays[0]))]
    for rule in rules:
        late = micros(times) - micros(rule.time(months))
        if (late == late[0]).all() and 0 <= late[0] < DAY:
            return rule
    return None


def _rough_months(times: np.ndarray) -> Months | None:
    """One date in each month, on no day in particular: months, by their first day."""
    gaps, steps = np.diff(times.astype("datetime64[M]").astype(np.int64)), np.diff(micros(times))
    if gaps.min() < 1 or np.median(steps) < 27 * DAY or np.mean(steps == _mode(steps)) >= 0.6:
        return None
    return Months(_mode(gaps), 1)


def _month_days(times: np.ndarray) -> MonthDays | None:
    """A few days in each month, such as the 1st and 15th, or the 1st, 11th and 21st."""
    months = times.astype("datetime64[M]")
    day = (times.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64) + 1
    length = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    # A day that a shorter month does not have is its last one there.
    late, top = day >= 28, int(day.max())
    kept = np.where(late, top, day) if (day[late] == np.minimum(top, length[late])).all() else day
    days, counts = np.unique(kept, return_counts=True)
    passed = int((months[-1] - months[0]).astype(np.int64)) + 1
    if not 2 <= len(days) <= _MOST_DAYS or passed < 3 or counts.min() < passed / 2:
        return None
    calendar = MonthDays(1, tuple(int(one) for one in days))
    return calendar if _filled(calendar, times) >= _FILLED else None


def _year_days(times: np.ndarray) -> YearDays | None:
    steps = np.diff(micros(times))
    days = _mode(steps) // DAY
    if days < 2 or _mode(steps) % DAY or 365 % days == 0 or days > 100:
        return None
    calendar = YearDays(1, days)
    crosses = len(np.unique(times.astype("datetime64[Y]"))) > 1
    return calendar if crosses and _filled(calendar, times) >= _FILLED else None


def _week_days(times: np.ndarray) -> Weekly | None:
    """Some days of the week: business days, Monday to Saturday, Sunday to Thursday."""
    whole = times.astype("datetime64[D]")
    if len(np.unique(whole)) < len(times) or len(np.unique(micros(times) % DAY)) > 1:
        return None
    days = np.unique((whole.astype(np.int64) + 3) % 7)
    span, step = int((whole[-1] - whole[0]).astype(np.int64)), _mode(np.diff(micros(times)))
    if len(days) < 2 or len(days) == 7 or span < 6:
        return None
    seen = Weekly(1, tuple(int(day) * DAY for day in days), f"D[{days_text(tuple(int(day) for day in days))}]")
    business = Weekly(1, tuple(day * DAY for day in range(5)), "B")
    if days.max() < 5 and step == DAY and (len(days) == 5 or span < 7 * _WEEKS or _filled(seen, times) < _FILLED):
        return business
    return seen if span >= 7 * _WEEKS - 1 and _filled(seen, times) >= _FILLED else None


def _hours(times: np.ndarray) -> Weekly | None:
    """Some hours of some days, such as the hours of an exchange."""
    whole = times.astype("datetime64[D]")
    tick = _mode(np.diff(micros(times)))
    if tick >= DAY or DAY % tick or tick % 10**6 or len(np.unique(whole)) < 3:
        return None
    clocks, counts = np.unique(micros(times) % DAY, return_counts=True)
    clocks = clocks[counts >= 0.5 * len(np.unique(whole))]
    days = np.unique((whole.astype(np.int64) + 3) % 7)
    if len(clocks) < 2 or len(clocks) * len(days) >= 0.9 * 7 * DAY / tick:
        return None
    passed = np.arange(whole[0], whole[-1] + 1).astype(np.int64)
    if not np.isin((passed + 3) % 7, (5, 6)).any():
        days = np.arange(5)  # No weekend has passed, so nothing says that there is work on one.
    starts = np.flatnonzero(np.diff(clocks, prepend=clocks[0] - 2 * tick) != tick)
    ends = np.append(starts[1:], len(clocks)) - 1
    if len(starts) > _MOST_STRETCHES or (clocks[0] % tick != clocks % tick).any() and len(starts) == 1:
        return None
    stretches = [(int(clocks[first]), int(clocks[last])) for first, last in zip(starts, ends, strict=True)]
    hours = "+".join(f"{clock_text(first)}-{clock_text(last)}" for first, last in stretches)
    on = "" if len(days) == 7 else days_text(tuple(int(day) for day in days)) + " "
    slots = tuple(int(day * DAY + clock) for day in days for clock in clocks)
    calendar = Weekly(1, slots, f"{alias_of(Ticks(tick))}[{on}{hours}]")
    filled = _filled(calendar, times)
    return calendar if filled >= _FILLED and filled > _filled(Ticks(tick), times) + 0.1 else None


def _mode(values: np.ndarray) -> int:
    """The most frequent value; of several, the smallest."""
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)])
