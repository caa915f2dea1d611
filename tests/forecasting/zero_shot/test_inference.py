"""Forecasts of arrays: finite for whatever comes, the same alone and together, in units of the data."""

import numpy as np
import pytest

from forecasting.zero_shot.inference import forecast_quantiles, patch_for
from forecasting.zero_shot.network import ZeroShotConfig
from forecasting.zero_shot.seasons import found_period, periods_of

RNG = np.random.default_rng(0)
STRANGE = {
    "constant": np.full(20, 5.0),
    "three": np.array([1.0, 2.0, 4.0]),
    "one": np.array([3.0]),
    "tiny": 1e-9 * np.arange(15.0),
    "huge": 1e12 + np.arange(30.0),
    "enormous": 1e300 * RNG.normal(size=30),
    "gaps": np.where(np.arange(40) % 3 == 0, np.nan, np.arange(40.0)),
    "ends missing": np.r_[np.arange(20.0), [np.nan] * 10],
    "mostly zero": np.r_[np.zeros(30), 1.0],
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("horizon", [1, 30])
def test_a_strange_series_has_a_finite_forecast_whose_quantiles_increase(tiny, name: str, horizon: int) -> None:
    quantiles = forecast_quantiles(tiny, [STRANGE[name]], horizon, [(7, 1)])
    assert quantiles.shape == (1, horizon, 9)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()


def test_a_constant_series_goes_on(tiny) -> None:
    np.testing.assert_allclose(forecast_quantiles(tiny, [np.full(12, 5.0)], 3, [(1, 1)]), 5.0)


def test_a_horizon_longer_than_one_pass_is_finite(tiny) -> None:
    longest = tiny.config.patches[-1] * 12
    quantiles = forecast_quantiles(tiny, [np.sin(np.arange(50.0))], longest + 70, [(6, 1)])
    assert quantiles.shape == (1, longest + 70, 9)
    assert np.isfinite(quantiles).all()


def test_series_of_all_lengths_together_are_as_each_alone(tiny) -> None:
    series = [RNG.normal(size=length).cumsum() for length in (3, 11, 64, 300, 1100)]
    periods = [(1, 1), (4, 1), (7, 365), (24, 168), (12, 1)]
    together = forecast_quantiles(tiny, series, 5, periods)
    for number, (one, period) in enumerate(zip(series, periods, strict=True)):
        alone = forecast_quantiles(tiny, [one], 5, [period])
        np.testing.assert_allclose(together[number], alone[0], rtol=1e-4, atol=1e-4)


def test_units_go_through(tiny) -> None:
    series = RNG.normal(size=50).cumsum()
    one, other = (forecast_quantiles(tiny, [y], 6, [(7, 1)]) for y in (series, 2.0**20 * series))
    np.testing.assert_allclose(other, 2.0**20 * one, rtol=1e-5)


def test_no_value_gives_no_forecast(tiny) -> None:
    quantiles = forecast_quantiles(tiny, [np.full(5, np.nan), np.array([]), np.arange(5.0)], 2, [(1, 1)] * 3)
    assert np.isnan(quantiles[:2]).all()
    assert np.isfinite(quantiles[2]).all()


def test_the_resolution_fits_context_and_horizon() -> None:
    config = ZeroShotConfig()
    assert [patch_for(config, *sizes) for sizes in ((200, 12), (200, 100), (257, 12), (9000, 12))] == [4, 16, 16, 64]


@pytest.mark.parametrize("period", [5, 12, 24])
def test_a_clear_period_is_found(period: int) -> None:
    pattern = np.random.default_rng(period).normal(size=period)
    noise = 0.1 * np.random.default_rng(0).normal(size=8 * period)
    assert found_period(np.tile(pattern, 8) + noise) == period


@pytest.mark.parametrize("values", [np.zeros(50), np.arange(50.0), np.full(9, np.nan), np.arange(3.0)])
def test_no_period_is_found_where_there_is_none(values: np.ndarray) -> None:
    assert found_period(values) == 1


def test_random_walks_have_no_period_mostly() -> None:
    walks = np.random.default_rng(1).normal(size=(100, 120)).cumsum(1)
    assert np.mean([found_period(walk) > 1 for walk in walks]) < 0.1


def test_periods_follow_the_frequency() -> None:
    assert periods_of(None) == (1, 1)
    assert periods_of("B")[0] == 5
    assert periods_of("15min") == (96, 672)
