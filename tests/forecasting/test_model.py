import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from forecasting.data import FrameOptions, from_frame
from forecasting.model import ForecastModel
from forecasting.network.mixers import AttentionMixer
from forecasting.network.outputs import Point, StudentT
from forecasting.network.simba_network import NetworkConfig
from forecasting.settings.optimiser import OptimiserConfig
from titans_seq.errors import UserError

LEVELS = [f"{0.1 * i:g}" for i in range(1, 10)]


def assert_sound(forecast, series, horizon=7, levels=LEVELS):
    assert forecast.columns.tolist() == ["series", "time", "mean", *levels]
    assert forecast["series"].tolist() == [name for name in series for _ in range(horizon)]
    numbers = forecast.drop(columns=["series", "time"]).to_numpy()
    assert np.isfinite(numbers).all()
    assert (np.diff(numbers[:, 1:], axis=1) >= 0).all()


def test_wide_frame_with_missing_values(wide_frame, wide_model):
    forecast = wide_model.predict()
    assert_sound(forecast, ["a", "b"])
    expected = pd.date_range(wide_frame["day"].iloc[-1], periods=8, freq="D")[1:]
    assert forecast["time"].tolist() == [*expected, *expected]
    # On the scale of the data: b lies around -500 with an amplitude of 100.
    means = forecast.groupby("series")["mean"].mean()
    assert 8 < means["a"] < 12
    assert -650 < means["b"] < -350
    assert wide_model.names == ("a", "b")
    assert wide_model.freq == "D"
    assert wide_model.notes[0] == "time is column 'day'"


def test_long_frame_with_a_short_series(long_frame, long_model):
    forecast = long_model.predict()
    assert_sound(forecast, ["x", "y", "z"])
    last = long_frame.groupby("shop")["day"].max()
    first = forecast.groupby("series")["time"].min()
    assert all(first[name] - last[name] == pd.Timedelta(days=1) for name in "xyz")
    assert "1 of 3 series are too short to be divided and serve for training only" in long_model.notes


def test_the_callers_frame_is_unchanged(tiny_config, make_wide):
    frame = make_wide(100).sample(frac=1, random_state=0)
    before = frame.copy()
    model = ForecastModel.fit(frame, tiny_config())
    model.predict(frame)
    model.evaluate(frame)
    model.backtest(frame, windows=2)
    pd.testing.assert_frame_equal(frame, before)


def test_nothing_is_written(tiny_config, wide_frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = ForecastModel.fit(wide_frame, tiny_config())
    model.predict()
    model.evaluate(wide_frame)
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_model(wide_frame, tiny_config, wide_model):
    again = ForecastModel.fit(wide_frame, tiny_config())
    pd.testing.assert_frame_equal(again.predict(), wide_model.predict(), check_exact=True)
    other = ForecastModel.fit(wide_frame, tiny_config(seed=1))
    assert (other.predict()["mean"] != wide_model.predict()["mean"]).all()


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("h", ["2024-01-09 00:00", "2024-01-09 01:00"]),
        ("W-SUN", ["2027-09-12", "2027-09-19"]),
        ("MS", ["2040-01-01", "2040-02-01"]),
        ("ME", ["2040-01-31", "2040-02-29"]),
        ("QS-JAN", ["2072-01-01", "2072-04-01"]),
        ("YS-JAN", ["2216-01-01", "2217-01-01"]),
    ],
)
def test_dates_of_a_forecast(tiny_config, make_wide, freq, expected):
    rows = 192
    frame = make_wide(rows, freq, "2024-01-01")
    config = tiny_config(horizon=2, context=8, batches_per_epoch=1)
    forecast = ForecastModel.fit(frame, config).predict()
    assert forecast["time"].tolist()[:2] == [pd.Timestamp(time) for time in expected]


def test_a_frame_without_dates(tiny_config, make_wide):
    frame = make_wide(100).drop(columns="day")
    model = ForecastModel.fit(frame, tiny_config())
    assert model.freq is None
    assert model.predict()["time"].tolist() == [*range(100, 107)] * 2
    assert model.predict(frame.head(60))["time"].tolist()[0] == 60


