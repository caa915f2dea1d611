"""Forecasts as tables."""

import numpy as np

from forecasting.data import from_frame
from forecasting.forecasts.forecaster import Forecast
from forecasting.forecasts.tables import forecast_frame


def test_levels_that_differ_have_columns_of_their_own(wide_frame) -> None:
    levels = (0.1, 0.1234567, 0.1234568, 0.9999999)
    quantiles = np.broadcast_to(np.arange(4.0), (1, 3, 2, 4))
    table = forecast_frame(from_frame(wide_frame), Forecast(np.zeros((1, 3, 2)), quantiles, levels))
    assert table.columns[3:].tolist() == ["0.1", "0.1234567", "0.1234568", "0.9999999"]
    assert table.iloc[0, 3:].tolist() == [0.0, 1.0, 2.0, 3.0]
