import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, from_frame
from forecasting.evaluation.backtesting import Cutoffs
from forecasting.model import ForecastModel
from titans_seq.errors import UserError


def test_forecasts_are_those_of_predict(wide_frame, wide_model):
    result = wide_model.backtest(wide_frame, windows=3, step=5)
    assert result.windows == 3
    assert result.notes == ()
    frame = result.forecasts
    assert frame.columns.tolist()[:5] == ["series", "cutoff", "time", "actual", "mean"]
    assert len(frame) == 3 * 2 * 7
    for cutoff in (123, 128, 133):
        expected = wide_model.predict(wide_frame.iloc[:cutoff])
        part = frame[frame["cutoff"] == wide_frame["day"].iloc[cutoff - 1]].reset_index(drop=True)
        pd.testing.assert_frame_equal(part.drop(columns=["cutoff", "actual"]), expected, check_exact=False, rtol=1e-5)
        actual = wide_frame[["a", "b"]].iloc[cutoff : cutoff + 7].to_numpy().T.ravel()
        np.testing.assert_array_equal(part["actual"], actual)


def test_scores_are_of_these_forecasts(wide_frame, wide_model):
    result = wide_model.backtest(wide_frame, windows=3)
    frame = result.forecasts
    error = frame["mean"] - frame["actual"]
    scores = result.table.set_index("model").loc["model"]
    np.testing.assert_allclose(scores["mse_original"], np.nanmean(error**2), rtol=1e-5)
    np.testing.assert_allclose(scores["mae_original"], np.nanmean(error.abs()), rtol=1e-5)
    seen = frame[frame["actual"].notna()]
    np.testing.assert_allclose(scores["coverage"], seen["actual"].between(seen["0.1"], seen["0.9"]).mean())
    assert result.table["model"].tolist() == ["model", "repeat last", "seasonal naive 7", "closed-form linear"]


def test_refit_trains_on_what_lies_before_each_cutoff(wide_frame, wide_model, tiny_config):
    result = wide_model.backtest(wide_frame, windows=4, refit=2)
    config = tiny_config(shares=(0.1, 0.0))
    models = {at: ForecastModel.fit(wide_frame.iloc[:at], config) for at in (112, 126)}
    for cutoff, trained_at in ((112, 112), (119, 112), (126, 126), (133, 126)):
        expected = models[trained_at].predict(wide_frame.iloc[:cutoff])
        day = wide_frame["day"].iloc[cutoff - 1]
        part = result.forecasts[result.forecasts["cutoff"] == day].reset_index(drop=True)
        np.testing.assert_allclose(part["mean"], expected["mean"], rtol=1e-5)
    assert result.windows == 4


def test_the_future_does_not_leak(wide_frame, wide_model):
    changed = wide_frame.copy()
    changed.loc[changed.index[133:], ["a", "b"]] += 1000.0
    before = wide_model.backtest(wide_frame, windows=1, refit=True).forecasts
    after = wide_model.backtest(changed, windows=1, refit=True).forecasts
    pd.testing.assert_series_equal(before["mean"], after["mean"], check_exact=True)


def test_values_put_into_holes_are_neither_seen_nor_scored(wide_frame, wide_model):
    options, hole = FrameOptions(holes="interpolate"), range(130, 136)
    changed = wide_frame.copy()
    changed.loc[changed.index[136:], ["a", "b"]] += 1000.0
    before, after = (
        wide_model.backtest(from_frame(frame.drop(index=frame.index[hole]), options), windows=1)
        for frame in (wide_frame, changed)
    )
    pd.testing.assert_series_equal(before.forecasts["mean"], after.forecasts["mean"], check_exact=True)
    assert before.forecasts["actual"].isna()[:3].all()
    ways = [FrameOptions(holes="interpolate"), FrameOptions(holes="fill-missing")]
    scores = [wide_model.evaluate(from_frame(wide_frame.drop(index=[130, 131]), way)).table for way in ways]
    pd.testing.assert_frame_equal(*scores)


def test_long_data_with_series_of_other_lengths(long_frame, long_model):
    result = long_model.backtest(long_frame, windows=4)
    # The 20 rows of z have room for cutoffs 6 and 13 only.
    assert result.windows == 4 + 4 + 2
    assert "2 of 12 windows left out: series too short for all cutoffs" in result.notes
    counts = result.forecasts.groupby("series")["cutoff"].nunique()
    assert counts.to_dict() == {"x": 4, "y": 4, "z": 2}
    assert np.isfinite(result.forecasts["mean"]).all()


def test_cutoffs_inside_the_training_rows_are_told(wide_frame, wide_model):
    result = wide_model.backtest(wide_frame, windows=6)
    assert any("cutoffs inside the rows that the model was trained on" in note for note in result.notes)
    assert not wide_model.backtest(wide_frame, windows=6, refit=6).notes


def test_bad_requests(wide_frame, wide_model):
    with pytest.raises(UserError, match="windows of a backtest must be at least 1, got 0"):
        wide_model.backtest(wide_frame, windows=0)
    with pytest.raises(UserError, match="step of a backtest must be at least 1, got 0"):
        wide_model.backtest(wide_frame, step=0)
    with pytest.raises(UserError, match="refit must be true, false or a number of cutoffs, got -1"):
        wide_model.backtest(wide_frame, refit=-1)
    with pytest.raises(UserError, match="20 windows, 7 steps apart, with horizon 7 needs at least 148 rows"):
        wide_model.backtest(wide_frame, windows=20)
    with pytest.raises(UserError, match="too few for context 14 and horizon 7"):
        wide_model.backtest(wide_frame.head(40), windows=3, refit=True)


def test_cutoffs_of_a_short_series_are_below_one():
    assert Cutoffs(3, 5, 7).of(13) == [-4, 1, 6]