def test_save_and_load(long_model, tmp_path):
    long_model.save(tmp_path / "model")
    loaded = ForecastModel.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(), long_model.predict(), check_exact=True)
    assert loaded.config == long_model.config
    assert loaded.options == long_model.options
    assert loaded.notes == long_model.notes
    assert loaded.history == long_model.history
    assert loaded.trained.until == long_model.trained.until
    assert loaded.trained.scaling.values == long_model.trained.scaling.values
    card = (tmp_path / "model" / "card.md").read_text()
    assert "Forecasts 7 steps of D ahead from the last 14, as quantiles." in card
    assert "3 series: x, y and z" in card


def test_a_file_says_nothing_of_the_device_it_was_trained_on(wide_model, tmp_path, monkeypatch):
    # On a machine without a GPU, asking torch for CUDA raises; loading must not ask.
    wide_model.save(tmp_path / "model")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    loaded = ForecastModel.load(tmp_path / "model")
    assert {p.device.type for p in loaded.network.parameters()} == {"cpu"}
    assert b"cuda" not in (tmp_path / "model" / "weights.safetensors").read_bytes()


def test_a_full_disk_leaves_the_earlier_model(wide_model, long_model, tmp_path, monkeypatch):
    wide_model.save(tmp_path / "model")

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("titans_seq.checkpoint.save", full)
    with pytest.raises(OSError, match="No space left"):
        long_model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    pd.testing.assert_frame_equal(ForecastModel.load(tmp_path / "model").predict(), wide_model.predict())


def test_a_damaged_folder_is_named(wide_model, tmp_path):
    folder = tmp_path / "model"
    wide_model.save(folder)
    state = folder / "state.json"
    whole = state.read_text()
    state.write_text(whole[:50])
    with pytest.raises(UserError, match="state.json: damaged"):
        ForecastModel.load(folder)
    fewer = json.loads(whole)
    fewer["scaled"] = []
    state.write_text(json.dumps(fewer))
    with pytest.raises(UserError, match="its files do not fit together"):
        ForecastModel.load(folder)
    state.unlink()
    with pytest.raises(UserError, match="state.json is missing"):
        ForecastModel.load(folder)
    (folder / "config.yaml").write_text("format: other\n")
    with pytest.raises(UserError, match="is not a forecaster of version 2"):
        ForecastModel.load(folder)


def test_longer_history_continues_from_its_own_end(wide_frame, wide_model, make_wide):
    longer = make_wide(150)
    forecast = wide_model.predict(longer)
    assert forecast["time"].iloc[0] == longer["day"].iloc[-1] + pd.Timedelta(days=1)
    pd.testing.assert_frame_equal(wide_model.predict(wide_frame), wide_model.predict(), check_exact=True)


def test_only_the_context_matters_for_a_known_series(wide_frame, wide_model):
    tail = wide_frame.tail(14)
    pd.testing.assert_frame_equal(wide_model.predict(tail), wide_model.predict(), check_exact=True)


def test_new_series_are_scaled_by_their_own_history(long_frame, long_model):
    new = long_frame[long_frame["shop"] == "x"].assign(shop="new")
    new["sold"] = new["sold"] * 1e6
    forecast = long_model.predict(new)
    assert_sound(forecast, ["new"])
    assert -6.5e8 < forecast["mean"].mean() < -3.5e8
    # A power of two scales exactly.
    twice = long_model.predict(new.assign(sold=new["sold"] * 2))
    np.testing.assert_allclose(twice["mean"], 2 * forecast["mean"], rtol=1e-6)


def test_one_new_row_takes_the_models_frequency(wide_frame, wide_model):
    forecast = wide_model.predict(wide_frame.head(1))
    assert forecast["time"].iloc[0] == wide_frame["day"].iloc[1]
    assert_sound(forecast, ["a", "b"])


def test_further_columns_and_another_order_do_not_matter(wide_frame, wide_model):
    shuffled = wide_frame[["b", "day", "a"]].assign(extra=1.0)
    pd.testing.assert_frame_equal(wide_model.predict(shuffled), wide_model.predict(), check_exact=True)


def test_a_context_without_any_value_still_gives_numbers(wide_model, wide_frame):
    frame = wide_frame.copy()
    frame.loc[frame.index[-20:], "b"] = np.nan
    assert_sound(wide_model.predict(frame), ["a", "b"])


