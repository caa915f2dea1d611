"""The model that needs no training: forecasts, calibration, training on, updates, folders, refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasting import ForecastModel
from forecasting.data import FrameOptions, from_frame
from forecasting.evaluation.statistical import SeasonalNaive
from forecasting.forecasts.forecaster import DEFAULT_LEVELS, are_counts
from forecasting.zero_shot import model as zero_shot
from forecasting.zero_shot.model import ZeroShotModel
from forecasting.zero_shot.settings import FineTuningConfig
from titans_seq.errors import UserError

STEPS = FineTuningConfig(steps=2, tokens=60)


def frame(rows: int = 60, price: bool = False, start: str = "2024-01-01") -> pd.DataFrame:
    days = pd.date_range(start, periods=rows, freq="D")
    sold = 10 + np.sin(np.arange(rows) * 2 * np.pi / 7) + 0.1 * np.random.default_rng(0).normal(size=rows)
    made = pd.DataFrame({"day": days, "sold": sold})
    return made.assign(price=(np.arange(rows) % 5 == 0).astype(float)) if price else made


@pytest.fixture(scope="module")
def model(forecaster) -> ZeroShotModel:
    return ZeroShotModel(forecaster)


@pytest.fixture(scope="module")
def fitted(model) -> ZeroShotModel:
    return model.fit(frame(), 7, STEPS)


def test_a_forecast_follows_the_data_and_has_its_dates(model) -> None:
    made = model.predict(frame(), horizon=3)
    assert made.columns.tolist() == ["series", "time", "mean", *(f"{level:g}" for level in DEFAULT_LEVELS)]
    assert made["time"].tolist() == pd.date_range("2024-03-01", periods=3).tolist()
    assert np.isfinite(made.iloc[:, 2:].to_numpy(float)).all()


def test_levels_between_the_trained_ones_are_interpolated(model) -> None:
    made = model.predict(frame(), horizon=2, levels=(0.15, 0.5))
    whole = model.predict(frame(), horizon=2)
    np.testing.assert_allclose(made["0.15"], (whole["0.1"] + whole["0.2"]) / 2)


def test_levels_beyond_the_trained_ones_follow_a_gaussian_tail(model) -> None:
    made = model.predict(frame(), horizon=2, levels=(0.025, 0.1, 0.5, 0.9, 0.975))
    for outer, inner in (("0.025", "0.1"), ("0.975", "0.9")):
        ratio = (made[outer] - made["0.5"]) / (made[inner] - made["0.5"])
        np.testing.assert_allclose(ratio, 1.95996 / 1.28155, rtol=1e-4)
    counts = frame().assign(sold=np.arange(60) % 2)
    assert (model.predict(counts, horizon=9, levels=(0.001, 0.5))["0.001"] >= 0).all()


def test_calibration_makes_past_intervals_hold_what_they_promise(model) -> None:
    rng = np.random.default_rng(3)
    days = pd.date_range("2023-01-01", periods=300, freq="D")
    many = pd.DataFrame({"day": days} | {f"s{i}": rng.normal(size=300) for i in range(20)})
    calibrated = model.calibrated(many, 7)
    assert calibrated.calibration is not None
    assert abs(calibrated.calibration.after - 0.8) < 0.5 * abs(calibrated.calibration.before - 0.8)
    made = calibrated.predict(many, horizon=7)
    assert (np.diff(made[[f"{level:g}" for level in DEFAULT_LEVELS]].to_numpy(float)) >= 0).all()


def test_training_keeps_the_better_and_says_which(fitted) -> None:
    scores = fitted.scores.set_index("model")
    assert {"zero-shot", "fine-tuned", "seasonal naive"} <= set(scores.index)
    used = scores.index[scores["used"]]
    assert len(used) == 1
    assert used[0] in ("zero-shot", "fine-tuned")
    assert f"{used[0]} is used" in fitted.notes[-1]
    assert fitted.predict()["time"].iloc[0] == pd.Timestamp("2024-03-01")


def test_what_is_used_is_never_worse_on_the_rows_held_out(fitted) -> None:
    scores = fitted.scores.set_index("model").loc[["zero-shot", "fine-tuned"]]
    merit = np.log(scores["mase"]) + np.log(scores["quantile_loss"])
    assert merit[scores["used"]].item() == merit.min()


def test_a_stop_of_the_training_on_all_rows_is_of_a_later_part_where_a_folder_keeps_the_first(
    model, tmp_path, monkeypatch
) -> None:
    later: list[str] = []
    monkeypatch.setattr(zero_shot, "_tuned", lambda started, *rest: later.append(rest[-1].later) or started)
    monkeypatch.setattr(zero_shot.Comparison, "best", lambda *_: "fine-tuned")
    for folder in (None, tmp_path):
        model.fit(frame(), 7, STEPS, folder=folder)
    assert later == ["", "", "", "the training on all rows"]


def test_a_model_survives_a_folder(fitted, tmp_path) -> None:
    fitted.save(tmp_path / "m")
    again = ForecastModel.load(tmp_path / "m")
    assert isinstance(again, ZeroShotModel)
    assert again.scores is not None
    pd.testing.assert_frame_equal(again.predict(), fitted.predict())
    assert again.horizon == 7
    assert again.scores["used"].tolist() == fitted.scores["used"].tolist()


def test_update_continues_new_rows_without_training(fitted) -> None:
    updated = fitted.update(frame(65))
    assert updated.predict()["time"].iloc[0] == pd.Timestamp("2024-03-06")
    assert updated.forecaster is fitted.forecaster


def test_new_rows_alone_are_joined_with_those_that_are_known(fitted) -> None:
    rows = frame(65)
    alone, whole = fitted.update(rows[60:]), fitted.update(rows)
    pd.testing.assert_frame_equal(alone.predict(), whole.predict())


def test_a_fine_tuned_model_is_not_judged_by_what_it_has_seen(fitted) -> None:
    assert fitted.scores is not None
    tuned = fitted.scores.assign(used=fitted.scores["model"] == "fine-tuned")
    model = replace(fitted, scores=tuned)
    assert any("too good" in note for note in model.backtest(windows=1, statistics=False).notes)
    assert model.update(frame(65)).calibration is model.calibration
    better = tuned.assign(mase=np.where(tuned["model"] == "seasonal naive", 1e-3, tuned["mase"]))
    name, forecaster, table, _ = replace(model, scores=better).best(from_frame(frame()), 7)
    assert name == "seasonal naive"
    assert isinstance(forecaster, SeasonalNaive)
    assert "zero-shot" not in set(table["model"])
    # The year before was best where the model was trained; these sixty days are forecast by it too, as is said.
    yearly = better.replace({"model": {"seasonal naive": "seasonal naive 365"}})
    name, forecaster, _, _ = replace(model, scores=yearly).best(from_frame(frame()), 7)
    assert (name, forecaster) == ("seasonal naive 365", SeasonalNaive(365))


def test_a_model_that_has_seen_nothing_may_be_judged_by_the_past(model) -> None:
    assert not any("too good" in note for note in model.backtest(frame(), 7, windows=1, statistics=False).notes)


def test_known_covariates_explain_what_they_can(model) -> None:
    made = frame(60, price=True)
    made["sold"] += 50 * made["price"]
    future = pd.DataFrame({"day": pd.date_range("2024-03-01", periods=5), "price": [1.0, 0, 0, 0, 1.0]})
    priced = ZeroShotModel(model.forecaster, FrameOptions(known=("price",)))
    forecast = priced.predict(made, horizon=5, known_future=future)["0.5"].to_numpy()
    assert forecast[[0, 4]].min() - forecast[1:4].max() > 30


def test_the_future_of_a_covariate_does_not_change_what_it_does_not_reach(model) -> None:
    priced = ZeroShotModel(model.forecaster, FrameOptions(known=("price",)))
    made = frame(60, price=True)
    futures = [
        pd.DataFrame({"day": pd.date_range("2024-03-01", periods=3), "price": [0.0, 0.0, last]}) for last in (0.0, 9.0)
    ]
    one, other = (priced.predict(made, horizon=3, known_future=future)["mean"].to_numpy() for future in futures)
    np.testing.assert_allclose(one[:2], other[:2])
    assert one[2] != other[2]


def test_covariates_of_the_past_explain_what_follows_one_horizon_later(model) -> None:
    rain = np.random.default_rng(1).normal(size=64)
    made = frame(64).assign(rain=rain)
    made["sold"] += 50 * np.concatenate((np.zeros(4), rain[:-4]))
    read = ZeroShotModel(model.forecaster, FrameOptions(past=("rain",)))
    medians = read.predict(made, horizon=4)["0.5"].to_numpy()
    np.testing.assert_allclose(np.diff(medians), np.diff(50 * rain[-4:]), atol=5)
    priced = made.assign(price=(np.arange(64) % 5 == 0).astype(float))
    priced["sold"] += 30 * priced["price"]
    future = pd.DataFrame({"day": pd.date_range("2024-03-05", periods=4), "price": [0.0, 1, 0, 0]})
    both = ZeroShotModel(model.forecaster, FrameOptions(known=("price",), past=("rain",)))
    more = both.predict(priced, horizon=4, known_future=future)["0.5"].to_numpy()
    np.testing.assert_allclose(more - medians, [0, 30, 0, 0], atol=5)


def test_counts_are_never_forecast_below_zero(model) -> None:
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=50, freq="D")
    counts = pd.DataFrame({"day": days, "calls": rng.poisson(0.5, 50).astype(float)})
    assert are_counts(counts[["calls"]].to_numpy()).all()
    assert (model.predict(counts, horizon=7).iloc[:, 2:].to_numpy(float) >= 0).all()
    signed = counts.assign(calls=counts["calls"] - 1)
    assert not are_counts(signed[["calls"]].to_numpy()).any()


def test_a_backtest_has_a_verdict(model) -> None:
    result = model.backtest(frame(), 7, windows=2, statistics=False)
    assert result.table["model"].tolist() == ["model", "seasonal naive"]
    assert "is best here" in result.verdict("model")
    rows = result.frame("model")
    assert len(rows) == 14
    assert rows["actual"].notna().all()


def test_fewer_cutoffs_than_asked_for_are_told(model) -> None:
    told = [model.backtest(frame(30), 7, windows=windows, statistics=False).notes for windows in (3, 9)]
    assert told[1] == ("3 of 9 cutoffs: the series are too short for earlier ones", *told[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.predict(frame()), "no horizon is given"),
        (lambda m: m.predict(horizon=3), "seen no data"),
        (lambda m: m.predict(frame(), horizon=0), "at least 1 step"),
        (lambda m: m.predict(frame(), horizon=2, levels=(1.2,)), "between 0 and 1, got 1.2: write 0.9"),
        (lambda m: m.update(frame()), "no series to update"),
        (lambda m: m.backtest(frame(5), 7), "needs at least 10 rows"),
        (lambda m: m.predict(from_frame(frame()).select(["nothing"]), 3), "no series is called 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_refused(model, call, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(model)


def test_a_series_without_a_value_is_left_out_and_named(model) -> None:
    data = from_frame(frame().assign(empty=np.nan))
    assert any("'empty'" in note for note in data.notes)
    assert set(model.predict(data, horizon=3)["series"]) == {"sold"}
    with pytest.raises(UserError, match="'empty' has no value at all"):
        from_frame(frame().assign(empty=np.nan), FrameOptions(target=("empty",)))


def test_the_shipped_weights_beat_the_seasonal_naive_forecast_on_a_clear_series() -> None:
    steps = np.arange(120)
    values = 100 + 0.5 * steps + 10 * np.sin(steps * 2 * np.pi / 12) + np.random.default_rng(0).normal(size=120)
    data = pd.DataFrame({"month": pd.date_range("2010-01-01", periods=120, freq="MS"), "sold": values})
    result = ForecastModel.pretrained().backtest(data, 12, statistics=False)
    scores = result.table.set_index("model")
    assert scores.loc["model", "mase"] < 0.8 * scores.loc["seasonal naive", "mase"]
