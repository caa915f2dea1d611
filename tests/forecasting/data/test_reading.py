import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.data import TableOptions, load_series, read_table
from titans_seq.errors import UserError

ROWS = "day,sold\n2020-01-01,1.5\n2020-01-02,2\n2020-01-03,4\n"


def write(folder, name: str, content: bytes | str):
    path = folder / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ROWS),
        ("a.csv.gz", ROWS),
        ("a.tsv", ROWS.replace(",", "\t")),
        ("a.txt.gz", ROWS.replace(",", ";")),
        ("a.csv", ROWS.replace("\n", "\r\n")),
        ("a.csv", "\ufeff" + ROWS),
        (
            "a.csv",
            ROWS.replace(".", ",")
            .replace("y,s", "y;s")
            .replace("1,1", "1;1")
            .replace("-02,", "-02;")
            .replace("-03,", "-03;"),
        ),
        ("a.csv", ROWS.replace(",", ", ") + "\n\n"),
    ],
)
def test_ways_of_writing_a_table_give_the_same_series(tmp_path, name, text):
    data = load_series(write(tmp_path, name, text))
    assert data.items[0].values.ravel().tolist() == [1.5, 2.0, 4.0]
    assert (data.freq, data.channels, data.items[0].name) == ("D", ("sold",), "a")


def test_parquet(tmp_path):
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=3), "sold": [1.5, None, 2.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.set_index("day").to_parquet(tmp_path / "b.pq")
    for name in ("a.parquet", "b.pq"):
        data = load_series(tmp_path / name)
        assert data.channels == ("sold",)
        np.testing.assert_array_equal(data.items[0].values.ravel(), [1.5, np.nan, 2.0])


def test_rows_of_parquet_are_counted_from_1(tmp_path):
    pd.DataFrame({"t": ["2020-01-01", "x"], "v": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match="row 2: 'x' in the time column 't' is not a date"):
        load_series(tmp_path / "a.parquet")


def test_header_that_is_not_utf8_is_read_and_noted(tmp_path):
    path = write(tmp_path, "a.csv", "day,\xb5mol\n2020-01-01,1\n2020-01-02,2\n".encode("latin-1"))
    data = load_series(path)
    assert data.channels == ("\xb5mol",)
    assert "byte 0xb5 on line 1 is not utf-8; read as cp1252" in data.notes
    assert read_table(path, TableOptions(encoding="cp1252")).notes == ()
    with pytest.raises(UserError, match="line 1 is not ascii: give another --encoding"):
        read_table(path, TableOptions(encoding="ascii"))
    with pytest.raises(UserError, match="unknown encoding 'nonsense'"):
        read_table(path, TableOptions(encoding="nonsense"))
    utf16 = write(tmp_path, "b.csv", ROWS.encode("utf-16"))
    assert load_series(utf16).channels == ("sold",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", " \n\n", "the file is empty"),
        ("a.csv", "day,sold\n", "a header and no rows"),
        (
            "a.csv",
            "day,sold\n2020-01-01,1\n2020-01-02,2,3\n",
            r"a.csv, line 3: 3 cells, and the header names 2 \(day and sold\)",
        ),
        ("a.csv", "day,sold\n2020-01-01,1,8\n2020-01-02,2,9\n", r"a.csv, line 2: 3 cells, and the header names 2"),
        ("a.csv", "day,sold,sold\n2020-01-01,1,2\n", "column 'sold' occurs 2 times in the header"),
        ("a.csv", "2020-01-01,5.5\n2020-01-02,6\n", r"line 1 holds values \(2020-01-01, 5.5\), not names"),
        ("a.csv", b"day,\0sold\n1,2\n", "holds zero bytes"),
        ("a.xls", "x", r"unknown kind of file '.xls': expected a name ending in .csv"),
        ("a.xlsx", "PK no book", "not a readable Excel file"),
        ("a.parquet", "PAR1 not at all", "not a readable Parquet file"),
    ],
)
def test_bad_files_are_refused_with_their_name(tmp_path, name, content, message):
    path = write(tmp_path, name, content)
    with pytest.raises(UserError, match=message) as error:
        load_series(path)
    assert str(path) in str(error.value)


def test_missing_files_folders_and_broken_gzip(tmp_path):
    with pytest.raises(UserError, match="nowhere.csv: no such file"):
        load_series(tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        load_series(tmp_path / "folder.csv")
    whole = gzip.compress((ROWS * 50).encode())
    for name, raw in (
        ("cut.csv.gz", whole[:-20]),
        ("plain.csv.gz", ROWS.encode()),
        ("cut.tsf.gz", whole[:-20]),
    ):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(UserError, match=f"{name}: broken gzip file"):
            load_series(tmp_path / name)


def test_empty_lines_keep_the_line_numbers_right(tmp_path):
    path = write(tmp_path, "a.csv", "day,sold\n2020-01-01,1\n\n2020-01-02,2\n2020-01-03,many\n")
    with pytest.raises(UserError, match="line 5, column 'sold': 'many' is not a number"):
        load_series(path)
    path = write(tmp_path, "b.csv", "day,sold\n2020-01-01,1\n\n2020-01-02,2\n")
    data = load_series(path)
    assert data.total_length == 2
    assert "1 empty line left out" in data.notes


def test_an_empty_line_without_dates_is_a_missing_step(tmp_path):
    data = load_series(write(tmp_path, "a.csv", "sold\n1\n\n3\n"))
    np.testing.assert_array_equal(data.items[0].values.ravel(), [1, np.nan, 3])


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.floats(-1e150, 1e150), min_size=3, max_size=12),
    separator=st.sampled_from(",;\t"),
)
def test_floats_come_back_exactly(tmp_path_factory, values, separator):
    path = tmp_path_factory.mktemp("exact") / "a.csv"
    index = pd.date_range("2020-01-01", periods=len(values), freq="h", name="time")
    pd.DataFrame({"v": values}, index=index).to_csv(path, sep=separator)
    item = load_series(path).items[0]
    assert item.values.ravel().tolist() == values
    pd.testing.assert_index_equal(pd.DatetimeIndex(item.index), index, check_names=False)


