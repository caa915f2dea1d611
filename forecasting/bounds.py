"""Bounds of forecasts: what counts something is never below 0."""

from dataclasses import replace

import numpy as np

from .data import SeriesData
from .forecaster import Forecast


def are_counts(values: np.ndarray) -> np.ndarray:
    """Say of each channel whether it counts something: whole numbers of at least 0.

    Args:
        values: `[T, V]`, NaN where missing.

    Returns:
        Bool `[V]`.

    Example:
        >>> are_counts(np.array([[0.0, 1.5], [3.0, 2.0]])).tolist()
        [True, False]
    """
    seen = np.isfinite(values)
    whole = ~seen | ((values >= 0) & (values == np.floor(values)))
    return whole.all(0) & seen.any(0)


def cut_at_zero(forecast: Forecast, data: SeriesData, non_negative: bool | None = None) -> Forecast:
    """Cut mean and quantiles off at 0.

    Args:
        forecast: of the series.
        data: the series.
        non_negative: whether to; None does so for series of counts.

    Example:
        >>> import pandas as pd
        >>> from forecasting.data import from_frame
        >>> data = from_frame(pd.DataFrame({"t": pd.date_range("2024", periods=3, freq="D"), "calls": [0, 2, 1]}))
        >>> cut_at_zero(Forecast(np.array([[[-0.5]]]), np.zeros((1, 1, 1, 0)), ()), data).mean.item()
        0.0
    """
    if non_negative is None:
        rows = np.stack([are_counts(item.values) for item in data.items])[:, None]
    else:
        rows = np.full((len(data.items), 1, len(data.channels)), non_negative)
    mean = np.where(rows, np.maximum(forecast.mean, 0.0), forecast.mean)
    quantiles = np.where(rows[..., None], np.maximum(forecast.quantiles, 0.0), forecast.quantiles)
    return replace(forecast, mean=mean, quantiles=quantiles)
