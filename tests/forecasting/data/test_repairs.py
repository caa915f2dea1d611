import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.data import FrameOptions, from_frame
from titans_seq.errors import UserError


def daily(length: int = 5, **columns) -> pd.DataFrame:
    days = pd.date_range("2020-01-01", periods=length, freq="D").strftime("%Y-%m-%d")
    return pd.DataFrame({"day": days, **(columns or {"sold": np.arange(length, dtype=float)})})


FAULTY = pd.DataFrame(
    {
        "day": [f"2020-06-0{day}" for day in (1, 2, 2, 3, 6)],
        "sold": [1.0, 2.0, 4.0, 3.0, 6.0],
        "price": [1.0, 2.0, 2.0, 3.0, 6.0],
    }
)


def test_duplicates_and_holes_are_refused_together_by_line():
    with pytest.raises(UserError) as error:
        from_frame(FAULTY, source="x.csv")
    assert str(error.value) == (
        "x.csv: 1 time occurs more than once (2020-06-02 on lines 3 and 4): "
        "set --duplicates to mean, last or first. "
        "Also, 2 time steps have no row (2 steps between 2020-06-03 (line 5) and 2020-06-06 (line 6)): "
        "set --holes to fill-missing (missing values) or interpolate (a straight line)"
    )
    with pytest.raises(UserError, match=r"x.csv, series 'a': 1 time occurs .*\n.*series 'b': 1 time"):
        from_frame(pd.concat([FAULTY.assign(id=i) for i in "ab"]), source="x.csv")


@pytest.mark.parametrize(("how", "second"), [("mean", 3.0), ("first", 2.0), ("last", 4.0)])
def test_duplicates_are_merged_on_request(how, second):
    data = from_frame(FAULTY, FrameOptions(duplicates=how, holes="fill-missing"))
    np.testing.assert_array_equal(data.items[0].values[:, 0], [1, second, 3, np.nan, np.nan, 6])
    assert f"1 row of a time seen before merged ({how})" in data.notes
    assert "2 missing time steps inserted (fill-missing)" in data.notes
    assert data.items[0].index.equals(pd.date_range("2020-06-01", periods=6))


def test_holes_are_filled_on_request_and_covariates_with_them():
    wanted = {"duplicates": "mean", "target": ("sold",), "past": ("price",)}
    line = from_frame(FAULTY, FrameOptions(holes="interpolate", **wanted)).items[0]
    assert line.values.ravel().tolist() == [1, 3, 3, 4, 5, 6]
    # A line would tell what comes next.
    assert line.past.ravel().tolist() == [1, 2, 3, 3, 3, 6]
    missing = from_frame(FAULTY, FrameOptions(holes="fill-missing", **wanted)).items[0]
    np.testing.assert_array_equal(missing.values.ravel(), [1, 3, 3, np.nan, np.nan, 6])
    assert missing.past.ravel().tolist() == [1, 2, 3, 3, 3, 6]


def test_interpolation_leaves_missing_values_of_existing_rows():
    frame = FAULTY.drop(index=2).assign(sold=[1.0, None, 3.0, 6.0])
    item = from_frame(frame, FrameOptions(holes="interpolate", target=("sold",))).items[0]
    np.testing.assert_array_equal(item.values.ravel(), [1, np.nan, 3, 4, 5, 6])


def test_mid_month_dates_stay_unless_months_are_asked_for():
    frame = pd.DataFrame({"date": ["2020-01-15", "2020-02-15", "2020-03-15"], "v": [1, 2, 3]})
    data = from_frame(frame)
    assert (data.freq, data.items[0].index[0]) == ("M[15]", pd.Timestamp("2020-01-15"))
    moved = from_frame(frame, FrameOptions(freq="MS"))
    assert moved.items[0].index.equals(pd.date_range("2020-01-01", periods=3, freq="MS"))
    assert "3 dates moved to the day of the month that MS names" in moved.notes


def test_markers_of_missing_values():
    frame = daily(4, a=[1, -9999, 3, 4], b=["?", "2", "-9999", "4"])
    data = from_frame(frame, FrameOptions(missing_values=(-9999, "?")))
    np.testing.assert_array_equal(data.items[0].values, [[1, np.nan], [np.nan, 2], [3, np.nan], [4, 4]])
    assert "3 cells marked as missing" in data.notes
    assert any("1 cell of -9999, often a marker" in n for n in from_frame(frame, FrameOptions(target=("a",))).notes)


