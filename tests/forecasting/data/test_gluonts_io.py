import numpy as np
import pandas as pd
import pytest
from gluonts.dataset.common import ListDataset
from gluonts.dataset.pandas import PandasDataset
from gluonts.dataset.split import split

from forecasting.data import Item, SeriesData, from_frame, from_gluonts, to_gluonts
from titans_seq.errors import UserError


def make_data(freq: str = "h", channels: int = 1, known: int = 0, past: int = 0) -> SeriesData:
    items = []
    future = 3 if known else 0
    for number, length in enumerate((8, 5)):
        index = pd.date_range("2020-01-05", periods=length, freq=freq)
        values = np.arange(length * channels, dtype=np.float64).reshape(length, channels) + number
        values[1, 0] = np.nan
        items.append(Item(f"s{number}", index, values, np.ones((length + future, known)), np.ones((length, past))))
    names = ("value",) if channels == 1 else tuple(str(i) for i in range(channels))
    known_names = tuple(f"feat_dynamic_real_{i}" for i in range(known))
    past_names = tuple(f"past_feat_dynamic_real_{i}" for i in range(past))
    return SeriesData(tuple(items), freq, names, known_names, past_names, "long", ())


FREQS = [
    "s",
    "10min",
    "h",
    "D",
    "2D",
    "B",
    "W-SUN",
    "W-FRI",
    "MS",
    "2MS",
    "QS-JAN",
    "QS-FEB",
    "YS-JAN",
    "YS-JUL",
]


@pytest.mark.parametrize("freq", FREQS)
@pytest.mark.parametrize(("channels", "known", "past"), [(1, 0, 0), (3, 2, 1)])
def test_round_trip(freq, channels, known, past):
    data = make_data(freq, channels, known, past)
    back = from_gluonts(to_gluonts(data))
    assert (back.freq, back.channels, back.known_names, back.past_names, back.layout) == (
        data.freq,
        data.channels,
        data.known_names,
        data.past_names,
        "long",
    )
    for one, other in zip(data.items, back.items, strict=True):
        assert one.name == other.name
        assert one.index.equals(other.index)
        for field in ("values", "known", "past"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_ends_of_periods_come_back_as_starts():
    back = from_gluonts(to_gluonts(make_data("QE-DEC")))
    assert back.freq == "QS-JAN"
    assert back.items[0].index[0] == pd.Timestamp("2020-01-01")


def test_entries_are_what_gluonts_itself_makes():
    data = make_data("h")
    ours = to_gluonts(data)
    listed = list(ListDataset(ours, freq="h"))
    frames = {i.name: pd.DataFrame({"target": i.values[:, 0]}, index=i.index) for i in data.items}
    framed = list(PandasDataset(frames, freq="h"))
    for mine, one, other in zip(ours, listed, framed, strict=True):
        assert mine["start"] == one["start"] == other["start"]
        assert mine["target"].dtype == one["target"].dtype == np.float32
        np.testing.assert_array_equal(mine["target"], one["target"])
        np.testing.assert_array_equal(mine["target"], other["target"])
    assert from_gluonts(ListDataset(ours, freq="h")).total_length == 13
    assert from_gluonts(PandasDataset(frames, freq="h")).freq == "h"
    training, _ = split(listed, offset=-2)
    assert from_gluonts(training).items[0].length == 6


def test_bad_entries_are_named():
    good = {"start": pd.Period("2020-01-01", "D"), "target": np.ones(3), "item_id": "a"}
    with pytest.raises(UserError, match="dataset is empty"):
        from_gluonts([])
    with pytest.raises(UserError, match=r"entry 1 \(no item_id\): expected a start that is a pandas Period"):
        from_gluonts([good, {"target": np.ones(3)}])
    with pytest.raises(UserError, match=r"entry 1 \(b\): steps by h, the entries before it by D"):
        from_gluonts([good, {"start": pd.Period("2020-01-01", "h"), "target": np.ones(3), "item_id": "b"}])
    with pytest.raises(UserError, match="differ in channels or covariates"):
        from_gluonts([good, {**good, "item_id": "b", "target": np.ones((2, 3))}])
    with pytest.raises(UserError, match=r"entry 0 \(a\): .*infinite"):
        from_gluonts([{**good, "target": np.array([np.inf])}])
    with pytest.raises(UserError, match="2 entries are called 'a'"):
        from_gluonts([good, good])
    with pytest.raises(UserError, match="2 channel names were given for targets of 1 channels"):
        from_gluonts([good], channels=("x", "y"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start": pd.Timestamp("2020-01-01")}, "a start that is a pandas Period, got a Timestamp: give pd.Period"),
        ({"target": np.ones(0)}, "target is empty"),
        ({"target": ["a", "b", "c"]}, "target is no table of numbers"),
        ({"target": np.ones((1, 1, 3))}, r"target has the shape \[1, 1, 3\]"),
        ({"feat_dynamic_real": np.ones((5, 2))}, r"feat_dynamic_real has the shape \[5, 2\], .*3 steps: transpose it"),
        ({"feat_dynamic_real": np.ones((1, 2))}, r"expected \[F, 3 \+ horizon\].*: give each covariate a value"),
        ({"past_feat_dynamic_real": np.ones((1, 2))}, r"past_feat_dynamic_real has the shape .*\[F, 3\]"),
        ({"feat_dynamic_real": [[1.0, np.nan, 1.0]]}, "feat_dynamic_real has no finite value in row 0 at step 1"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields, message):
    good = {"start": pd.Period("2020-01-01", "D"), "target": np.ones(3), "item_id": "a"}
    with pytest.raises(UserError, match=rf"^GluonTS entry 0 \(a\): .*{message}"):
        from_gluonts([good | fields])


def test_what_gluonts_cannot_hold_is_refused():
    steps = Item("a", pd.RangeIndex(2), np.ones((2, 1)), np.zeros((2, 0)), np.zeros((2, 0)))
    with pytest.raises(UserError, match="GluonTS needs dates"):
        to_gluonts(SeriesData((steps,), None, ("value",), (), (), "long", ()))
    with pytest.raises(UserError, match="GluonTS cannot step by BME"):
        to_gluonts(make_data("BME"))


def test_several_weeks_keep_their_first_date():
    weeks = pd.DataFrame({"t": pd.date_range("2024-01-07", periods=6, freq="2W-SUN"), "a": np.arange(6.0)})
    data = from_frame(weeks)
    back = from_gluonts(to_gluonts(data))
    assert back.items[0].index.tolist() == data.items[0].index.tolist()


def test_a_clock_change_is_refused():
    hours = pd.date_range("2024-03-30", periods=72, freq="h", tz="Europe/Berlin")
    data = from_frame(pd.DataFrame({"t": hours, "a": np.arange(72.0)}))
    with pytest.raises(UserError, match="the clock of Europe/Berlin changes within series"):
        to_gluonts(data)
    before = from_frame(pd.DataFrame({"t": hours[:20], "a": np.arange(20.0)}))
    assert str(to_gluonts(before)[0]["start"]) == "2024-03-30 00:00"
