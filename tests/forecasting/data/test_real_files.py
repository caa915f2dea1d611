"""Every real file that lies beside a checkout: read as it is, or refused for a fault it truly has."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, from_gluonts, load_series, to_gluonts
from titans_seq.errors import UserError

SMALL = {
    "AirPassengers.csv": ("MS", 144, 1, "1949-01-01"),
    "ausbeer.csv": ("QS-JAN", 211, 1, "1956-01-01"),
    "gasrate_co2.csv": (None, 296, 2, 0),
    "monthly-milk.csv": ("MS", 168, 1, "1962-01-01"),
    "monthly-sunspots.csv": ("MS", 2820, 1, "1749-01-01"),
    "taxi_new_york_passengers.csv": ("30min", 10320, 1, "2014-07-01"),
    "us_gasoline.csv": ("W-FRI", 1578, 1, "1991-02-08"),
    "wineind.csv": ("MS", 176, 1, "1980-01-01"),
}
HOLES = {
    "ILINet.csv": (
        "W-SUN",
        4,
        "4 time steps have no row (1 step between 2001-12-30 (line 222)",
        "1997-10-12",
    ),
    "monthly-milk-incomplete.csv": (
        "MS",
        13,
        "1963-08-01 (line 21) and 1963-10-01 (line 22)",
        "1962-01-01",
    ),
    "temps.csv": ("D", 2, "1984-12-30 (line 1461) and 1985-01-01 (line 1462)", "1981-01-01"),
}
MONASH = {
    "fred_md_dataset": ("MS", 107, 77896),
    "hospital_dataset": ("MS", 767, 64428),
    "m1_monthly_dataset": ("MS", 617, 55998),
    "m1_quarterly_dataset": ("QS-JAN", 203, 9944),
    "m3_quarterly_dataset": ("QS-JAN", 756, 37004),
    "m3_yearly_dataset": ("YS-JAN", 645, 18319),
    "m4_hourly_dataset": ("h", 414, 373372),
    "saugeenday_dataset": ("D", 1, 23741),
    "tourism_quarterly_dataset": ("QS-JAN", 427, 42544),
    "us_births_dataset": ("D", 1, 7305),
}
LONG_HORIZON = {
    "ETTh1": ("h", 17420, 7),
    "ETTm1": ("15min", 69680, 7),
    "exchange_rate": ("D", 7588, 8),
    "national_illness": ("W-TUE", 966, 7),
}


def slow_but(names: Iterable[str], *quick: str) -> list[Any]:
    """Names of files of a kind, of which those that begin so are read by default and all with the slow tests."""
    return [pytest.param(name, marks=[] if name.startswith(quick) else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", SMALL)
def test_small_files(shared_data, name):
    freq, length, channels, first = SMALL[name]
    data = load_series(shared_data / "forecasting" / "small" / name)
    item = data.items[0]
    assert (data.freq, item.length, len(data.channels)) == (freq, length, channels)
    assert item.index[0] == (first if freq is None else pd.Timestamp(first))
    assert not np.isnan(item.values).any()


@pytest.mark.parametrize("name", HOLES)
def test_small_files_with_holes(shared_data, name):
    freq, missing, message, first = HOLES[name]
    path = shared_data / "forecasting" / "small" / name
    with pytest.raises(UserError, match=re.escape(message)):
        load_series(path)
    filled = load_series(path, FrameOptions(holes="fill-missing"))
    item = filled.items[0]
    assert filled.freq == freq
    assert item.index.equals(pd.date_range(first, periods=item.length, freq=freq))
    assert f"{missing} missing time steps inserted (fill-missing)" in filled.notes
    assert np.isnan(item.values).all(axis=1).sum() == missing
    line = load_series(path, FrameOptions(holes="interpolate")).items[0]
    assert np.isnan(line.values).all(axis=1).sum() == 0


def test_every_small_file_is_covered(shared_data):
    held = {path.name for path in (shared_data / "forecasting" / "small").glob("*.csv")}
    assert held == set(SMALL) | set(HOLES)


@pytest.mark.parametrize("name", slow_but(MONASH, "fred_md", "m1_quarterly", "m3_yearly", "saugeenday", "us_births"))
def test_monash_files(shared_data, name):
    freq, series, total = MONASH[name]
    data = load_series(shared_data / "forecasting" / "monash" / f"{name}.tsf.gz")
    assert (data.freq, len(data.items), data.total_length) == (freq, series, total)
    assert not any(np.isnan(item.values).any() for item in data.items)
    if series < 500:
        back = from_gluonts(to_gluonts(data))
        assert back.freq == freq
        assert all(a.index.equals(b.index) for a, b in zip(data.items, back.items, strict=True))


@pytest.mark.parametrize("name", slow_but(LONG_HORIZON, "ETTh1", "national_illness"))
def test_long_horizon_files(shared_data, name):
    freq, length, channels = LONG_HORIZON[name]
    data = load_series(shared_data / "forecasting" / "ltsf" / f"{name}.csv.gz")
    assert (data.freq, data.total_length, len(data.channels)) == (freq, length, channels)
    assert data.items[0].name == name


@pytest.mark.slow
def test_weather_is_refused_with_its_rows_and_repaired_on_request(shared_data):
    path = shared_data / "forecasting" / "ltsf" / "weather.csv.gz"
    with pytest.raises(UserError) as error:
        load_series(path)
    message = str(error.value)
    assert "1 time occurs more than once (2020-05-12 06:00:00 on lines 19045 and 19046)" in message
    assert "9 steps between 2020-05-29 09:30:00 (line 21515) and 2020-05-29 11:10:00 (line 21516)" in message
    assert "set --duplicates to mean, last or first" in message
    assert "set --holes to fill-missing (missing values) or interpolate (a straight line)" in message

    data = load_series(path, FrameOptions(duplicates="last", holes="fill-missing", missing_values=(-9999,)))
    item = data.items[0]
    assert (data.freq, item.length, len(data.channels)) == ("10min", 52696 - 1 + 9, 21)
    assert item.index.equals(pd.date_range("2020-01-01 00:10", "2021-01-01", freq="10min"))
    assert np.isnan(item.values).sum() == 81 + 9 * 21
    assert np.nanmin(item.values) > -9999
    assert "81 cells marked as missing" in data.notes

    assert any("replacement sign" in note for note in data.notes)
