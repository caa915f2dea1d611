import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecasting.data import FrameOptions, from_frame
from titans_seq.errors import UserError


def daily(length: int = 5, **columns) -> pd.DataFrame:
    days = pd.date_range("2020-01-01", periods=length, freq="D").strftime("%Y-%m-%d")
    return pd.DataFrame({"day": days, **(columns or {"sold": np.arange(length, dtype=float)})})


def long_frame() -> pd.DataFrame:
    return pd.concat([daily(4).assign(shop=shop) for shop in ("b", "a")], ignore_index=True)


@pytest.mark.parametrize(
    ("times", "first", "second"),
    [
        (["1949-01", "1949-02", "1949-03"], "1949-01-01", "1949-02-01"),
        (["1/1/1981", "1/2/1981", "1/13/1981"], "1981-01-01", "1981-01-02"),
        (["13/01/2020", "14/01/2020", "15/01/2020"], "2020-01-13", "2020-01-14"),
        (["01.02.2020", "02.02.2020", "03.02.2020"], "2020-02-01", "2020-02-02"),
        (["04/30/2021 10:00", "04/30/2021 11:00", "05/1/2021 00:00"], "2021-04-30 10:00", "2021-04-30 11:00"),
        (["2020Q1", "2020Q2", "2020Q3"], "2020-01-01", "2020-04-01"),
        (["Q1 2020", "Q2 2020", "Q3 2020"], "2020-01-01", "2020-04-01"),
        (["Jan 2020", "Feb 2020", "Mar 2020"], "2020-01-01", "2020-02-01"),
        (
            ["2020-01-01T00:00:00+02:00", "2020-01-01T01:00:00+02:00"],
            "2020-01-01 00:00+02:00",
            "2020-01-01 01:00+02:00",
        ),
        (pd.period_range("2020-01", periods=3, freq="M"), "2020-01-01", "2020-02-01"),
        ([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], "2020-01-01", "2020-01-02"),
        ([20200101, 20200102, 20200103], "2020-01-01", "2020-01-02"),
        ([202001, 202002, 202003], "2020-01-01", "2020-02-01"),
        ([2018, 2019, 2020], "2018-01-01", "2019-01-01"),
    ],
)
def test_ways_of_writing_dates(times, first, second):
    frame = pd.DataFrame({"v": np.arange(len(times)) + 0.5, "date": times})
    item = from_frame(frame, FrameOptions(holes="fill-missing")).items[0]
    assert item.index[0] == pd.Timestamp(first)
    assert item.index[1] == pd.Timestamp(second)
    assert item.values[0, 0] == 0.5


def test_whole_numbers_are_never_taken_for_dates_in_silence():
    values = pd.DataFrame({"y": [1, 2, 3, 4], "date": [15136, 16733, 20016, 17708]})
    with pytest.raises(UserError, match=r"column 'date' holds whole numbers \(15136, 16733, ...\)"):
        from_frame(values)
    assert from_frame(values, FrameOptions(target=("date", "y"))).items[0].index.equals(pd.RangeIndex(4))
    even = from_frame(pd.DataFrame({"date": [3, 1, 2], "y": [30, 10, 20]}))
    assert even.freq is None
    assert even.items[0].values.ravel().tolist() == [10, 20, 30]
    assert "times in 'date' are step numbers, not dates" in even.notes
    with pytest.raises(UserError, match="row 1: 1.5 in the time column 'date' is neither a date nor a whole step"):
        from_frame(pd.DataFrame({"date": [1.0, 1.5], "y": [1, 2]}), FrameOptions(time="date"))


def test_no_time_column_gives_steps_with_a_note():
    data = from_frame(pd.DataFrame({"a": [0.5, 1.5], "b": [2.5, 3.5]}))
    assert data.items[0].index.equals(pd.RangeIndex(2))
    assert data.channels == ("a", "b")
    assert data.freq is None
    assert data.notes == ("no time column found: rows are taken as steps in their order",)


