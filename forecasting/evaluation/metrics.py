"""Forecast errors over observed targets, in float64.

Every function takes numpy arrays or tensors. A NaN target is a missing value and is left out; a NaN forecast
of an observed target is a fault and raises ValueError, as does a target without any observed value.
What becomes of a division by zero (sMAPE of 0 against 0, MASE of a constant history) the docstrings say.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

Array = np.ndarray | Tensor


def mse(forecast: Array, target: Array) -> float:
    """Mean squared error; both arguments of one shape.

    Example:
        >>> mse(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, np.nan]))
        2.0
    """
    predicted, actual = _observed_pairs(forecast, target)
    return float(np.mean((predicted - actual) ** 2))


def mae(forecast: Array, target: Array) -> float:
    """Mean absolute error; both arguments of one shape.

    Example:
        >>> mae(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, np.nan]))
        1.0
    """
    predicted, actual = _observed_pairs(forecast, target)
    return float(np.mean(np.abs(predicted - actual)))


def smape(forecast: Array, target: Array) -> float:
    """Symmetric mean absolute percentage error as a fraction in [0, 2]: mean of 2 |f - y| / (|f| + |y|).

    A forecast of 0 for a target of 0 counts as no error.

    Example:
        >>> smape(np.array([1.0, 0.0]), np.array([3.0, 0.0]))
        0.5
    """
    predicted, actual = _observed_pairs(forecast, target)
    size = np.abs(predicted) + np.abs(actual)
    return float(np.mean(2 * np.abs(predicted - actual) / np.where(size == 0, 1.0, size)))


def seasonal_error(history: Array, season: int) -> np.ndarray:
    """Mean absolute error of the seasonal naive forecast inside the history: what MASE divides by.

    Args:
        history: [T, V], NaN where missing; pairs with a missing member are left out.
        season: steps, >= 1; a history no longer than a season is measured with season 1.

    Returns:
        [V]; NaN for a channel without a complete pair.

    Example:
        >>> seasonal_error(np.array([[1.0], [2.0], [4.0]]), season=1)
        array([1.5])
    """
    if season < 1:
        raise ValueError(f"season must be at least 1, got {season}")
    values = _float64(history)
    step = season if len(values) > season else 1
    difference = np.abs(values[step:] - values[:-step])
    pairs = (~np.isnan(difference)).sum(axis=0)
    total = np.nansum(difference, axis=0)
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)


def mase(forecast: Array, target: Array, scale: Array) -> float:
    """Mean absolute scaled error (Hyndman & Koehler 2006).

    Args:
        forecast: [..., V].
        target: [..., V].
        scale: `seasonal_error` of the history before the forecast, [V] or anything that broadcasts to the
            target. Where it is 0 or NaN (a constant or empty history) the error has no scale and is left out.

    Raises:
        ValueError: no observed target has a positive scale.

    Example:
        >>> mase(np.array([[3.0]]), np.array([[6.0]]), scale=np.array([1.5]))
        2.0
    """
    actual = _float64(target)
    factor = np.broadcast_to(_float64(scale), actual.shape)
    scaled = np.where(factor > 0, actual, np.nan)
    predicted, _ = _observed_pairs(forecast, scaled)
    kept = ~np.isnan(scaled)
    return float(np.mean(np.abs(predicted - actual[kept]) / factor[kept]))


def quantile_loss(forecast: Array, target: Array, levels: Sequence[float]) -> np.ndarray:
    """Mean pinball loss of each quantile: max(q (y - f), (q - 1) (y - f)).

    Args:
        forecast: [..., Q], one entry of the last axis a level.
        target: [...].
        levels: Q numbers inside (0, 1).

    Returns:
        [Q].

    Example:
        >>> quantile_loss(np.array([[1.0, 2.0]]), np.array([2.0]), levels=[0.5, 0.9]).tolist()
        [0.5, 0.0]
    """
    return _pinball(forecast, target, levels).mean(axis=0)


def weighted_quantile_loss(forecast: Array, target: Array, levels: Sequence[float]) -> float:
    """Twice the summed pinball loss over the sum of |target|, averaged over the levels (GluonTS, M5).

    Args:
        forecast: [..., Q].
        target: [...].
        levels: Q numbers inside (0, 1).

    Raises:
        ValueError: every observed target is 0.

    Example:
        >>> weighted_quantile_loss(np.array([[1.0]]), np.array([2.0]), levels=[0.5])
        0.5
    """
    actual = _float64(target)
    weight = np.nansum(np.abs(actual))
    loss = 2 * _pinball(forecast, actual, levels).sum(axis=0)
    if weight == 0:
        raise ValueError("the weighted quantile loss divides by the sum of |target|, which is 0 here")
    return float(np.mean(loss / weight))


def coverage(lower: Array, upper: Array, target: Array) -> float:
    """Share of observed targets in [lower, upper], borders included; all of one shape.

    Example:
        >>> coverage(np.array([0.0, 0.0]), np.array([1.0, 1.0]), np.array([0.5, 2.0]))
        0.5
    """
    low, actual = _observed_pairs(lower, target)
    high, _ = _observed_pairs(upper, target)
    return float(np.mean((low <= actual) & (actual <= high)))


def _float64(values: Array) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def _observed_pairs(forecast: Array, target: Array) -> tuple[np.ndarray, np.ndarray]:
    predicted, actual = _float64(forecast), _float64(target)
    if predicted.shape != actual.shape:
        raise ValueError(f"forecast has shape {predicted.shape}, target {actual.shape}: they must be equal")
    observed = ~np.isnan(actual)
    if not observed.any():
        raise ValueError(f"no target of shape {actual.shape} is observed and has a scale: nothing to measure")
    if np.isnan(predicted[observed]).any():
        raise ValueError("the forecast is NaN where the target is observed")
    return predicted[observed], actual[observed]


def _pinball(forecast: Array, target: Array, levels: Sequence[float]) -> np.ndarray:
    quantiles = np.asarray(levels, dtype=np.float64)
    if not ((quantiles > 0) & (quantiles < 1)).all():
        raise ValueError(f"quantile levels must lie inside (0, 1), got {list(levels)}")
    predicted = _float64(forecast)
    if predicted.shape[-1] != len(quantiles):
        raise ValueError(
            f"forecast has {predicted.shape[-1]} quantiles on its last axis, {len(quantiles)} levels given"
        )
    pairs = [_observed_pairs(predicted[..., i], target) for i in range(len(quantiles))]
    error = np.stack([actual - value for value, actual in pairs], axis=-1)
    return np.maximum(quantiles * error, (quantiles - 1) * error)