def test_levels(wide_model, wide_frame, tiny_config):
    some = wide_model.predict(levels=(0.9, 0.25))
    assert some.columns.tolist() == ["series", "time", "mean", "0.25", "0.9"]
    np.testing.assert_array_equal(some["0.9"], wide_model.predict()["0.9"])
    with pytest.raises(UserError, match="between those trained for, 0.1 and 0.9, got 0.95"):
        wide_model.predict(levels=(0.95,))
    point = ForecastModel.fit(wide_frame, tiny_config(output=Point("mae")))
    assert point.predict().columns.tolist() == ["series", "time", "mean"]
    with pytest.raises(UserError, match="a point, which has no quantiles"):
        point.predict(levels=(0.5,))
    student = ForecastModel.fit(wide_frame, tiny_config(output=StudentT()))
    assert_sound(student.predict(), ["a", "b"])
    assert_sound(student.predict(levels=(0.01, 0.99)), ["a", "b"], levels=["0.01", "0.99"])
    with pytest.raises(UserError, match="strictly between 0 and 1"):
        student.predict(levels=(1.0,))


@pytest.fixture(scope="module")
def covariate_frame(make_wide):
    frame = make_wide(127)[["day", "b"]].assign(price=lambda f: f.index % 5 * 100.0, rain=1.0)
    frame.loc[frame.index[-7:], "b"] = np.nan
    frame.loc[frame.index[-7:], "rain"] = np.nan
    return frame


KNOWN = FrameOptions(known=("price",), past=("rain",))


@pytest.fixture(scope="module")
def covariate_model(covariate_frame, tiny_config):
    return ForecastModel.fit(covariate_frame, tiny_config(), options=KNOWN)


def test_known_and_past_covariates(covariate_frame, covariate_model, tmp_path):
    forecast = covariate_model.predict()
    assert_sound(forecast, ["b"])
    assert forecast["time"].tolist() == covariate_frame["day"].tolist()[-7:]
    future = covariate_frame[["day", "price"]].tail(7)
    pd.testing.assert_frame_equal(covariate_model.predict(known_future=future), forecast, check_exact=True)
    past = covariate_frame.head(120)
    again = covariate_model.predict(past, known_future=future)
    pd.testing.assert_frame_equal(again, forecast, check_exact=True)
    covariate_model.save(tmp_path / "m")
    loaded = ForecastModel.load(tmp_path / "m")
    pd.testing.assert_frame_equal(loaded.predict(), forecast, check_exact=True)
    evaluation = loaded.evaluate(covariate_frame)
    assert evaluation.table.notna().to_numpy().any(axis=0).all()


def test_missing_known_covariates_are_named(covariate_frame, covariate_model, wide_model):
    past = covariate_frame.head(120)
    with pytest.raises(UserError, match="0 rows after the last value, the horizon of 7 steps needs 7"):
        covariate_model.predict(past)
    future = covariate_frame[["day", "price"]].tail(7)
    with pytest.raises(UserError, match="no row for 2024-04-30 of series .*the 7 steps from 2024-04-30 to 2024-05-06"):
        covariate_model.predict(past, known_future=future.iloc[3:6])
    broken = future.assign(price=[1.0, None, *[1.0] * 5])
    with pytest.raises(UserError, match="no value of 'price' at 2024-05-01"):
        covariate_model.predict(past, known_future=broken)
    with pytest.raises(UserError, match="the model has no known covariates"):
        wide_model.predict(known_future=future)
    with pytest.raises(UserError, match="no column 'price', named as known"):
        covariate_model.predict(past.drop(columns="price"))


def test_known_covariates_of_a_long_frame(long_frame, tiny_config):
    frame = long_frame.assign(promo=long_frame["day"].dt.dayofweek == 4).astype({"promo": float})
    options = FrameOptions(known=("promo",))
    model = ForecastModel.fit(frame, tiny_config(calendar=False), options=options)
    future = pd.concat(
        frame[frame["shop"] == name].tail(7).assign(day=lambda f: f["day"] + pd.Timedelta(days=7)) for name in "xyz"
    ).drop(columns="sold")
    assert_sound(model.predict(known_future=future), ["x", "y", "z"])
    with pytest.raises(UserError, match="no rows for series 'z', only for x, y"):
        model.predict(known_future=future.query("shop != 'z'"))


def test_the_calendar_can_be_left_out(wide_frame, tiny_config, wide_model):
    model = ForecastModel.fit(wide_frame, tiny_config(calendar=False))
    assert model.network.shape.known == 0
    assert wide_model.network.shape.known == 3
    assert_sound(model.predict(), ["a", "b"])


