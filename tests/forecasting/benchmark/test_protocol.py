import numpy as np
import pytest
import torch

from forecasting.benchmark.datasets import BENCHMARKS
from forecasting.benchmark.protocol import (
    evaluate_windows,
    expected_windows,
    long_horizon_split,
    split_borders,
    standard_context,
)
from forecasting.evaluation.baselines import RepeatLast
from forecasting.windows.arrays import ItemArrays
from forecasting.windows.cutting import Windows
from titans_seq.errors import UserError


def noise(name: str, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(BENCHMARKS[name].rows, channels)) * 3 + 2


@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.parametrize("position", range(4))
def test_window_counts_are_the_published_ones(name, position):
    horizon = (24, 36, 48, 60)[position] if name == "ILI" else (96, 192, 336, 720)[position]
    split = long_horizon_split(name, noise(name), standard_context(name), horizon)
    counts = (len(split.train), len(split.val), len(split.test))
    assert counts == expected_windows(name, standard_context(name), horizon)


def test_the_table_is_the_one_in_the_literature():
    assert expected_windows("ETTh1", 96, 96) == (8449, 2785, 2785)
    assert expected_windows("Weather", 96, 720) == (36072, 4551, 9820)
    assert expected_windows("Exchange", 96, 720) == (4496, 41, 798)
    assert expected_windows("ILI", 36, 24) == (617, 74, 170)
    assert expected_windows("ETTh1", 96, 100) is None


@pytest.mark.parametrize("context", [24, 336])
def test_other_contexts_change_the_training_count_alone(context):
    split = long_horizon_split("ETTh2", noise("ETTh2"), context, 192)
    assert (len(split.train), len(split.val), len(split.test)) == (8353 + 96 - context, 2689, 2689)


def test_parts_begin_at_the_borders_and_look_back_across_them():
    values = np.arange(17_420.0)[:, None]
    split = long_horizon_split("ETTh1", values, 96, 192)
    mean, std = values[:8640].mean(), values[:8640].std()
    assert split.scaler.mean == (mean,)
    assert split.scaler.std == pytest.approx((std,), rel=1e-14)
    rows = {}
    for part in ("train", "val", "test"):
        windows = getattr(split, part)
        ends = windows.batch([0, len(windows) - 1])
        past, future = (np.rint(x[..., 0].double().numpy() * std + mean).astype(int) for x in (ends.past, ends.future))
        rows[part] = (past[0, 0], future[0, 0], future[1, -1])
        assert (ends.phase[0], windows.target_start[0]) == (past[0, 0], future[0, 0])
        assert ends.observed.all()
    assert rows == {"train": (0, 96, 8639), "val": (8544, 8640, 11519), "test": (11424, 11520, 14399)}


def test_borders():
    assert split_borders("ett_minute", 69_680) == (34_560, 46_080, 57_600)
    assert split_borders("ratio", 52_696) == (36_887, 42_157, 52_696)
    with pytest.raises(ValueError, match="the ett_hour split needs 14400 rows, got 14399"):
        split_borders("ett_hour", 14_399)


def test_wrong_rows_and_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match=r"Exchange 96 -> 96 gave .* windows, the protocol has \(5120, 665, 1422\)"):
        long_horizon_split("Exchange", noise("Exchange")[:-10], 96, 96)
    with pytest.raises(UserError, match="ILI: look-back 36 and horizon 98 leave a part without windows"):
        long_horizon_split("ILI", noise("ILI"), 36, 98)
    with pytest.raises(UserError, match="ILI: look-back 700 and horizon 24"):
        long_horizon_split("ILI", noise("ILI"), 700, 24)
    with pytest.raises(UserError, match="unknown benchmark 'ETTh3'"):
        long_horizon_split("ETTh3", noise("ILI"), 36, 24)


@pytest.fixture
def gappy() -> Windows:
    values = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    values[40:60, 1] = np.nan
    return Windows([ItemArrays(values)], context=12, horizon=5)


def test_score_is_the_mean_over_observed_targets(gappy):
    batch = gappy.batch(range(len(gappy)))
    error = (RepeatLast().predict(batch).double() - batch.future.double())[batch.future_observed]
    score = evaluate_windows(RepeatLast().predict, gappy, 7)
    assert score["mse"] == pytest.approx(error.square().mean().item(), rel=1e-13)
    assert score["mae"] == pytest.approx(error.abs().mean().item(), rel=1e-13)
    assert score["windows"] == len(gappy)
    assert score["cells"] == batch.future_observed.sum().item() < len(gappy) * 15


@pytest.mark.parametrize("batch_size", [1, 7, 128, 10_000])
def test_score_does_not_depend_on_the_batch_size(gappy, batch_size):
    score, reference = (evaluate_windows(RepeatLast().predict, gappy, size) for size in (batch_size, 50))
    assert score == pytest.approx(reference, rel=1e-14)


def test_prediction_is_called_without_gradients(gappy):
    scale = torch.ones((), requires_grad=True)

    def predict(batch):
        assert not (scale * batch.past).requires_grad
        return batch.future

    assert evaluate_windows(predict, gappy)["mse"] == 0


def test_faulty_forecasts_are_refused(gappy):
    with pytest.raises(ValueError, match=r"predict gave \(128, 12, 3\), expected \(128, 5, 3\)"):
        evaluate_windows(lambda batch: batch.past, gappy)
    with pytest.raises(ValueError, match="not finite"):
        evaluate_windows(lambda batch: batch.future / 0, gappy)
    unknown = Windows([ItemArrays(np.zeros((9, 1), np.float32))], 3, 2, first=9, last=10)
    with pytest.raises(ValueError, match="none of the targets of 1 windows is observed"):
        evaluate_windows(RepeatLast().predict, unknown)
