import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions
from forecasting.data.frames import from_frame
from forecasting.evaluation.conformal import MOST, Calibration, calibrate
from forecasting.evaluation.origins import Origin, cut_origins
from forecasting.forecasts.forecaster import DEFAULT_LEVELS, Forecast

HORIZON = 4


def _normal_origins(windows: int = 3, series: int = 200, scale: float = 1.0) -> list[Origin]:
    """Past cutoffs of noise without a season, whose right quantiles are those of the normal distribution."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "day": np.tile(pd.date_range("2024-01-01", periods=40, freq="D"), series),
            "shop": np.repeat([f"{i:03}" for i in range(series)], 40),
            "sold": scale * rng.normal(size=40 * series),
        }
    )
    return cut_origins(from_frame(frame, FrameOptions(id=("shop",))), HORIZON, windows=windows)


def _spread(origins: list[Origin], width: float, median: float = 0.0) -> list[Forecast]:
    from scipy.stats import norm

    shape = (len(origins[0].past.items), HORIZON, 1)
    quantiles = np.broadcast_to(median + width * norm.ppf(DEFAULT_LEVELS), (*shape, len(DEFAULT_LEVELS)))
    return [Forecast(np.full(shape, median), quantiles, DEFAULT_LEVELS) for _ in origins]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("width", [0.5, 1.0, 2.5])
def test_quantiles_that_are_too_near_or_too_far_are_moved_to_where_they_belong(width: float, scale: float):
    origins = _normal_origins(8, scale=scale)
    forecasts = _spread(origins, width * scale)
    found = calibrate(origins, forecasts)
    assert found is not None
    # With eight cutoffs the trust in a factor is 16/17 of a little less than 1.
    np.testing.assert_allclose(found.factors, (1 / width) ** 0.94, rtol=0.08)
    assert found.after == pytest.approx(0.8, abs=0.03)
    moved = found.apply(forecasts[0])
    np.testing.assert_array_equal(moved.quantiles[..., 4], forecasts[0].quantiles[..., 4])
    assert (np.diff(moved.quantiles, axis=-1) > 0).all()


def test_a_forecast_that_is_too_low_keeps_its_median_and_widens():
    origins = _normal_origins()
    forecasts = _spread(origins, 0.5, median=-1.0)
    found = calibrate(origins, forecasts)
    assert found is not None
    moved = found.apply(forecasts[0])
    assert (found.factors > 1.5).all()
    np.testing.assert_array_equal(moved.quantiles[..., 4], -1.0)
    assert found.before < 0.4 < 0.6 < found.after


def test_few_windows_widen_to_the_largest_past_error_and_hardly_narrow():
    origins = _normal_origins(8, series=1)
    errors = np.abs(np.concatenate([origin.actual for origin in origins]))
    wide, narrow = (calibrate(origins, _spread(origins, width)) for width in (0.4, 4.0))
    assert wide is not None
    assert narrow is not None
    # Eight windows: 80% of nine is the 90% of eight, which lies among the two largest errors of a step and its like.
    assert wide.factors.min() ** (8.5 / 8) * 0.4 * 1.2816 > np.quantile(errors, 0.8)
    assert narrow.factors.min() > 0.25 ** (8 / 18)


def test_errors_of_one_cutoff_are_trusted_less():
    origins = _normal_origins(8)
    forecasts = _spread(origins, 0.5)
    few, many = calibrate(origins[:1], forecasts[:1]), calibrate(origins, forecasts)
    assert few is not None
    assert many is not None
    assert (few.factors < many.factors).all()
    assert np.isnan(few.after)


def test_factors_are_bounded_and_a_longer_horizon_takes_the_last():
    origins = _normal_origins()
    found = calibrate(origins, _spread(origins, 1e-9))
    assert found is not None
    assert found.factors.max() <= MOST
    longer = Forecast(np.zeros((1, 6, 1)), np.tile([-1.0, 0.0, 1.0], (1, 6, 1, 1)), (0.1, 0.5, 0.9))
    moved = Calibration(np.array([1.0, 2.0]), 30, 0.5, 0.8).apply(longer)
    assert moved.quantiles[0, :, 0, -1].tolist() == [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]


def test_too_few_errors_and_intervals_without_a_width_give_none():
    origins = _normal_origins(1, series=7)
    assert calibrate(origins, _spread(origins, 1.0)) is None
    many = _normal_origins()
    assert calibrate(many, _spread(many, 0.0)) is None