def test_dates_in_the_index_serve_and_the_frame_is_not_changed():
    frame = daily().set_index(pd.DatetimeIndex(daily()["day"]))[["sold"]].iloc[::-1]
    before = frame.copy(deep=True)
    data = from_frame(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert data.items[0].values.ravel().tolist() == [0, 1, 2, 3, 4]
    assert "rows were not in order of time and have been sorted" in data.notes


def test_an_index_with_a_name_is_a_column():
    # Series that follow each other in time do not show by their faults that they are two.
    later = daily(4).assign(day=pd.date_range("2020-01-05", periods=4).strftime("%Y-%m-%d"))
    frame = pd.concat([daily(4).assign(id="a"), later.assign(id="b")])
    for index in ("id", ["id", "day"], ["day", "id"]):
        assert [item.ids for item in from_frame(frame.set_index(index)).items] == [("a",), ("b",)]
        with pytest.raises(UserError, match="'id' is both the index and a column: drop one of them"):
            from_frame(frame.set_index(index).assign(id=1))
    years = pd.DataFrame({"v": np.arange(6.0)}, index=pd.Index(range(2001, 2007), name="year"))
    assert from_frame(years).items[0].index[0] == pd.Timestamp("2001-01-01")


def test_an_index_without_a_name_counts_rows_or_is_left_out_with_a_note():
    said = "the index has no name, and is left out: give it one (frame.index.name) to make it a column"
    assert said in from_frame(daily(3).set_axis(["x", "y", "z"])).notes
    assert said not in from_frame(daily(9).iloc[[1, 2, 3, 5, 8]], FrameOptions(holes="fill-missing")).notes


def _long_frame() -> pd.DataFrame:
    days = pd.date_range("2024-03-28", periods=6, freq="D", tz="Europe/Berlin")
    values = {"day": [*days, *days], "shop": [*"aaaaaabbbbbb"], "sold": [1.5, None, *range(10)]}
    return pd.DataFrame(values | {"open": [True, False] * 6, "staff": [*range(3, 15)]})


@pytest.mark.parametrize("columns", [["day", "shop", "sold"], ["day", "shop", "open", "staff"]])
def test_frames_with_columns_of_arrow_are_read_as_those_of_numpy(columns):
    frame = pd.DataFrame(_long_frame()[columns])
    arrow = pa.Table.from_pandas(frame).to_pandas(types_mapper=pd.ArrowDtype)
    plain, read = from_frame(frame), from_frame(arrow)
    assert (read.freq, read.channels, read.id_columns, read.notes) == ("D", plain.channels, ("shop",), plain.notes)
    for item, other in zip(read.items, plain.items, strict=True):
        pd.testing.assert_index_equal(item.index, other.index)
        np.testing.assert_array_equal(item.values, other.values)


@pytest.mark.parametrize(
    "to_index",
    [
        lambda days: pd.Index(days, dtype=pd.ArrowDtype(pa.timestamp("us"))),
        lambda days: pd.Index(days, dtype=pd.ArrowDtype(pa.date32())),
        lambda days: pd.Index([day.date() for day in days], dtype=object),
        lambda days: pd.Index([str(day.date()) for day in days]),
    ],
)
def test_dates_of_any_type_in_the_index_serve(to_index):
    days = pd.date_range("2024-01-01", periods=5, freq="D")
    data = from_frame(pd.DataFrame({"sold": [3.0, 1, 4, 1, 5]}, index=to_index(days)))
    assert data.freq == "D"
    assert (data.items[0].index == days).all()


def test_saved_row_numbers_and_empty_columns_are_left_out():
    frame = daily()
    frame.insert(0, "Unnamed: 0", np.arange(5))
    frame["Unnamed: 3"] = np.nan
    data = from_frame(frame)
    assert data.channels == ("sold",)
    assert "left out 'Unnamed: 0' and 'Unnamed: 3': row numbers or nothing at all" in data.notes


def test_long_tables_are_told_apart_by_their_id():
    data = from_frame(long_frame())
    assert data.layout == "long"
    assert [item.name for item in data.items] == ["a", "b"]
    assert "column 'shop' tells the series apart" in data.notes
    assert "frequency D, inferred from 2 series" in data.notes
    numbered = long_frame().assign(shop=[10] * 4 + [9] * 4)
    assert [i.name for i in from_frame(numbered, FrameOptions(id="shop")).items] == ["9", "10"]
    assert from_frame(numbered.rename(columns={"shop": "unique_id"})).layout == "long"


def test_series_of_differing_steps_are_noted_and_refused():
    hours = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=4, freq="h").astype(str), "sold": 1.0})
    frame = pd.concat([long_frame(), hours.assign(shop="c")])
    with pytest.raises(UserError, match="series 'c': 3 rows do not fall on the frequency D"):
        from_frame(frame)


