import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.data import calendar_features, future_index, infer_frequency, period_of
from forecasting.data.calendars import DAY, Ticks, calendar_of
from forecasting.data.date_parts import date_at
from forecasting.data.frequency import settle_frequency, snap, walk
from titans_seq.errors import UserError

FREQS = [
    "s",
    "15s",
    "min",
    "10min",
    "h",
    "6h",
    "D",
    "2D",
    "B",
    "W-SUN",
    "W-FRI",
    "2W-TUE",
    "MS",
    "ME",
    "2MS",
] + ["BMS", "BME", "QS-JAN", "QS-FEB", "QE-DEC", "QE-OCT", "YS-JAN", "YS-JUL", "YE-DEC", "YE-JUN"]


@pytest.mark.parametrize("freq", FREQS)
def test_regular_dates_give_their_frequency(freq):
    index = pd.date_range("2019-03-03", periods=30, freq=freq)
    assert infer_frequency(index) == freq
    assert settle_frequency(freq, index) == freq
    pd.testing.assert_index_equal(
        future_index(pd.DatetimeIndex(index[:20]), freq, 10), index[20:], check_names=False, exact=False
    )


@settings(max_examples=60, deadline=None)
@given(freq=st.sampled_from(FREQS), dropped=st.sets(st.integers(1, 38), min_size=1, max_size=6))
def test_dates_with_holes_give_their_frequency(freq, dropped):
    index = pd.date_range("2019-03-03", periods=40, freq=freq).delete(sorted(dropped))
    assert infer_frequency(index) == freq


def test_short_and_odd_dates():
    assert infer_frequency(pd.DatetimeIndex(["2020-01-01"])) is None
    assert infer_frequency(pd.DatetimeIndex(["2020-01-01", "2020-02-01"])) == "MS"
    assert infer_frequency(pd.DatetimeIndex(["2020-01-01", "2020-01-02"])) == "D"
    assert infer_frequency(pd.DatetimeIndex(["2020-01-15", "2020-02-15", "2020-03-15", "2020-05-15"])) == "M[15]"
    assert infer_frequency(pd.date_range("2020-01-01", periods=9, freq="28D")) == "4W-WED"


@pytest.mark.parametrize(
    ("given_freq", "settled"),
    [
        ("H", "h"),
        ("30T", "30min"),
        ("M", "MS"),
        ("Q", "QS-JAN"),
        ("A", "YS-JAN"),
        ("Y", "YS-JAN"),
        ("W", "W-WED"),
    ],
)
def test_old_and_open_aliases_are_settled_by_the_dates(given_freq, settled):
    assert settle_frequency(given_freq, pd.DatetimeIndex(["2020-01-01"])) == settled


def test_bad_frequencies():
    with pytest.raises(UserError, match="unknown frequency 'daily': give a pandas alias such as min"):
        settle_frequency("daily", pd.DatetimeIndex([]))
    with pytest.raises(UserError, match="must step forwards, got '0h'"):
        settle_frequency("0h", pd.DatetimeIndex([]))


def test_month_ends_and_snapping():
    index = pd.DatetimeIndex(["2020-01-31", "2020-02-10"])
    assert snap(index, "ME").tolist() == [pd.Timestamp("2020-01-31"), pd.Timestamp("2020-02-29")]
    assert snap(index, "QS-JAN")[1] == pd.Timestamp("2020-02-01")
    assert snap(index, "D").equals(index)
    assert walk(date_at(pd.DatetimeIndex(["2020-02-29"]), 0), 3, "QE-NOV")[2] == pd.Timestamp("2020-08-31")
    assert calendar_of("W-SUN") == Ticks(7 * DAY)


def test_future_of_steps_and_of_nothing():
    assert future_index(pd.RangeIndex(2, 10, 2), None, 3).tolist() == [10, 12, 14]
    with pytest.raises(ValueError, match="needs a frequency"):
        future_index(pd.DatetimeIndex(["2020-01-01"]), None, 1)


@pytest.mark.parametrize("freq", FREQS)
def test_calendar_features_are_bounded_and_fit_the_frequency(freq):
    index = pd.date_range("1999-12-25", periods=90, freq="7h" if period_of(freq) == "h" else freq)
    features, names = calendar_features(index, freq)
    assert features.dtype == np.float32
    assert features.shape == (90, len(names))
    assert (np.abs(features) <= 0.5).all()
    assert (len(names) == 0) == (period_of(freq) == "Y")
    assert len(set(names)) == len(names)


def test_calendar_features_by_hand():
    features, names = calendar_features(pd.DatetimeIndex(["2020-12-31 23:59:59"]), "s")
    by_name = dict(zip(names, features[0].tolist(), strict=True))
    assert by_name["day_of_week"] == pytest.approx(3 / 6 - 0.5)
    assert [v for k, v in by_name.items() if k != "day_of_week"] == [0.5] * 5
    hours, names = calendar_features(pd.date_range("2020-01-06", periods=24, freq="h"), "h")
    assert names == ("hour_of_day", "day_of_week", "day_of_month", "day_of_year")
    np.testing.assert_allclose(hours[:, 0], np.linspace(-0.5, 0.5, 24), atol=1e-7)
    assert (hours[:, 1] == -0.5).all()


def test_steps_have_no_calendar():
    features, names = calendar_features(pd.RangeIndex(5), None)
    assert features.shape == (5, 0)
    assert names == ()
    with pytest.raises(ValueError, match="needs a frequency"):
        calendar_features(pd.DatetimeIndex(["2020-01-01"]), None)
