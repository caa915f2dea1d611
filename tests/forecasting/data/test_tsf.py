import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, TableOptions, future_index, load_series, read_tsf
from titans_seq.errors import UserError

HEADER = "# a comment\r\n@relation x\r\n@attribute series_name string\r\n@attribute start_timestamp date\r\n"


def write(folder, body: str, frequency: str | None = "monthly", header: str = HEADER):
    path = folder / "a.tsf"
    step = f"@frequency {frequency}\r\n" if frequency else ""
    path.write_bytes(f"{header}{step}@missing true\r\n@equallength false\r\n@data\r\n{body}".encode())
    return path


def test_names_starts_missing_values_and_unequal_lengths(tmp_path):
    body = "T1:1979-01-01 00-00-00:1,?,3.5\r\nT2:1980-06-01 00-00-00:-2e3,4\r\n"
    data = load_series(write(tmp_path, body))
    assert [item.name for item in data.items] == ["T1", "T2"]
    assert (data.freq, data.layout, data.channels) == ("MS", "long", ("value",))
    np.testing.assert_array_equal(data.items[0].values.ravel(), [1, np.nan, 3.5])
    assert data.items[1].values.ravel().tolist() == [-2000, 4]
    assert data.items[1].index.tolist() == [pd.Timestamp("1980-06-01"), pd.Timestamp("1980-07-01")]
    assert "1 value missing, to be masked" in data.notes


@pytest.mark.parametrize(
    ("word", "start", "freq", "second"),
    [
        ("4_seconds", "2020-01-01 00-00-08", "4s", "2020-01-01 00:00:12"),
        ("minutely", "2020-01-01 00-01-00", "min", "2020-01-01 00:02:00"),
        ("10_minutes", "2020-01-01 00-10-00", "10min", "2020-01-01 00:20:00"),
        ("half_hourly", "2020-01-01 00-30-00", "30min", "2020-01-01 01:00:00"),
        ("hourly", "2020-01-01 05-00-00", "h", "2020-01-01 06:00:00"),
        ("daily", "2020-01-01 12-00-00", "D", "2020-01-02"),
        ("weekly", "2020-01-03 00-00-00", "W-FRI", "2020-01-10"),
        ("monthly", "2020-01-31 00-00-00", "MS", "2020-02-01"),
        ("quarterly", "2020-02-01 00-00-00", "QS-FEB", "2020-05-01"),
        ("yearly", "2020-07-01 12-00-00", "YS-JUL", "2021-07-01"),
    ],
)
def test_every_frequency(tmp_path, word, start, freq, second):
    data = read_tsf(write(tmp_path, f"T1:{start}:1,2\r\n", word))
    assert data.freq == freq
    index = data.items[0].index
    assert index[1] == pd.Timestamp(second)
    assert future_index(pd.DatetimeIndex([index[0]]), data.freq, 1)[0] == index[1]


def test_series_beyond_the_year_2262(tmp_path):
    values = ",".join(["1"] * 800)
    index = read_tsf(write(tmp_path, f"T1:1900-01-01 12-00-00:{values}\r\n", "yearly")).items[0].index
    assert len(index) == 800
    assert str(index[-1]) == "2699-01-01 00:00:00"


def test_no_start_dates_give_steps_and_freq_may_be_given(tmp_path):
    undated = write(tmp_path, "1,2,3\r\n4,5\r\n", header="@relation x\r\n")
    data = read_tsf(undated)
    assert data.freq is None
    assert [item.name for item in data.items] == ["T1", "T2"]
    assert data.items[0].index.equals(pd.RangeIndex(3))
    assert read_tsf(write(tmp_path, "T1:1979-01-01 00-00-00:1,2\r\n", None), "D").freq == "D"


@pytest.mark.parametrize("kind", ["zip", "bz2", "xz", "gz"])
def test_packed_files(tmp_path, kind):
    plain = write(tmp_path, "T1:1979-01-01 00-00-00:1,2\r\n")
    path = tmp_path / ("a.zip" if kind == "zip" else f"a.tsf.{kind}")
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(plain, "m3.tsf")
    else:
        pack = {"bz2": bz2.compress, "xz": lzma.compress, "gz": gzip.compress}[kind]
        path.write_bytes(pack(plain.read_bytes()))
    data = load_series(path)
    assert (data.freq, data.total_length) == ("MS", 2)
    assert ("read m3.tsf of the archive" in data.notes) == (kind == "zip")


def test_markers_and_the_encoding_are_read_as_given(tmp_path):
    path = tmp_path / "a.tsf"
    path.write_bytes(("@attribute series_name string\n@data\nЮг:1,-9999,NA,4\n").encode("cp1251"))
    data = load_series(path, FrameOptions(missing_values=(-9999.0, "NA")), TableOptions(encoding="cp1251"))
    np.testing.assert_array_equal(data.items[0].values.ravel(), [1, np.nan, np.nan, 4])
    assert (data.items[0].name, "2 cells marked as missing" in data.notes) == ("Юг", True)


@pytest.mark.parametrize(
    ("options", "table", "named"),
    [
        (FrameOptions(target=("nosuch",)), None, "--target does not apply"),
        (FrameOptions(time_zone="Europe/Berlin", holes="interpolate"), None, "--holes and --time-zone do not apply"),
        (None, TableOptions(decimal=","), "--decimal does not apply"),
    ],
)
def test_options_that_do_not_apply_are_refused(tmp_path, options, table, named):
    with pytest.raises(UserError, match=named):
        load_series(write(tmp_path, "T1:1979-01-01 00-00-00:1,2\r\n"), options, table)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "no series after @data"),
        ("T1:1979-01-01 00-00-00:1,x,3\r\n", "line 9: value 2, 'x', is not a number"),
        ("T1:1979-01-01 00-00-00:1,2,\r\n", "line 9: value 3, '', is not a number"),
        ("T1:1979-01-01 00-00-00:1,inf\r\n", "line 9: value 2 is infinite: write"),
        ("T1:1979-01-01 00-00-00:?,?\r\n", "line 9: the series has no value at all"),
        ("T1:1979/01/01:1,2\r\n", "line 9: '1979/01/01' is not a start_timestamp"),
        (
            "\r\n1979-01-01 00-00-00:1,2\r\n",
            r"line 10: expected 2 attributes \(series_name, start_timestamp\)",
        ),
        (
            "A:1979-01-01 00-00-00:1\r\nA:1979-01-01 00-00-00:2\r\n",
            "line 10: series 'A' is already on line 9",
        ),
    ],
)
def test_bad_lines_are_named(tmp_path, body, message):
    with pytest.raises(UserError, match=message):
        read_tsf(write(tmp_path, body))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@relation x\n@attribute a string\n", "no @data line"),
        ("@attribute a\n@data\n", "line 1: expected '@attribute name type'"),
        (
            "@frequency fortnightly\n@data\n",
            "line 1: unknown frequency 'fortnightly': expected one of seconds",
        ),
        ("@attribute start_timestamp date\n@data\n", "line 2: the header gives no @frequency"),
        ("day,sold\n", "line 1: expected @attribute, @frequency or @data, got 'day,sold'"),
    ],
)
def test_bad_headers_are_named(tmp_path, text, message):
    path = tmp_path / "a.tsf"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_tsf(path)
