import functools
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gluonts.json
import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from gluonts.core.component import equals
from gluonts.core.serde import dump_json, load_json
from gluonts.dataset.split import split
from gluonts.ev import metrics
from gluonts.evaluation import Evaluator, MultivariateEvaluator, make_evaluation_predictions
from gluonts.model import evaluate_model
from gluonts.model.forecast import QuantileForecast
from gluonts.model.predictor import Predictor
from gluonts.model.seasonal_naive import SeasonalNaivePredictor
from gluonts.torch.model.forecast import DistributionForecast
from gluonts.torch.model.predictor import PyTorchPredictor
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from forecasting.data.frames import from_frame
from forecasting.data.gluonts_io import to_gluonts
from forecasting.gluonts.estimator import ForecastEstimator
from forecasting.gluonts.network import GluonTSNetwork, standardise
from forecasting.network.batch import WindowBatch
from forecasting.network.mixers import GRUMixer, Memory, MemoryMixer
from forecasting.network.simba_network import NetworkConfig
from forecasting.network.tokens import PatchConfig
from titans_seq.config import to_dict
from titans_seq.errors import UserError
from titans_seq.layers import NeuralMemoryConfig

HORIZON, CONTEXT = 4, 16
METRICS = [
    metrics.MSE(),
    metrics.MAE(),
    metrics.MASE(),
    metrics.MSIS(),
    metrics.MeanWeightedSumQuantileLoss(quantile_levels=[0.1, 0.5, 0.9]),
    metrics.Coverage(0.9),
]
MEMORY = NetworkConfig(
    tokens=PatchConfig(length=4, stride=4),
    mixer=MemoryMixer(NeuralMemoryConfig(heads=2, chunk_size=2)),
    width=8,
    layers=1,
)
SMALL_GRU = {"width": 8, "layers": 1, "mixer": to_dict(GRUMixer())}
QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


def make_estimator(**changes):
    arguments = {
        "freq": "h",
        "prediction_length": HORIZON,
        "context_length": CONTEXT,
        "network": to_dict(MEMORY),
        "epochs": 1,
        "num_batches_per_epoch": 2,
        "batch_size": 8,
    }
    trainer_kwargs = QUIET | changes.pop("trainer_kwargs", {})
    return ForecastEstimator(**arguments | changes, trainer_kwargs=trainer_kwargs)


def wave(length: int, channels: int = 0, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(max(channels, 1), length))
    series = 10 + 3 * np.sin(np.arange(length) * 2 * np.pi / 8) + 0.3 * noise
    return series if channels else series[0]


def period(text: str, freq: str) -> Any:
    return pd.Period(text, freq)


def entry(target: Any, name: str = "a", **fields):
    return {"item_id": name, "start": period("2024-01-01", "h"), "target": target, **fields}


DATA = [entry(wave(40, seed=i), name) for i, name in enumerate("abc")]


def medians(predictor: Predictor, data: Sequence[dict]) -> np.ndarray:
    return np.stack([forecast.quantile(0.5) for forecast in predictor.predict(data)])


@functools.cache
def trained_with(output: str) -> PyTorchPredictor:
    """A predictor that no test changes."""
    return make_estimator(output=output).train(DATA, DATA)


@pytest.fixture(params=["quantiles", "student-t"])
def output(request) -> str:
    return request.param


@pytest.fixture
def trained(output) -> PyTorchPredictor:
    return trained_with(output)


def test_orjson_serves_gluonts():
    assert vars(gluonts.json)["variant"] == "orjson"


def test_forecast_classes_and_dates(trained, output):
    forecasts = list(trained.predict(DATA))
    assert isinstance(forecasts[0], {"quantiles": QuantileForecast, "student-t": DistributionForecast}[output])
    assert [forecast.item_id for forecast in forecasts] == ["a", "b", "c"]
    for forecast in forecasts:
        assert forecast.start_date == period("2024-01-01", "h") + 40
        low, middle, high = (forecast.quantile(level) for level in (0.1, 0.5, 0.9))
        assert middle.shape == (HORIZON,)
        assert (low < middle).all()
        assert (middle < high).all()


