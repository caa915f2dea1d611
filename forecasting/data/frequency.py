"""The step between dates: inferring it, naming it by a pandas alias, and walking along it."""

import datetime as dt
from typing import Literal

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset, Day, MonthBegin, MonthEnd, Tick

from titans_seq.errors import UserError

from .date_parts import date_at, date_part, month_number

Period = Literal["Y", "Q", "M", "W", "B", "D", "h", "min", "s"]

_OLD_ALIASES = {"H": "h", "T": "min", "S": "s", "L": "ms"}
# Aliases that leave open whether a period is named by its first or its last day.
_OPEN_ALIASES = {"M": ("MS", "ME"), "Q": ("QS", "QE"), "Y": ("YS", "YE"), "A": ("YS", "YE")}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS_PER = {"M": 1, "Q": 3, "Y": 12}
_DAY_NS = 86_400 * 10**9


def infer_frequency(index: pd.DatetimeIndex) -> str | None:
    """The alias of the step that most of the dates follow; dates may be missing in between.

    Calendar steps (months, quarters, years, business days) are recognised before steps of fixed length.

    Args:
        index: strictly increasing dates.

    Returns:
        A pandas alias such as "h", "W-SUN" or "QS-JAN"; None for fewer than two dates.

    Example:
        >>> infer_frequency(pd.DatetimeIndex(["2020-01-01", "2020-02-01", "2020-05-01", "2020-06-01"]))
        'MS'
    """
    if len(index) < 2:
        return None
    regular = pd.infer_freq(index) if len(index) >= 3 else None
    return anchor(regular or _calendar(index) or _fixed(index), date_at(index, 0))


def settle_frequency(freq: str, index: pd.DatetimeIndex) -> str:
    """The modern alias of a frequency that a user gave, anchored to the dates it is meant for.

    Raises:
        UserError: if pandas knows no such frequency.

    Example:
        >>> settle_frequency("Q", pd.DatetimeIndex(["2020-03-31", "2020-06-30"]))
        'QE-DEC'
        >>> settle_frequency("15T", pd.DatetimeIndex([]))
        '15min'
    """
    digits = freq[: len(freq) - len(freq.lstrip("0123456789"))]
    code, _, month = freq[len(digits) :].partition("-")
    if code in _OPEN_ALIASES:
        ends = len(index) > 0 and bool((date_part(index + pd.Timedelta(days=1), "day_of_month") == 0).all())
        code = _OPEN_ALIASES[code][ends]
        # The anchor of an open alias is the last month of its year; a start is named by the month after.
        if month in _MONTHS and not ends:
            month = _MONTHS[(_MONTHS.index(month) + 1) % 12]
    code = _OLD_ALIASES.get(code, code)
    try:
        offset = to_offset(digits + code + (f"-{month}" if month else ""))
    except ValueError as error:
        raise UserError(
            f"unknown frequency {freq!r}: give a pandas alias such as min, 15min, h, D, B, W, MS, QS or YS"
        ) from error
    if offset.n < 1:
        raise UserError(f"the frequency must step forwards, got {freq!r}")
    return anchor(offset.freqstr, date_at(index, 0)) if len(index) else offset.freqstr


def stepper(freq: str) -> BaseOffset:
    """The offset that leads from one step to the next wherever the first one lies.

    It is free of anchors: "QS-FEB" walks three month starts from any month start, "W-SUN" seven days from any
    day.

    Example:
        >>> pd.Timestamp("2020-02-01") + stepper("QS-JAN")
        Timestamp('2020-05-01 00:00:00')
    """
    offset = to_offset(freq)
    period, side = period_of(freq), _code(freq)[1:]
    if period in _MONTHS_PER and side in ("S", "E"):
        return (MonthBegin if side == "S" else MonthEnd)(offset.n * _MONTHS_PER[period])
    return Day(7 * offset.n) if period == "W" else offset


