from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gluonts.ev import metrics
from gluonts.model import evaluate_model
from gluonts.model.predictor import Predictor

from forecasting.data.gluonts_io import from_gluonts
from forecasting.gluonts.zero_shot import ZeroShotPredictor
from forecasting.model import ForecastModel
from forecasting.zero_shot.forecaster import ZeroShotForecaster
from titans_seq.errors import UserError

HORIZON = 6


def _entries(lengths: tuple[int, ...] = (40, 25, 60)) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    start = pd.Period("2015-01", "M")
    return [{"start": start, "target": rng.normal(10, 1, length), "item_id": "same"} for length in lengths]


def test_entries_are_forecast_in_order_as_the_forecaster_does():
    entries = _entries()
    entries[1]["target"][3] = np.nan
    expected = ZeroShotForecaster.shipped().forecast(
        from_gluonts([{**entry, "item_id": str(i)} for i, entry in enumerate(entries)]), HORIZON
    )
    for size in (1, 2, 100):
        made = list(ZeroShotPredictor(prediction_length=HORIZON, batch_size=size).predict(entries))
        for number, (forecast, entry) in enumerate(zip(made, entries, strict=True)):
            assert forecast.item_id == "same"
            assert forecast.start_date == entry["start"] + len(entry["target"])
            np.testing.assert_allclose(forecast.mean, expected.mean[number, :, 0], rtol=1e-5)
            np.testing.assert_allclose(forecast.quantile(0.9), expected.quantiles[number, :, 0, -1], rtol=1e-5)


def test_counts_are_forecast_as_by_the_python_api_never_below_zero():
    counts = np.random.default_rng(0).poisson(0.4, (2, 40)).astype(float)
    start = pd.Period("2015-01", "M")
    made = next(ZeroShotPredictor(prediction_length=HORIZON).predict([{"start": start, "target": counts}]))
    frame = pd.DataFrame({"month": pd.period_range(start, periods=40), "a": counts[0], "b": counts[1]})
    expected = ForecastModel.pretrained().predict(frame, horizon=HORIZON)
    assert expected["0.1"].min() == 0.0
    np.testing.assert_allclose(made.quantile(0.1).T.ravel(), expected["0.1"], rtol=1e-5)
    np.testing.assert_allclose(made.mean.T.ravel(), expected["mean"], rtol=1e-5)


def test_several_channels_and_known_covariates():
    rng = np.random.default_rng(1)
    known = rng.normal(size=(1, 50 + HORIZON))
    start = pd.Period("2020-01-01", "D")
    entry = {"start": start, "target": 5 + 3 * known[:, :50], "feat_dynamic_real": known}
    wide = {"start": start, "target": rng.normal(size=(2, 50))}
    followed = next(ZeroShotPredictor(prediction_length=HORIZON).predict([entry]))
    assert np.shape(followed.quantile(0.5)) == (HORIZON, 1)
    np.testing.assert_allclose(followed.mean[:, 0], 5 + 3 * known[0, 50:], atol=0.2)
    assert np.shape(next(ZeroShotPredictor(prediction_length=HORIZON).predict([wide])).mean) == (HORIZON, 2)


def test_it_is_saved_loaded_and_scored_by_gluonts(tmp_path: Path):
    ZeroShotPredictor(prediction_length=HORIZON).serialize(tmp_path)
    predictor = Predictor.deserialize(tmp_path)
    assert isinstance(predictor, ZeroShotPredictor)
    pairs = [(entry | {"target": entry["target"][:-HORIZON]}, entry) for entry in _entries()]

    class Data:
        input = [before for before, _ in pairs]
        label = [
            after | {"target": after["target"][-HORIZON:], "start": after["start"] + len(after["target"]) - HORIZON}
            for _, after in pairs
        ]

        def __iter__(self):
            return iter(zip(self.input, self.label, strict=True))

        def __len__(self):
            return len(pairs)

    scores = evaluate_model(predictor, test_data=Data(), metrics=[metrics.MASE()], seasonality=12)  # pyright: ignore
    assert 0 < scores["MASE[0.5]"].item() < 3


@pytest.mark.parametrize(("steps", "together"), [(0, 1), (3, 0)])
def test_what_does_not_fit_is_refused(steps: int, together: int):
    with pytest.raises(UserError, match="at least 1"):
        ZeroShotPredictor(prediction_length=steps, batch_size=together)


@pytest.mark.parametrize("size", [1, 9])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.full(30, np.nan)}, "no value is observed"),
        ({"target": np.array([1.0, np.inf])}, "infinite"),
        ({"feat_dynamic_real": np.zeros((1, 27))}, "ends 2 steps after its target, and 6 are to be forecast: give"),
    ],
)
@pytest.mark.parametrize(("own", "name"), [("b", "b"), (None, "entry 1"), ("a", r"a( \(entry 1\))?")])
def test_a_refused_entry_is_called_by_its_item_id(size: int, change, message, own, name):
    first, second = ({**entry, "item_id": called} for entry, called in zip(_entries()[:2], ("a", own), strict=True))
    first["feat_dynamic_real"] = second["feat_dynamic_real"] = np.zeros((1, 90))
    with pytest.raises(UserError, match=rf"{name}.*{message}") as refused:
        list(ZeroShotPredictor(prediction_length=HORIZON, batch_size=size).predict([first, {**second, **change}]))
    assert "--" not in str(refused.value)
