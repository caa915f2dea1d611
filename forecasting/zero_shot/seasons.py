"""The periods that a series is told to have: those of its frequency, or those found in it."""

import numpy as np

from ..data.calendars import DAY, Ticks, Weekly, calendar_of
from ..data.steps import season_length

LONGEST_FOUND = 400
"""Longest period that is looked for where there are no dates."""
LEAST_SHARE = 0.25
"""Correlation at the lag of a period, at least, for a period to be found."""

Reading = tuple[int, int]
"""Periods in steps that the network is told of a series, the leading one first; 1 for none."""


def periods_of(freq: str | None) -> tuple[int, int]:
    """Return the two shortest natural periods of a frequency in steps, 1 for none: day and week, week and year, year.

    Args:
        freq: alias of the step.

    Example:
        >>> [periods_of(freq) for freq in ("h", "30min", "D", "B", "MS", "QS", "W", "YS")]
        [(24, 168), (48, 336), (7, 365), (5, 260), (12, 1), (4, 1), (52, 1), (1, 1)]
        >>> [periods_of(freq) for freq in ("60min", "24h", "7D", "D[MON-FRI]")]
        [(24, 168), (7, 365), (52, 1), (5, 260)]
    """
    if freq is None:
        return (1, 1)
    season = season_length(freq)
    match calendar_of(freq):
        case Ticks(size) if size == DAY:
            return (season, 365)
        case Ticks(size) if size == 7 * DAY:
            return (52, 1)
        case Ticks(size) if DAY // 1440 <= size < DAY and season > 1:
            return (season, 7 * season)
        case Weekly(1, slots) if slots == tuple(day * DAY for day in range(5)):
            return (season, 260)
    return (season, 1)


def readings_of(freq: str | None) -> tuple[Reading, ...]:
    """Return the ways to read series of a frequency: by the day, or by the week with the day in it; and so on.

    A year is one of whole weeks, so that Mondays lie under Mondays.

    Args:
        freq: alias of the step.

    Example:
        >>> readings_of("h"), readings_of("D"), readings_of("MS")
        (((24, 1), (168, 24)), ((7, 1), (364, 7)), ((12, 1),))
    """
    short, long = periods_of(freq)
    return ((short, 1), (long // short * short, short)) if long > 1 else ((short, 1),)


def found_period(values: np.ndarray) -> int:
    """Return the period that a series shows, or 1: the strongest peak of its autocorrelation after differencing.

    Args:
        values: `[T]`, NaN where missing.

    Example:
        >>> found_period(np.sin(np.arange(60) * 2 * np.pi / 12))
        12
    """
    known = np.isfinite(values)
    if known.sum() < 8:
        return 1
    steps = np.arange(len(values))
    recent = values[known]
    filled = np.interp(steps, steps[known], recent / 2 - recent[-1] / 2)  # halves, whose difference is finite
    scale = np.abs(filled).max()
    change = np.diff(filled / scale if scale > 0 else filled)
    change -= change.mean()
    size = 2 ** int(np.ceil(np.log2(2 * len(change))))
    power = np.abs(np.fft.rfft(change, size)) ** 2
    correlation = np.fft.irfft(power, size)[: len(change)]
    if correlation[0] <= 1e-18:
        return 1
    # Fewer pairs stand behind longer lags: unbiased, each by its own number of pairs.
    correlation = correlation / correlation[0] * len(change) / np.arange(len(change), 0, -1)
    last = min(LONGEST_FOUND, len(change) // 2)
    lags = np.arange(2, last)
    if not len(lags):
        return 1
    peaks = [lag for lag in lags if correlation[lag] >= max(correlation[lag - 1], correlation[lag + 1])]
    strong = [lag for lag in peaks if correlation[lag] > max(LEAST_SHARE, 4 / np.sqrt(len(change)))]
    if not strong:
        return 1
    best = max(correlation[lag] for lag in strong)
    return int(next(lag for lag in strong if correlation[lag] > 0.9 * best))
