from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from forecasting.data import from_frame
from forecasting.evaluation.origins import Origin, score
from forecasting.evaluation.scoring import Sums, seasonal_error
from forecasting.forecasts.forecaster import Forecast
from forecasting.network.batch import WindowBatch

gluonts_metrics = pytest.importorskip("gluonts.ev.metrics")
gluonts_stats = pytest.importorskip("gluonts.ev.ts_stats")
LEVELS = (0.1, 0.5, 0.9)
WINDOWS, HORIZON, CHANNELS = 8, 5, 3


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def gluonts(metric: Any, target: np.ndarray, quantiles: np.ndarray, **extra: np.ndarray) -> float:
    """Value of a gluonts.ev metric over everything at once."""
    evaluator = metric()
    data = {str(level): quantiles[..., i] for i, level in enumerate(LEVELS)}
    evaluator.update({"label": np.ma.masked_invalid(target), "mean": quantiles[..., 1], **data, **extra})
    return float(evaluator.get())


def below(target: np.ndarray, quantiles: np.ndarray, level: float) -> float:
    return gluonts(gluonts_metrics.Coverage(level), target, quantiles)


def batch_of(target: np.ndarray) -> WindowBatch:
    """A batch with these targets, float32 `[B, H, V]`, NaN where missing."""
    nothing, seen = torch.zeros(len(target), 0, CHANNELS), torch.from_numpy(~np.isnan(target))
    future = torch.from_numpy(np.nan_to_num(target))
    return WindowBatch(
        nothing, nothing.bool(), nothing, nothing, torch.zeros(len(target)), future, seen, nothing[..., 0]
    )


def test_scores_of_windows_agree_with_sklearn_and_gluonts(rng: np.random.Generator) -> None:
    shape = (WINDOWS, HORIZON, CHANNELS)
    target = rng.normal(size=shape).astype(np.float32)
    target[rng.random(shape) < 0.1] = np.nan
    spread = np.sort(rng.normal(size=(*shape, len(LEVELS))).astype(np.float32), axis=-1)
    # A value on the border of the interval is inside it.
    target[0, 0, 0], target[1, 0, 0] = spread[0, 0, 0, 0], spread[1, 0, 0, -1]
    centre, std = rng.normal(size=(WINDOWS, 1, CHANNELS)), rng.uniform(1, 2, size=(WINDOWS, 1, CHANNELS))
    season = rng.uniform(1, 2, size=(WINDOWS, 1, CHANNELS))
    season[:, :, 1], season[3, :, 2] = 0, np.nan

    sums = Sums(HORIZON, LEVELS)
    for part in (slice(0, 3), slice(3, None)):
        quantiles = torch.from_numpy(spread[part])
        numbers = (torch.from_numpy(array[part]) for array in (centre, std, season))
        sums.add(quantiles[..., 1], quantiles, batch_of(target[part]), *numbers)
    scores = sums.scores()

    seen = ~np.isnan(target)
    assert scores["mse"] == pytest.approx(mean_squared_error(target[seen], spread[..., 1][seen]), rel=1e-6)
    truth = target.astype(np.float64) * std + centre
    shown = spread.astype(np.float64) * std[..., None] + centre[..., None]
    point = shown[..., 1]
    assert scores["mse_original"] == pytest.approx(gluonts(gluonts_metrics.MSE(), truth, shown), rel=1e-12)
    assert scores["mae_original"] == pytest.approx(mean_absolute_error(truth[seen], point[seen]), rel=1e-12)
    wql = gluonts(gluonts_metrics.MeanWeightedSumQuantileLoss(LEVELS), truth, shown)
    assert scores["quantile_loss"] == pytest.approx(wql, rel=1e-12)
    pinball = [mean_pinball_loss(truth[seen], shown[..., i][seen], alpha=q) for i, q in enumerate(LEVELS)]
    np.testing.assert_allclose(sums.pinball / seen.sum(), pinball, rtol=1e-12)
    inside = below(target, spread, 0.9) - below(target, np.nextafter(spread, np.float32(-9)), 0.1)
    assert scores["coverage"] == pytest.approx(inside, rel=1e-12)
    # A channel without seasonal error has no scaled error.
    scaled = np.where(np.nan_to_num(season) > 0, truth, np.nan)
    mase = gluonts(gluonts_metrics.MASE(), scaled, shown, seasonal_error=np.nan_to_num(season, nan=1))
    assert scores["mase"] == pytest.approx(mase, rel=1e-12)
    absolute = np.where(seen, np.abs(spread[..., 1] - target), 0).sum((0, 2)) / seen.sum((0, 2))
    np.testing.assert_allclose(sums.by_step("model")["mae"], absolute, rtol=1e-6)


def test_scores_of_origins_agree_with_gluonts(rng: np.random.Generator) -> None:
    """MASE is the mean over series of each one's: with a missing value that is not GluonTS's mean over all values."""
    shape = (WINDOWS, HORIZON, CHANNELS)
    actual, scale = rng.normal(size=shape), rng.uniform(1, 2, size=(WINDOWS, CHANNELS))
    quantiles = np.sort(rng.normal(size=(*shape, len(LEVELS))), axis=-1)
    past = from_frame(pd.DataFrame({"t": pd.date_range("2024", periods=3, freq="D"), "y": [1.0, 2.0, 4.0]}))

    def scored(actual: np.ndarray) -> Any:
        origins = [Origin(past, actual[part], scale[part], ()) for part in (slice(0, 3), slice(3, None))]
        parts = (quantiles[:3], quantiles[3:])
        return score(origins, [Forecast(part.mean(-1), part, LEVELS) for part in parts])

    expected = gluonts(gluonts_metrics.MASE(), actual, quantiles, seasonal_error=scale[:, None])
    assert scored(actual).mase == pytest.approx(expected, rel=1e-12)
    actual[rng.random(shape) < 0.1] = np.nan
    wql = gluonts(gluonts_metrics.MeanWeightedSumQuantileLoss(LEVELS), actual, quantiles)
    assert scored(actual).quantile_loss == pytest.approx(wql, rel=1e-12)
    inside = below(actual, quantiles, 0.9) - below(actual, quantiles, 0.1)
    assert scored(actual).coverage == pytest.approx(inside, rel=1e-12)
    by_series = np.nanmean(np.abs(actual - quantiles[..., 1]), axis=1) / scale
    assert scored(actual).mase == pytest.approx(np.nanmean(by_series), rel=1e-12)


def test_seasonal_error_agrees_with_gluonts(rng: np.random.Generator) -> None:
    history = rng.normal(size=(60, 3))
    expected = gluonts_stats.seasonal_error(history, seasonality=12)[0]
    np.testing.assert_allclose(seasonal_error(history, season=12), expected, rtol=1e-13)


def test_seasonal_error_leaves_out_missing_pairs_and_short_seasons() -> None:
    history = np.array([[1.0, np.nan], [2.0, 1.0], [np.nan, np.nan], [5.0, 2.0], [9.0, np.nan]])
    np.testing.assert_array_equal(seasonal_error(history, 1), [2.5, np.nan])
    np.testing.assert_array_equal(seasonal_error(history, 2), [3.0, 1.0])
    np.testing.assert_array_equal(seasonal_error(history, 99), seasonal_error(history, 1))
    with pytest.raises(ValueError, match="season must be at least 1, got 0"):
        seasonal_error(history, 0)
