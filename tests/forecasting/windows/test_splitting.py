import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.data import Item, SeriesData
from forecasting.windows.preparation import fit_scaling, prepare
from forecasting.windows.splitting import split_data
from titans_seq.errors import UserError


def make_data(*lengths):
    items = tuple(
        Item(f"s{i}", pd.RangeIndex(n), np.arange(n, dtype=float)[:, None], np.zeros((n, 0)), np.zeros((n, 0)))
        for i, n in enumerate(lengths)
    )
    return SeriesData(items, None, ("value",), (), (), "long", ())


def windows_of(data, context, horizon, shares):
    split = split_data(data, context, horizon, shares)
    scaling = fit_scaling(data, split.train_end.tolist())
    items = prepare(data, scaling, scaling.of(data, split.rows.tolist()), False, horizon)
    sizes = context, horizon
    return split, [
        split.train_windows(items, *sizes),
        split.part_windows(items, *sizes, "validation"),
        split.part_windows(items, *sizes, "test"),
    ]


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    context=st.integers(1, 12),
    horizon=st.integers(1, 8),
    shares=st.sampled_from([(0.1, 0.2), (0.0, 0.2), (0.3, 0.0), (0.0, 0.0)]),
)
def test_targets_of_the_parts_never_meet(lengths, context, horizon, shares):
    data = make_data(*lengths)
    try:
        split, parts = windows_of(data, context, horizon, shares)
    except UserError:
        return
    borders = [np.zeros_like(split.rows), split.train_end, split.val_end, split.rows]
    for windows, begin, end in zip(parts, borders, borders[1:], strict=False):
        if windows is not None:
            starts = windows.target_start.numpy()
            item = windows.item.numpy()
            assert (starts >= begin[item]).all()
            assert (starts + horizon <= end[item]).all()
    assert len(parts[0]) > 0
    assert (parts[1] is None) == (shares[0] == 0)
    assert (parts[2] is None) == (shares[1] == 0)


def test_every_window_of_a_part_is_there():
    split, (train, validation, test) = windows_of(make_data(100), 8, 4, (0.1, 0.2))
    assert (split.train_end[0], split.val_end[0]) == (70, 80)
    assert train.target_start.tolist() == list(range(8, 67))
    assert validation.target_start.tolist() == list(range(70, 77))
    assert test.target_start.tolist() == list(range(80, 97))


def test_a_part_holds_at_least_one_horizon():
    split, (_, validation, test) = windows_of(make_data(40), 8, 9, (0.1, 0.2))
    assert (split.train_end[0], split.val_end[0]) == (22, 31)
    assert len(validation) == len(test) == 1


def test_the_longest_series_decides_what_is_too_short():
    with pytest.raises(UserError, match="the longest of 2 series has 19 rows.* at least 20 rows are needed"):
        split_data(make_data(19, 5), 8, 4, (0.1, 0.2))
    assert split_data(make_data(20, 5), 8, 4, (0.1, 0.2)).train_end.tolist() == [12, 5]
