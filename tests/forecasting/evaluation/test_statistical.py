"""Methods of statistics as forecasters: agreement with their library, missing values, what cannot be fitted."""

import numpy as np
import pandas as pd
import pytest

from forecasting.data import from_frame
from forecasting.evaluation.statistical import SeasonalNaive, Statistical
from titans_seq.errors import UserError


def monthly(values) -> pd.DataFrame:
    months = pd.date_range("2015-01-01", periods=len(values), freq="MS")
    return pd.DataFrame({"month": months, "sold": values})


def test_the_seasonal_naive_forecast_repeats_the_last_season() -> None:
    values = np.tile(np.arange(12.0), 4)
    forecast = SeasonalNaive().forecast(from_frame(monthly(values)), 14)
    assert forecast.mean.ravel().tolist() == [*range(12), 0, 1]
    assert np.ptp(forecast.quantiles, axis=-1).max() == 0  # it was never wrong


def test_its_spread_is_that_of_its_errors_and_grows_with_the_seasons() -> None:
    values = np.random.default_rng(0).normal(size=600)
    spread = np.ptp(SeasonalNaive().forecast(from_frame(monthly(values)), 24, (0.1, 0.9)).quantiles[0, :, 0], axis=-1)
    np.testing.assert_allclose(spread[0], 2 * 1.2816 * np.sqrt(2), rtol=0.1)
    np.testing.assert_allclose(spread[12] / spread[0], np.sqrt(2))


def test_theta_is_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    models = pytest.importorskip("statsforecast.models")
    values = 10 + np.arange(60.0) + 3 * np.sin(np.arange(60) * 2 * np.pi / 12)
    forecast = Statistical("AutoTheta").forecast(from_frame(monthly(values)), 6, (0.1, 0.5, 0.9))
    expected = models.AutoTheta(season_length=12).forecast(values, 6, level=[80.0])
    columns = [expected[name] for name in ("lo-80.0", "mean", "hi-80.0")]
    np.testing.assert_allclose(forecast.quantiles[0, :, 0], np.stack(columns, -1))


def test_one_series_that_cannot_be_fitted_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    models = pytest.importorskip("statsforecast.models")

    class Broken:
        def __init__(self, season_length: int) -> None: ...

        def forecast(self, values, horizon, level):
            if values[0] == 1:
                raise RuntimeError("no model able to be fitted")
            return {"mean": np.full(horizon, 7.0)}

    monkeypatch.setattr(models, "AutoETS", Broken)
    frame = monthly(np.full(30, 5.0)).assign(other=1.0)
    forecast = Statistical("AutoETS").forecast(from_frame(frame), 2, (0.5,))
    assert forecast.mean[0].tolist() == [[7.0, 1.0], [7.0, 1.0]]
    with pytest.raises(
        UserError, match=r"AutoETS could be fitted to none of 1 series up to [-0-9]+ \(\d+ rows at most\)"
    ):
        Statistical("AutoETS").forecast(from_frame(frame.drop(columns="sold")), 2, (0.5,))
