"""Rows that came later, behind those that are known."""

import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, TableOptions, from_frame
from forecasting.data.joining import continued, describe_rows_alone
from forecasting.data.matching import continuing_series, read_future, with_known_future
from forecasting.data.saving import describe_context, rebuild_context
from titans_seq.errors import UserError

WIDE = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=20, freq="D"), "a": np.arange(20.0)})


def read(frame, **options):
    return from_frame(frame, FrameOptions(freq="D", **options))


def test_new_rows_alone_go_behind_those_that_are_known() -> None:
    joined = continued(read(WIDE[:15]), read(WIDE[15:]))
    assert joined.items[0].values.ravel().tolist() == list(range(20))
    assert joined.items[0].index.tolist() == WIDE["day"].tolist()


def test_where_both_have_a_row_the_new_one_counts() -> None:
    changed = WIDE[10:].assign(a=-1.0)
    assert continued(read(WIDE[:15]), read(changed)).items[0].values.ravel().tolist() == [*range(10), *[-1.0] * 10]


def test_a_file_from_further_back_takes_the_place_of_all() -> None:
    whole = read(WIDE)
    assert continued(read(WIDE[5:15]), whole).items[0] is whole.items[0]


def test_rows_put_right_keep_those_before_and_after_them() -> None:
    joined = continued(read(WIDE), read(WIDE[5:8].assign(a=-1.0))).items[0]
    assert joined.values.ravel().tolist() == [*range(5), -1.0, -1.0, -1.0, *range(8, 20)]
    assert joined.index.tolist() == WIDE["day"].tolist()
    earlier = continued(read(WIDE[10:]), read(WIDE[:10])).items[0]
    assert earlier.values.ravel().tolist() == list(range(20))


def test_what_is_known_ahead_stays_with_the_last_rows() -> None:
    priced = WIDE.assign(price=np.arange(20.0) * 10, a=lambda rows: rows["a"].where(rows.index < 17))
    known = read(priced, known=("price",))
    joined = continued(known, read(priced[3:6], known=("price",))).items[0]
    assert (joined.length, len(joined.known)) == (17, 20)


def test_dates_counted_from_a_start_are_of_all_rows() -> None:
    counted = FrameOptions(freq="D", start="2024-01-01")
    whole, part = (from_frame(pd.DataFrame({"a": np.arange(float(rows))}), counted) for rows in (12, 5))
    assert continued(part, whole, counted=True).items[0].length == 12
    with pytest.raises(UserError, match="5 rows without dates of their own, 12 are known: give all"):
        continued(whole, part, counted=True)


def test_times_of_a_zone_go_on_in_it_and_clock_times_do_not() -> None:
    hours = pd.DataFrame({"t": pd.date_range("2024-03-30", periods=48, freq="h", tz="UTC"), "a": np.arange(48.0)})
    berlin = hours.assign(t=hours["t"].dt.tz_convert("Europe/Berlin"))
    joined = continued(from_frame(berlin.head(40)), from_frame(hours.tail(18))).items[0]
    assert joined.index.tolist() == berlin["t"].tolist()
    with pytest.raises(UserError, match="the rows known have times of UTC, the new ones clock times without a zone"):
        continued(from_frame(hours), from_frame(hours.assign(t=hours["t"].dt.tz_localize(None))))


def test_a_hole_is_refused_with_its_ends() -> None:
    with pytest.raises(UserError, match="the new rows end before 2024-01-06, those known after them begin at"):
        continued(read(WIDE[10:]), read(WIDE[:5]))
    with pytest.raises(UserError, match="end before 2024-01-11.*begin at 2024-01-16.*add the rows between"):
        continued(read(WIDE[:10]), read(WIDE[15:]))


def test_series_without_new_rows_stay_and_unknown_ones_come_in() -> None:
    long = pd.concat([WIDE.assign(shop=shop) for shop in ("x", "y")])
    new = pd.concat([WIDE[15:].assign(shop="y"), WIDE.assign(shop="z")])
    joined = continued(read(long[long["day"] < "2024-01-16"], id="shop"), read(new, id="shop"))
    assert {item.name: item.length for item in joined.items} == {"x": 15, "y": 20, "z": 20}


def test_known_covariates_go_with_their_rows() -> None:
    priced = WIDE.assign(price=np.arange(20.0) * 10)
    ahead = priced[:15].assign(a=lambda rows: rows["a"].where(rows.index < 12))
    joined = continued(read(ahead, known=("price",)), read(priced[12:], known=("price",)))
    assert joined.items[0].length == 20
    assert joined.items[0].known.ravel().tolist() == priced["price"].tolist()


def test_rows_without_dates_must_be_all_rows() -> None:
    whole, part = (from_frame(pd.DataFrame({"a": np.arange(float(rows))})) for rows in (12, 5))
    assert continued(part, whole).items[0].length == 12
    with pytest.raises(UserError, match="5 rows without dates of their own, 12 are known: give all"):
        continued(whole, part)


