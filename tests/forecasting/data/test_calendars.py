import numpy as np
import pandas as pd
import pytest

from forecasting.data import future_index, infer_frequency, period_of
from forecasting.data.calendars import calendar_of
from forecasting.data.date_parts import date_at, date_part, dates_at
from forecasting.data.frequency import base_times, settle_frequency, walk
from forecasting.data.steps import same_step, season_length, step_number
from titans_seq.errors import UserError

OWN = [
    "M[15]",
    "M[30]",
    "3M[15]",
    "12M[5]",
    "M[1,15]",
    "M[1,11,21]",
    "M[-1FRI]",
    "WOM-3FRI",
    "D[MON-SAT]",
    "D[SUN-THU]",
] + [
    "D[MON,WED,FRI]",
    "16D[YEAR]",
    "8D[YEAR]",
    "15min[MON-FRI 09:30-16:00]",
    "h[08:00-20:00]",
    "30min[MON-FRI 09:00-11:30+12:30-15:00]",
]


@pytest.mark.parametrize("freq", OWN)
def test_calendars_are_found_and_go_on(freq):
    calendar, count = calendar_of(freq), 120 if "M[" in freq else 400
    start = calendar.number(np.array(["2022-01-10"], "M8[us]"))[0]
    index = pd.DatetimeIndex(calendar.time(start + calendar.size * np.arange(count))).as_unit("ns")
    assert infer_frequency(index) == freq
    assert settle_frequency(freq, index) == freq
    following = future_index(pd.DatetimeIndex(index[:110]), freq, count - 110)
    assert following.equals(index[110:])
    assert step_number(pd.DatetimeIndex(index[7:]), freq) == step_number(pd.DatetimeIndex(index), freq) + 7
    # And with a few dates missing, which are then holes.
    assert infer_frequency(index.delete([5, 40, 41, 100])) == freq


def test_calendars_by_hand():
    def days(freq: str, start: str, count: int) -> list[str]:
        index = walk(date_at(pd.DatetimeIndex([start]), 0), count, freq)
        return [str(day)[:16] for day in index]

    assert days("M[30]", "2020-01-30", 3) == ["2020-01-30 00:00", "2020-02-29 00:00", "2020-03-30 00:00"]
    assert days("M[-1FRI]", "2018-02-23", 2) == ["2018-02-23 00:00", "2018-03-30 00:00"]
    assert days("D[SUN-THU]", "2023-08-17", 2) == ["2023-08-17 00:00", "2023-08-20 00:00"]
    assert days("16D[YEAR]", "2023-12-19", 2) == ["2023-12-19 00:00", "2024-01-01 00:00"]
    assert days("15min[MON-FRI 09:30-16:00]", "2024-04-05 16:00", 2) == ["2024-04-05 16:00", "2024-04-08 09:30"]


def test_periods_seasons_and_sameness():
    assert [
        season_length(freq) for freq in ("D", "D[MON-SAT]", "M[1,15]", "15min[MON-FRI 09:30-16:00]", "16D[YEAR]")
    ] == [
        7,
        6,
        24,
        27,
        23,
    ]
    assert [period_of(freq) for freq in ("3M[15]", "D[MON-SAT]", "15min[MON-FRI 09:30-16:00]", "M[1,15]")] == [
        "Q",
        "B",
        "min",
        "D",
    ]
    assert same_step("D[MON-FRI]", "B")
    assert not same_step("D[MON-SAT]", "D")


@pytest.mark.parametrize(
    "freq", ["M[0]", "M[32]", "D[XYZ]", "5D[YEAR]", "15min[MON-FRI]", "h[20:00-08:00]", "bh", "Z[3]"]
)
def test_what_is_no_calendar_is_refused(freq):
    with pytest.raises(UserError, match="unknown frequency"):
        calendar_of(freq)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "UTC"])
def test_local_days_stay_days_and_hours_stay_hours_across_clock_changes(zone):
    # Midnights that do not exist (Brazil until 2018, Egypt) begin their day at 01:00.
    naive = pd.date_range("2018-01-01", "2018-12-31", freq="D")
    index = naive.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(len(naive), dtype=bool))
    for freq in ("D", "D[MON-SAT]", "W-MON", "MS"):
        calendar = calendar_of(freq)
        on = calendar.time(calendar.number(base_times(index, freq))) == naive.to_numpy()
        own = dates_at(index, on if freq != "W-MON" else date_part(naive, "day_of_week") == 0)
        assert infer_frequency(own) == freq
        assert future_index(dates_at(own, slice(5)), freq, len(own) - 5).equals(own[5:])
    hours = pd.date_range("2018-03-01", periods=6000, freq="h", tz=zone)
    assert infer_frequency(hours) == "h"
    assert future_index(dates_at(hours, slice(9)), "h", 5991).equals(hours[9:])


def test_dates_go_on_beyond_the_year_2262():
    index = pd.date_range("2202-01-01", periods=60, freq="YS")
    assert [str(day)[:10] for day in future_index(index, "YS-JAN", 2)] == ["2262-01-01", "2263-01-01"]
    assert str(future_index(pd.DatetimeIndex(["2262-04-11"]), "D", 1)[0])[:10] == "2262-04-12"