def with_days(*days: str | None) -> pd.DataFrame:
    return pd.DataFrame({"day": days, "sold": 1.0})


NO_DATE = with_days("2020-01-01", "2020-01-02", "x", "2020-01-04")
NO_TIME = with_days("2020-01-01", None, None, "2020-01-04")
NO_ID = long_frame().assign(shop=["a"] * 7 + [None])
TWO_TIMES = pd.DataFrame({"begin": daily()["day"], "end": daily()["day"], "v": 1.0})
PRICED = daily(3, sold=[1, 2, 3], p=[1, np.nan, 3])


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (daily(0), {}, "the table is empty"),
        (pd.DataFrame({"a": [None, None]}), {}, "the table holds no value"),
        (
            daily(),
            {"time": "dya"},
            r"no column 'dya', named as time \(did you mean 'day'\?\): the columns",
        ),
        (daily(), {"target": ("sold",), "known": ("sold",)}, "'sold' is named as target and as known"),
        (daily(), {"target": ("day",), "time": "day"}, "'day' is named as time and as target"),
        (daily(2, sold=["1", "abc"]), {}, "row 1, column 'sold': 'abc' is not a number: correct the cell"),
        (daily(3, sold=["x1", "y", "z"]), {}, "row 0, column 'sold': 'x1' is not a number .and 2 more in this"),
        (daily(3, sold=["x", "y", "z"]), {}, "no column is left to forecast beside day and sold .words, not numbers"),
        (daily(2, sold=[1, np.inf]), {}, "row 1, column 'sold': infinite value"),
        (daily(3, a=[1, 2, 3], b=[np.nan] * 3), {"target": ("a", "b")}, "column 'b' has no value at all: leave it out"),
        (daily(3, a=[1, 2, 3], d=pd.to_timedelta([1, 2, 3])), {}, "column 'd' holds timedelta64"),
        (TWO_TIMES, {}, "columns begin and end all hold dates: name one of them with --time"),
        (NO_DATE, {}, "row 2: 'x' in the time column 'day' is not a date"),
        (NO_TIME, {}, r"row 1: no time in column 'day' \(2 such rows\)"),
        (NO_ID, {"id": "shop"}, "row 7: no id in column 'shop'"),
        (daily(1), {}, "the frequency cannot be inferred from single rows: give it with --freq"),
        (daily(), {"freq": "fortnight"}, "unknown frequency 'fortnight'"),
        (
            daily(),
            {"freq": "2D"},
            "2 rows do not fall on the frequency 2D .2020-01-02 on row 1; 2020-01-04 on",
        ),
        (pd.DataFrame({"a": [1.0]}), {"freq": "h"}, "--freq h was given, but the rows have no dates"),
        (PRICED, {"known": ("p",)}, "row 1, column 'p': a known covariate has no value"),
        (PRICED, {"past": ("p",)}, "row 1, column 'p': a past covariate has no value"),
        (with_days("1800-01-01 00:00", "2020-01-01 00:01"), {"freq": "min"}, "would fill only a few of the"),
        (daily().drop(columns="sold"), {}, "no column is left to forecast beside day"),
        (pd.DataFrame([[1, 2]], columns=pd.Index(["a", "a"])), {}, "column 'a' occurs more than once"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(frame, options, message):
    with pytest.raises(UserError, match=message):
        from_frame(frame, FrameOptions(**options))


def test_options_refuse_unknown_choices():
    with pytest.raises(UserError, match="holes must be one of refuse, fill-missing, interpolate, got 'drop'"):
        FrameOptions(holes="drop")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match=r"target must be a tuple, got 'sold': write \('sold',\)"):
        FrameOptions(target="sold")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="target names no column"):
        FrameOptions(target=())


def test_times_that_mostly_repeat_hint_at_an_id():
    frame = pd.DataFrame({"day": ["2020-01-01", "2020-01-01", "2020-01-02", "2020-01-02"], "v": [1, 2, 3, 4]})
    with pytest.raises(
        UserError, match="last or first; if the rows are of several series, name their column with --id"
    ):
        from_frame(frame)


def test_ambiguous_ids_are_left_to_the_user():
    frame = long_frame().assign(town=[*"xxyyyyxx"])
    with pytest.raises(UserError, match="columns shop and town could each tell the series apart: name one"):
        from_frame(frame)


