import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.network.batch import WindowBatch
from forecasting.windows.arrays import ItemArrays
from forecasting.windows.cutting import WindowLoader, Windows
from titans_seq.errors import UserError


def make_item(rows: int, seed: int = 0, extra: int = 0, start_step: int = 0, name: str = "a") -> ItemArrays:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 2)).astype(np.float32)
    values[rng.random((rows, 2)) < 0.2] = np.nan
    known = rng.normal(size=(rows + extra, 3)).astype(np.float32)
    return ItemArrays(values, known, rng.normal(size=(rows, 1)).astype(np.float32), start_step, name)


def cut_by_hand(item: ItemArrays, target: int, context: int, horizon: int) -> dict[str, np.ndarray]:
    """One window, copied row by row."""

    def rows(array: np.ndarray, begin: int, end: int, fill: float) -> np.ndarray:
        empty = np.full(array.shape[1], fill)
        return np.stack([array[r] if 0 <= r < len(array) else empty for r in range(begin, end)])

    past = rows(item.values, target - context, target, np.nan)
    future = rows(item.values, target, target + horizon, np.nan)
    return {
        "past": np.nan_to_num(past),
        "observed": ~np.isnan(past),
        "known": rows(item.known, target - context, target + horizon, 0),
        "past_only": rows(item.past, target - context, target, 0),
        "phase": np.array(item.start_step + target - context),
        "future": np.nan_to_num(future),
        "future_observed": ~np.isnan(future),
    }


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(4, 12), min_size=1, max_size=3),
    context=st.integers(1, 6),
    horizon=st.integers(1, 3),
    stride=st.integers(1, 3),
    whole=st.booleans(),
)
def test_every_window_equals_one_cut_by_hand(lengths, context, horizon, stride, whole):
    items = [make_item(n, seed=i, extra=horizon, start_step=10 * i) for i, n in enumerate(lengths)]
    last = None if whole else [n + 1 for n in lengths]
    windows = Windows(items, context, horizon, first=1, last=last, stride=stride)
    expected = [
        (i, target) for i, n in enumerate(lengths) for target in range(1, (n - horizon + 1) if whole else n + 1, stride)
    ]
    assert list(zip(windows.item.tolist(), windows.target_start.tolist(), strict=True)) == expected
    batch = windows.batch(range(len(windows)))
    for b, (i, target) in enumerate(expected):
        for name, array in cut_by_hand(items[i], target, context, horizon).items():
            np.testing.assert_array_equal(getattr(batch, name)[b].numpy(), array, err_msg=name)


def test_dtypes_and_shapes_follow_the_contract():
    batch = Windows([make_item(20)], context=5, horizon=3).batch([1, 0])
    assert {f.name: str(getattr(batch, f.name).dtype)[6:] for f in dataclasses.fields(WindowBatch)} == {
        "past": "float32",
        "observed": "bool",
        "known": "float32",
        "past_only": "float32",
        "phase": "int64",
        "future": "float32",
        "future_observed": "bool",
        "static": "float32",
    }
    assert batch.known.shape == (2, 8, 3)
    assert batch.past_only.shape == (2, 5, 1)
    assert len(batch) == 2


def test_no_covariates_give_empty_tensors():
    batch = Windows([ItemArrays(np.zeros((9, 2), np.float32))], context=4, horizon=2).batch([0, 1])
    assert batch.known.shape == (2, 6, 0)
    assert batch.past_only.shape == (2, 4, 0)


def test_default_start_is_a_whole_context_and_short_items_get_one_padded_window():
    windows = Windows([make_item(10), make_item(5), make_item(2)], context=4, horizon=2)
    assert windows.item.tolist() == [0] * 5 + [1]
    assert windows.target_start.tolist() == [4, 5, 6, 7, 8, 3]
    assert not windows.batch([5]).observed[0, 0].any()


def test_forecast_of_the_unknown_future_has_no_target():
    batch = Windows([make_item(10, extra=2)], context=4, horizon=2, first=10, last=11).batch([0])
    assert not batch.future_observed.any()
    assert batch.known.shape[1] == 6
    assert (batch.known != 0).all()


def test_to_moves_tensors_and_keeps_sizes():
    windows = Windows([make_item(12)], context=4, horizon=2)
    moved = windows.to("meta")
    assert (len(moved), moved.context, moved.channels) == (len(windows), 4, 2)
    assert moved.batch(torch.zeros(3, dtype=torch.int64)).past.device.type == "meta"
    assert windows.batch([0]).to("meta").future.device.type == "meta"
    assert windows.batch([0]).past.device.type == "cpu"


@pytest.mark.parametrize(
    ("values", "known", "past", "message"),
    [
        ([1.0, np.inf], [0.0, 0.0], [0.0, 0.0], "a: value in column 1, data row 2 .* is infinite"),
        (
            [1.0, np.nan],
            [0.0, np.nan],
            [0.0, 0.0],
            "a: known covariate in column 1, data row 2 .* is missing",
        ),
        ([1.0, np.nan], [0.0, 0.0], [np.nan, 0.0], "a: past covariate in column 1, data row 1 .* is missing"),
    ],
)
def test_infinite_values_and_missing_covariates_are_refused(values, known, past, message):
    with pytest.raises(UserError, match=message):
        ItemArrays(np.array([values]).T, np.array([known]).T, np.array([past]).T, name="a")


