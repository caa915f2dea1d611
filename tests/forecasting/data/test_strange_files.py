"""Files as strangers bring them: what they mean, or what the message says."""

import gzip
import io
import zipfile
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.data import (
    FrameOptions,
    TableOptions,
    describe_series,
    from_frame,
    future_index,
    load_series,
    own_names,
    read_series_batches,
    read_table,
    text_parts,
)
from titans_seq.errors import UserError

DAYS = pd.date_range("2024-01-01", periods=30, freq="D")
LONG = "".join(f"{{id}},{day:%Y-%m-%d},{number}.5\n" for number, day in enumerate(DAYS))


def write(folder, text: str | bytes, name: str = "a.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def daily(separator: str = ",", header: str = "date,v", cells=lambda number: f"{number}.5") -> str:
    rows = [f"{day:%Y-%m-%d}{separator}{cells(number)}" for number, day in enumerate(DAYS)]
    return "\n".join([header.replace(",", separator), *rows]) + "\n"


# Identifiers


@pytest.mark.parametrize(
    "ids",
    [
        ("007", "0100"),
        ("007", "07", "7"),
        ("1E2", "100"),
        ("1.10", "1.1"),
        ("NA", "EU"),
        ("TRUE", "True", "1"),
        ("null", "x"),
    ],
)
@pytest.mark.parametrize("name", ["id", "code"])
def test_identifiers_are_text_as_written(tmp_path, ids, name):
    path = write(tmp_path, f"{name},date,v\n" + "".join(LONG.format(id=one) for one in ids))
    data = load_series(path, FrameOptions(id=name))
    assert [item.name for item in data.items] == sorted(ids)
    assert data.total_length == 30 * len(ids)
    frame = pd.DataFrame({"series": sorted(ids), "time": DAYS[0], "mean": 1.0})
    assert own_names(frame, data)[name].tolist() == sorted(ids)


@pytest.mark.parametrize("named", [(), ("region", "store", "sku")])
def test_several_columns_make_one_identifier_and_come_out_again(tmp_path, named):
    parts = [(region, store, sku) for region in "NS" for store in ("01", "1") for sku in ("a", "b")]
    rows = "".join(LONG.format(id=",".join(part)) for part in parts)
    data = load_series(write(tmp_path, f"region,store,sku,date,v\n{rows}"), FrameOptions(id=named))
    assert [item.ids for item in data.items] == sorted(parts)
    assert data.items[0].name == "N/01/a"
    forecast = pd.DataFrame({"series": [item.name for item in data.items], "time": DAYS[0], "mean": 1.0})
    named_rows = own_names(forecast, data)
    assert named_rows.columns.tolist() == ["region", "store", "sku", "date", "mean"]
    assert named_rows["store"].tolist() == ["01", "01", "1", "1"] * 2


def test_names_that_the_forecast_has_itself_are_not_taken():
    frame = pd.DataFrame({"mean": ["a"] * 30 + ["b"] * 30, "0.1": [*DAYS, *DAYS], "v": 1.0})
    data = from_frame(frame, FrameOptions(id="mean"))
    forecast = pd.DataFrame({"series": ["a"], "time": [1], "mean": [1.0], "0.1": [0.5]})
    assert own_names(forecast, data).columns.tolist() == ["series", "time", "mean", "0.1"]


def test_columns_that_are_no_series_are_not_forecast():
    frame = pd.concat(
        [
            pd.DataFrame({"date": DAYS, "shop": shop, "size": size, "city": "Rome", "month": 1, "v": np.arange(30.0)})
            for shop, size in (("a", 1), ("b", 2))
        ]
    )
    data = from_frame(frame, FrameOptions(id="shop"))
    assert (data.channels, set(data.unused), data.static_names) == (("v",), {"city", "month"}, ("size",))
    assert from_frame(frame, FrameOptions(id="shop", target=("v", "size"))).channels == ("v", "size")


# Numbers


@pytest.mark.parametrize(
    ("cells", "values", "separator"),
    [
        (['"5,179.00"', '"12.50"'], [5179, 12.5], ","),
        (['"$5,050.00"', "$3.00"], [5050, 3], ","),
        (['"1,234,567"', "5"], [1234567, 5], ","),
        (['"12,34,567.5"', "5"], [1234567.5, 5], ","),
        (["4.834,00", "12,50"], [4834, 12.5], ";"),
        (["1.234.567", "5"], [1234567, 5], ";"),
        (["4,5 €", "12 €"], [4.5, 12], ";"),
        (["1 234,5", "2,5"], [1234.5, 2.5], ";"),
        (["1'234.5", "2.5"], [1234.5, 2.5], ";"),
        (["12%", "5.5%"], [12, 5.5], ","),
        (["12 kWh", "5.5 kWh"], [12, 5.5], ","),
        (["(12.5)", "5.5"], [-12.5, 5.5], ","),
        (["\N{MINUS SIGN}12.5", "5-"], [-12.5, -5], ","),
        (["0.125", "1.250"], [0.125, 1.25], ";"),
        (["True", "False"], [1, 0], ","),
    ],
)
def test_numbers_as_people_write_them(tmp_path, cells, values, separator):
    text = daily(separator, cells=lambda number: cells[number % 2])
    assert load_series(write(tmp_path, text)).items[0].values[:2, 0].tolist() == values


@pytest.mark.parametrize(("cells", "separator"), [("5.{:03}", ";"), ('"5,{:03}"', ",")])
def test_numbers_that_can_be_read_in_two_ways_are_asked_for(tmp_path, cells, separator):
    path = write(tmp_path, daily(separator, cells=lambda number: cells.format(number + 10)))
    with pytest.raises(UserError, match=r"can be 5\.01 or 5010.*give --thousands . or --decimal ."):
        load_series(path)
    sign = "." if separator == ";" else ","
    assert load_series(path, None, TableOptions(thousands=sign)).items[0].values[0, 0] == 5010
    assert load_series(path, None, TableOptions(decimal=sign)).items[0].values[0, 0] == 5.01


@pytest.mark.parametrize(
    ("one", "other", "separator", "values"),
    [
        ("1.200", "3,50", "\t", [1200, 3.5]),
        ("1.200", '"3,50"', ",", [1200, 3.5]),
        ("1.200", "3,50", ";", [1200, 3.5]),
        ("1.200", "3.5", ";", [1.2, 3.5]),
        ("1.200", "1.234,5", ";", [1200, 1234.5]),
        ("1,200", "3.5", "\t", [1200, 3.5]),
        ("1.200", "7", "\t", [1.2, 7]),
        ("1.200", "0.125", ",", [1.2, 0.125]),
        ("0,125", "7", "\t", [0.125, 7]),
    ],
)
def test_columns_that_leave_no_doubt_decide_the_others(tmp_path, one, other, separator, values):
    text = daily(separator, "date,v,w", lambda number: f"{one}{separator}{other}")
    assert load_series(write(tmp_path, text)).items[0].values[0].tolist() == values


def test_numbers_of_a_sheet_are_not_read_by_its_texts(tmp_path):
    rows = [[day, 1.234, "3,50", "?" if number == 3 else 2.345] for number, day in enumerate(DAYS)]
    data = load_series(sheet(tmp_path, [["date", "u", "v", "w"], *rows]), FrameOptions(missing_values=("?",)))
    assert data.items[0].values[0].tolist() == [1.234, 3.5, 2.345]


def test_columns_that_contradict_each_other_leave_the_question_open(tmp_path):
    path = write(tmp_path, daily("\t", "date,u,v,w", lambda number: "1.200\t3,50\t2.5"))
    with pytest.raises(UserError, match=r"column 'u': '1\.200' can be 1\.2 or 1200.*--thousands . or --decimal ."):
        load_series(path)


def test_numbers_too_large_to_be_squared_are_named(tmp_path):
    path = write(tmp_path, daily(cells=lambda number: "5e301"))
    with pytest.raises(UserError, match=r"line 2, column 'v': 5e\+301 is too large.*another unit"):
        load_series(path)


@pytest.mark.parametrize(("cell", "shown"), [("12²", "²"), ("5¹", "¹"), ("7①", "①"), ("3 ½", "½")])
def test_the_sign_of_a_footnote_is_no_digit(tmp_path, cell, shown):
    path = write(tmp_path, daily(cells=lambda number: cell if number == 9 else f"{number}"))
    with pytest.raises(UserError, match=f"line 11, column 'v': '{cell}' is not a number: {shown} is a footnote"):
        load_series(path)
    with pytest.raises(UserError, match="'2024-01-1²' in the time column 'date' is not a date"):
        load_series(write(tmp_path, "date,v\n" + "".join(f"2024-01-{n}{'²' * (n == 1)},5\n" for n in range(1, 10))))


def test_units_with_a_raised_sign_are_left_out(tmp_path):
    data = load_series(write(tmp_path, daily(cells=lambda number: f"{number}.5 m²")))
    assert data.items[0].values[:2, 0].tolist() == [0.5, 1.5]


@pytest.mark.parametrize("ids", [("S01", "S02"), ("No 5", "No 6"), ("5k", "6k")])
def test_names_that_hold_numbers_are_no_numbers(tmp_path, ids):
    data = load_series(write(tmp_path, "what,date,v\n" + "".join(LONG.format(id=one) for one in ids)))
    assert [item.name for item in data.items] == list(ids)


# The shape of a table


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        (f"sep=;\n{daily(';')}", "a.csv", None),
        (f"# station 12\n# mm\n{daily()}", "a.csv", None),
        (f"Category: All, and more\n\n{daily()}", "a.csv", None),
        (f"Report, made today, by us\nx\n{daily()}", "a.csv", TableOptions(skip_rows=2)),
        (daily("|"), "a.txt", None),
        (daily("\t"), "a.csv", None),
        (daily().replace("\n", "\r"), "a.csv", None),
        (daily().replace("\n", "\r\n"), "a.csv", None),
        (daily().replace("2024-01-05", "# moved\n2024-01-05"), "a.csv", None),
        (daily().replace("2024-01-05", "\n2024-01-05"), "a.csv", None),
        (daily(header="date,v").replace(",", ", ").replace("\n", " \n"), "a.csv", None),
        (daily(header='"date","v"'), "a.csv", None),
        (daily(header='date,"v"').replace(",", ", "), "a.csv", None),
        (daily(header='date, "v"', cells=lambda number: f' "{number}.5"'), "a.csv", None),
        (daily().encode("utf-16"), "a.csv", None),
        (daily().encode("utf-16-le"), "a.csv", None),
        (b"\xef\xbb\xbf" + daily().encode(), "a.csv", None),
        (daily().replace("date,v\n", "date,v\n,kWh\n"), "a.csv", None),
        (daily() + ",\n,\n", "a.csv", None),
    ],
)
def test_every_shape_of_text_gives_the_same_series(tmp_path, text, name, options):
    data = load_series(write(tmp_path, text, name), None, options)
    item = data.items[0]
    assert data.channels == ("v",)
    assert item.values.ravel().tolist() == [number + 0.5 for number in range(30)]
    assert item.index.equals(DAYS)


