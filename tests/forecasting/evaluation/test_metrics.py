import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from forecasting.evaluation import metrics

gluonts_metrics = pytest.importorskip("gluonts.ev.metrics")
gluonts_stats = pytest.importorskip("gluonts.ev.ts_stats")
LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def target(rng) -> np.ndarray:
    target = rng.normal(size=(40, 3)) + 1
    target[rng.random(target.shape) < 0.1] = np.nan
    return target


@pytest.fixture
def quantiles(rng) -> np.ndarray:
    return np.sort(rng.normal(size=(40, 3, 3)) + 1, axis=-1)


def gluonts(metric, target: np.ndarray, quantiles: np.ndarray, **extra: np.ndarray) -> float:
    """Value of a gluonts.ev metric over everything at once."""
    evaluator = metric()
    data = {str(level): quantiles[..., i] for i, level in enumerate(LEVELS)}
    evaluator.update({"label": np.ma.masked_invalid(target), "mean": quantiles[..., 1], **data, **extra})
    return float(evaluator.get())


def test_point_metrics_agree_with_sklearn_and_gluonts(target, quantiles):
    forecast, observed = quantiles[..., 1], ~np.isnan(target)
    assert metrics.mse(forecast, target) == pytest.approx(
        mean_squared_error(target[observed], forecast[observed]), rel=1e-13
    )
    assert metrics.mae(forecast, target) == pytest.approx(
        mean_absolute_error(target[observed], forecast[observed]), rel=1e-13
    )
    assert metrics.mse(forecast, target) == pytest.approx(gluonts(gluonts_metrics.MSE(), target, quantiles), rel=1e-12)
    assert metrics.smape(forecast, target) == pytest.approx(
        gluonts(gluonts_metrics.SMAPE(), target, quantiles), rel=1e-12
    )


def test_tensors_give_the_same_as_arrays(target, quantiles):
    forecast = quantiles[..., 1].astype(np.float32)
    tensors = torch.from_numpy(forecast).requires_grad_(), torch.from_numpy(target)
    assert metrics.mae(*tensors) == metrics.mae(forecast, target)


def test_mase_agrees_with_gluonts(rng, target, quantiles):
    history = rng.normal(size=(60, 3))
    scale = metrics.seasonal_error(history, season=12)
    np.testing.assert_allclose(scale, gluonts_stats.seasonal_error(history, seasonality=12)[0], rtol=1e-13)
    expected = gluonts(gluonts_metrics.MASE(), target, quantiles, seasonal_error=scale[None])
    assert metrics.mase(quantiles[..., 1], target, scale) == pytest.approx(expected, rel=1e-12)


def test_seasonal_error_leaves_out_missing_pairs_and_short_seasons():
    history = np.array([[1.0, np.nan], [2.0, 1.0], [np.nan, np.nan], [5.0, 2.0], [9.0, np.nan]])
    np.testing.assert_array_equal(metrics.seasonal_error(history, 1), [2.5, np.nan])
    np.testing.assert_array_equal(metrics.seasonal_error(history, 2), [3.0, 1.0])
    np.testing.assert_array_equal(metrics.seasonal_error(history, 99), metrics.seasonal_error(history, 1))


def test_mase_leaves_out_channels_without_a_scale():
    target, forecast = np.array([[1.0, 5.0, 9.0]]), np.array([[2.0, 9.0, 1.0]])
    assert metrics.mase(forecast, target, np.array([0.5, 0.0, np.nan])) == 2.0
    with pytest.raises(ValueError, match="nothing to measure"):
        metrics.mase(forecast, target, np.zeros(3))


def test_quantile_loss_agrees_with_sklearn(target, quantiles):
    observed = ~np.isnan(target)
    expected = [mean_pinball_loss(target[observed], quantiles[..., i][observed], alpha=q) for i, q in enumerate(LEVELS)]
    np.testing.assert_allclose(metrics.quantile_loss(quantiles, target, LEVELS), expected, rtol=1e-13)


def test_weighted_quantile_loss_agrees_with_gluonts(target, quantiles):
    expected = gluonts(gluonts_metrics.MeanWeightedSumQuantileLoss(LEVELS), target, quantiles)
    assert metrics.weighted_quantile_loss(quantiles, target, LEVELS) == pytest.approx(expected, rel=1e-12)


def test_coverage_agrees_with_gluonts_and_includes_the_borders(target, quantiles):
    lower, upper = quantiles[..., 0], quantiles[..., 2]
    below = [gluonts(gluonts_metrics.Coverage(q), target, quantiles) for q in (0.1, 0.9)]
    assert metrics.coverage(lower, upper, target) == pytest.approx(below[1] - below[0], rel=1e-12)
    assert metrics.coverage(np.zeros(2), np.ones(2), np.array([0.0, 1.0])) == 1.0


def test_smape_of_zero_against_zero_is_no_error():
    assert metrics.smape(np.array([0.0, 2.0]), np.array([0.0, 0.0])) == 1.0


def test_faults_are_not_passed_on():
    target = np.array([1.0, np.nan])
    assert metrics.mse(np.array([1.0, np.nan]), target) == 0.0
    with pytest.raises(ValueError, match="NaN where the target is observed"):
        metrics.mse(np.array([np.nan, 1.0]), target)
    with pytest.raises(ValueError, match=r"forecast has shape \(2, 1\), target \(2,\)"):
        metrics.mae(target[:, None], target)
    with pytest.raises(ValueError, match="nothing to measure"):
        metrics.mae(target, np.full(2, np.nan))
    with pytest.raises(ValueError, match=r"levels must lie inside \(0, 1\), got \[0.5, 1\]"):
        metrics.quantile_loss(np.zeros((2, 2)), target, (0.5, 1))
    with pytest.raises(ValueError, match="2 quantiles on its last axis, 1 levels given"):
        metrics.quantile_loss(np.zeros((2, 2)), target, (0.5,))
    with pytest.raises(ValueError, match=r"sum of \|target\|, which is 0"):
        metrics.weighted_quantile_loss(np.ones((2, 1)), np.zeros(2), (0.5,))
    with pytest.raises(ValueError, match="season must be at least 1, got 0"):
        metrics.seasonal_error(target[:, None], 0)
