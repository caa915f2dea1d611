import datetime as dt

import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, date_centuries, from_frame, future_index
from titans_seq.errors import UserError

MONTHS = {
    "%B %Y": "January February March April May June July August September October November December",
    "janv. 2018": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "ene 2018": "ene feb mar abr may jun jul ago sept oct nov dic",
    "Jan 2018": "Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "stycznia": "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień",
    "янв": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
}


def days_of(index: pd.Index) -> list[str]:
    return np.datetime_as_string(index.to_numpy().astype("datetime64[D]")).tolist()


def read(times, **options):
    frame = pd.DataFrame({"when": times, "v": np.arange(len(times)) + 0.5})
    return from_frame(frame, FrameOptions(**options))


@pytest.mark.parametrize("names", MONTHS.values())
@pytest.mark.parametrize("written", ["{name} {year}", "{name}-{short}", "{year} {name}", "15 {name} {year}"])
def test_months_by_name_in_many_languages(names, written):
    texts = [written.format(name=name, year=year, short=year % 100) for year in (2018, 2019) for name in names.split()]
    index = read(texts).items[0].index
    day = 15 if written.startswith("15") else 1
    expected = [f"{year}-{month:02}-{day:02}" for year in (2018, 2019) for month in range(1, 13)]
    assert days_of(index) == expected