def test_rows_that_do_not_fit_the_header(tmp_path):
    short = load_series(write(tmp_path, "date,v,w\n2024-01-01,1,2\n2024-01-02,1\n2024-01-03,1,2\n"))
    assert np.isnan(short.items[0].values[1, 1])
    assert any("1 row shorter than the header" in note for note in short.notes)
    with pytest.raises(UserError, match="line 3: 3 cells, and the header names 2"):
        load_series(write(tmp_path, "date,v\n2024-01-01,1\n2024-01-02,1,5\n"))


@pytest.mark.parametrize("encoding", ["gb18030", "cp932", "cp1251"])
def test_another_script_is_asked_for_its_encoding(tmp_path, encoding):
    name = "Продажи" if encoding == "cp1251" else "売上日付"
    path = write(tmp_path, daily(header=f"date,{name}").encode(encoding))
    with pytest.raises(UserError, match=rf"name the encoding with --encoding, such as .*{encoding} \('date,{name}'\)"):
        load_series(path)
    assert load_series(path, None, TableOptions(encoding=encoding)).channels == (name,)


def test_a_column_a_year_becomes_a_row_each(tmp_path):
    years = ",".join(str(year) for year in range(1990, 2011))
    rows = "".join(
        f"{code},{name}," + ",".join(f"{i}.5" for i in range(20)) + ",\n"
        for name, code in (("Chad", "TCD"), ("Mali", "MLI"))
    )
    data = load_series(write(tmp_path, f"code,country,{years}\n{rows}"))
    assert (data.freq, data.layout, [item.length for item in data.items]) == ("YS-JAN", "long", [20, 20])
    assert [item.name for item in data.items] == ["MLI", "TCD"]
    assert any(
        "2 rows at the end have no value: the future, to be forecast from 2010-01-01 on" in n for n in data.notes
    )