def test_known_rows_of_other_steps_are_not_the_future() -> None:
    options = FrameOptions(time="t", known=("price",))
    data = from_frame(pd.DataFrame({"t": range(10), "v": 1.5, "price": np.arange(10.0)}), options)
    early = pd.DataFrame({"t": range(3), "price": 7.0})
    with pytest.raises(UserError, match="no row for 10 of series .*the 3 steps from 10 to 12"):
        with_known_future(data, early, FrameOptions(), 3)
    for future in (early.assign(t=range(10, 13)), early.drop(columns="t")):
        assert with_known_future(data, future, FrameOptions(), 3).items[0].known[10:, 0].tolist() == [7, 7, 7]


PRICED = from_frame(
    pd.DataFrame({"day": pd.date_range("2024-02-01", periods=29), "a": 1.5, "price": np.arange(29.0)}),
    FrameOptions(target=("a",), known=("price",), time="day"),
)
AHEAD = pd.DataFrame({"day": [f"0{day}/03/2024" for day in range(1, 6)], "price": [7.5, 8.5, 9.5, 8.5, 7.5]})


def test_days_of_known_covariates_are_those_that_are_needed() -> None:
    for options in (FrameOptions(), FrameOptions(date_format="%Y-%m-%d")):
        assert with_known_future(PRICED, AHEAD, options, 5).items[0].known[29:, 0].tolist() == AHEAD["price"].tolist()
    with pytest.raises(UserError, match="no value of .price. at 2024-03-01"):
        with_known_future(PRICED, AHEAD, FrameOptions(date_format="%m/%d/%Y", holes="fill-missing"), 5)
    one = with_known_future(PRICED, pd.DataFrame({"day": ["01/03/2024"], "price": 7.5}), FrameOptions(), 1)
    assert one.items[0].known[29:, 0].tolist() == [7.5]


@pytest.mark.parametrize(
    "options",
    [{"sheet": "Sales"}, {"skip_rows": 1}, {"separator": ";"}, {"decimal": ","}, {"separator": ";", "decimal": ","}],
)
def test_options_on_text_that_do_not_fit_known_covariates_are_left_out(tmp_path, options) -> None:
    path = tmp_path / ("a.xlsx" if "sheet" in options else "a.csv")
    if "sheet" in options:
        AHEAD.to_excel(path, sheet_name="Plan", index=False)
    else:
        AHEAD.to_csv(path, index=False)
    table = read_future(path, PRICED, TableOptions(**options))
    assert "read without them" in table.notes[0]
    known = with_known_future(PRICED, table, FrameOptions(), 5).items[0].known
    assert known[29:, 0].tolist() == AHEAD["price"].tolist()
    assert not read_future(path, PRICED, TableOptions()).notes
    with pytest.raises(UserError, match="no such file"):
        read_future(tmp_path / "b.csv", PRICED, TableOptions(**options))


LONG = pd.concat([WIDE.assign(shop=shop) for shop in ("x", "y")])
TWO = WIDE.assign(b=WIDE["a"] + 100)


@pytest.mark.parametrize(
    ("known", "new", "options", "message"),
    [
        (LONG, WIDE[15:], {}, "told apart by shop; the new data has no such column: add it, or name .* with --id"),
        (LONG, WIDE[15:].assign(town="x"), {}, "told apart by shop; the new data is told apart by town: add it, or"),
        (WIDE, WIDE[15:].assign(id="x"), {}, "stand side by side .a.; the new data tells series apart by id"),
        (TWO, TWO.rename(columns=str.upper), {}, "has no column 'a', only A and B: name the columns"),
        (WIDE, TWO.drop(columns="a"), {}, "the new data has no column 'a', only b"),
        (LONG, LONG.rename(columns={"a": "v"}), {}, "the new data has no column 'a', only v"),
    ],
)
def test_rows_of_another_layout_or_other_columns_do_not_go_on(known, new, options, message) -> None:
    with pytest.raises(UserError, match=message):
        continuing_series(new, read(known), FrameOptions(freq="D", **options))


def test_columns_go_on_by_their_names_in_any_order() -> None:
    long = LONG.assign(b=1.0)
    for known, new in ((TWO, TWO.iloc[:, ::-1]), (long, long.iloc[:, ::-1])):
        like = read(known)
        for given in (new, read(new)):
            series = continuing_series(given, like, FrameOptions(freq="D"))
            assert (series.channels, series.items[0].values[3, 0]) == (like.channels, 3.0)


def test_an_identifier_that_is_named_may_be_called_otherwise() -> None:
    new = LONG.rename(columns={"shop": "town"})
    assert len(continuing_series(new, read(LONG), FrameOptions(id="town")).items) == 2


def test_words_that_were_not_used_tell_no_new_rows_apart() -> None:
    like = read(WIDE.assign(status=["early", "final"] * 10))
    new = continuing_series(WIDE[15:].assign(status="early"), like, FrameOptions())
    assert continued(like, new).items[0].length == 20


