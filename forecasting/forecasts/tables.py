"""Forecasts as tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..data import SeriesData, future_index
from ..data.naming import series_names
from ..data.series import join_indexes
from .forecaster import Forecast
from .quantiles import level_name


def forecast_frame(data: SeriesData, forecast: Forecast) -> pd.DataFrame:
    """Lay forecasts of the future of series out as a table.

    Args:
        data: the series that were forecast.
        forecast: of them.

    Returns:
        Columns `series`, `time`, `mean` and one a level, in the order of the series.
    """
    horizon = forecast.mean.shape[1]
    times = [future_index(item.index, data.freq, horizon) for item in data.items]
    names = series_names(data)
    channels = len(data.channels)
    return pd.DataFrame(
        {
            "series": np.repeat(np.array([name for group in names for name in group], dtype=object), horizon),
            "time": join_indexes([time for time in times for _ in range(channels)]),
            "mean": forecast.mean.swapaxes(1, 2).ravel(),
            **quantile_columns(forecast.quantiles.swapaxes(1, 2), forecast.levels),
        }
    )


def quantile_columns(quantiles: np.ndarray, levels: Sequence[float]) -> dict[str, np.ndarray]:
    """Return one column a level, named "0.1"; `quantiles` is [..., Q]."""
    return {level_name(level): quantiles[..., i].ravel() for i, level in enumerate(levels)}