def test_excel_zip_and_compressed_files(tmp_path):
    frame = pd.DataFrame({"id": ["007"] * 30, "date": DAYS, "v": np.arange(30) + 0.5})
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        pd.DataFrame([["Sales of the year"]]).to_excel(book, sheet_name="sold", index=False, header=False)
        frame.to_excel(book, sheet_name="sold", index=False, startrow=2)
        frame.assign(v=1.0).to_excel(book, sheet_name="other", index=False)
    data = load_series(tmp_path / "a.xlsx")
    assert (data.items[0].name, data.freq, data.items[0].values[3, 0]) == ("007", "D", 3.5)
    assert load_series(tmp_path / "a.xlsx", None, TableOptions(sheet="other")).items[0].values[3, 0] == 1
    with pytest.raises(UserError, match="no sheet 'x': expected one of sold and other"):
        read_table(tmp_path / "a.xlsx", TableOptions(sheet="x"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("sales.csv", daily())
        archive.writestr("__MACOSX/sales.csv", "x")
    assert "read sales.csv of the archive" in load_series(tmp_path / "a.zip").notes
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("more.csv", daily())
    with pytest.raises(UserError, match="holds 2 tables"):
        load_series(tmp_path / "a.zip")
    pd.read_csv(io.StringIO(daily())).to_csv(tmp_path / "a.csv.bz2", index=False)
    assert load_series(tmp_path / "a.csv.bz2").total_length == 30


def sheet(folder, rows):
    pd.DataFrame(rows).to_excel(folder / "a.xlsx", index=False, header=False)
    return folder / "a.xlsx"


VALUES = [[day, 3 * number, 100 - number, 50 + number % 3] for number, day in enumerate(DAYS)]


@pytest.mark.parametrize("titles", [[], [["Sales of the year"]], [["Sales", "of the year"]]])
def test_a_sheet_whose_header_leaves_cells_blank(tmp_path, titles):
    data = load_series(sheet(tmp_path, [*titles, ["day", None, "sold", None], *VALUES]))
    assert (data.channels, data.total_length) == (("Unnamed: 1", "sold", "Unnamed: 3"), 30)
    named = load_series(sheet(tmp_path, [*titles, ["shop", None, "sold", None], *[["a", *row[1:]] for row in VALUES]]))
    assert (named.channels, named.total_length) == (("Unnamed: 1", "sold", "Unnamed: 3"), 30)


@pytest.mark.parametrize(
    "head",
    [
        ["country", 1990, 1995, 2000],
        ["day", 7, 11, 3],
        [None, 1, 2, 3],
        ["shop", *map(str, DAYS[:3])],
        ["day", "a", "b", "c"],
    ],
)
def test_a_sheet_whose_header_holds_numbers(tmp_path, head):
    first = "ABCDEFGHI" if head[0] in ("country", "shop") else DAYS
    rows = [[name, number, 2 * number, 7 - number] for number, name in zip(range(9), first, strict=False)]
    for titles in ([], [["Sales"]]):
        data = load_series(sheet(tmp_path, [*titles, head, *rows]))
        assert data.total_length in (9, 27)


def test_a_sheet_without_names_is_refused(tmp_path):
    with pytest.raises(UserError, match="row 1 holds values .*put a row of names above"):
        load_series(sheet(tmp_path, VALUES))


# Times


@pytest.mark.parametrize(
    ("header", "row", "freq"),
    [
        ("Date;Time;v", "{t:%d/%m/%Y};{t:%H:%M};{n}.5", "15min"),
        ("date,time,v", "{t:%Y-%m-%d},{t:%I:%M %p},{n}.5", "15min"),
        ("year,month,day,hour,minute,v", "{t.year},{t.month},{t.day},{t.hour},{t.minute},{n}.5", "15min"),
    ],
)
def test_a_time_in_several_columns_is_joined(tmp_path, header, row, freq):
    times = pd.date_range("2024-01-20", periods=1500, freq=freq)
    text = "\n".join([header, *(row.format(t=time, n=number % 7) for number, time in enumerate(times))])
    data = load_series(write(tmp_path, text))
    assert (data.freq, data.channels) == (freq, ("v",))
    assert data.items[0].index.equals(times)
    assert any("together are the time" in note for note in data.notes)


@pytest.mark.parametrize("hours", [range(24), range(1, 25)])
def test_a_day_and_its_hour_are_joined(hours):
    rows = [{"date": day, "hour": hour, "v": hour + 0.5} for day in DAYS for hour in hours]
    frame = pd.DataFrame(rows)
    data = from_frame(frame)
    assert (data.freq, data.time_columns, data.total_length) == ("h", ("date", "hour"), 720)
    assert data.items[0].index[0] == DAYS[0] + pd.Timedelta(hours=hours[0])


@pytest.mark.parametrize("column", ["year,month", "year,quarter", "Jahr,Monat"])
def test_year_and_month_apart(tmp_path, column):
    size = 4 if "quarter" in column else 12
    rows = "".join(f"{2018 + i // size},{i % size + 1},{i}.5\n" for i in range(24))
    data = load_series(write(tmp_path, f"{column},v\n{rows}"))
    assert data.freq == ("QS-JAN" if size == 4 else "MS")
    assert data.items[0].index[0] == pd.Timestamp("2018-01-01")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata"])
@pytest.mark.parametrize("freq", ["D", "W-MON", "MS", "B", "h"])
def test_zones_are_kept_and_come_out(tmp_path, zone, freq):
    # Hours of a winter, with both changes of the clock.
    start, periods = ("2022-10-20", 3900) if freq == "h" else ("2022-01-01", 400)
    index = pd.date_range(start, periods=periods, freq=freq, tz=zone)
    frame = pd.DataFrame({"time": index, "v": np.arange(len(index)) % 7 + 0.5})
    frame.iloc[:-5].to_csv(tmp_path / "a.csv", index=False)
    data = load_series(tmp_path / "a.csv")
    following = future_index(data.items[0].index, data.freq, 5)
    assert data.freq == freq
    assert [str(time) for time in following] == [str(time) for time in index[-5:]]


def test_clock_times_of_a_named_zone():
    index = pd.date_range("2023-10-01", "2024-04-10", freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"time": index.tz_localize(None).astype(str), "v": np.arange(len(index)) % 5 + 0.5})
    with pytest.raises(UserError, match="name the zone with --time-zone"):
        from_frame(frame)
    data = from_frame(frame, FrameOptions(time_zone="Europe/Berlin"))
    assert data.items[0].index.equals(index)
    with pytest.raises(UserError, match="unknown time zone 'Berlin'"):
        from_frame(frame, FrameOptions(time_zone="Berlin"))
    with pytest.raises(UserError, match="does not exist in America/New_York"):
        from_frame(frame.drop_duplicates("time"), FrameOptions(time_zone="America/New_York"))


@pytest.mark.parametrize("freq", ["h", "15min"])
@pytest.mark.parametrize("how", ["oldest first", "newest first", "newest first of two"])
def test_the_hour_that_comes_twice_is_told_apart_by_the_order_of_the_rows(freq, how):
    index = pd.date_range("2024-10-26", "2024-10-28", freq=freq, tz="Europe/Berlin")
    frame = pd.DataFrame({"time": index.tz_localize(None).astype(str), "v": np.arange(len(index)) + 0.5})
    if how != "oldest first":
        frame = frame.iloc[::-1]
    if how.endswith("two"):
        frame = pd.concat([frame.assign(id=one) for one in "ab"]).sort_values("time", ascending=False, kind="stable")
    for item in from_frame(frame, FrameOptions(time_zone="Europe/Berlin")).items:
        assert item.index.equals(index)
        assert item.values[:, 0].tolist() == (np.arange(len(index)) + 0.5).tolist()


def test_the_hour_that_comes_twice_among_rows_in_no_order_is_refused():
    index = pd.date_range("2024-10-26", "2024-10-28", freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"time": index.tz_localize(None).astype(str), "v": np.arange(len(index)) + 0.5})
    shuffled = [30, 26, 27, 40, *(row for row in range(len(index)) if row not in (26, 27, 30, 40))]
    with pytest.raises(UserError, match="2024-10-27 02:00:00 occurs twice.*sort the rows by time"):
        from_frame(frame.iloc[shuffled], FrameOptions(time_zone="Europe/Berlin"))


def test_late_stamps_are_rounded_on_request():
    late = pd.date_range("2024-01-01", periods=60, freq="15min") + pd.to_timedelta(np.arange(60) % 4, unit="s")
    frame = pd.DataFrame({"time": late, "v": 1.0})
    with pytest.raises(UserError, match="with --round, give the right --freq, or take the rows as steps with"):
        from_frame(frame, FrameOptions(freq="15min"))
    data = from_frame(frame, FrameOptions(round=True))
    assert data.items[0].index.equals(pd.date_range("2024-01-01", periods=60, freq="15min"))
    assert "45 times rounded to 15min, by at most 3 s" in data.notes
    events = pd.DataFrame({"time": DAYS[0] + pd.to_timedelta(np.cumsum([1, 50, 3, 900, 7, 7000, 20]), "s"), "v": 1.0})
    with pytest.raises(UserError, match="follow no round step"):
        from_frame(events, FrameOptions(round=True))
    assert from_frame(events.iloc[::-1], FrameOptions(rows_are_steps=True)).items[0].index.equals(pd.RangeIndex(7))


@pytest.mark.parametrize(
    ("start", "freq"),
    [("2024-01-06", "B"), ("2024-01-09", "D[MON,WED]"), ("2024-01-06 9:30", "h[MON-FRI 09:00-16:00]")],
)
def test_a_start_in_a_pause_of_the_step_is_refused_as_such(start, freq):
    with pytest.raises(UserError, match="--start .* does not lie on --freq"):
        from_frame(pd.DataFrame({"v": [1.0, 2.0, 4.0]}), FrameOptions(start=start, freq=freq))


def test_rows_without_dates_get_them_from_a_start():
    data = from_frame(pd.DataFrame({"v": np.arange(9.0)}), FrameOptions(start="2020-01-31", freq="ME"))
    assert (data.freq, str(data.items[0].index[1])[:10]) == ("ME", "2020-02-29")
    with pytest.raises(UserError, match="--start 2020-01-30 does not lie on --freq ME"):
        from_frame(pd.DataFrame({"v": [1.0, 2.0]}), FrameOptions(start="2020-01-30", freq="ME"))
    with pytest.raises(UserError, match="--start is for rows without dates"):
        from_frame(pd.DataFrame({"date": DAYS, "v": 1.0}), FrameOptions(start="2020-01-30", freq="D"))
    with pytest.raises(UserError, match="give --freq too"):
        FrameOptions(start="2020-01-30")


@pytest.mark.parametrize("freq", ["YE-JUN", "W-SUN", "QE-NOV"])
def test_an_anchor_that_was_typed_is_not_replaced(freq):
    frame = pd.DataFrame(
        {"date": pd.date_range("2020-01-06", periods=9, freq={"W-SUN": "W-MON"}.get(freq, "QE")), "v": 1.0}
    )
    with pytest.raises(UserError, match=f"do not lie on --freq {freq}"):
        from_frame(frame, FrameOptions(freq=freq))


# Ends


def test_rows_without_a_value_at_the_end_are_the_future():
    values = np.where(np.arange(30) < 26, 1.5, np.nan)
    data = from_frame(pd.DataFrame({"date": DAYS, "a": values, "b": values}))
    assert data.total_length == 26
    assert "4 rows at the end have no value: the future, to be forecast from 2024-01-27 on" in data.notes
    both = pd.concat([pd.DataFrame({"date": DAYS, "id": name, "v": values}) for name in "xy"])
    assert [item.length for item in from_frame(both).items] == [26, 26]


def test_a_column_or_series_that_died_is_named():
    values = np.where(np.arange(30) < 20, 1.5, np.nan)
    data = from_frame(pd.DataFrame({"date": DAYS, "dead": values, "full": 1.0}))
    assert data.total_length == 30
    assert any("'dead' since 2024-01-21 (10 steps)" in note and "--known" in note for note in data.notes)
    long = pd.DataFrame(
        {"date": [*DAYS] * 3, "id": ["a"] * 30 + ["b"] * 30 + ["c"] * 30, "v": [*values, *np.ones(30), *[np.nan] * 30]}
    )
    data = from_frame(long)
    assert [item.name for item in data.items] == ["a", "b"]
    assert any("'a' since 2024-01-21 (10 steps)" in note for note in data.notes)
    assert "left out 1 series without any value: 'c'" in data.notes