def test_types_of_columns():
    nullable = pd.array([1, None], "Int64")
    frame = daily(2, a=[True, False], b=nullable, c=["1", " 2"], d=np.array([1, 2], "f4"))
    np.testing.assert_array_equal(from_frame(frame).items[0].values, [[1, 1, 1, 1], [0, np.nan, 2, 2]])


def test_rows_after_the_last_value_are_the_future_of_known_covariates():
    frame = daily(5, sold=[1, np.nan, 3, np.nan, np.nan], price=[1, 2, 3, 4, 5], wind=[1, 2, 3, np.nan, np.nan])
    options = FrameOptions(target=("sold",), known=("price",), past=("wind",))
    data = from_frame(frame.iloc[::-1], options)
    item = data.items[0]
    assert (item.length, item.future_rows) == (3, 2)
    assert item.known.ravel().tolist() == [1, 2, 3, 4, 5]
    assert item.past.ravel().tolist() == [1, 2, 3]
    assert (data.known_names, data.past_names) == (("price",), ("wind",))
    assert "known covariates reach 2 steps past the last value" in data.notes
    without = from_frame(frame, FrameOptions(target=("sold",)))
    assert without.total_length == 3
    assert "2 rows at the end have no value: the future, to be forecast from 2020-01-04 on" in without.notes


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(range(24)),
    freq=st.sampled_from(["10min", "h", "D", "B", "W-WED", "MS", "ME", "QS-FEB"]),
    layout=st.sampled_from(["wide", "long"]),
)
def test_shuffled_rows_give_the_same_series(order, freq, layout):
    times = pd.date_range("2020-01-05", periods=24 if layout == "wide" else 12, freq=freq)
    if layout == "wide":
        frame = pd.DataFrame({"v": np.arange(24.0), "w": np.arange(24.0) ** 2, "time": times})
    else:
        frame = pd.concat([pd.DataFrame({"id": i, "time": times, "v": np.arange(12.0)}) for i in "ba"])
    plain, shuffled = from_frame(frame), from_frame(frame.iloc[list(order)])
    assert (plain.freq, plain.layout) == (shuffled.freq, shuffled.layout) == (freq, layout)
    for one, other in zip(plain.items, shuffled.items, strict=True):
        assert one.name == other.name
        assert one.index.equals(other.index)
        np.testing.assert_array_equal(one.values, other.values)


@settings(max_examples=25, deadline=None)
@given(
    dropped=st.sets(st.integers(1, 28), min_size=1, max_size=5),
    freq=st.sampled_from(["h", "D", "MS", "W-MON"]),
)
def test_filled_holes_stand_where_rows_were_dropped(dropped, freq):
    times = pd.date_range("2020-01-05", periods=30, freq=freq)
    frame = pd.DataFrame({"time": times, "v": np.arange(30.0)}).drop(index=sorted(dropped))
    item = from_frame(frame, FrameOptions(holes="fill-missing")).items[0]
    assert item.index.equals(times)
    assert set(np.flatnonzero(np.isnan(item.values[:, 0]))) == dropped
    line = from_frame(frame, FrameOptions(holes="interpolate")).items[0]
    np.testing.assert_allclose(line.values[:, 0], np.arange(30.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("holes", "filled"), [("fill-missing", 1.0), ("interpolate", 2.0)])
def test_empty_cells_of_covariates_are_filled_where_no_row_is_missing(holes, filled):
    frame = pd.DataFrame({"n": range(5), "v": [1.0] * 5, "price": [1.0, 1.0, np.nan, 3.0, 3.0]})
    data = from_frame(frame, FrameOptions(time="n", target=("v",), known=("price",), holes=holes))
    assert data.items[0].known[2, 0] == filled
    assert f"1 empty cell of covariates filled ({holes})" in data.notes


def test_numbers_and_text_in_one_column_of_identifiers():
    frame = pd.DataFrame({"shop": [1, 1, "b", "b", "1"], "day": [1, 2, 1, 2, 3], "sold": np.arange(5.0)})
    data = from_frame(frame, FrameOptions(id="shop", time="day"))
    assert {item.name: item.length for item in data.items} == {"1": 3, "b": 2}


@pytest.mark.parametrize(
    ("columns", "named"),
    [({"shop": [*"aaab"], "sold": [1.0, 2, 3, 4]}, "'b'"), ({"x": [1.0, 2, 3, 4], "y": [None, None, 5, None]}, "'y'")],
)
def test_a_single_value_is_pointed_out(columns, named):
    days = {"day": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-03" if "shop" in columns else "2024-01-04"]}
    notes = [note for note in from_frame(pd.DataFrame(days | columns)).notes if "single value" in note]
    assert len(notes) == 1
    assert notes[0].startswith("1 series with")
    assert f"({named})" in notes[0]