@pytest.mark.parametrize(
    ("template", "freq", "first", "following"),
    [
        ("{y}-Q{q}", "QS-JAN", "2008-01-01", "2011-01-01"),
        ("Q{q}/{y}", "QS-JAN", "2008-01-01", "2011-01-01"),
        ("{q}. Quartal {y}", "QS-JAN", "2008-01-01", "2011-01-01"),
        ("{y}年第{q}季度", "QS-JAN", "2008-01-01", "2011-01-01"),
        ("{y}-W{w:02}", "W-MON", "2007-12-31", "2008-03-24"),
        ("KW {w} {y}", "W-MON", "2007-12-31", "2008-03-24"),
        ("{y}{w:02}w", None, None, None),
        ("{w:02}/{y}", "MS", "2008-01-01", "2009-01-01"),
        ("{y}年{w}月", "MS", "2008-01-01", "2009-01-01"),
        ("{y}年{w}月15日", "M[15]", "2008-01-15", "2009-01-15"),
        ("{y}M{w:02}", "MS", "2008-01-01", "2009-01-01"),
        ("2008-01-{w:02} - 2008-01-{v:02}", "D", "2008-01-01", "2008-01-13"),
        ("01.01.2008 {h}:00", "h", "2008-01-01 13:00", "2008-01-02 01:00"),
        ("٢٠٠٨-٠١-{w:02}", "D", "2008-01-01", "2008-01-13"),
        ("Mon, {w:02} Jan 2008", "D", "2008-01-01", "2008-01-13"),
        ("Jan {w}, 2008 3:00 PM", "D", "2008-01-01 15:00", "2008-01-13 15:00"),
    ],
)
def test_other_ways_of_writing_dates(template, freq, first, following):
    quarters = "{q}" in template
    texts = [
        template.format(y=2008 + i // 4 if quarters else 2008, q=i % 4 + 1, w=i + 1, v=i + 2, h=i + 13)
        for i in range(12)
    ]
    if freq is None:
        with pytest.raises(UserError):
            read(texts)
        return
    data = read(texts)
    index = data.items[0].index
    assert (data.freq, index[0]) == (freq, pd.Timestamp(first))
    assert future_index(index, data.freq, 1)[0] == pd.Timestamp(following)


@pytest.mark.parametrize(
    ("texts", "first", "freq"),
    [
        ([f"01/{month:02}/{year}" for year in (2018, 2019, 2020) for month in range(1, 13)], "2018-01-01", "MS"),
        ([f"05/{month:02}/{year}" for year in (2018, 2019, 2020) for month in range(1, 13)], "2018-01-05", "M[5]"),
        ([f"{month:02}/01/{year}" for year in (2018, 2019, 2020) for month in range(1, 13)], "2018-01-01", "MS"),
        ([f"01/{month:02}/{year}" for year in (2018, 2019, 2020) for month in (1, 4, 7, 10)], "2018-01-01", "QS-JAN"),
        (
            [f"{day:02}-{month}-24" for month in ("03", "04") for day in range(1, 31 + (month == "03"))],
            "2024-03-01",
            "D",
        ),
        ([f"23-12-{day:02}" for day in range(1, 32)] + [f"24-01-{day:02}" for day in range(1, 10)], "2023-12-01", "D"),
        (["01.02.2024", "02.02.2024", "03.02.2024"], "2024-02-01", "D"),
    ],
)
def test_the_order_of_day_and_month_is_the_one_that_gives_a_grid(texts, first, freq):
    data = read(texts)
    assert (data.items[0].index[0], data.freq) == (pd.Timestamp(first), freq)


@pytest.mark.parametrize(
    "texts", [[f"{day:02}/02/2024" for day in range(1, 13)], [f"01/05/{year}" for year in range(1960, 1980)]]
)
def test_where_both_orders_give_a_grid_the_user_is_asked(texts):
    with pytest.raises(UserError, match=r'"%m/%d/%Y" or "%d/%m/%Y"') as error:
        read(texts)
    assert "can be 20" in str(error.value) or "can be 1960-01-05" in str(error.value)
    assert days_of(read(texts, date_format="%d/%m/%Y").items[0].index)[0].endswith("-01")


@pytest.mark.parametrize(
    ("texts", "freq", "dates"),
    [
        (["2008-Q1", "2008-Q2", "2008-Q3"], "QE", ["2008-03-31", "2008-06-30"]),
        (["2008-Q1", "2008-Q2", "2008-Q3"], "QS", ["2008-01-01", "2008-04-01"]),
        (["2008-Q1", "2008-Q2", "2008-Q3"], "QE-JAN", ["2007-04-30", "2007-07-31"]),
        ([1960, 1961, 1962], "YE", ["1960-12-31", "1961-12-31"]),
        ([1960, 1961, 1962], "YE-JUN", ["1960-06-30", "1961-06-30"]),
        ([1960, 1961, 1962], "YS-JUL", ["1960-07-01", "1961-07-01"]),
        (["2007/08", "2008/09", "2009/10"], "YS-JUL", ["2007-07-01", "2008-07-01"]),
        (["2018-01", "2018-02", "2018-03"], "ME", ["2018-01-31", "2018-02-28"]),
        (["2018-01", "2018-02", "2018-03"], "BME", ["2018-01-31", "2018-02-28"]),
        (["2022-W01", "2022-W02", "2022-W03"], "W-SUN", ["2022-01-09", "2022-01-16"]),
        (["2022-W01", "2022-W02", "2022-W03"], "W", ["2022-01-03", "2022-01-10"]),
        (["2018H1", "2018H2", "2019H1"], "6ME", ["2018-06-30", "2018-12-31"]),
    ],
)
def test_labels_of_periods_take_the_days_of_the_frequency(texts, freq, dates):
    index = read(texts, freq=freq, time="when").items[0].index
    assert days_of(index)[:2] == dates
    assert days_of(read(texts, time="when").items[0].index)[0][-2:] in ("01", "03")


def test_periods_of_pandas_are_labels_too():
    for values, freq, last in (
        (pd.period_range("2008Q1", periods=3, freq="Q"), "QE", "2008-09-30"),
        (pd.period_range("2008", periods=3, freq="Y"), "YE", "2010-12-31"),
    ):
        assert read(values, freq=freq).items[0].index[-1] == pd.Timestamp(last)


@pytest.mark.parametrize(
    ("name", "values", "first", "freq"),
    [
        ("Jahr", list(range(1960, 1980)), "1960-01-01", "YS-JAN"),
        ("x", list(range(1960, 1980)), "1960-01-01", "YS-JAN"),
        ("week", [*range(202201, 202213)], "2022-01-03", "W-MON"),
        ("period", [*range(202240, 202253), 202301, 202302], "2022-10-03", "W-MON"),
        ("month", [*range(202201, 202213)], "2022-01-01", "MS"),
        ("timestamp", [1704067200 + 3600 * i for i in range(10)], "2024-01-01", "h"),
        ("time", [1704067200000 + 900_000 * i for i in range(10)], "2024-01-01", "15min"),
        ("Date", [45292 + i for i in range(10)], "2024-01-01", "D"),
        ("Date", [45292 + i / 24 for i in range(10)], "2024-01-01", "h"),
        ("date", [2024010100 + i for i in range(10)], "2024-01-01", "h"),
        ("date", [20240101 + i for i in range(10)], "2024-01-01", "D"),
    ],
)
@pytest.mark.parametrize("kind", [str, float, "whole"])
def test_dates_written_as_numbers(name, values, first, freq, kind):
    kind = type(values[-1]) if kind == "whole" else kind
    written = [repr(value) for value in values] if kind is str else [kind(value) for value in values]
    frame = pd.DataFrame({name: written, "v": np.arange(len(values)) + 0.5})
    data = from_frame(frame)
    assert (data.channels, data.freq) == (("v",), freq)
    assert data.items[0].index[0] == pd.Timestamp(first)


@pytest.mark.parametrize(
    ("date_format", "texts", "first"),
    [
        ("%d-%m-%Y %H:%M DST", ["19-05-2018 01:00 DST", "19-05-2018 02:00 DST"], "2018-05-19 01:00"),
        ("%G-W%V", ["2022-W01", "2022-W02"], "2022-01-03"),
        ("%Y-%W", ["2022-01", "2022-02"], "2022-01-03"),
        ("%s", ["1704067200", "1704070800"], "2024-01-01"),
        ("%Y-Q%q", ["2008-Q1", "2008-Q2"], "2008-01-01"),
        ("%Y%m%d%H", ["2024010100", "2024010101"], "2024-01-01"),
    ],
)
def test_a_date_format_alone_is_enough(date_format, texts, first):
    frame = pd.DataFrame({"w": [1.5, 2.5], "when": texts})
    data = from_frame(frame, FrameOptions(date_format=date_format))
    assert (data.time_columns, data.items[0].index[0]) == (("when",), pd.Timestamp(first))


@pytest.mark.parametrize(
    ("date_format", "message"),
    [
        ("%d.%m.", "has no year: add %Y"),
        ("%Y-%K", "is none that is known"),
        ("%s %Y", "%s and %Q stand alone"),
        ("%Y/%m/%d", "no column is written as %Y/%m/%d"),
    ],
)
def test_bad_date_formats(date_format, message):
    with pytest.raises(UserError, match=message):
        read(["2020-01-01", "2020-01-02"], date_format=date_format)


def test_dates_and_times_of_python():
    data = read([dt.datetime(2024, 1, 1, hour) for hour in range(3)])
    assert data.freq == "h"
    ahead = dt.timezone(dt.timedelta(hours=9))
    zoned = read([dt.datetime(2024, 1, day, tzinfo=ahead) for day in (1, 2, 3)])
    assert (zoned.freq, zoned.zone) == ("D", "UTC+09:00")
    with pytest.raises(UserError, match="only some dates in column 'when' have a time zone"):
        read([dt.datetime(2024, 1, 1, tzinfo=ahead), dt.datetime(2024, 1, 2)])


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("date_format", ["%b-%y", "%d/%m/%y", "%d %b %y", "Q%q/%y"])
@pytest.mark.parametrize(("first", "last"), [("1949", "1960"), ("1968", "1973"), ("1995", "2005"), ("1936", "2027")])
def test_years_of_two_digits_leave_no_gap_and_are_not_to_come(monkeypatch, date_format, given, first, last):
    monkeypatch.setattr(date_centuries, "this_year", lambda: 2026)
    daily = "D" if int(last) - int(first) < 20 else "W"
    freq = {"Q": "QS", "%": "MS" if date_format == "%b-%y" else daily}[date_format[0]]
    days = pd.date_range(f"{first}-01-01", f"{last}-06-30", freq=freq)
    texts = [f"{day:{date_format.replace('%q', str((day.month + 2) // 3))}}" for day in days]
    options = FrameOptions(date_format=date_format if given else None)
    data = from_frame(pd.DataFrame({"date": texts, "v": 1.5}), options)
    assert data.items[0].index.equals(days)
    assert any(f", years of two digits from {first} to {last}" in note for note in data.notes) == (first < "1969")


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("{0}-{1:02}", {}),
        ("{0}-{1:02}-{2:02}", {}),
        ("{0}-{1:02}-{2:02} 06:00", {}),
        ("{2:02}/{1:02}/{0}", {}),
        ("{2:02}/{1:02}/{0}", {"date_format": "%d/%m/%Y"}),
        ("{2}.{1}.{0}", {"time": "date"}),
    ],
)
def test_years_of_the_buddhist_calendar_are_refused_by_name(written, options):
    days = pd.date_range("2017-01-01", periods=40, freq="MS" if "{2" not in written else "D")
    frame = pd.DataFrame({"date": [written.format(day.year + 543, day.month, day.day) for day in days], "v": 1.5})
    with pytest.raises(UserError, match=r"a\.csv, line \d+: the year 25.. in the time column 'date' .* subtract 543"):
        from_frame(frame, FrameOptions(**options), source="a.csv")


def test_a_year_out_of_reach_is_refused():
    frame = pd.DataFrame({"date": ["2024-01-01", "2024-01-02", "9999-12-31"], "v": 1.5})
    with pytest.raises(UserError, match="row 2: the year 9999 .* correct the cell, or remove its row"):
        from_frame(frame)