def test_fit_again_starts_from_the_weights(wide_model, make_wide):
    before = wide_model.predict()
    still = OptimiserConfig(lr=1e-12, weight_decay=0.0, epochs=1)
    same = wide_model.fit_again(make_wide(140), optimiser=still)
    np.testing.assert_allclose(same.predict()["mean"], before["mean"], rtol=1e-5)
    other = make_wide(160).rename(columns={"a": "c", "b": "d"})
    moved = wide_model.fit_again(other)
    assert moved.names == ("c", "d")
    assert_sound(moved.predict(), ["c", "d"])
    pd.testing.assert_frame_equal(wide_model.predict(), before, check_exact=True)


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (
            20,
            {"horizon": 96},
            r"the data has 20 rows, too few for context 14 and horizon 96.*302 rows are needed",
        ),
        (
            30,
            {},
            r"too few for context 14 and horizon 7.*10% for validation and 20% for the test.* at least 35 rows",
        ),
        (20, {"shares": (0.0, 0.0)}, "one training window takes 21 rows, so at least 21 rows are needed"),
    ],
)
def test_too_few_rows(make_wide, tiny_config, rows, changes, message):
    with pytest.raises(UserError, match=message):
        ForecastModel.fit(make_wide(rows), tiny_config(**changes))


def test_the_number_of_rows_said_to_be_needed_is_exact(make_wide, tiny_config):
    model = ForecastModel.fit(make_wide(35), tiny_config())
    assert "1 training window, 1 validation window" in model.notes


def test_without_validation_and_test(make_wide, tiny_config):
    model = ForecastModel.fit(make_wide(30), tiny_config(shares=(0.0, 0.0)))
    assert "10 training windows, no validation part" in model.notes
    assert_sound(model.predict(), ["a", "b"])
    with pytest.raises(UserError, match="there is no test part"):
        model.evaluate(make_wide(30))


def test_nan_everywhere(make_wide, tiny_config):
    with pytest.raises(UserError, match="column 'b' has no value at all"):
        ForecastModel.fit(make_wide(100).assign(b=np.nan), tiny_config(), options=FrameOptions(target=("a", "b")))
    late = make_wide(100)
    late.loc[late.index[:90], "b"] = np.nan
    with pytest.raises(UserError, match="channel 'b' has no observed value in the 70 training rows"):
        ForecastModel.fit(late, tiny_config())
    gap = make_wide(100)
    gap.loc[gap.index[70:80], ["a", "b"]] = np.nan
    with pytest.raises(UserError, match="no value is observed in the validation part"):
        ForecastModel.fit(gap, tiny_config())


def test_data_that_does_not_fit_the_model(wide_model, long_model, make_wide, wide_frame):
    with pytest.raises(UserError, match="trained on steps of D, the new data has steps of h"):
        wide_model.predict(make_wide(50, "h"))
    with pytest.raises(UserError, match="trained on steps of D, the new data has steps without dates"):
        wide_model.predict(wide_frame.drop(columns="day"))
    with pytest.raises(UserError, match="forecasts 2 columns at a time, the data has 1"):
        wide_model.predict(wide_frame.drop(columns="b"))
    with pytest.raises(UserError, match="forecasts 1 column at a time, the data has 2"):
        long_model.predict(wide_frame)
    with pytest.raises(UserError, match="expected a pandas DataFrame or SeriesData, got list"):
        wide_model.predict([1, 2, 3])
    data = from_frame(wide_frame.assign(price=1.0), FrameOptions(known=("price",)))
    with pytest.raises(UserError, match=r"with the known covariates \[\], the data has \['price'\]"):
        wide_model.predict(data)


def test_a_network_that_cannot_be_built(wide_frame, tiny_config):
    network = NetworkConfig(mixer=AttentionMixer(heads=3), width=8)
    with pytest.raises(UserError, match="the network cannot be built as configured: width must be divisible"):
        ForecastModel.fit(wide_frame, tiny_config(network=network))


def test_series_data_serves_as_well_as_a_frame(wide_frame, wide_model, tiny_config):
    data = from_frame(wide_frame)
    model = ForecastModel.fit(data, tiny_config())
    pd.testing.assert_frame_equal(model.predict(), wide_model.predict(), check_exact=True)
    assert replace(model, notes=()).names == ("a", "b")
