from typing import Literal

import numpy as np
import pandas as pd
import pytest

from forecasting.data import Item, SeriesData
from titans_seq.errors import UserError


def make_item(name: str = "a", length: int = 4, channels: int = 2, future: int = 1) -> Item:
    values = np.arange(length * channels, dtype=np.float64).reshape(length, channels)
    known = np.arange(length + future, dtype=np.float64)[:, None]
    index = pd.date_range("2020-01-01", periods=length, freq="D")
    return Item(name, index, values, known, np.zeros((length, 0)))


def make_data(layout: Literal["wide", "long"] = "wide", items: tuple[Item, ...] = ()) -> SeriesData:
    return SeriesData(items or (make_item(),), "D", ("x", "y"), ("k",), (), layout, ())


def test_tail_keeps_the_last_steps_and_all_future_rows():
    item = make_item().tail(2)
    assert item.length == 2
    assert item.future_rows == 1
    assert item.values.tolist() == [[4, 5], [6, 7]]
    assert item.known.ravel().tolist() == [2, 3, 4]
    assert item.index[0] == pd.Timestamp("2020-01-03")
    assert make_item().tail(99).length == 4


def test_select_takes_channels_of_wide_and_items_of_long_data():
    wide = make_data().select(["y"])
    assert wide.channels == ("y",)
    assert wide.items[0].values.ravel().tolist() == [1, 3, 5, 7]
    long = make_data("long", (make_item("a"), make_item("b"))).select(["b", "a"])
    assert [item.name for item in long.items] == ["b", "a"]
    assert long.total_length == 8


@pytest.mark.parametrize(
    ("names", "message"), [(["z"], "no series is called 'z'"), ([], "bad list"), (["x", "x"], "bad list")]
)
def test_select_refuses_unknown_names(names, message):
    with pytest.raises(UserError, match=f"{message}.*name one or more of x, y"):
        make_data().select(names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.zeros((3, 2))}, "T = 4"),
        ({"values": np.zeros((4, 2), dtype=np.float32)}, "float64 of rank 2"),
        ({"values": np.full((4, 2), np.inf)}, "finite or NaN"),
        ({"known": np.zeros((3, 1))}, "at least as many"),
        ({"known": np.full((5, 1), np.nan)}, "covariates must be finite"),
        ({"index": pd.DatetimeIndex(["2020-01-01"] * 4)}, "strictly increasing"),
    ],
)
def test_item_refuses_what_does_not_fit(change, message):
    item = make_item()
    fields = {field: getattr(item, field) for field in ("name", "index", "values", "known", "past")} | change
    with pytest.raises(ValueError, match=message):
        Item(**fields)


def test_data_refuses_widths_names_and_frequencies_that_disagree():
    item = make_item()
    with pytest.raises(ValueError, match="at least one item"):
        SeriesData((), "D", ("x",), (), (), "long", ())
    with pytest.raises(ValueError, match="share a name"):
        SeriesData((item, item), "D", ("x", "y"), ("k",), (), "long", ())
    with pytest.raises(ValueError, match="the names give"):
        SeriesData((item,), "D", ("x",), ("k",), (), "wide", ())
    with pytest.raises(ValueError, match="needs a frequency"):
        SeriesData((item,), None, ("x", "y"), ("k",), (), "wide", ())
    with pytest.raises(ValueError, match="context must be at least 1"):
        item.tail(0)
