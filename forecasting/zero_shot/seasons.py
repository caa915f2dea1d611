"""The periods that a series is told to have: those of its frequency, or those found in it."""

import numpy as np

from ..data.steps import season_length

LONGEST_FOUND = 400
"""Longest period that is looked for where there are no dates."""
LEAST_SHARE = 0.25
"""Correlation at the lag of a period, at least, for a period to be found."""


def periods_of(freq: str | None) -> tuple[int, int]:
    """Return the two shortest natural periods of a frequency in steps, 1 for none: day and week, week and year, year.

    Args:
        freq: alias of the step.

    Example:
        >>> [periods_of(freq) for freq in ("h", "30min", "D", "MS", "QS", "W", "YS")]
        [(24, 168), (48, 336), (7, 365), (12, 1), (4, 1), (52, 1), (1, 1)]
    """
    if freq is None:
        return (1, 1)
    unit = freq.split("-")[0].lstrip("0123456789")
    if unit == "W":
        return (52, 1) if not freq[0].isdigit() else (1, 1)
    season = season_length(freq)
    if unit == "D" and freq == "D":
        return (7, 365)
    if unit in ("h", "min") and season > 1:
        return (season, 7 * season)
    return (season, 1)


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
    filled = np.interp(steps, steps[known], values[known])
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