def test_student_t_samples_fit_its_quantiles():
    forecast = next(trained_with("student-t").predict(DATA))
    assert isinstance(forecast, DistributionForecast)
    torch.manual_seed(0)
    samples = forecast.to_sample_forecast(4000).samples
    assert samples.shape == (4000, HORIZON)
    np.testing.assert_allclose((samples < forecast.quantile(0.9)).mean(0), 0.9, atol=0.03)
    np.testing.assert_allclose(forecast.mean, forecast.quantile(0.5), rtol=1e-5)


def test_saved_predictor_gives_identical_quantiles(trained, tmp_path):
    trained.serialize(tmp_path)
    loaded = Predictor.deserialize(tmp_path)
    for ours, theirs in zip(trained.predict(DATA), loaded.predict(DATA), strict=True):
        for level in (0.1, 0.37, 0.5, 0.9):
            np.testing.assert_array_equal(ours.quantile(level), theirs.quantile(level))
    saved = json.loads((tmp_path / "predictor.json").read_text())["kwargs"]["prediction_net"]
    assert saved["class"] == "forecasting.gluonts.network.GluonTSNetwork"
    assert saved["kwargs"]["network"]["mixer"]["kind"] == "memory_mixer"
    weights = torch.load(tmp_path / "prediction-net-state.pt", weights_only=True)  # noqa: TID251
    assert {tensor.device.type for tensor in weights.values()} == {"cpu"}


def test_estimator_can_be_written_and_rebuilt():
    estimator = make_estimator(quantile_levels=[0.2, 0.5, 0.8])
    rebuilt = load_json(dump_json(estimator))
    assert equals(estimator, rebuilt)
    assert np.array_equal(medians(estimator.train(DATA), DATA), medians(rebuilt.train(DATA), DATA))


def test_from_hyperparameters():
    estimator = ForecastEstimator.from_hyperparameters(freq="D", prediction_length="7")
    assert (estimator.prediction_length, estimator.context_length) == (7, 28)


def test_the_default_mixer_is_the_memory():
    network = ForecastEstimator(freq="D", prediction_length=7, network={"width": 16}).network
    assert (network["mixer"]["kind"], network["width"]) == ("memory_mixer", 16)


def test_works_with_evaluate_model_and_split(output):
    train, template = split(DATA, offset=-3 * HORIZON)
    predictor = make_estimator(output=output).train(train)
    pairs = template.generate_instances(HORIZON, windows=3)
    table = evaluate_model(predictor, test_data=pairs, metrics=METRICS, seasonality=8)
    assert np.isfinite(table.to_numpy()).all()
    assert table.shape == (1, len(METRICS))
    by_step = evaluate_model(predictor, test_data=pairs, metrics=METRICS, axis=0, seasonality=8)
    assert by_step.shape == (HORIZON, len(METRICS))


def test_works_with_the_older_evaluator(trained):
    forecasts, series = make_evaluation_predictions(DATA, trained)
    evaluator = Evaluator(quantiles=[0.1, 0.5, 0.9], num_workers=0, seasonality=8)
    scores, table = evaluator(series, forecasts, num_series=len(DATA))
    assert len(table) == len(DATA)
    assert all(np.isfinite(scores[name]) for name in ("MSE", "MASE", "mean_wQuantileLoss", "Coverage[0.9]"))


class Recorder(Callback):
    def __init__(self):
        self.weights, self.losses, self.logged = [], [], set()

    def on_train_epoch_end(self, trainer, pl_module):
        self.weights.append({k: v.clone() for k, v in pl_module.state_dict().items()})

    def on_train_end(self, trainer, pl_module):
        self.logged = set(trainer.logged_metrics)

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.losses.append(float(trainer.callback_metrics["val_loss"]))