def _scientific(number: float) -> str:
    return f"{number:.18e}"


@pytest.mark.parametrize(
    ("name", "written", "first"),
    [
        *((name, _scientific, 1_700_000_000) for name in ("ts", "k", "timestamp", "date")),
        ("ts", lambda number: f'"{number:,}"', 1_700_000_000),
        ("ts", lambda number: f"{number:,}".replace(",", " "), 1_700_000_000),
    ],
)
def test_unix_times_are_the_time_however_their_numbers_are_written(tmp_path, name, written, first):
    lines = [f"{written(first + 3600 * row)},{_scientific(2.5 + row % 3)}" for row in range(12)]
    data = load_series(write(tmp_path, "a.csv", "\n".join([f"{name},load", *lines])))
    assert (data.time_columns, data.channels, data.freq) == ((name,), ("load",), "h")
    assert data.items[0].index[0] == pd.Timestamp("2023-11-14 22:13:20")


@pytest.mark.parametrize("written", [_scientific, lambda number: f'"{number:,}"'])
def test_years_months_and_steps_are_the_time_however_their_numbers_are_written(tmp_path, written):
    rows = range(995, 1010)
    years = [f"{written(1000 + row)},{row % 7}.5" for row in rows]
    assert load_series(write(tmp_path, "a.csv", "\n".join(["year,v", *years]))).freq == "YS-JAN"
    months = [f"{written(1990 + row // 12)},{_scientific(1 + row % 12)},{row % 7}.5" for row in range(15)]
    joined = load_series(write(tmp_path, "b.csv", "\n".join(["year,month,v", *months])))
    assert (joined.time_columns, joined.freq) == (("year", "month"), "MS")
    steps = load_series(write(tmp_path, "c.csv", "\n".join(["k,v", *(f"{written(row)},{row % 7}.5" for row in rows)])))
    assert (steps.channels, steps.items[0].index[0]) == (("v",), 995)


def test_series_of_written_out_numbers_keep_their_names(tmp_path):
    lines = [f"{_scientific(1 + row // 9)},{_scientific(1.7e9 + 3600 * (row % 9))},{row % 4}.5" for row in range(18)]
    data = load_series(write(tmp_path, "a.csv", "\n".join(["id,t,load", *lines])))
    assert (data.time_columns, data.channels, data.items[0].name) == (("t",), ("load",), _scientific(1))


@pytest.mark.parametrize(
    "first", ["Wednesday, November 01, 2023;10.0\nThursday, November 02, 2023;11.5", "1,960;10,5\n1,961;11,5"]
)
def test_the_header_says_what_parts_the_cells(tmp_path, first):
    table = read_table(write(tmp_path, "a.csv", f"date;load\n{first}\n"))
    assert (list(table.frame.columns), table.frame.shape) == (["date", "load"], (2, 2))
