import numpy as np
import pandas as pd
import pytest

from forecasting.data.date_parts import date_at
from forecasting.data.frequency import walk
from forecasting.data.steps import same_step, season_length, step_number

FREQS = ["h", "15min", "D", "B", "W-FRI", "2W-SUN", "MS", "ME", "QS-FEB", "YS-JAN", "SMS", "36h"]


@pytest.mark.parametrize("freq", FREQS)
@pytest.mark.parametrize("start", ["1969-06-01", "1970-01-01", "2024-02-27"])
def test_steps_are_counted_one_by_one(freq, start):
    index = walk(date_at(pd.date_range(start, periods=2, freq=freq), 0), 40, freq)
    numbers = [step_number(pd.DatetimeIndex(index.to_numpy()[row:]), freq) for row in range(40)]
    assert np.diff(numbers).tolist() == [1] * 39


def test_step_numbers_of_rows_without_dates():
    assert [step_number(pd.RangeIndex(start, 100, 3), None) for start in (0, 3, 30)] == [0, 1, 10]


def test_same_step():
    assert same_step("QS-JAN", "QE-DEC")
    assert same_step("60min", "h")
    assert not same_step("MS", "QS-JAN")
    assert not same_step("D", "B")
    assert not same_step("D", None)


def test_season_length_does_not_warn(caplog):
    assert [season_length(freq) for freq in ("B", "QE-DEC", "W-SUN", "YS-JAN", "10min", "36h")] == [
        5,
        4,
        1,
        1,
        144,
        1,
    ]
    assert caplog.records == []