def callback(trainer: Any, kind: type) -> Any:
    return next(found for found in trainer.callbacks if isinstance(found, kind))


def test_best_weights_are_restored_from_a_checkpoint_of_tensors():
    # The validation series is of another kind, so that training soon makes its score worse.
    other = [entry(np.cumsum(wave(40) - 10))]
    estimator = make_estimator(
        lr=0.03,
        epochs=6,
        num_batches_per_epoch=3,
        trainer_kwargs={"callbacks": [Recorder()]},
        network={"width": 8, "layers": 1},
    )
    result = estimator.train_model(DATA, other)
    recorder = callback(result.trainer, Recorder)
    best = int(np.argmin(recorder.losses))
    assert best < 5
    for name, weight in result.predictor.network.state_dict().items():
        assert torch.equal(weight, recorder.weights[best][name])
    assert {"train_loss", "val_loss"} <= recorder.logged
    assert isinstance(result.trained_net, pl.LightningModule)
    assert not result.trained_net.hparams


def test_train_loss_is_monitored_without_validation_data():
    early = EarlyStopping("train_loss", min_delta=1e9, patience=1)
    result = make_estimator(epochs=5, trainer_kwargs={"callbacks": [early]}).train_model(DATA)
    assert result.trainer.current_epoch == 2
    assert callback(result.trainer, ModelCheckpoint).monitor == "train_loss"


def test_a_second_training_still_stops_early():
    early = EarlyStopping("val_loss", min_delta=1e9, patience=1)
    trainer_kwargs = {"callbacks": [early]}
    estimator = make_estimator(epochs=5, trainer_kwargs=trainer_kwargs)
    epochs = [estimator.train_model(DATA, DATA).trainer.current_epoch for _ in range(2)]
    assert epochs == [2, 2]
    assert early.wait_count == 0
    assert trainer_kwargs == {"callbacks": [early]}


def test_one_callback_and_none_are_taken_as_lightning_takes_them():
    early = EarlyStopping("val_loss", min_delta=1e9, patience=1)
    alone = make_estimator(epochs=5, trainer_kwargs={"callbacks": early})
    assert alone.train_model(DATA, DATA).trainer.current_epoch == 2
    none = make_estimator(epochs=1, trainer_kwargs={"callbacks": None})
    assert none.train_model(DATA).trainer.current_epoch == 1


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    predictor = make_estimator().train(DATA, DATA)
    list(predictor.predict(DATA))
    assert not list(here.iterdir())
    assert not list(temporary.iterdir())


def test_a_given_root_folder_keeps_the_checkpoint(tmp_path):
    make_estimator(trainer_kwargs={"default_root_dir": str(tmp_path)}).train(DATA)
    assert list(tmp_path.rglob("*.ckpt"))


def test_trainings_with_one_seed_are_equal_and_leave_the_random_state():
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), repr(np.random.get_state())
    first = medians(make_estimator(seed=1).train(DATA, DATA), DATA)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == repr(np.random.get_state())
    torch.manual_seed(6)
    np.random.seed(6)
    assert np.array_equal(first, medians(make_estimator(seed=1).train(DATA, DATA), DATA))
    assert not np.allclose(first, medians(make_estimator(seed=2).train(DATA, DATA), DATA))


def test_training_data_is_left_as_it_was():
    data = [entry(wave(40))]
    data[0]["target"][7] = np.nan
    kept = data[0]["target"].copy()
    list(make_estimator().train(data, data).predict(data))
    np.testing.assert_array_equal(data[0]["target"], kept)
    assert set(data[0]) == {"item_id", "start", "target"}


def test_no_state_passes_from_call_to_call(trained):
    first = medians(trained, DATA)
    medians(trained, [entry(100 * wave(50, seed=9), "other")])
    assert np.array_equal(first, medians(trained, DATA))
    alone = np.concatenate([medians(trained, [item]) for item in DATA])
    np.testing.assert_allclose(first, alone, rtol=1e-5)