def two_series(name, values, starts=("2020-01-01", "2020-01-01"), again=1, **more):
    """Series of thirty days in a long table, the last row of which is written again."""
    pairs = zip(values, starts, strict=True)
    parts = [
        daily(30, sold=np.arange(30.0), **{name: value}).assign(day=with_thirty_days(start)) for value, start in pairs
    ]
    frame = pd.concat(parts).assign(**more)
    return pd.concat([frame, frame.tail(again)])


def with_thirty_days(start):
    return pd.date_range(start, periods=30).strftime("%Y-%m-%d").tolist()


@pytest.mark.parametrize("how", ["mean", "last", "first"])
@pytest.mark.parametrize(("name", "values"), [("id", (1, 2)), ("shop", "ab"), ("store", (7, 9)), ("meter_id", (1, 2))])
def test_rows_written_twice_leave_the_identifier_what_it_is(how, name, values):
    data = from_frame(two_series(name, values), FrameOptions(duplicates=how))
    assert (data.id_columns, data.channels, len(data.items)) == ((name,), ("sold",), 2)


def test_rows_written_twice_leave_two_identifiers_what_they_are():
    frame = pd.concat([two_series("shop", "ab", again=0).assign(product=name) for name in "xy"])
    data = from_frame(pd.concat([frame, frame.tail(1)]), FrameOptions(duplicates="last"))
    assert (data.id_columns, len(data.items)) == (("shop", "product"), 4)


@pytest.mark.parametrize("gap", ["2020-01-31", "2020-02-10"])
@pytest.mark.parametrize("options", [{}, {"target": ("sold",)}])
@pytest.mark.parametrize(("name", "values"), [("id", (1, 2)), ("sku", "ab"), ("store", (7, 9))])
def test_series_that_follow_each_other_are_told_apart_by_what_is_called_so(name, values, options, gap):
    frame = two_series(name, values, ("2020-01-01", gap), again=0)
    data = from_frame(frame, FrameOptions(**options))
    assert (data.id_columns, data.channels, len(data.items)) == ((name,), ("sold",), 2)


def test_step_rows_of_a_number_called_id_are_several_series():
    frame = pd.DataFrame(two_series("id", (1, 2), again=0)[["id", "sold"]])
    assert [item.length for item in from_frame(frame).items] == [30, 30]


@pytest.mark.parametrize(
    ("frame", "options"),
    [
        (two_series("machine", "ab", ("2020-01-01", "2020-01-31"), again=0), {}),
        (two_series("shop_nr", (1, 2)), {"duplicates": "mean"}),
        (two_series("sensor", (1, 1), ("2020-01-01", "2020-01-31"), again=0, sensor=[1, 2] * 30), {}),
        (two_series("sort", "ab", again=0, sort=[*"aaab"] * 15), {"duplicates": "mean"}),
    ],
)
def test_what_may_tell_series_apart_is_asked_for(frame, options):
    with pytest.raises(UserError, match="column '(machine|shop_nr|sensor|sort)' may tell .*: name it with --id, or"):
        from_frame(frame, FrameOptions(**options))
    assert len(from_frame(frame, FrameOptions(target=("sold",), **options)).items) == 1


@pytest.mark.parametrize(
    ("columns", "targets"),
    [
        ({"id": range(30), "sold": 1.5}, ("sold",)),
        ({"sensor": np.arange(30) % 7}, ("sensor",)),
        ({"sensor": np.linspace(0, 1, 30), "sold": 1.5}, ("sensor", "sold")),
        ({"status": ["final"] * 25 + ["early"] * 5, "sold": 1.5}, ("sold",)),
        ({"month": ["Jan"] * 15 + ["Feb"] * 15, "sold": 1.5}, ("sold",)),
    ],
)
def test_what_only_looks_like_an_identifier_is_none(columns, targets):
    data = from_frame(daily(30, **{name: list(cells) if name != "sold" else cells for name, cells in columns.items()}))
    assert (data.id_columns, data.channels) == ((), targets)


@pytest.mark.parametrize("options", [{}, {"id": "shop"}, {"duplicates": "mean"}])
def test_merged_cells_of_identifiers_are_to_be_filled_down(options):
    frame = two_series("shop", "ab", again=0)
    frame["shop"] = frame["shop"].where(~frame["shop"].duplicated(), None)
    with pytest.raises(UserError, match="column 'shop'.* fill.* down"):
        from_frame(frame, FrameOptions(**options))
