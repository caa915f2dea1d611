"""Readings: a series is forecast by the seasons that its own past shows."""

import numpy as np
import pandas as pd
import pytest

from forecasting.data import from_frame
from forecasting.zero_shot.forecaster import ZeroShotForecaster
from forecasting.zero_shot.inference import forecast_quantiles
from forecasting.zero_shot.network import ZeroShotConfig
from forecasting.zero_shot.pretraining import new_network
from forecasting.zero_shot.readings import ForecastOnce, forecast_by_readings, reading_weights

LEVELS = (0.1, 0.5, 0.9)
DAY, WEEK = (4, 1), (12, 4)


def lagged(histories, horizon, readings):
    """Repeat the leading period, without spread."""
    values = [y[-period:][np.arange(horizon) % period] for y, (period, _) in zip(histories, readings, strict=True)]
    return np.repeat(np.array(values)[..., None], len(LEVELS), 2)


def weights(history, readings=(DAY, WEEK), horizon=4):
    return reading_weights(lagged, LEVELS, [history], horizon, [readings])[0]


@pytest.fixture(scope="module")
def network():
    return new_network(ZeroShotConfig(width=8, layers=1), seed=0).eval()


def test_a_series_is_read_by_the_period_that_forecast_it():
    rng = np.random.default_rng(0)
    week = np.tile(rng.normal(size=12), 5)
    assert weights(week).tolist() == [0, 1]
    assert weights(np.tile(rng.normal(size=4), 15)).tolist() == [0.5, 0.5]  # a week of equal days: both are right
    noisy = weights(rng.normal(size=60))
    assert noisy.sum() == pytest.approx(1)
    assert (noisy > 0).all()


def test_weights_are_the_softmax_of_the_losses_of_three_horizons():
    y = np.random.default_rng(1).normal(size=60)
    losses = []
    for period in (4, 12):
        short = np.array([y[60 - b : 64 - b] - y[60 - b - period : 60 - b][np.arange(4) % period] for b in (4, 8, 12)])
        scale = np.array([np.abs(y[60 - b : 64 - b]).max() for b in (4, 8, 12)])
        pinball = np.mean([np.maximum(level * short, (level - 1) * short) for level in LEVELS], 0)
        losses.append((pinball.mean(1) / scale).mean())
    expected = np.exp(-(np.array(losses) / min(losses) - 1) / 0.2)
    np.testing.assert_allclose(weights(y), expected / expected.sum(), rtol=1e-12)


@pytest.mark.parametrize("history", [np.arange(20.0), np.r_[np.arange(48.0), [np.nan] * 12], np.full(60, np.nan)])
def test_without_values_to_try_readings_on_the_first_is_taken(history):
    assert weights(history).tolist() == [1, 0]


def test_a_forecast_is_the_mean_by_weight_and_alone_what_it_is_among_others():
    rng = np.random.default_rng(2)
    histories = [rng.normal(size=60), np.tile(rng.normal(size=12), 5), rng.normal(size=9)]
    readings = [(DAY, WEEK), (DAY, WEEK), (DAY,)]
    together = forecast_by_readings(lagged, LEVELS, histories, 4, readings)
    for history, its, found in zip(histories, readings, together, strict=True):
        shares = reading_weights(lagged, LEVELS, [history], 4, [its])[0]
        expected = sum(share * lagged([history], 4, [one])[0] for share, one in zip(shares, its, strict=True))
        np.testing.assert_allclose(found, expected)


def test_forecasts_from_several_cutoffs_are_those_made_one_by_one(network):
    days = pd.date_range("2020-01-01", periods=900)
    values = np.random.default_rng(3).normal(size=900).cumsum()
    data = [from_frame(pd.DataFrame({"day": days[:end], "y": values[:end]})) for end in (840, 870, 900)]
    forecaster = ZeroShotForecaster(network)
    for past, found in zip(data, forecaster.forecast_each(data, 30), strict=True):
        np.testing.assert_allclose(found.quantiles, forecaster.forecast(past, 30).quantiles, rtol=1e-6)
    histories, readings = forecaster.lessons(data[0], 30)
    assert readings == [(7, 1), (364, 7)]
    assert histories[0] is not None
    assert len(histories) == 2


def test_what_was_forecast_is_not_forecast_again(network, monkeypatch):
    asked = []

    def counted(network, histories, *rest):
        asked.append(len(histories))
        return forecast_quantiles(network, histories, *rest)

    monkeypatch.setattr("forecasting.zero_shot.readings.forecast_quantiles", counted)
    once, y = ForecastOnce(network), np.arange(30.0)
    first = once([y, y, y[:20]], 4, [DAY, WEEK, DAY])
    again = once([y[:20], y], 4, [DAY, DAY])
    assert asked == [3]
    assert (again == first[[2, 0]]).all()
    once([y], 5, [DAY])
    assert asked == [3, 1]