@pytest.fixture
def modes(monkeypatch) -> list[tuple[bool, bool]]:
    """Whether gradients were recorded and inference mode was on, for each call of a memory."""
    seen = []
    forward = Memory.forward

    def watched(self, x):
        seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        return forward(self, x)

    monkeypatch.setattr(Memory, "forward", watched)
    return seen


def test_the_memory_predicts_without_gradients(trained, modes):
    list(trained.predict(DATA))
    assert modes == [(False, False)]


def test_the_memory_validates_in_inference_mode(modes):
    estimator = make_estimator(epochs=1)
    result = estimator.train_model(DATA, DATA)
    assert (True, False) in modes
    modes.clear()
    data = result.transformation.apply(DATA, is_train=True)
    loader = estimator.create_validation_data_loader(data, result.trained_net)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    trained_module: Any = result.trained_net
    scores = trainer.validate(trained_module, loader, verbose=False)
    assert modes == [(False, True)]
    assert np.isfinite(scores[0]["val_loss"])


def test_training_again_starts_from_the_given_predictor(trained, output):
    still = make_estimator(output=output, lr=1e-12, epochs=1).train_from(trained, DATA)
    np.testing.assert_allclose(medians(still, DATA), medians(trained, DATA), rtol=1e-4)
    moved = make_estimator(output=output, lr=1e-2, epochs=1).train_from(trained, DATA)
    assert not np.allclose(medians(moved, DATA), medians(trained, DATA), rtol=1e-4)


def test_missing_values_are_masked(output):
    gaps = [entry(wave(40, seed=i), name) for i, name in enumerate("abc")]
    for i, item in enumerate(gaps):
        item["target"][i::4] = np.nan
        item["target"][-2:] = np.nan
    predictor = make_estimator(output=output).train(gaps, gaps)
    assert np.isfinite(medians(predictor, gaps)).all()
    assert np.isfinite(predictor.network.state_dict()["network.head.project.weight"].numpy()).all()


def test_a_short_series_counts_as_one_that_begins_with_gaps():
    predictor = make_estimator(time_features=False).train(DATA)
    short = wave(6)
    start = period("2024-01-02 00:00", "h")
    padded = {"start": start - 10, "target": np.concatenate([np.full(10, np.nan), short])}
    forecasts = medians(predictor, [{"start": start, "target": short}, padded])
    np.testing.assert_allclose(forecasts[0], forecasts[1], rtol=1e-6)


def test_forecasts_follow_the_scale_of_the_series(trained):
    base = wave(40)
    forecasts = medians(trained, [entry(base), entry(1000 * base + 5000)])
    np.testing.assert_allclose(forecasts[1], 1000 * forecasts[0] + 5000, rtol=1e-4)


def test_a_constant_series_has_a_finite_forecast(trained):
    for level in (0.0, 7.0, 1e6):
        assert np.isfinite(medians(trained, [entry(np.full(40, level))])).all()


def test_standardise_ignores_what_is_not_observed():
    past = torch.tensor([[[1.0], [float("nan")], [3.0]], [[5.0], [5.0], [5.0]], [[9.0], [9.0], [9.0]]])
    observed = torch.tensor([[[True], [False], [True]], [[True]] * 3, [[False]] * 3])
    future = torch.tensor([[[4.0]], [[10.0]], [[float("inf")]]])
    known, empty, phase = torch.zeros(3, 4, 0), torch.zeros(3, 3, 0), torch.zeros(3, dtype=torch.int64)
    batch = WindowBatch(past, observed, known, empty, phase, future, future.isfinite(), torch.zeros(3, 0))
    scaled, loc, scale = standardise(batch)
    assert scaled.past[:, :, 0].tolist() == [[-1.0, 0.0, 1.0], [0.0] * 3, [0.0] * 3]
    assert scaled.future.flatten().tolist() == [2.0, 1.0, 0.0]
    assert loc.flatten().tolist() == [2.0, 5.0, 0.0]
    assert scale.flatten().tolist() == [1.0, 5.0, 1.0]


