import numpy as np
import pytest
import torch

from forecasting.benchmark.datasets import load_benchmark
from forecasting.benchmark.protocol import evaluate_windows, long_horizon_split
from forecasting.evaluation.baselines import ClosedFormLinear, RepeatLast, SeasonalNaive, standard_baselines
from forecasting.windows.arrays import ItemArrays
from forecasting.windows.cutting import Windows
from titans_seq.errors import UserError

NAN = float("nan")


def series(*values: float) -> ItemArrays:
    return ItemArrays(np.array(values, dtype=np.float32)[:, None])


def forecast(baseline, item: ItemArrays, context: int, horizon: int) -> list[float]:
    """Forecast beyond the end of a series of one channel."""
    windows = Windows([item], context, horizon, first=len(item.values), last=len(item.values) + 1)
    return baseline.predict(windows.batch([0]))[0, :, 0].tolist()


@pytest.mark.parametrize(
    ("values", "expected"), [((1, 2, 3), 3), ((1, 2, NAN), 2), ((NAN, 5, NAN), 5), ((NAN, NAN, NAN), 0)]
)
def test_repeat_last_holds_the_last_observed_value(values, expected):
    assert forecast(RepeatLast(), series(*values), 3, 2) == [expected] * 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 1, 2, 3, 4, 5, 6), [4, 5, 6, 4]),
        ((0, 1, 2, 3, NAN, 5, 6), [1, 5, 6, 1]),
        # No season holds the third position: it takes the last observed value.
        ((0, 1, NAN, 3, 4, NAN, 6), [4, 6, 6, 4]),
        ((0, NAN, 2, 3, NAN, 5, NAN), [5, 5, 3, 5]),
        ((NAN,) * 7, [0, 0, 0, 0]),
    ],
)
def test_seasonal_naive_takes_the_latest_observed_season(values, expected):
    assert forecast(SeasonalNaive(3), series(*values), 7, 4) == expected


def test_season_must_fit_into_the_context():
    windows = Windows([series(*range(9))], 3, 2)
    message = "looks back one season of 4 steps, the context has only 3"
    with pytest.raises(UserError, match=message):
        SeasonalNaive(4).fit(windows)
    with pytest.raises(UserError, match=message):
        SeasonalNaive(4).predict(windows.batch([0]))
    with pytest.raises(ValueError, match="season must be at least 1, got 0"):
        SeasonalNaive(0)


def test_linear_equals_ridge_regression_on_stacked_windows():
    rng = np.random.default_rng(0)
    items = [ItemArrays(rng.normal(size=(60, 2)).cumsum(0).astype(np.float32)) for _ in range(2)]
    windows = Windows(items, 8, 3)
    batch = windows.batch(range(len(windows)))
    both = torch.cat([batch.past, batch.future], 1).transpose(1, 2).flatten(0, 1).double().numpy()
    both -= both[:, 7:8]
    x, y = both[:, :8], both[:, 8:]
    penalty = 0.1 * np.trace(x.T @ x) / 8
    expected = np.linalg.lstsq(
        np.vstack([x, np.sqrt(penalty) * np.eye(8)]), np.vstack([y, np.zeros((8, 3))]), rcond=None
    )[0]
    for batch_size in (5, 512):
        model = ClosedFormLinear(ridge=0.1).fit(windows, batch_size)
        assert model.weight is not None
        np.testing.assert_allclose(model.weight.numpy(), expected, rtol=1e-9, atol=1e-12)
    change = (x @ expected).reshape(len(windows), 2, 3).transpose(0, 2, 1)
    np.testing.assert_allclose(model.predict(batch).numpy(), change + batch.past[:, -1:].numpy(), atol=1e-5)


def test_linear_learns_only_from_windows_without_missing_values():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, 2)).cumsum(0).astype(np.float32)
    broken = values.copy()
    broken[50, 1] = NAN
    fitted = ClosedFormLinear().fit(Windows([ItemArrays(broken)], 6, 2)).weight
    whole = [ItemArrays(values[:, :1]), ItemArrays(values[:50, 1:]), ItemArrays(values[51:, 1:])]
    expected = ClosedFormLinear().fit(Windows(whole, 6, 2)).weight
    assert fitted is not None
    torch.testing.assert_close(fitted, expected, rtol=1e-10, atol=1e-12)