def test_notes_come_with_an_error(tmp_path):
    path = write(tmp_path, daily(";", cells=lambda number: "many" if number else "1"))
    with pytest.raises(UserError) as error:
        load_series(path)
    assert error.value.__notes__[:2] == ["cells are separated by ';'", "time is column 'date'"]


def test_what_will_be_forecast_is_said():
    frame = pd.concat(
        [pd.DataFrame({"shop": shop, "day": DAYS, "v": 1.5, "price": 2.0, "city": "Rome"}) for shop in "ab"]
    )
    lines = describe_series(from_frame(frame, FrameOptions(id="shop", known=("price",), time_zone="Europe/Rome")))
    assert [line.split(maxsplit=1)[0] for line in lines] == [
        *("targets", "identifiers", "times", "time", "frequency", "season", "covariates", "static", "not")
    ]
    text = "\n".join(lines)
    for part in (
        "shop: 2 series (a and b)",
        "Europe/Rome",
        "D (daily)",
        "7 steps",
        "known ahead: price and the calendar",
        "city",
    ):
        assert part in text


def test_frames_with_levels_of_names_and_numbered_rows():
    frame = pd.DataFrame(np.arange(8.0).reshape(4, 2), columns=pd.MultiIndex.from_tuples([("a", "x"), ("b", "y")]))
    assert from_frame(frame).channels == ("a/x", "b/y")
    numbered = pd.DataFrame({"v": [1.0, 2.0, 3.0]}, index=range(100, 103))
    assert future_index(from_frame(numbered).items[0].index, None, 1)[0] == 103


# Size


def test_batches_of_a_long_file_hold_the_same_series(tmp_path):
    frame = pd.concat([pd.DataFrame({"id": f"{i:03}", "date": DAYS[: 10 + i % 9], "v": float(i)}) for i in range(40)])
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=17)
    whole = load_series(tmp_path / "a.parquet")
    parts = list(read_series_batches(tmp_path / "a.parquet", rows=50))
    assert len(parts) > 5
    items = [item for part in parts for item in part.items]
    assert [item.name for item in items] == [item.name for item in whole.items]
    assert all(one.index.equals(other.index) for one, other in zip(items, whole.items, strict=True))
    # Rows in order of dates show at once that there can be no parts; a series that comes again later does not.
    frame.sort_values(["date", "id"]).to_parquet(tmp_path / "b.parquet")
    (only,) = read_series_batches(tmp_path / "b.parquet", FrameOptions(id="id"), rows=60)
    assert [item.name for item in only.items] == [item.name for item in whole.items]
    # Nor can there be where rows are shuffled; but the times of a series may be in any order.
    shuffled = frame.sample(frac=1, random_state=0)
    shuffled.to_parquet(tmp_path / "d.parquet")
    (only,) = read_series_batches(tmp_path / "d.parquet", rows=60)
    assert [item.length for item in only.items] == [item.length for item in whole.items]
    shuffled.sort_values("id", kind="stable").to_parquet(tmp_path / "e.parquet")
    parts = list(read_series_batches(tmp_path / "e.parquet", rows=50))
    assert [item.length for part in parts for item in part.items] == [item.length for item in whole.items]
    pd.concat([frame, frame[:5]]).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(UserError, match="do not follow each other: sort the file"):
        list(read_series_batches(tmp_path / "c.parquet", FrameOptions(id="id"), rows=60))
    (tmp_path / "c.csv").write_text(daily())
    assert [part.total_length for part in read_series_batches(tmp_path / "c.csv")] == [30]


@pytest.mark.parametrize("index", ["id", ["id", "date"], ["date", "id"]])
def test_a_long_parquet_file_may_hold_ids_and_dates_in_its_index(tmp_path, index):
    frame = pd.concat([pd.DataFrame({"id": f"s{i}", "date": DAYS, "v": float(i)}) for i in range(6)])
    frame.set_index(index).to_parquet(tmp_path / "a.parquet")
    parts = list(read_series_batches(tmp_path / "a.parquet", rows=2 * len(DAYS) + 1))
    assert [[item.name for item in part.items] for part in parts] == [["s0", "s1"], ["s2", "s3"], ["s4", "s5"]]


@pytest.mark.parametrize(
    ("before", "name", "change"),
    [
        ("", "a.csv", lambda text: text),
        ("a title;;;\n\n", "a.csv", lambda text: text.replace(",", ";").replace(".5", ",5")),
        ("", "a.csv", lambda text: text.replace("\n", ',"two\nlines"\n').replace('v,"two\nlines"', "v,note")),
        ("", "a.csv.gz", lambda text: text),
    ],
)
def test_text_in_parts_holds_the_same_series_as_the_whole(tmp_path, before, name, change):
    text = "id,date,v\n" + "".join(LONG.format(id=f"{number:02}") for number in range(12))
    raw = (before + change(text)).encode()
    path = write(tmp_path, gzip.compress(raw) if name.endswith("gz") else raw, name)
    whole = load_series(path)
    parts = list(read_series_batches(path, rows=100))
    assert len(parts) >= 3
    items = [item for part in parts for item in part.items]
    assert [item.name for item in items] == [item.name for item in whole.items]
    assert all((one.values == other.values).all() for one, other in zip(items, whole.items, strict=True))
    assert whole.notes[:2] == parts[0].notes[:2]


@pytest.mark.parametrize("given", [None, "cp1252"])
def test_parts_of_a_text_that_is_not_utf_8_hold_the_same_series(tmp_path, given):
    rows = "".join(LONG.format(id=name) for name in ("Aix", "Café", "Müller", "Zoé", "Ärzte"))
    path, table = write(tmp_path, ("id,date,v\n" + rows).encode("cp1252")), TableOptions(encoding=given)
    whole = load_series(path, None, table)
    parts = list(read_series_batches(path, None, table, rows=40))
    assert len(parts) >= 3
    items = {item.name: item.length for part in parts for item in part.items}
    assert items == {item.name: item.length for item in whole.items}


def test_a_text_in_two_encodings_is_refused_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(text_parts, "_HEAD", 200)  # bytes, after which the second encoding shows
    first, second = LONG.format(id="Café").encode(), LONG.format(id="Zoé").encode("cp1252")
    path = write(tmp_path, b"id,date,v\n" + first + LONG.format(id="b").encode() + second)
    with pytest.raises(UserError, match=r"byte 0xe9 on line 62 is not utf-8: give another --encoding"):
        list(read_series_batches(path, rows=10))


def test_faults_in_a_later_part_are_named_by_their_line(tmp_path):
    text = "id,date,v\n" + "".join(LONG.format(id=f"{number:02}") for number in range(12))
    path = write(tmp_path, text.replace("10,2024-01-05,4.5", "10,2024-01-05,oops"))
    with pytest.raises(UserError, match="line 306, column 'v': 'oops'"):
        list(read_series_batches(path, rows=100))


@pytest.mark.parametrize("cells", [("1,201", "1,305"), ("3,5", "4"), ("3,5", "5.010"), ("1.5M", "20")])
def test_parts_that_are_written_alike_are_read_alike(tmp_path, cells):
    rows = "".join(f"{name};{day:%Y-%m-%d};{cells[name > 'b']}\n" for name in "abcd" for day in DAYS)
    path = write(tmp_path, "id;date;v\n" + rows)
    named = FrameOptions(id="id", target=("v",))
    items = [item for part in read_series_batches(path, named, rows=35) for item in part.items]
    whole = load_series(path, named).items
    assert [(one.name, one.values[0, 0]) for one in items] == [(one.name, one.values[0, 0]) for one in whole]


@pytest.mark.parametrize(("first", "second"), [("3,5", "2.75"), ("5 kWh", "6 MWh")])
def test_parts_that_write_numbers_otherwise_are_refused(tmp_path, first, second):
    rows = "".join(f"{name};{day:%Y-%m-%d};{second if name > 'b' else first}\n" for name in "abcd" for day in DAYS)
    with pytest.raises(UserError, match="numbers in 'v' are written otherwise"):
        list(read_series_batches(write(tmp_path, "id;date;v\n" + rows), rows=35))


def test_a_part_that_would_be_read_otherwise_than_the_first_is_refused(tmp_path):
    months = pd.date_range("2018-01-01", periods=24, freq="MS")
    first = "".join(f"a,{day:%d/%m/%Y},1.5\n" for day in pd.date_range("2018-01-01", periods=100))
    second = "".join(f"b,{month:%m/%d/%Y},1.5\n" for month in months)
    path = write(tmp_path, f"id,date,v\n{first}{second}")
    with pytest.raises(UserError, match="--date-format"):
        list(read_series_batches(path, FrameOptions(holes="fill-missing"), rows=60))


