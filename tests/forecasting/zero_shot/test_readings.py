"""Readings: a series is forecast by the seasons that its own past shows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasting.data import from_frame
from forecasting.zero_shot.forecaster import ZeroShotForecaster
from forecasting.zero_shot.network import ZeroShotConfig
from forecasting.zero_shot.pretraining import new_network
from forecasting.zero_shot.readings import forecast_by_readings, reading_weights

NETWORK = new_network(ZeroShotConfig(width=8, layers=1), seed=0)
LEVELS = np.array(NETWORK.config.output.levels)
DAY, WEEK = (4, 1), (12, 4)


def lagged(network, histories, horizon, readings):
    """Repeat the leading period, without spread, in the network's place."""
    values = [y[-period:][np.arange(horizon) % period] for y, (period, _) in zip(histories, readings, strict=True)]
    return np.repeat(np.array(values)[..., None], len(LEVELS), 2)


@pytest.fixture(autouse=True)
def _lagged(monkeypatch):
    monkeypatch.setattr("forecasting.zero_shot.readings.forecast_quantiles", lagged)


def weights(history, readings=(DAY, WEEK), horizon=4):
    return reading_weights(NETWORK, [history], horizon, [readings])[0]


def test_a_series_is_read_by_the_period_that_forecast_it():
    rng = np.random.default_rng(0)
    week = np.tile(rng.normal(size=12), 5)
    assert weights(week).tolist() == [0, 1]
    assert weights(np.tile(rng.normal(size=4), 15)).tolist() == [0.5, 0.5]  # a week of equal days: both are right
    noisy = weights(rng.normal(size=60))
    assert noisy.sum() == pytest.approx(1)
    assert (noisy > 0).all()


@pytest.mark.parametrize(("steps", "horizon", "back"), [(60, 4, 12), (60, 14, 24), (34, 4, 4)])
def test_weights_are_the_softmax_of_the_losses_a_long_period_ago_or_of_the_last_horizon(steps, horizon, back):
    y = np.random.default_rng(1).normal(size=steps)
    past, future = y[:-back], y[steps - back : steps - back + horizon]
    losses = []
    for period in (4, 12):
        short = (future - past[-period:][np.arange(horizon) % period])[:, None]
        losses.append(np.maximum(LEVELS * short, (LEVELS - 1) * short).mean())
    expected = np.exp(-(np.array(losses) / min(losses) - 1) / 0.2)
    expected[expected < 0.01 * expected.sum()] = 0
    np.testing.assert_allclose(weights(y, horizon=horizon), expected / expected.sum(), rtol=1e-12)


@pytest.mark.parametrize("history", [np.arange(26.0), np.r_[np.arange(48.0), [np.nan] * 12], np.full(60, np.nan)])
def test_without_values_to_try_readings_on_the_first_is_taken(history):
    assert weights(history).tolist() == [1, 0]


def test_a_forecast_is_the_mean_by_weight_and_alone_what_it_is_among_others():
    rng = np.random.default_rng(2)
    histories = [rng.normal(size=60), np.tile(rng.normal(size=12), 5), rng.normal(size=9)]
    readings = [(DAY, WEEK), (DAY, WEEK), (DAY,)]
    together = forecast_by_readings(NETWORK, histories, 4, readings)
    for history, its, found in zip(histories, readings, together, strict=True):
        shares = weights(history, its)
        expected = sum(share * lagged(NETWORK, [history], 4, [one])[0] for share, one in zip(shares, its, strict=True))
        np.testing.assert_allclose(found, expected)


def test_training_sees_a_series_once_for_every_reading():
    values = np.random.default_rng(3).normal(size=900).cumsum()
    data = from_frame(pd.DataFrame({"day": pd.date_range("2020-01-01", periods=900), "y": values}))
    forecaster = ZeroShotForecaster(new_network(ZeroShotConfig(width=8, layers=1), seed=0).eval())
    histories, readings = forecaster.lessons(data, 30)
    assert readings == [(7, 1), (364, 7)]
    assert all((history == values).all() for history in histories)
    fixed = replace(forecaster, periods=(7, 365))
    assert fixed.lessons(data, 30)[1] == [(7, 365)]
