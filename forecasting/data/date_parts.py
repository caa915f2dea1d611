"""Parts of dates as whole numbers: the hour of the day, the day of the week and so on."""

from typing import Any, Literal, cast

import numpy as np
import pandas as pd

Part = Literal[
    "second_of_minute",
    "minute_of_hour",
    "hour_of_day",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "week_of_year",
    "month_of_year",
]


def date_part(index: pd.DatetimeIndex, part: Part) -> np.ndarray:
    """Return one part of each date, counted from 0; the week begins on Monday, the year's first week on 1 January.

    Args:
        index: T dates.
        part: which part.

    Returns:
        int64 [T].

    Example:
        >>> index = pd.DatetimeIndex(["2024-02-29 13:45"])
        >>> [int(date_part(index, part)[0]) for part in ("minute_of_hour", "hour_of_day", "day_of_week")]
        [45, 13, 3]
        >>> [int(date_part(index, part)[0]) for part in ("day_of_month", "week_of_year", "month_of_year")]
        [28, 8, 1]
    """
    if part == "month_of_year":
        return month_number(index) % 12
    if part in ("day_of_month", "day_of_year", "week_of_year"):
        within = "M" if part == "day_of_month" else "Y"
        times = clock_times(index)
        days = (times.astype("datetime64[D]") - times.astype(f"datetime64[{within}]")).astype(np.int64)
        return days // 7 if part == "week_of_year" else days
    if part == "day_of_week":
        return (_whole(index, "D") + 3) % 7  # 1970-01-01 was a Thursday
    unit, size = {"second_of_minute": ("s", 60), "minute_of_hour": ("m", 60), "hour_of_day": ("h", 24)}[part]
    return _whole(index, unit) % size


def month_number(index: pd.DatetimeIndex) -> np.ndarray:
    """Months since January 1970, int64 [T].

    Example:
        >>> month_number(pd.DatetimeIndex(["1969-12-31", "1971-02-01"])).tolist()
        [-1, 13]
    """
    return _whole(index, "M")


def date_at(index: pd.Index, at: int) -> pd.Timestamp:
    """Return one date of an index that holds dates; pandas leaves its type open."""
    return cast(pd.Timestamp, index[at])


def dates_at(index: pd.Index, at: Any) -> pd.DatetimeIndex:
    """Return some dates of an index that holds dates, by a slice, a mask or numbers."""
    return cast(pd.DatetimeIndex, index[at])


def clock_times(index: pd.DatetimeIndex) -> np.ndarray:
    """Return the dates as the clocks of their time zone show them, datetime64.

    Example:
        >>> str(clock_times(pd.DatetimeIndex(["2024-07-01 12:00"]).tz_localize("Asia/Tokyo"))[0])[:16]
        '2024-07-01T12:00'
    """
    return (index if index.tz is None else index.tz_localize(None)).to_numpy()


def _whole(index: pd.DatetimeIndex, unit: str) -> np.ndarray:
    return clock_times(index).astype(f"datetime64[{unit}]").astype(np.int64)