def in_turn(first, later, **columns):
    """Four series of each of two frequencies, twelve rows each; columns hold functions of the number of a series."""
    days = [pd.date_range(start, periods=12, freq=freq) for start, freq in (first, later)]
    return pd.concat(
        pd.DataFrame({"id": f"s{i}", "date": days[i // 4], "v": np.arange(12.0)}).assign(
            **{name: make(i) for name, make in columns.items()}
        )
        for i in range(8)
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (in_turn(("2024", "MS"), ("2024", "ME")), "dates do not lie on the frequency MS.*give --freq MS"),
        (in_turn(("2024", "D"), ("2024", "D"), w=lambda i: 1.5 if i > 3 else np.nan), "'w' has values from here on"),
        (in_turn(("2024", "D"), ("2024", "D"), w=lambda i: [i, i + i // 5] * 6), "'w' varies within a series, and in"),
    ],
)
def test_a_later_part_that_differs_from_the_first_is_refused(tmp_path, suffix, frame, message):
    path = tmp_path / f"a{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    with pytest.raises(UserError, match=message):
        list(read_series_batches(path, rows=25))


@pytest.mark.parametrize("freqs", [("W-SUN", "W-FRI"), ("QS-JAN", "QS-FEB"), ("YS", "YS-JUL"), ("MS", "MS")])
def test_later_parts_keep_the_frequency_of_the_first(tmp_path, freqs):
    in_turn(*(("2010", freq) for freq in freqs)).to_csv(tmp_path / "a.csv", index=False)
    parts, whole = list(read_series_batches(tmp_path / "a.csv", rows=25)), load_series(tmp_path / "a.csv")
    assert {part.freq for part in parts} == {whole.freq}
    assert all(
        one.index.equals(other.index)
        for one, other in zip([item for part in parts for item in part.items], whole.items, strict=True)
    )


def test_parts_tell_series_apart_as_the_whole_file_does(tmp_path):
    """The first part alone does not show that machines, which follow each other there, are several."""
    starts = ("2024-01-01", "2024-01-13", "2024-01-25", "2024-01-01", "2024-01-13", "2024-01-25")
    days = [pd.date_range(start, periods=12) for start in starts]
    frame = pd.concat(pd.DataFrame({"machine": f"m{i}", "date": own, "v": 1.5}) for i, own in enumerate(days))
    frame.to_csv(tmp_path / "a.csv", index=False)
    (only,) = read_series_batches(tmp_path / "a.csv", rows=25)
    assert (only.id_columns, len(only.items)) == (("machine",), 6)


def test_rows_of_several_series_are_not_merged_in_a_later_part(tmp_path):
    frame = in_turn(("2024", "D"), ("2024", "D"), product=lambda i: "x").rename(columns={"id": "shop"})
    more = frame[frame["shop"] > "s4"]
    whole = pd.concat([frame, more.assign(product="y")]).sort_values(["shop", "product", "date"], kind="stable")
    whole.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match="name (all of )?them with --id"):
        list(read_series_batches(tmp_path / "a.csv", FrameOptions(duplicates="last"), rows=25))


def test_many_columns_are_read_as_numbers_at_once(tmp_path):
    names = [f"c{i}" for i in range(200)]
    frame = pd.DataFrame(np.arange(6000.0).reshape(30, 200) + 0.5, columns=pd.Index(names))
    frame.insert(0, "date", DAYS)
    frame.iloc[3, 5] = np.nan
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert read_table(tmp_path / "a.csv").frame["c9"].dtype == float
    np.testing.assert_array_equal(load_series(tmp_path / "a.csv").items[0].values, frame[names].to_numpy())
    frame["c150"] = frame["c150"].map("${:,.1f}".format)
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert load_series(tmp_path / "a.csv").items[0].values[1, 150] == 350.5


def wide(first, others, separator=";"):
    head = separator.join(["date", *(f"s{at}" for at in range(71))])
    rows = [separator.join([f"{day:%Y-%m-%d}", first(n), *[others(n)] * 70]) for n, day in enumerate(DAYS)]
    return "\n".join([head, *rows]) + "\n"


@pytest.mark.parametrize(
    ("first", "others", "options", "values"),
    [
        ("1.234", "1.234", TableOptions(thousands="."), [1234, 1234]),
        ("7", "1.234", TableOptions(decimal=","), [7, 1234]),
        ("7", "1.234", TableOptions(decimal="."), [7, 1.234]),
        ("3,5", "1.234", None, [3.5, 1234]),
    ],
)
@pytest.mark.parametrize("separator", [";", "\t"])
def test_many_columns_are_read_as_few_are(tmp_path, first, others, options, values, separator):
    path = write(tmp_path, wide(lambda n: first, lambda n: others, separator))
    assert load_series(path, None, options).items[0].values[0, [0, 70]].tolist() == values


def test_many_columns_that_can_be_read_in_two_ways_are_asked_for(tmp_path):
    with pytest.raises(UserError, match=r"'1\.234' can be 1\.234 or 1234.*give --thousands . or --decimal ."):
        load_series(write(tmp_path, wide(lambda n: "7", lambda n: "1.234")))


# What else strangers bring


@pytest.mark.parametrize(
    ("labels", "name", "dates"),
    [
        (["Januari 2018", "Februari 2018", "Mei 2018"], "bulan", ["2018-01-01", "2018-02-01", "2018-05-01"]),
        (["2022-01", "2022-02", "2022-52"], "week", ["2022-01-03", "2022-01-10", "2022-12-26"]),
        (["2005-1", "2005-2", "2005-4"], "quarter", ["2005-01-01", "2005-04-01", "2005-10-01"]),
        (["2005.3", "2005.4", "2006.1", "2006.2", "2006.3"], "x", ["2005-07-01", "2005-10-01", "2006-01-01"]),
        (["2023365", "2024001", "2024002"], "date", ["2023-12-31", "2024-01-01", "2024-01-02"]),
        (["45292.0", "45292.5", "45293.0"], "time", ["2024-01-01 00:00", "2024-01-01 12:00", "2024-01-02 00:00"]),
        (["'2024-01-01", "'2024-01-02", "'2024-01-03"], "date", ["2024-01-01", "2024-01-02", "2024-01-03"]),
    ],
)
def test_further_ways_of_writing_dates(tmp_path, labels, name, dates):
    rows = "".join(f"{label},{number}.5\n" for number, label in enumerate(labels))
    data = load_series(write(tmp_path, f"{name},v\n{rows}"), FrameOptions(holes="fill-missing"))
    found = np.array(data.items[0].index, object)[~np.isnan(data.items[0].values[:, 0])]
    assert [str(time)[:16].removesuffix(" 00:00") for time in found[:3]] == [
        one.removesuffix(" 00:00") for one in dates
    ]


@pytest.mark.parametrize(("short", "offset"), [("EST", -5), ("CET", 1), ("CEST", 2), ("JST", 9)])
def test_short_names_of_zones(tmp_path, short, offset):
    rows = "".join(f"2024-01-01 {hour:02}:00 {short},{hour}.5\n" for hour in range(9))
    data = load_series(write(tmp_path, f"time,v\n{rows}"))
    first: Any = data.items[0].index[0]
    assert first.utcoffset() == pd.Timedelta(hours=offset)
    assert str(first)[:16] == "2024-01-01 00:00"


def test_clocks_that_change_by_their_short_names(tmp_path):
    hours = pd.date_range("2024-10-26", periods=48, freq="h", tz="Europe/Berlin")
    rows = "".join(f"{hour:%d.%m.%Y %H:%M %Z},{number}.5\n" for number, hour in enumerate(hours))
    data = load_series(write(tmp_path, f"time,v\n{rows}"))
    assert (data.zone, data.freq, data.total_length) == ("Europe/Berlin", "h", 48)
    assert data.items[0].index[-1] == hours[-1]


def test_a_step_column_is_no_series(tmp_path):
    rows = "".join(f"{5 * number},{number}.5\n" for number in range(9))
    data = load_series(write(tmp_path, f"t,v\n{rows}"))
    assert (data.channels, data.time_columns) == (("v",), ("t",))
    assert future_index(data.items[0].index, None, 2).tolist() == [45, 50]


@pytest.mark.parametrize("date_format", [None, "%m/%d/%Y"])
@pytest.mark.parametrize("hour", ["HE{:02}", "{}"])
def test_hours_that_end_are_joined_with_their_day(tmp_path, date_format, hour):
    rows = "".join(f"01/{day}/2024,{hour.format(h)},{h}.5\n" for day in range(12, 16) for h in range(1, 25))
    data = load_series(write(tmp_path, f"date,hour_ending,v\n{rows}"), FrameOptions(date_format=date_format))
    assert (data.time_columns, data.freq, data.total_length) == (("date", "hour_ending"), "h", 96)
    assert str(data.items[0].index[-1]) == "2024-01-16 00:00:00"


@pytest.mark.parametrize(
    ("below", "note"),
    [
        ("Total,900.5\n", "line 32 sums up others: left out"),
        ("Summe,900.5\nDurchschnitt,9\n", "lines 32 and 33 sum up others: left out"),
        ("Source: the office,\n", "line 32 holds words: left out"),
    ],
)
def test_lines_below_the_data_are_no_rows(tmp_path, below, note):
    data = load_series(write(tmp_path, daily() + below))
    assert data.total_length == 30
    assert note in data.notes


def test_a_word_among_the_dates_that_sums_nothing_up_is_refused(tmp_path):
    with pytest.raises(UserError, match="line 32: 'closed' in the time column"):
        load_series(write(tmp_path, daily() + "closed,3\n2024-02-01,4\n"))


def test_totals_of_series_are_left_out(tmp_path):
    text = "shop,date,v\n" + LONG.format(id="a") + "a Total,,435\n" + LONG.format(id="b") + "b Total,,435\n"
    data = load_series(write(tmp_path, text))
    assert [item.name for item in data.items] == ["a", "b"]


def test_names_below_the_header_are_no_row(tmp_path):
    data = load_series(write(tmp_path, "Ticker,AAPL,MSFT\nDate,,\n" + daily(header="", cells=lambda n: f"{n}.5,1")[1:]))
    assert (data.channels, data.total_length) == (("AAPL", "MSFT"), 30)


def test_a_row_a_year_with_a_column_a_month(tmp_path):
    months = "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec"
    rows = "".join(
        f"{year}," + ",".join(str(100 * year + month) for month in range(12)) + ",9\n" for year in (2020, 2021)
    )
    data = load_series(write(tmp_path, f"Year,{months},Total\n{rows}"))
    assert (data.freq, data.total_length, data.channels) == ("MS", 24, ("value",))
    assert data.items[0].values[[0, 13], 0].tolist() == [202000, 202101]


def test_a_column_a_month_by_name_and_two_digits_of_the_year(tmp_path):
    months = pd.date_range("2020-01-01", periods=24, freq="MS")
    head = ",".join(f"{month:%b-%y}" for month in months)
    data = load_series(write(tmp_path, f"sku,{head}\na,{','.join(map(str, range(24)))}\n"))
    assert (data.freq, data.total_length) == ("MS", 24)


def test_numbers_with_a_letter_for_thousands_and_millions(tmp_path):
    data = load_series(write(tmp_path, daily(cells=lambda number: ("1.5M", "20K")[number % 2])))
    assert data.items[0].values[:2, 0].tolist() == [1.5e6, 2e4]
    assert "numbers in 'v': K is 1,000, M is 1,000,000" in data.notes


def test_dates_that_are_not_the_time_are_not_forecast(tmp_path):
    text = daily(header="start,end,v", cells=lambda number: f"{DAYS[number] + pd.Timedelta(days=1):%Y-%m-%d},{number}")
    data = load_series(write(tmp_path, text), FrameOptions(time="start"))
    assert (data.channels, data.unused) == (("v",), ("end",))


@pytest.mark.parametrize("cells", ["FY19 P{}", "2019-P{:02}", "19-05-2018 01:00 DST {}"])
def test_labels_that_are_no_dates_can_be_left_out(tmp_path, cells):
    name = "ds" if "DST" in cells else "period"
    text = f"{name},v\n" + "".join(f"{cells.format(number + 1)},{number}.5\n" for number in range(9))
    with pytest.raises(UserError, match="--rows-are-steps"):
        load_series(write(tmp_path, text))
    data = load_series(write(tmp_path, text), FrameOptions(rows_are_steps=True))
    assert (data.channels, data.freq, data.total_length) == (("v",), None, 9)


def test_utf_32_is_read(tmp_path):
    assert load_series(write(tmp_path, daily().encode("utf-32"))).total_length == 30


# More ways of writing dates


def labelled(labels, header: str = "date,v") -> str:
    return header + "\n" + "".join(f"{label},{number}.5\n" for number, label in enumerate(labels))


@pytest.mark.parametrize(
    ("labels", "header", "first", "freq"),
    [
        ([f"FY{year}/{(year + 1) % 100:02}" for year in range(1995, 2007)], "date,v", "1995-01-01", "YS-JAN"),
        ([f"FY{year % 100:02}" for year in range(1995, 2007)], "date,v", "1995-01-01", "YS-JAN"),
        ([f"'{year % 100:02}" for year in range(1995, 2007)], "year,v", "1995-01-01", "YS-JAN"),
        ([f"{year} AD" for year in range(1900, 1912)], "year,v", "1900-01-01", "YS-JAN"),
        ([f"{week}/2021" for week in range(1, 40)], "week,v", "2021-01-04", "W-MON"),
        ([f"{year + month / 12:.3f}" for year in (1958, 1959) for month in range(12)], "date,v", "1958-01-01", "MS"),
        ([f"{1958 + (n + 0.5) / 12:.3f}" for n in range(24)], "decimal date,v", "1958-01-01", "MS"),
        ([f"{day:%Y-%j}" for day in DAYS], "date,v", "2024-01-01", "D"),
        ([f"{day:%d}. {day:%m}. {day.year}" for day in DAYS], "date,v", "2024-01-01", "D"),
        ([f"Mo {day:%d.%m.%Y}" for day in DAYS], "date,v", "2024-01-01", "D"),
        ([f"{day:%Y年%m月%d日}(月)" for day in DAYS], "date,v", "2024-01-01", "D"),
        ([f"{day:%d.%m.%Y}-{day + pd.Timedelta(days=6):%d.%m.%Y}" for day in DAYS[::7]], "w,v", "2024-01-01", "W-MON"),
        ([f"1/31/2024 {hour}am" for hour in range(1, 11)], "date,v", "2024-01-31 01:00", "h"),
    ],
)
def test_dates_as_people_write_them(tmp_path, labels, header, first, freq):
    data = load_series(write(tmp_path, labelled(labels, header)))
    assert (data.items[0].index[0], data.freq, data.channels) == (pd.Timestamp(first), freq, ("v",))


@pytest.mark.parametrize("written", ["%Y/%m/%d %H:%M:%S.%f", "%d %b %Y %H:%M:%S,%f", "%m/%d/%Y %H:%M:%S.%f"])
def test_fractions_of_a_second_are_kept(tmp_path, written):
    times = pd.date_range("2024-01-25 06:00", periods=30, freq="250ms")
    text = "date;v\n" + "".join(f"{time:{written}};{number}\n" for number, time in enumerate(times))
    data = load_series(write(tmp_path, text))
    assert (data.freq, data.items[0].index.equals(times)) == ("250ms", True)


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("%Y%m%dT%H%M%SZ", "UTC"),
        ("%d/%b/%Y:%H:%M:%S +0000", "UTC"),
        ("%a %b %d %Y %H:%M:%S GMT+0100 (CET)", "UTC+01:00"),
        ("%Y-%m-%d %H:%M Asia/Tokyo", "Asia/Tokyo"),
        ("%Y-%m-%dT%H:%M:%S+01:00[Europe/Paris]", "Europe/Paris"),
    ],
)
def test_zones_behind_clock_times(tmp_path, written, zone):
    hours = pd.date_range("2024-01-05", periods=30, freq="h")
    data = load_series(write(tmp_path, labelled(hours.strftime(written))))
    first = data.items[0].index[0]
    assert (data.zone, data.freq, first) == (zone, "h", pd.Timestamp("2024-01-05", tz=zone))


def test_unix_times_are_universal_whatever_zone_is_asked_for(tmp_path):
    midnights = pd.date_range("2024-03-20", periods=30, freq="D", tz="Europe/Berlin")
    text = labelled(midnights.as_unit("s").asi8)
    for given in (FrameOptions(time_zone="Europe/Berlin"), FrameOptions(time_zone="Europe/Berlin", date_format="%s")):
        data = load_series(write(tmp_path, text), given)
        assert data.items[0].index.equals(midnights.as_unit("ns"))
        assert data.freq == "D"


@pytest.mark.parametrize("written", ["{0:%Y-%m-%d %H:%M}-{1:%H:%M}", "{0:%d.%m.%Y %H:%M} - {1:%H:%M}"])
def test_spans_of_a_day_are_no_offsets(tmp_path, written):
    hours = pd.date_range("2024-01-25", periods=48, freq="h")
    spans = [written.format(hour, hour + pd.Timedelta(hours=1)) for hour in hours]
    data = load_series(write(tmp_path, labelled(spans)))
    assert (data.zone, data.freq, data.items[0].index.equals(hours)) == (None, "h", True)


def test_one_offset_behind_every_clock_time_is_an_offset(tmp_path):
    hours = pd.date_range("2024-01-25", periods=48, freq="h")
    assert load_series(write(tmp_path, labelled(hours.strftime("%Y-%m-%d %H:%M-06:00")))).zone == "UTC-06:00"
    days = load_series(write(tmp_path, labelled(DAYS.strftime("%Y-%m-%d 05:00-06:00"))))
    assert days.zone == "UTC-06:00"


def test_quarters_before_their_year(tmp_path):
    labels = [f"{number % 4 + 1}/{2010 + number // 4}" for number in range(16)]
    data = load_series(write(tmp_path, labelled(labels, "quarter,v")))
    assert (data.freq, data.items[0].index[-1]) == ("QS-JAN", pd.Timestamp("2013-10-01"))
    months = load_series(
        write(tmp_path, labelled([f"{m}/{y}" for y in (2010, 2011) for m in (1, 4, 7, 10)], "quarter,v"))
    )
    assert (months.freq, months.items[0].index[-1]) == ("QS-JAN", pd.Timestamp("2011-10-01"))


@pytest.mark.parametrize("written", ["%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M"])
@pytest.mark.parametrize("first", [0, 5])
def test_exports_that_leave_out_the_clock_at_midnight(tmp_path, written, first):
    hours = pd.date_range("2024-01-13", periods=100, freq="h")[first:]
    texts = [hour.strftime(written.split()[0] if hour.hour == 0 else written) for hour in hours]
    data = load_series(write(tmp_path, labelled(texts)))
    assert (data.freq, data.items[0].index.equals(hours)) == ("h", True)


def test_seasons_with_a_dash_are_years(tmp_path):
    seasons = [f"{year}-{(year + 1) % 100:02}" for year in range(2001, 2012)]
    data = load_series(write(tmp_path, labelled(seasons, "season,v")))
    assert (data.freq, data.items[0].index[0], data.total_length) == ("YS-JAN", pd.Timestamp("2001-01-01"), 11)
    months = pd.date_range("2001-02-01", periods=11, freq="MS")
    assert load_series(write(tmp_path, labelled(months.strftime("%Y-%m")))).items[0].index.equals(months)


@pytest.mark.parametrize("name", ["date", "x"])
@pytest.mark.parametrize("start", ["2020-01-01", "2018-12-20", "2024-01-01"])
def test_days_of_a_year_of_two_digits(tmp_path, name, start):
    days = pd.date_range(start, periods=45 if name == "x" else 31)
    if name == "x" and start == "2024-01-01":
        name = "day"
    data = load_series(write(tmp_path, labelled(days.strftime("%y%m%d"), f"{name},v")), FrameOptions(time=name))
    assert (data.freq, data.items[0].index.equals(days)) == ("D", True)


def test_days_that_could_be_weeks_or_months_are_asked_for(tmp_path):
    days = pd.date_range("2020-01-01", periods=31)
    path = write(tmp_path, labelled(days.strftime("%y%m%d"), "x,v"))
    with pytest.raises(UserError, match=r"200131 .* can be 2001-07-30 \(weeks.*or 2020-01-31 .*%G%V or %y%m%d"):
        load_series(path, FrameOptions(time="x"))
    assert load_series(path, FrameOptions(time="x", date_format="%y%m%d")).items[0].index.equals(days)
    weeks = load_series(path, FrameOptions(time="x", date_format="%G%V"))
    assert (weeks.freq, weeks.items[0].index[-1]) == ("W-MON", pd.Timestamp("2001-07-30"))
    months = pd.date_range("2001-01-01", periods=12, freq="MS")
    assert load_series(write(tmp_path, labelled(months.strftime("%Y%m"), "x,v"))).items[0].index.equals(months)


def test_an_offset_at_only_some_times_is_refused(tmp_path):
    hours = pd.date_range("2024-01-05", periods=30, freq="h")
    text = labelled([f"{hour:%Y-%m-%d %H:%M}{'Z' * (number % 2)}" for number, hour in enumerate(hours)])
    with pytest.raises(UserError, match=r"line 2: '2024-01-05 00:00' .* has no offset from UTC, .*line 3"):
        load_series(write(tmp_path, text))


@pytest.mark.parametrize("freq", ["D", "MS"])
def test_midnights_in_universal_time_are_read_in_their_zone(tmp_path, freq):
    local = pd.date_range("2024-01-01", periods=200 if freq == "D" else 30, freq=freq, tz="America/New_York")
    path = write(tmp_path, labelled(local.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")))
    with pytest.raises(UserError, match="--time-zone America/New_York"):
        load_series(path)
    data = load_series(path, FrameOptions(time_zone="America/New_York"))
    assert data.items[0].index.equals(local.as_unit("ns"))


def test_the_fifteenth_and_the_last_day_of_each_month(tmp_path):
    months = pd.date_range("2023-01-01", periods=14, freq="MS")
    dates = sorted([*(months + pd.Timedelta(days=14)), *(months + pd.offsets.MonthEnd())])
    data = load_series(write(tmp_path, labelled([f"{date:%Y-%m-%d}" for date in dates])))
    assert data.freq == "M[15,31]"
    ahead = future_index(data.items[0].index, data.freq, 2)
    assert [str(date)[5:10] for date in ahead] == ["03-15", "03-31"]


@pytest.mark.parametrize(
    ("start", "freq", "first"),
    [("02.01.2024", "D", "2024-01-02"), ("2024-Q1", "QE", "2024-03-31"), ("2024", "YE", "2024-12-31")],
)
def test_a_start_is_read_as_dates_in_files_are(tmp_path, start, freq, first):
    data = load_series(write(tmp_path, "v\n" + "1.5\n" * 9), FrameOptions(start=start, freq=freq))
    assert data.items[0].index[0] == pd.Timestamp(first)


@pytest.mark.parametrize(
    ("start", "zone", "first"),
    [
        ("05.02.2024 06:00+01:00", "Europe/Berlin", "2024-02-05 06:00:00+01:00"),
        ("05.02.2024 06:00", "Europe/Berlin", "2024-02-05 06:00:00+01:00"),
        ("2024-02-05 06:00 Europe/Berlin", None, "2024-02-05 06:00:00+01:00"),
        ("2024-01-01 06:00 CET", None, "2024-01-01 06:00:00+01:00"),
        ("2024-01-01T06:00:00Z", "Asia/Tokyo", "2024-01-01 15:00:00+09:00"),
        ("2024-10-27 02:30+01:00", "Europe/Berlin", "2024-10-27 02:30:00+01:00"),
    ],
)
def test_a_start_keeps_its_zone(tmp_path, start, zone, first):
    path = write(tmp_path, "v\n" + "1.5\n" * 9)
    data = load_series(path, FrameOptions(start=start, freq="h", time_zone=zone))
    assert str(data.items[0].index[0]) == first


@pytest.mark.parametrize(
    ("start", "zone", "message"),
    [
        ("2024-03-31 02:30", "Europe/Berlin", "does not exist in Europe/Berlin"),
        ("2024-10-27 02:30", "Europe/Berlin", r"occurs twice .* write it as '2024-10-27 02:30:00\+02:00' or"),
        ("2024-10-27 02:30", "Berlin", "unknown time zone 'Berlin'"),
    ],
)
def test_a_start_that_no_clock_shows_once_is_refused(tmp_path, start, zone, message):
    with pytest.raises(UserError, match=message):
        load_series(write(tmp_path, "v\n" + "1.5\n" * 9), FrameOptions(start=start, freq="h", time_zone=zone))


def test_a_start_that_can_be_two_dates_is_asked_for(tmp_path):
    with pytest.raises(UserError, match="2024-02-01 or 2024-01-02"):
        load_series(write(tmp_path, "v\n" + "1.5\n" * 9), FrameOptions(start="02/01/2024", freq="D"))


# More layouts


@pytest.mark.parametrize("prefix", ["X", "Y", "pop_", "value."])
def test_a_column_a_year_behind_letters(tmp_path, prefix):
    head = ",".join(f"{prefix}{year}" for year in range(1990, 2010))
    data = load_series(write(tmp_path, f"country,{head}\nA,{','.join(map(str, range(20)))}\n"))
    assert (data.freq, data.total_length, data.items[0].name) == ("YS-JAN", 20, "A")
    assert "are dates: a row each" in data.notes[0]


def test_a_row_a_series_with_a_column_a_step(tmp_path):
    head = ",".join(f"d_{step}" for step in range(1, 13))
    rows = f"a,x,{','.join(map(str, range(12)))}\nb,x,{','.join(map(str, range(8)))},,,,\n"
    data = load_series(write(tmp_path, f"item,dept,{head}\n{rows}"))
    assert [(item.name, item.length, item.index[-1]) for item in data.items] == [("a", 12, 12), ("b", 8, 8)]
    assert data.unused == ("dept",)


@pytest.mark.parametrize(
    ("head", "freq", "length"),
    [
        (",".join(map(str, range(1, 13))) + ",J-D", "MS", 48),
        ("Q1,Q2,Q3,Q4,Annual", "QS-JAN", 16),
    ],
)
def test_a_row_a_year_with_numbered_months_or_quarters(tmp_path, head, freq, length):
    rows = "".join(f"{year}," + ",".join(map(str, range(head.count(",")))) + ",9\n" for year in range(2018, 2022))
    data = load_series(write(tmp_path, f"Year,{head}\n{rows}"))
    assert (data.freq, data.total_length, data.channels) == (freq, length, ("value",))


def test_a_row_a_day_with_a_column_an_hour(tmp_path):
    head = ",".join(f"HE{hour:02}" for hour in range(1, 25))
    rows = "".join(
        f"2024-01-{day:02}," + ",".join(f"{day}.{hour:02}" for hour in range(24)) + "\n" for day in (1, 2, 3)
    )
    data = load_series(write(tmp_path, f"date,{head}\n{rows}"))
    assert (data.freq, data.total_length, str(data.items[0].index[-1])) == ("h", 72, "2024-01-04 00:00:00")
    assert data.items[0].values[24, 0] == 2.0


def test_columns_parted_by_blanks(tmp_path):
    data = load_series(write(tmp_path, daily(separator="   "), "a.txt"))
    assert (data.channels, data.total_length) == (("v",), 30)


def test_a_separator_that_is_not_known_is_asked_for(tmp_path):
    with pytest.raises(UserError, match="--separator"):
        load_series(write(tmp_path, daily(separator="~")))
    assert load_series(write(tmp_path, daily(separator="~")), table=TableOptions(separator="~")).total_length == 30


def test_settings_above_the_header(tmp_path):
    assert load_series(write(tmp_path, "station:,12\nunit:,mm\n" + daily())).total_length == 30


def test_a_header_that_is_repeated_is_left_out(tmp_path):
    data = load_series(write(tmp_path, daily() + "date,v\n2024-01-31,3\n"))
    assert data.total_length == 31
    assert "line 32 repeats the header: left out" in data.notes


@pytest.mark.parametrize(
    ("begins", "kind"), [(b'{"a": 1}', "JSON"), (b"<!DOCTYPE html>\n<p>", "web page"), (b"PK\3\4..", "Excel")]
)
def test_other_kinds_of_files_are_named(tmp_path, begins, kind):
    with pytest.raises(UserError, match=kind):
        load_series(write(tmp_path, begins))


# Columns that are not forecast


@pytest.mark.parametrize("first", [738_000, 2_459_580, 1])
def test_a_first_column_that_counts_is_the_time(tmp_path, first):
    text = "x,v\n" + "".join(f"{first + number},{number % 3}.5\n" for number in range(30))
    data = load_series(write(tmp_path, text))
    assert (data.channels, data.items[0].index[0]) == (("v",), first)


def test_a_first_column_that_rises_by_fractions_is_not_forecast(tmp_path):
    text = "x,v\n" + "".join(f"{number / 10:.1f},{number % 3}.5\n" for number in range(1, 31))
    data = load_series(write(tmp_path, text))
    assert (data.channels, data.unused) == (("v",), ("x",))


def test_a_column_without_a_value_is_left_out_and_said_to_be(tmp_path):
    data = load_series(write(tmp_path, daily(header="date,v,w", cells=lambda number: f"{number}.5,")))
    assert data.channels == ("v",)
    assert any(note.startswith("left out 'w'") for note in data.notes)


def test_words_for_one_and_zero_are_covariates(tmp_path):
    text = daily(header="date,v,open", cells=lambda number: f"{number}.5,{('yes', 'no')[number % 2]}")
    data = load_series(write(tmp_path, text), FrameOptions(target=("v",), known=("open",)))
    assert data.items[0].known[:3, 0].tolist() == [1, 0, 1]


def test_columns_of_one_series_that_stay_the_same_are_static(tmp_path):
    text = "shop,region,size,date,v\n" + "".join(f"a,north,3,{day:%Y-%m-%d},{n}.5\n" for n, day in enumerate(DAYS))
    data = load_series(write(tmp_path, text))
    assert (data.channels, data.unused) == (("v",), ("region", "size"))


def test_units_that_differ_are_named(tmp_path):
    text = daily(cells=lambda number: f"{number} {('kWh', 'MWh')[number % 2]}")
    with pytest.raises(UserError, match=r"different signs or units \(MWh and kWh\)"):
        load_series(write(tmp_path, text))


@pytest.mark.parametrize(
    ("header", "cells", "first", "freq"),
    [
        ("year,quarter", lambda n: f"{2015 + n // 4},Q{n % 4 + 1}", "2015-01-01", "QS-JAN"),
        ("Year,Qtr", lambda n: f"{2015 + n // 4},Qtr {n % 4 + 1}", "2015-01-01", "QS-JAN"),
        ("year,half", lambda n: f"{2005 + n // 2},H{n % 2 + 1}", "2005-01-01", "2QS-JAN"),
        ("year,week", lambda n: f"2024,W{n + 1:02d}", "2024-01-01", "W-MON"),
        ("year,period", lambda n: f"{2015 + n // 12},M{n % 12 + 1:02d}", "2015-01-01", "MS"),
        ("date,hour", lambda n: f"2024-01-0{n // 24 + 1},{n % 24:02d}:00-{n % 24 + 1:02d}:00", "2024-01-01", "h"),
        (
            "date,period",
            lambda n: f"2024-01-01,{n // 2:02d}:{n % 2 * 30:02d} - {(n + 1) // 2:02d}:{(n + 1) % 2 * 30:02d}",
            "2024-01-01",
            "30min",
        ),
        (
            "date,hour",
            lambda n: f"2024-01-0{n // 24 + 1},{(n % 24 + 11) % 12 + 1} {'AP'[n % 24 // 12]}M",
            "2024-01-01",
            "h",
        ),
    ],
)
def test_parts_of_a_date_with_letters_or_as_spans_tell_no_series_apart(header, cells, first, freq, tmp_path):
    text = f"{header},v\n" + "".join(f"{cells(number)},{number}.5\n" for number in range(40))
    data = load_series(write(tmp_path, text))
    assert (data.layout, data.channels, data.freq) == ("wide", ("v",), freq)
    assert str(data.items[0].index[0])[:10] == first
    assert data.items[0].values[:, 0].tolist() == [number + 0.5 for number in range(40)]


def test_an_average_among_months_is_refused(tmp_path):
    rows = "".join(f"{2015 + number // 13},M{number % 13 + 1:02d},{number}\n" for number in range(39))
    with pytest.raises(UserError, match="'2015-13' in the time column 'year and period' is not a date"):
        load_series(write(tmp_path, "year,period,v\n" + rows))


def test_a_static_code_with_leading_zeros_is_a_label(tmp_path):
    rows = "".join(
        f"{shop},{code},{day:%Y-%m-%d},1.5\n"
        for shop, code in zip("abc", ("001", "01", "001"), strict=True)
        for day in DAYS
    )
    data = load_series(write(tmp_path, "shop,cluster,date,v\n" + rows), FrameOptions(id="shop"))
    assert [item.static for item in data.items] == [("001",), ("01",), ("001",)]