@pytest.mark.parametrize(("holes", "inserted"), [("fill-missing", [np.nan] * 3), ("interpolate", [10.0, 11.0, 12.0])])
def test_a_hole_before_the_new_rows_is_filled_as_asked(holes, inserted) -> None:
    """As in one file; known covariates of the hole that are there already stay."""
    priced = WIDE.assign(price=np.arange(20.0) * 10)
    ahead = priced.assign(a=priced["a"].where(priced.index < 10))[:12]
    joined = continued(read(ahead, known=("price",)), read(priced[13:], known=("price",)), holes=holes)
    (item,) = joined.items
    assert item.index.tolist() == WIDE["day"].tolist()
    np.testing.assert_array_equal(item.values.ravel(), [*range(10), *inserted, *range(13, 20)])
    assert item.inserted.nonzero()[0].tolist() == [10, 11, 12]
    np.testing.assert_array_equal(rebuild_context(*describe_context(joined)).items[0].inserted, item.inserted)
    last = 110.0 if holes == "fill-missing" else 120.0
    assert item.known.ravel()[9:15].tolist() == [90.0, 100.0, 110.0, last, 130.0, 140.0]
    assert "3 missing time steps beside the new rows inserted" in joined.notes[-1]
    with pytest.raises(UserError, match="or set --holes to fill-missing or interpolate"):
        continued(read(WIDE[:10]), read(WIDE[13:]))
    before = continued(read(WIDE[13:]), read(WIDE[:10]), holes=holes).items[0]
    np.testing.assert_array_equal(before.values.ravel(), [*range(10), *inserted, *range(13, 20)])


def test_new_rows_off_the_steps_of_those_known_are_refused() -> None:
    weeks, days = pd.DataFrame(WIDE[::7]), FrameOptions(freq="7D")
    known, new = from_frame(weeks, days), from_frame(weeks.assign(day=weeks["day"] + pd.Timedelta(50, "D")), days)
    with pytest.raises(UserError, match="do not follow in steps of 7D: correct"):
        continued(known, new, holes="fill-missing")


def test_empty_cells_at_the_end_take_known_values_back() -> None:
    joined = continued(read(WIDE), read(WIDE[12:].assign(a=lambda rows: rows["a"].where(rows.index < 15))))
    assert joined.items[0].values.ravel().tolist() == list(range(15))
    assert joined.notes[-1] == "5 known values taken back, where rows at the end of the new data have none"


def test_empty_cells_before_other_known_values_take_theirs_back() -> None:
    priced = WIDE.assign(price=np.arange(20.0) * 10)
    changed = priced[5:10].assign(a=[1.0, 2.0, None, None, None], price=-1.0)
    for columns in ({}, {"known": ("price",)}):
        known, new = (read(rows[["day", "a", *columns.get("known", ())]], **columns) for rows in (priced, changed))
        item = continued(known, new).items[0]
        assert item.values.ravel().tolist()[:7] == [0.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0]
        assert np.isnan(item.values[7:10]).all()
        assert item.values[10:].ravel().tolist() == list(range(10, 20))
        if columns:
            assert item.known.ravel().tolist() == [*range(0, 50, 10), *[-1.0] * 5, *range(100, 200, 10)]


def test_a_series_of_which_all_known_values_are_taken_back_is_the_new_rows() -> None:
    earlier = WIDE.assign(a=lambda rows: rows["a"].where(rows.index < 10))
    assert continued(read(WIDE[10:]), read(earlier)).items[0].values.ravel().tolist() == list(range(10))


def test_empty_cells_at_the_end_count_as_rows_without_dates() -> None:
    plain, options = pd.DataFrame({"a": np.arange(6.0), "price": np.arange(6.0)}), FrameOptions(known=("price",))
    emptied = plain.assign(a=[0.0, 1.0, 2.0, 3.0, None, None])
    joined = continued(from_frame(plain, options), from_frame(emptied, options))
    assert (joined.items[0].length, joined.notes[-1][:25]) == (4, "2 known values taken back")


def test_known_covariates_that_contradict_the_past_are_said() -> None:
    days = pd.date_range("2024-02-28", periods=7).strftime("%Y-%m-%d")
    future = pd.DataFrame({"day": days, "price": [27.0001, 99.0, *AHEAD["price"]]})
    extended = with_known_future(PRICED, future, FrameOptions(), 5)
    said = "differs from the past of the data, which counts, in 1 value: 99, not 28, for 'price' at 2024-02-29"
    assert extended.notes == (*PRICED.notes, f"known_future {said}")
    assert extended.items[0].known.ravel().tolist() == [*np.arange(29.0), *AHEAD["price"]]
    assert with_known_future(PRICED, AHEAD, FrameOptions(), 5).notes == PRICED.notes


def test_rows_that_begin_where_the_known_ones_end_are_said() -> None:
    assert describe_rows_alone(read(WIDE[:15]), read(WIDE[15:]))[0].startswith("forecasts are made from the rows given")
    assert describe_rows_alone(read(WIDE[:15]), read(WIDE[10:])) == []
    shops = pd.concat([WIDE.assign(shop=name) for name in "xy"])
    known, new = (read(shops[shops["day"].lt("2024-01-16") == early], id="shop") for early in (True, False))
    assert "end (of 'x' and 'y'): give the series" in describe_rows_alone(known, new)[0]
