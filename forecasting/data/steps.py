"""Arithmetic of steps: how many make a season, which number a date has, whether two steps are the same."""

import pandas as pd

from .calendars import DAY, Calendar, MonthDays, Months, Ticks, Weekly, YearDays, calendar_of
from .date_parts import dates_at
from .frequency import base_times


def season_length(freq: str | None) -> int:
    """Return steps of the season that MASE and the seasonal naive forecast use: the shortest natural one.

    Steps within a day have the day, or the hours of it that the calendar has; days the week, or its days that the
    calendar has; months and days of the month the year; steps of seconds the hour, as GluonTS counts them. Weeks, years
    and steps without dates have none, as in the M4 competition.

    Args:
        freq: alias of the step; None where there are no dates.

    Returns:
        The steps, 1 where there is no season or it is no whole number of steps.

    Example:
        >>> [season_length(freq) for freq in ("h", "15min", "MS", "QS-JAN", "D", "B", "D[MON-SAT]", None)]
        [24, 96, 12, 4, 7, 5, 6, 1]
    """
    if freq is None:
        return 1
    match calendar_of(freq):
        case Ticks(size) if size < DAY // 1440:
            return _whole(DAY // 24, size)
        case Ticks(size) if size < DAY:
            return _whole(DAY, size)
        case Ticks(size) if size < 7 * DAY:
            return _whole(7 * DAY, size)
        case Months(size):
            return _whole(12, size)
        case MonthDays(size, days):
            return _whole(12 * len(days), size)
        case Weekly(size, slots):
            days = len({slot // DAY for slot in slots})
            return _whole(len(slots) if len(slots) == days else len(slots) // days, size)
        case YearDays() as calendar:
            return calendar.dates_a_year
        case _:
            return 1


def _whole(season: int, size: int) -> int:
    return season // size if season % size == 0 else 1


def step_number(index: pd.DatetimeIndex | pd.RangeIndex, freq: str | None) -> int:
    """Return the number of the first step, counted from 1970 or from step 0, the same for a date wherever it occurs.

    Args:
        index: at least one step.
        freq: alias of the step of dates.

    Example:
        >>> step_number(pd.date_range("1970-01-02", periods=2, freq="h"), "h")
        24
        >>> step_number(pd.RangeIndex(10, 20, 2), None)
        5
    """
    if not isinstance(index, pd.DatetimeIndex) or freq is None:
        return index.start // index.step if isinstance(index, pd.RangeIndex) else 0
    calendar = calendar_of(freq)
    return int(calendar.number(base_times(dates_at(index, slice(1)), freq))[0]) // calendar.size


def same_step(one: str | None, other: str | None) -> bool:
    """Say whether two frequencies step alike, wherever they are anchored; None is a step without dates.

    Example:
        >>> same_step("W-SUN", "W-FRI"), same_step("MS", "M[15]"), same_step("h", "2h"), same_step(None, "D")
        (True, True, False, False)
    """
    if one is None or other is None:
        return one is other
    first, second = calendar_of(one), calendar_of(other)
    if isinstance(first, Months) and isinstance(second, Months):
        return first.size == second.size
    return _rule(first) == _rule(second)


def _rule(calendar: Calendar) -> object:
    """A calendar without the name it was given."""
    return (calendar.size, calendar.slots) if isinstance(calendar, Weekly) else calendar