def test_linear_forecasts_over_gaps_and_short_series():
    model = ClosedFormLinear(1e-9).fit(Windows([series(*(i % 3 for i in range(60)))], 6, 3))
    assert forecast(model, series(0, 1, 2, 0, 1, 2), 6, 3) == pytest.approx([0, 1, 2], abs=1e-4)
    for item in (series(0, 1, NAN, 0, 1, NAN), series(2), series(NAN, 2)):
        assert np.isfinite(forecast(model, item, 6, 3)).all()
    # A missing cell takes the value before it; before the first value stands that value.
    assert forecast(model, series(0, NAN, 2, 0, 1, NAN), 6, 3) == forecast(model, series(0, 0, 2, 0, 1, 1), 6, 3)
    assert forecast(model, series(7, 8), 6, 3) == forecast(model, series(7, 7, 7, 7, 7, 8), 6, 3)


def test_linear_on_a_constant_series_holds_it():
    model = ClosedFormLinear().fit(Windows([series(*[5.0] * 20)], 4, 2))
    assert forecast(model, series(5, 5, 5, 5), 4, 2) == [5, 5]


def test_linear_refuses_what_it_cannot_do():
    windows = Windows([series(*([1, NAN] * 10))], 4, 2)
    with pytest.raises(UserError, match=r"windows of 4 \+ 2 steps without missing values, and none of 15 is"):
        ClosedFormLinear().fit(windows)
    with pytest.raises(ValueError, match=r"not fitted, the batch needs context and horizon \(4, 2\)"):
        ClosedFormLinear().predict(windows.batch([0]))
    model = ClosedFormLinear().fit(Windows([series(*range(20))], 5, 2))
    with pytest.raises(ValueError, match=r"fitted for \(5, 2\)"):
        model.predict(windows.batch([0]))
    with pytest.raises(ValueError, match="ridge must be positive, got 0"):
        ClosedFormLinear(0)


def test_standard_baselines_leave_out_seasons_that_say_nothing():
    assert list(standard_baselines(96, 24)) == ["repeat last", "seasonal naive 24", "closed-form linear"]
    assert list(standard_baselines(96, 144)) == list(standard_baselines(96, 1)) == ["repeat last", "closed-form linear"]


@pytest.mark.parametrize(
    ("name", "baseline", "horizon", "published"),
    [
        ("ETTh1", ClosedFormLinear(), 96, (0.383, 0.392)),
        pytest.param("ETTh1", ClosedFormLinear(), 720, (0.462, 0.456), marks=pytest.mark.slow),
        ("ETTh1", SeasonalNaive(24), 96, (0.512, 0.433)),
        ("ETTh1", RepeatLast(), 96, (1.294, 0.713)),
        ("Exchange", RepeatLast(), 96, (0.081, 0.196)),
        ("Exchange", RepeatLast(), 720, (0.810, 0.676)),
        ("Exchange", ClosedFormLinear(), 96, (0.082, 0.197)),
        ("Exchange", ClosedFormLinear(), 720, (0.813, 0.678)),
    ],
)
def test_reproduces_the_published_scores(shared_data, name, baseline, horizon, published):
    values = load_benchmark(name, shared_data / "forecasting").values
    split = long_horizon_split(name, values, 96, horizon)
    score = evaluate_windows(baseline.fit(split.train).predict, split.test, 256)
    assert (round(score["mse"], 3), round(score["mae"], 3)) == published


@pytest.mark.slow
def test_dropping_the_last_batch_flatters_on_real_data(shared_data):
    values = load_benchmark("ETTh1", shared_data / "forecasting").values
    split = long_horizon_split("ETTh1", values, 96, 720)
    predict = ClosedFormLinear().fit(split.train).predict
    every, kept = evaluate_windows(predict, split.test), split.test.batch(torch.arange(2048))
    assert every["windows"] == 2161
    dropped = (predict(kept).double() - kept.future.double()).square().mean()
    assert dropped < every["mse"] - 0.01
