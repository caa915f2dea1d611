"""Arithmetic of quantiles: other levels than those at hand, and the mean of what they describe."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

_TAIL = 1.08
"""Mean of a tail beyond its outermost quantile, in gaps to the next quantile: a Gaussian's for deciles."""


def level_name(level: float) -> str:
    """Write a level as the columns of forecasts are named, with as many digits as tell it from others.

    Example:
        >>> level_name(0.1), level_name(0.1 + 0.2), level_name(0.9999999)
        ('0.1', '0.3', '0.9999999')
    """
    return f"{level:.12g}"  # what is beyond is rounding


def at_levels(quantiles: np.ndarray, known: Sequence[float], wanted: Sequence[float]) -> np.ndarray:
    """Interpolate quantiles linearly between known levels; beyond them they go on as Gaussian tails do.

    Each tail has the deviation that the distance of its outermost quantile from the median shows.

    Args:
        quantiles: `[..., K]` at the levels `known`, increasing.
        known: K levels, increasing, on both sides of 0.5 where levels beyond them are wanted.
        wanted: Q levels in (0, 1).

    Returns:
        `[..., Q]`.

    Example:
        >>> at_levels(np.array([0.0, 1.0, 3.0]), (0.1, 0.5, 0.9), (0.3, 0.9)).round(6).tolist()
        [0.5, 3.0]
        >>> at_levels(np.array([-1.0, 0.0, 1.0]), (0.1, 0.5, 0.9), (0.05, 0.99)).round(2).tolist()
        [-1.28, 1.82]
    """
    levels = np.asarray(known)
    upper = np.clip(np.searchsorted(levels, wanted), min(1, len(levels) - 1), len(levels) - 1)
    lower = np.maximum(upper - 1, 0)
    width = np.maximum(levels[upper] - levels[lower], 1e-300)
    share = np.clip((np.asarray(wanted) - levels[lower]) / width, 0, 1)
    inside = (1 - share) * quantiles[..., lower] + share * quantiles[..., upper]
    if levels[0] <= min(wanted, default=0.5) and max(wanted, default=0.5) <= levels[-1]:
        return inside
    middle = at_levels(quantiles, known, (0.5,))
    normal = NormalDist().inv_cdf
    # How much farther from the median than the outermost quantile a Gaussian's quantile lies; 1 inside.
    factors = [
        normal(level) / normal(min(max(level, known[0]), known[-1])) if level != 0.5 else 1.0 for level in wanted
    ]
    return middle + (inside - middle) * np.array(factors)


def mean_of_quantiles(quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Estimate the mean of the distributions that quantiles describe.

    The integral of the quantile function: linear between levels, and beyond the outermost ones a tail whose mean lies
    as far out as a Gaussian's would. Of one level alone it is that quantile.

    Args:
        quantiles: `[..., Q]`, increasing.
        levels: Q levels, increasing, in (0, 1).

    Returns:
        `[...]`.

    Example:
        >>> float(mean_of_quantiles(np.array([0.0, 0.5, 2.0]), (0.1, 0.5, 0.9)).round(2))
        0.83
    """
    at = np.asarray(levels)
    if len(at) == 1:
        return quantiles[..., 0]
    gaps = np.diff(at)
    middle = (0.5 * gaps * (quantiles[..., 1:] + quantiles[..., :-1])).sum(-1)
    low = quantiles[..., 0] - _TAIL * (quantiles[..., 1] - quantiles[..., 0]) * at[0] / gaps[0]
    high = quantiles[..., -1] + _TAIL * (quantiles[..., -1] - quantiles[..., -2]) * (1 - at[-1]) / gaps[-1]
    return middle + at[0] * low + (1 - at[-1]) * high