@pytest.mark.parametrize("size", [2.0**100, 2.0**-100, 1e38, 1e-36])
def test_standardise_takes_values_of_any_size(size):
    past = size * torch.tensor([0.25, -1.0, 1.0, 0.5]).reshape(1, 4, 1)
    none = torch.zeros(1, 4, 0)
    batch = WindowBatch(
        past=past,
        observed=torch.ones_like(past, dtype=torch.bool),
        known=none,
        past_only=none,
        phase=torch.zeros(1, dtype=torch.int64),
        future=past[:, :1],
        future_observed=torch.ones(1, 1, 1, dtype=torch.bool),
        static=torch.zeros(1, 0),
    )
    scaled, loc, scale = standardise(batch)
    expected = (past.double() - past.double().mean()) / past.double().std(correction=0)
    torch.testing.assert_close(scaled.past.double(), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(scaled.past * scale + loc, past, rtol=1e-6, atol=size * 1e-6)


def test_multivariate_targets(output, tmp_path):
    data = [entry(wave(40, channels=3, seed=i), name) for i, name in enumerate("ab")]
    data[0]["target"][1, 30] = np.nan
    predictor = make_estimator(output=output, target_dim=3).train(data, data)
    predictor.serialize(tmp_path)
    for forecast, again in zip(predictor.predict(data), Predictor.deserialize(tmp_path).predict(data), strict=True):
        assert forecast.quantile(0.9).shape == (HORIZON, 3)
        assert np.isfinite(forecast.mean).all()
        np.testing.assert_array_equal(forecast.quantile(0.9), again.quantile(0.9))
    pairs = split(data, offset=-HORIZON)[1].generate_instances(HORIZON)
    table = evaluate_model(predictor, test_data=pairs, metrics=METRICS, axis=(0, 2), seasonality=8)
    assert np.isfinite(table.to_numpy()).all()


def test_multivariate_quantiles_work_with_the_older_evaluator():
    data = [entry(wave(40, channels=2))]
    predictor = make_estimator(target_dim=2).train(data)
    forecasts, series = make_evaluation_predictions(data, predictor)
    evaluate: Any = MultivariateEvaluator(quantiles=[0.1, 0.9], seasonality=8)
    scores, _ = evaluate(series, forecasts)
    assert np.isfinite([scores[name] for name in ("0_MSE", "1_MSE", "MSE")]).all()


def test_known_covariates_reach_the_forecast():
    def item(length: int, level: float):
        feature = np.zeros((1, length + HORIZON))
        feature[0, -HORIZON:] = level
        return entry(wave(length), feat_dynamic_real=feature)

    rng = np.random.default_rng(0)
    feature = rng.normal(size=(1, 200))
    driven = [entry(5 * feature[0], feat_dynamic_real=feature)]
    estimator = make_estimator(num_feat_dynamic_real=1, lr=0.03, epochs=2, num_batches_per_epoch=10)
    predictor = estimator.train(driven, driven)
    low, high = medians(predictor, [item(40, -1.0), item(40, 1.0)])
    assert (high > low + 0.5).all()
    pairs = split(driven, offset=-2 * HORIZON)[1].generate_instances(HORIZON, windows=2)
    assert np.isfinite(evaluate_model(predictor, test_data=pairs, metrics=METRICS).to_numpy()).all()


def test_calendar_features_tell_the_hours_apart():
    predictor = trained_with("quantiles")
    morning, evening = ({"start": period(f"2024-01-01 {hour}:00", "h"), "target": wave(16)} for hour in ("06", "18"))
    forecasts = medians(predictor, [morning, evening])
    assert not np.allclose(forecasts[0], forecasts[1])


@pytest.mark.parametrize("freq", ["15min", "h", "D", "W", "W-WED", "M", "ME", "MS", "Q", "QS", "Y", "YE"])
def test_frequencies(freq):
    alias = {"ME": "M", "MS": "M", "QS": "Q", "YE": "Y"}[freq] if freq[-1] in "ES" else freq
    data = [{"start": period("1970-01-01", "D").asfreq(alias), "target": wave(24)}]
    predictor = make_estimator(freq=freq, epochs=1, num_batches_per_epoch=1, network=SMALL_GRU).train(data)
    assert next(predictor.predict(data)).start_date == data[0]["start"] + 24


def test_steps_are_numbered_by_their_date():
    cycle = {"cycle": {"periods": [4]}}
    predictor = make_estimator(freq="15min", prediction_length=1, network=SMALL_GRU | cycle, time_features=False).train(
        [{"start": period("2024-01-01", "15min"), "target": wave(40)}]
    )
    phases = []
    network: Any = predictor.network.network
    network.register_forward_pre_hook(lambda module, inputs: phases.extend(inputs[0].phase.tolist()))
    base = period("2024-01-01", "15min")
    list(predictor.predict([{"start": base + shift, "target": wave(20)} for shift in (0, 1, 96)]))
    assert np.diff(phases).tolist() == [1, 95]


def test_too_short_training_data_is_refused_at_once():
    began = time.monotonic()
    with pytest.raises(UserError, match=r"longest of its 2 series \(series b\) has 4 steps.*at least 5"):
        make_estimator().train([entry(wave(2), "a"), entry(wave(4), "b")])
    with pytest.raises(UserError, match="the validation data is too short"):
        make_estimator().train(DATA, [entry(wave(3))])
    assert time.monotonic() - began < 5


def test_short_series_among_others_are_counted(caplog):
    predictor = make_estimator().train([*DATA, entry(wave(3), "tiny"), entry(wave(5), "short")])
    assert "1 of 5 training series have fewer than 5 steps and are left out, series tiny" in caplog.text
    assert medians(predictor, [entry(wave(1), "tiny")]).shape == (1, HORIZON)


def test_series_shorter_than_the_context_train_alone():
    short = [entry(wave(CONTEXT + HORIZON - 3))]
    assert np.isfinite(medians(make_estimator().train(short, short), short)).all()


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        ([], {}, "the training data has no series"),
        ([entry(np.full(40, np.nan))], {}, "no observed value: every target is NaN"),
        ([entry(np.array([]))], {}, "series a: its target is empty"),
        ([entry(np.array([1.0] * 39 + [np.inf]))], {}, "series a: value in column 1, data row 40"),
        ([entry(wave(40, channels=2))], {}, r"expected a target \[T\] for target_dim=1, got shape \(2, 40\)"),
        (
            [entry(wave(40))],
            {"target_dim": 2},
            r"expected a target \[2, T\] for target_dim=2, got shape \(40,\)",
        ),
        ([entry(wave(40))], {"freq": "D"}, "its start steps by h, the estimator by D"),
        ([entry(wave(40)) | {"start": "2024-01-01"}], {}, "'2024-01-01', which is no pandas Period"),
        ([entry(wave(40))], {"num_feat_dynamic_real": 1}, "it has no feat_dynamic_real, expected 1 rows"),
        (
            [entry(wave(40), feat_dynamic_real=np.zeros((2, 40)))],
            {"num_feat_dynamic_real": 1},
            r"expected a feat_dynamic_real of \[1, 40 or more\], got \[2, 40\]",
        ),
        (
            [entry(wave(40), feat_dynamic_real=np.full((1, 40), np.nan))],
            {"num_feat_dynamic_real": 1},
            "series a: feat_dynamic_real has no finite value in row 0 at step 0",
        ),
        (
            [entry(wave(40), feat_dynamic_real=[["high"] * 40])],
            {"num_feat_dynamic_real": 1},
            "series a: feat_dynamic_real is no table of numbers",
        ),
        ([entry(["a", "b"])], {}, "series a: target is no table of numbers"),
        ([entry([[1.0, 2.0], [3.0]])], {"target_dim": 2}, "series a: target is no table of numbers"),
        (
            [{"start": period("2024-01-01", "h"), "item_id": "a"}],
            {},
            r"series a: it has no target, only \['item_id', 's",
        ),
        ([{"target": wave(40), "item_id": "a"}], {}, "series a: it has no start"),
    ],
)
def test_bad_training_data(data, changes, message):
    with pytest.raises(UserError, match=message):
        make_estimator(**changes).train(data)


