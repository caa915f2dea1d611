from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasting.data import from_frame
from forecasting.model import ForecastModel
from forecasting.network.outputs import Point
from forecasting.trained.inference import forecast_future, trained_levels
from titans_seq.errors import UserError

SCORES = ["mse", "mae", "mase", "quantile_loss", "coverage", "mse_original", "mae_original"]


def row(result, model="model"):
    return result.table.set_index("model").loc[model]


def forecasts_by_hand(model, frame, begin, end):
    """Forecast from each cutoff by the public road, on the scale of the data: [N, V, H] and [N, V, H, Q]."""
    means, quantiles = [], []
    for cutoff in range(begin, end):
        forecast = model.predict(frame.iloc[:cutoff])
        levels = [f"{level:g}" for level in trained_levels(model.config)]
        means.append(forecast["mean"].to_numpy().reshape(2, -1))
        quantiles.append(forecast[levels].to_numpy().reshape(2, -1, len(levels)))
    return np.array(means), np.array(quantiles)


def test_scores_equal_a_computation_by_hand(wide_frame, wide_model):
    # 140 rows, 14 for validation, 28 for the test: targets start at rows 112 to 133.
    result = wide_model.evaluate(wide_frame)
    assert result.part == "test"
    assert result.windows == 22
    values = wide_frame[["a", "b"]].to_numpy()
    mean, quantiles = forecasts_by_hand(wide_model, wide_frame, 112, 134)
    target = np.array([values[start : start + 7].T for start in range(112, 134)])
    error = mean - target
    std = np.nanstd(values[:98], axis=0)[None, :, None]
    levels = np.arange(1, 10) / 10
    below = target[..., None] - quantiles
    pinball = np.maximum(levels * below, (levels - 1) * below)
    naive = np.nanmean(np.abs(values[7:98] - values[:91]), axis=0)[None, :, None]
    inside = (quantiles[..., 0] <= target) & (target <= quantiles[..., -1])
    expected = {
        "mse": np.nanmean((error / std) ** 2),
        "mae": np.nanmean(np.abs(error / std)),
        "mase": np.nanmean(np.abs(error) / naive),
        "quantile_loss": 2 * np.nansum(pinball) / 9 / np.nansum(np.abs(target)),
        "coverage": inside.sum() / (~np.isnan(target)).sum(),
        "mse_original": np.nanmean(error**2),
        "mae_original": np.nanmean(np.abs(error)),
    }
    assert row(result).index.tolist() == SCORES
    np.testing.assert_allclose(row(result).to_numpy(float), list(expected.values()), rtol=2e-5)
    by_step = result.by_step[result.by_step["model"] == "model"]
    assert by_step["step"].tolist() == list(range(1, 8))
    np.testing.assert_allclose(by_step["mse"], np.nanmean((error / std) ** 2, axis=(0, 1)), rtol=2e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 128])
def test_scores_do_not_depend_on_the_batch_size(wide_frame, wide_model, batch_size):
    expected = wide_model.evaluate(wide_frame)
    result = wide_model.evaluate(wide_frame, batch_size=batch_size)
    np.testing.assert_allclose(result.table[SCORES], expected.table[SCORES], rtol=1e-6)
    assert result.windows == expected.windows


def test_baselines_stand_beside(wide_frame, wide_model):
    result = wide_model.evaluate(wide_frame, season=7)
    assert result.table["model"].tolist() == [
        "model",
        "repeat last",
        "seasonal naive 7",
        "closed-form linear",
    ]
    assert result.season == 7
    assert result.interval == (0.1, 0.9)
    assert row(result, "seasonal naive 7")["mse"] < 0.3 < row(result, "repeat last")["mse"]
    assert result.table.set_index("model")["coverage"].isna().tolist() == [False, True, True, True]
    assert result.table.drop(columns=["coverage", "model"]).notna().all(axis=None)
    last = wide_frame[["a", "b"]].ffill().to_numpy()
    std = np.nanstd(wide_frame[["a", "b"]].to_numpy()[:98], axis=0)
    values = wide_frame[["a", "b"]].to_numpy()
    errors = [(values[s : s + 7] - last[s - 1]) / std for s in range(112, 134)]
    np.testing.assert_allclose(row(result, "repeat last")["mse"], np.nanmean(np.square(errors)), rtol=1e-5)
    assert wide_model.evaluate(wide_frame).season == 7