def period_of(freq: str) -> Period:
    """The kind of period a frequency steps by; "s" also for shorter ones.

    Example:
        >>> [period_of(freq) for freq in ("QS-FEB", "BME", "2W-FRI", "15min", "36h", "ms")]
        ['Q', 'M', 'W', 'min', 'h', 's']
    """
    offset = to_offset(freq)
    if isinstance(offset, Tick):
        units: tuple[tuple[Period, int], ...] = (
            ("D", _DAY_NS),
            ("h", _DAY_NS // 24),
            ("min", _DAY_NS // 1440),
        )
        fitting: list[Period] = [period for period, unit in units if offset.nanos % unit == 0]
        return fitting[0] if fitting else "s"
    code = _code(freq)
    if code in ("W", "B", "C"):
        return "W" if code == "W" else "B"
    if "Y" in code or "Q" in code:
        return "Y" if "Y" in code else "Q"
    return "M" if "M" in code else "D"


def snap(index: pd.DatetimeIndex, freq: str) -> pd.DatetimeIndex:
    """Move dates to the first or last day of their month, where the frequency names months by that day.

    Example:
        >>> snap(pd.DatetimeIndex(["2020-02-15"]), "ME")[0].date().isoformat()
        '2020-02-29'
    """
    step = stepper(freq)
    if not isinstance(step, MonthBegin | MonthEnd):
        return index
    return _from_months(month_number(index), step, index)


def walk(first: pd.Timestamp, length: int, freq: str) -> pd.DatetimeIndex:
    """The `length` dates that begin with `first`, which must lie on a step.

    Example:
        >>> walk(pd.Timestamp("2020-01-31"), 2, "ME")[1].date().isoformat()
        '2020-02-29'
    """
    step = stepper(freq)
    start = pd.DatetimeIndex([first]).as_unit(first.unit)
    if isinstance(step, MonthBegin | MonthEnd):
        # The same dates as pandas', many times faster: it steps through months one by one.
        return _from_months(month_number(start) + step.n * np.arange(length), step, start)
    return pd.date_range(first, periods=length, freq=step, unit=start.unit)


def future_index(
    index: pd.DatetimeIndex | pd.RangeIndex, freq: str | None, horizon: int
) -> pd.DatetimeIndex | pd.RangeIndex:
    """The `horizon` steps that follow the last of `index`.

    Args:
        index: at least one step.
        freq: alias of the step of dates; not used for step numbers.
        horizon: number of steps, at least 1.

    Raises:
        ValueError: if dates come without a frequency.

    Example:
        >>> future_index(pd.DatetimeIndex(["2020-01-31"]), "ME", 2).strftime("%Y-%m-%d").tolist()
        ['2020-02-29', '2020-03-31']
        >>> future_index(pd.RangeIndex(10), None, 2)
        RangeIndex(start=10, stop=12, step=1)
    """
    if not isinstance(index, pd.DatetimeIndex):
        return pd.RangeIndex(index.stop, index.stop + horizon * index.step, index.step)
    if freq is None:
        raise ValueError("a dated index needs a frequency")
    times = walk(date_at(index, -1), horizon + 1, freq).to_numpy()
    return pd.DatetimeIndex(times[1:])


def anchor(freq: str, first: pd.Timestamp) -> str:
    """Give a weekly, quarterly or yearly alias the anchor that `first` lies on.

    Example:
        >>> anchor("W-SUN", pd.Timestamp("2021-04-30")), anchor("QS-OCT", pd.Timestamp("2020-04-01"))
        ('W-FRI', 'QS-JAN')
    """
    offset = to_offset(freq)
    code = _code(freq)
    count = str(offset.n) if offset.n > 1 else ""
    if code == "W":
        return f"{count}W-{first.strftime('%a').upper()}"
    if code in ("QS", "QE"):
        # The same quarters have four names; the one nearest to a calendar year is used.
        months = ("JAN", "FEB", "MAR") if code == "QS" else ("OCT", "NOV", "DEC")
        return f"{count}{code}-{months[(first.month - 1) % 3]}"
    if code in ("YS", "YE"):
        return f"{count}{code}-{_MONTHS[first.month - 1]}"
    return offset.freqstr


def _code(freq: str) -> str:
    """The letters of an alias, without its count and anchor."""
    return to_offset(freq).rule_code.split("-")[0]


def _calendar(index: pd.DatetimeIndex) -> str | None:
    """Months, quarters, years or business days, some of them missing."""
    gaps = np.diff(month_number(index))
    steps = np.diff(index.to_numpy()).astype("timedelta64[ns]").astype(np.int64)
    if gaps.min() >= 1 and np.median(steps) >= 27 * _DAY_NS:
        code, months = _month_code(index, steps), _mode(gaps)
        if code in ("BMS", "BME"):
            return f"{months}{code}"
        if code:
            unit, size = next((u, s) for u, s in (("Y", 12), ("Q", 3), ("M", 1)) if months % s == 0)
            return f"{months // size}{unit}{code[1]}"
    long_enough = steps.sum() >= 6 * _DAY_NS
    weekdays = bool((date_part(index, "day_of_week") < 5).all())
    return "B" if _mode(steps) == _DAY_NS and long_enough and weekdays else None


def _month_code(index: pd.DatetimeIndex, steps: np.ndarray) -> str | None:
    for code in ("MS", "ME", "BMS", "BME"):
        offset = to_offset(code)
        if all(offset.is_on_offset(date_at(index, at)) for at in range(len(index))):
            return code
    same_day = len(np.unique(date_part(index, "day_of_month"))) == 1
    return "MS" if same_day or np.mean(steps == _mode(steps)) < 0.6 else None


def _fixed(index: pd.DatetimeIndex) -> str:
    step = _mode(np.diff(index.to_numpy()).astype("timedelta64[ns]").astype(np.int64))
    if step % (7 * _DAY_NS) == 0:
        return f"{step // (7 * _DAY_NS)}W"
    # Through microseconds, the finest that a timedelta of Python knows.
    return to_offset(dt.timedelta(microseconds=step // 1000)).freqstr if step % 1000 == 0 else f"{step}ns"


def _from_months(months: np.ndarray, step: BaseOffset, like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    months = months.astype("datetime64[M]")
    if isinstance(step, MonthEnd):
        days = (months + 1).astype("datetime64[D]") - 1
    else:
        days = months.astype("datetime64[D]")
    # By way of seconds, since numpy would let a date too late for nanoseconds wrap round in silence.
    return pd.DatetimeIndex(days.astype("datetime64[s]")).as_unit(like.unit)


def _mode(values: np.ndarray) -> int:
    """The most frequent value; of several, the smallest."""
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)])
