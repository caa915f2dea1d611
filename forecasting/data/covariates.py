"""Calendar features: known for any date, so they serve as known-future covariates."""

import numpy as np
import pandas as pd

from .date_parts import Part, date_part
from .frequency import period_of

# From the coarsest step down. Each uses the parts that vary from one step to the next.
_PARTS: dict[str, tuple[Part, ...]] = {
    "Q": ("month_of_year",),
    "M": ("month_of_year",),
    "W": ("day_of_month", "week_of_year"),
    "B": ("day_of_week", "day_of_month", "day_of_year"),
    "D": ("day_of_week", "day_of_month", "day_of_year"),
    "h": ("hour_of_day", "day_of_week", "day_of_month", "day_of_year"),
    "min": ("minute_of_hour", "hour_of_day", "day_of_week", "day_of_month", "day_of_year"),
    "s": ("second_of_minute", "minute_of_hour", "hour_of_day", "day_of_week", "day_of_month", "day_of_year"),
}
_LARGEST: dict[Part, int] = {
    "second_of_minute": 59,
    "minute_of_hour": 59,
    "hour_of_day": 23,
    "day_of_week": 6,
    "day_of_month": 30,
    "day_of_year": 365,
    "week_of_year": 52,
    "month_of_year": 11,
}


def calendar_features(index: pd.DatetimeIndex | pd.RangeIndex, freq: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return where each date stands within its year, month, week, day or hour, whichever a step of `freq` changes.

    Args:
        index: T dates. Step numbers have no calendar and give no features.
        freq: pandas alias of the step; None for step numbers. Yearly steps give no features.

    Returns:
        float32 [T, F] in [-0.5, 0.5], and the F names.

    Raises:
        ValueError: if dates come without a frequency.

    Example:
        >>> features, names = calendar_features(pd.DatetimeIndex(["2020-01-01", "2020-12-01"]), "MS")
        >>> features.tolist(), names
        ([[-0.5], [0.5]], ('month_of_year',))
    """
    if not isinstance(index, pd.DatetimeIndex):
        return np.zeros((len(index), 0), dtype=np.float32), ()
    if freq is None:
        raise ValueError("a dated index needs a frequency")
    names = _PARTS.get(period_of(freq), ())
    features = np.zeros((len(index), len(names)), dtype=np.float32)
    for at, name in enumerate(names):
        features[:, at] = date_part(index, name) / _LARGEST[name] - 0.5
    return features, names
