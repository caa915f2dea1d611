"""Arithmetic of steps: how many make a season, which number a date has, whether two steps are the same."""

import logging

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import MonthBegin, MonthEnd, Tick

from ..data import period_of
from .date_parts import month_number
from .frequency import stepper

_EPOCH = np.datetime64("1970-01-01")


def season_length(freq: str | None) -> int:
    """Steps of the season that MASE and the seasonal naive forecast use, as GluonTS counts them.

    Hours 24, business days 5, months 12, quarters 4, minutes the day; days, weeks, years and steps without
    dates 1 (the convention of the M4 competition).

    Args:
        freq: pandas alias of the step; None where there are no dates.

    Example:
        >>> [season_length(freq) for freq in ("h", "15min", "MS", "QS-JAN", "D", None)]
        [24, 96, 12, 4, 1, 1]
    """
    if freq is None:
        return 1
    # GluonTS takes a second to import, which those who only forecast need not wait for.
    from gluonts.time_feature import get_seasonality

    logger = logging.getLogger("gluonts.time_feature.seasonality")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of steps such as 36h, for which 1 is the right answer
    try:
        return get_seasonality(freq)
    finally:
        logger.setLevel(level)


def step_number(index: pd.DatetimeIndex | pd.RangeIndex, freq: str | None) -> int:
    """The number of the first step, counted from 1970 or from step 0, the same for a date wherever it occurs.

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
    offset = stepper(freq)
    first = index.to_numpy()[:1]
    if isinstance(offset, Tick):
        return int(first.astype("datetime64[ns]").astype(np.int64)[0]) // offset.nanos
    if isinstance(offset, MonthBegin | MonthEnd):
        return int(month_number(index)[0]) // offset.n
    day = first.astype("datetime64[D]")[0]
    if period_of(freq) == "B":
        return int(np.busday_count(_EPOCH, day)) // offset.n
    # Rarer steps (half months, custom offsets) are walked.
    steps = len(pd.date_range(min(day, _EPOCH), max(day, _EPOCH), freq=offset)) - 1
    return steps if day >= _EPOCH else -steps


def same_step(one: str | None, other: str | None) -> bool:
    """Whether two frequencies step alike, wherever they are anchored; None is a step without dates.

    Example:
        >>> same_step("W-SUN", "W-FRI"), same_step("MS", "ME"), same_step("h", "2h"), same_step(None, "D")
        (True, True, False, False)
    """
    if one is None or other is None:
        return one is other
    first, second = stepper(one), stepper(other)
    months = (MonthBegin, MonthEnd)
    if isinstance(first, months) and isinstance(second, months):
        return first.n == second.n
    return first == second or to_offset(one) == to_offset(other)