def test_bad_data_when_predicting(trained):
    with pytest.raises(UserError, match="series b: all of the last 16 values are missing"):
        list(trained.predict([DATA[0], entry(np.append(wave(10), np.full(16, np.nan)), "b")]))
    driven = [entry(wave(40), feat_dynamic_real=np.zeros((1, 40)))]
    predictor = make_estimator(num_feat_dynamic_real=1, epochs=1).train(driven)
    with pytest.raises(UserError, match=r"\[1, 44 or more\], got \[1, 40\]"):
        list(predictor.predict(driven))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prediction_length": 0}, "prediction_length must be at least 1, got 0"),
        ({"context_length": 0}, "context_length must be at least 1, got 0"),
        ({"num_batches_per_epoch": 0}, "num_batches_per_epoch must be at least 1, got 0"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"quantile_levels": [0.5, 1.0]}, "quantile_levels: quantile levels must lie strictly between"),
        ({"quantile_levels": [0.5]}, "quantile_levels must be at least two"),
        ({"freq": "fortnight"}, "unknown frequency 'fortnight'"),
        ({"freq": "ms"}, "GluonTS has no calendar for freq='ms'"),
        ({"network": {"layer": 8}}, "layer: unknown field.*did you mean 'layers'"),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(UserError, match=message):
        make_estimator(**changes)