def test_the_validation_part_has_the_scores_of_training(wide_frame, wide_model):
    result = wide_model.evaluate(wide_frame, "validation")
    best = wide_model.history.best
    assert result.windows == 8
    expected = [best["validation_mse"], best["validation_mae"]]
    np.testing.assert_allclose(row(result)[["mse", "mae"]].to_numpy(float), expected, rtol=1e-5)


def test_a_point_forecast_has_no_coverage(wide_frame, tiny_config):
    result = ForecastModel.fit(wide_frame, tiny_config(output=Point())).evaluate(wide_frame)
    assert result.interval is None
    assert np.isnan(row(result)["coverage"])
    assert row(result).drop("coverage").notna().all()


def test_long_data_leaves_out_series_that_are_too_short(long_frame, long_model):
    result = long_model.evaluate(long_frame)
    assert result.windows == (28 - 6) + (20 - 6)
    assert any("1 of 3 series are too short" in note for note in result.notes)


def test_rows_seen_in_training_are_told(wide_frame, wide_model):
    assert not any("seen in training" in note for note in wide_model.evaluate(wide_frame).notes)
    shorter = wide_model.evaluate(wide_frame.head(100))
    assert "1 of 1 series have test rows that the model has seen in training" in shorter.notes


def test_a_new_series_is_scaled_by_its_training_rows(wide_frame, wide_model):
    renamed = wide_frame.rename(columns={"a": "c", "b": "d"})
    same, new = wide_model.evaluate(wide_frame), wide_model.evaluate(renamed)
    np.testing.assert_allclose(new.table[SCORES], same.table[SCORES], rtol=1e-6)


def test_bad_requests(wide_frame, wide_model):
    with pytest.raises(UserError, match="part must be 'test' or 'validation', got 'train'"):
        wide_model.evaluate(wide_frame, "train")
    with pytest.raises(UserError, match="season must be at least 1 step, got 0"):
        wide_model.evaluate(wide_frame, season=0)
    with pytest.raises(UserError, match="batch_size must be at least 1, got 0"):
        wide_model.evaluate(wide_frame, batch_size=0)
    with pytest.raises(UserError, match="the data has 20 rows, too few"):
        wide_model.evaluate(wide_frame.head(20))


def test_a_part_without_values(wide_frame, wide_model):
    data = from_frame(wide_frame)
    values = np.where(np.arange(140)[:, None] < 112, data.items[0].values, np.nan)
    with pytest.raises(UserError, match="no value is observed in the test part"):
        wide_model.evaluate(replace(data, items=(replace(data.items[0], values=values),)))


def test_a_baseline_that_cannot_be_fitted_is_left_out(tiny_config, make_wide):
    frame = make_wide(140)
    frame.loc[::6, ["a", "b"]] = np.nan
    result = ForecastModel.fit(frame, tiny_config()).evaluate(frame)
    assert result.table["model"].tolist() == ["model", "repeat last", "seasonal naive 7"]
    assert any("closed-form linear left out: the linear baseline needs windows" in n for n in result.notes)


def test_a_season_longer_than_the_context_is_said(wide_frame, wide_model):
    result = wide_model.evaluate(wide_frame, season=30)
    assert result.table["model"].tolist() == ["model", "repeat last", "closed-form linear"]
    assert "seasonal naive 30 left out: its season is longer than the context of 14 steps" in result.notes


def test_the_closed_form_baseline_on_real_data(shared_data, tiny_config):
    frame = pd.read_csv(shared_data / "forecasting" / "ltsf" / "ETTh1.csv.gz").head(1500)
    config = tiny_config(context=48, horizon=24, batches_per_epoch=2, shares=(0.1, 0.2))
    model = ForecastModel.fit(frame, config)
    result = model.evaluate(frame)
    assert result.windows == 300 - 24 + 1
    assert result.season == 24
    table = result.table.set_index("model")
    assert table.loc["closed-form linear", "mse"] < table.loc["repeat last", "mse"]


def test_forecasts_and_scores_agree_on_the_last_window(wide_frame, wide_model):
    data = from_frame(wide_frame.iloc[:133])
    forecast = forecast_future(wide_model.trained, data, (0.5,))
    pd.testing.assert_frame_equal(forecast, wide_model.predict(wide_frame.iloc[:133], levels=(0.5,)))
    np.testing.assert_array_equal(forecast["mean"], forecast["0.5"])