def test_arrays_that_do_not_fit_together_are_refused():
    values = np.zeros((4, 1))
    with pytest.raises(ValueError, match=r"values of 'series' must be \[rows, columns\], got shape \(4,\)"):
        ItemArrays(values[:, 0])
    with pytest.raises(ValueError, match="known of 'series' has 3 rows, values has 4"):
        ItemArrays(values, known=values[:3])
    with pytest.raises(ValueError, match="past of 'series' has 3 rows, values has 4"):
        ItemArrays(values, past=values[:3])
    with pytest.raises(ValueError, match=r"'b' has \(2, 0, 0, 0\) .* 'series' has \(1, 0, 0, 0\)"):
        Windows([ItemArrays(values), ItemArrays(np.zeros((4, 2)), name="b")], 1, 1)
    with pytest.raises(ValueError, match="at least one item"):
        Windows([], 1, 1)


def test_ranges_out_of_bounds_are_refused():
    item = make_item(10)
    with pytest.raises(UserError, match="no window of 4 context and 10 horizon steps fits: .* 1 series has 10 rows"):
        Windows([item], context=4, horizon=10)
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        Windows([item], context=4, horizon=0)
    with pytest.raises(ValueError, match="first must be at least 1, got 0"):
        Windows([item], context=4, horizon=2, first=0)
    with pytest.raises(ValueError, match="last must be at most 11 for 'a' of 10 rows, got 12"):
        Windows([item], context=4, horizon=2, last=12)
    with pytest.raises(UserError, match="a: the known covariates have 0 rows after the last value, .* 2 steps needs 2"):
        Windows([item], context=4, horizon=2, first=10, last=11)


@pytest.fixture
def ten_windows() -> Windows:
    return Windows([ItemArrays(np.arange(14, dtype=np.float32)[:, None])], context=4, horizon=1)


def first_values(loader: WindowLoader) -> list[int]:
    return [int(value) for batch in loader for value in batch.past[:, 0, 0]]


def test_loader_keeps_the_last_partial_batch(ten_windows):
    loader = WindowLoader(ten_windows, batch_size=4)
    assert [len(batch) for batch in loader] == [4, 4, 2]
    assert len(loader) == 3
    assert first_values(loader) == list(range(10))


def test_shuffling_depends_on_seed_and_epoch_alone(ten_windows):
    loader = WindowLoader(ten_windows, 4, shuffle=True, seed=1)
    epochs = []
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        epochs.append(first_values(loader))
        assert sorted(epochs[-1]) == list(range(10))
        assert first_values(loader) == epochs[-1]
    assert epochs[0] != epochs[1] != epochs[2]
    assert first_values(WindowLoader(ten_windows, 4, shuffle=True, seed=1)) == epochs[0]
    assert first_values(WindowLoader(ten_windows, 4, shuffle=True, seed=2)) != epochs[0]


def test_limit_takes_a_random_subset_without_replacement(ten_windows):
    loader = WindowLoader(ten_windows, 3, shuffle=True, limit=2)
    taken = set()
    for epoch in range(20):
        loader.set_epoch(epoch)
        values = first_values(loader)
        assert len(values) == len(set(values)) == 6
        taken.update(values)
    assert len(loader) == 2
    assert taken == set(range(10))


def test_limit_without_shuffling_is_one_fixed_subset_in_order(ten_windows):
    loader = WindowLoader(ten_windows, 3, limit=2)
    values = first_values(loader)
    assert values == sorted(set(values))
    assert values != list(range(6))
    loader.set_epoch(1)
    assert first_values(loader) == values
    assert first_values(WindowLoader(ten_windows, 3, limit=9)) == list(range(10))


def test_loader_refuses_empty_batches(ten_windows):
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        WindowLoader(ten_windows, 0)
    with pytest.raises(ValueError, match="limit must be at least 1 batch or None, got 0"):
        WindowLoader(ten_windows, 1, limit=0)


def test_lightning_moves_the_epoch_on_and_reads_the_batch_size(ten_windows):
    lightning = pytest.importorskip("lightning.pytorch")

    class Recorder(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.orders: list[list[int]] = [[], []]

        def training_step(self, batch, _):
            self.orders[self.current_epoch] += batch.phase.tolist()
            self.log("loss", batch.past.mean(), on_step=False, on_epoch=True)
            return self.weight * batch.past.mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Recorder()
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, WindowLoader(ten_windows, 4, shuffle=True))
    assert sorted(module.orders[0]) == sorted(module.orders[1]) == list(range(10))
    assert module.orders[0] != module.orders[1]
    # The epoch mean weighs the batches of 4, 4 and 2 windows by their sizes.
    assert trainer.callback_metrics["loss"].item() == pytest.approx(6.0)


def test_few_windows_come_again_until_an_epoch_has_its_least_batches():
    windows = Windows([ItemArrays(np.arange(12, dtype=np.float32)[:, None])], context=4, horizon=2)
    loader = WindowLoader(windows, batch_size=4, shuffle=True, least=5)
    phases = torch.cat([batch.phase for batch in loader])
    assert len(loader) == 5
    assert len(phases) == 20
    counts = torch.bincount(phases)
    assert counts.max() - counts.min() <= 1
    plenty = WindowLoader(windows, batch_size=2, shuffle=True, least=2)
    assert [len(batch) for batch in plenty] == [len(b) for b in WindowLoader(windows, batch_size=2, shuffle=True)]