def test_network_weights_depend_on_the_seed_alone():
    arguments = {"network": to_dict(MEMORY), "context_length": 16, "prediction_length": 4}
    first, again, other = (GluonTSNetwork(**arguments, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_frame_out_of_order_is_used_and_left_as_it_was():
    # GluonTS's own PandasDataset sorts the caller's frame in place.
    dates = pd.date_range("2024-01-01", periods=40, freq="h")
    frame = pd.DataFrame({"time": dates[::-1], "load": wave(40)[::-1]})
    kept = frame.copy()
    data = to_gluonts(from_frame(frame))
    assert np.isfinite(medians(make_estimator().train(data), data)).all()
    pd.testing.assert_frame_equal(frame, kept)
    with pytest.raises(UserError, match="missing"):
        from_frame(pd.concat([frame.iloc[:20], frame.iloc[21:]]))


@pytest.mark.slow
def test_quantiles_beat_seasonal_naive_on_air_passengers(shared_data: Path):
    frame = pd.read_csv(shared_data / "forecasting" / "small" / "AirPassengers.csv")
    data = [{"start": period("1949-01", "M"), "target": frame.iloc[:, 1].to_numpy(np.float32)}]
    train, template = split(data, offset=-36)
    pairs = template.generate_instances(12, windows=3)
    ours = ForecastEstimator(
        freq="M",
        prediction_length=12,
        context_length=48,
        network=to_dict(MEMORY),
        epochs=10,
        trainer_kwargs=QUIET,
    ).train(train)
    naive = SeasonalNaivePredictor(prediction_length=12, season_length=12)
    quantile_loss = metrics.MeanWeightedSumQuantileLoss(quantile_levels=[0.1, 0.5, 0.9])
    scores = [
        evaluate_model(model, test_data=pairs, metrics=[quantile_loss]).to_numpy().item() for model in (ours, naive)
    ]
    assert scores[0] < scores[1]
