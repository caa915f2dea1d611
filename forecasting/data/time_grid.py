"""The times of all rows of a table: one step for all series, dates moved, rounded, counted from a start."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .calendars import DAY, MonthDays, Months, Ticks, Weekly, YearDays, calendar_of, micros
from .date_parts import date_at, dates_at
from .date_texts import read_dates
from .frequency import (
    anchor,
    anchor_of,
    base_times,
    dated,
    fine_index,
    on_anchor,
    period_of,
    settle_frequency,
    snap,
    walk,
)
from .inferring import infer_frequency, infer_round_step
from .named_periods import period_dates
from .options import FrameOptions
from .source import Source
from .times import TimeColumn, Times
from .wording import counted, enumerate_some, show_time
from .zone_texts import offsets, without_offset, without_zone
from .zones import check_zone, fixed_zone, localize, midnight_zone

_ASKED = 200
"""Series whose dates are asked for their step, at most."""
_ROUGH = 0.4
"""Share of dates on the day of the month that a frequency names, below which they are meant as months."""


@dataclass(frozen=True, eq=False)
class TimeGrid:
    """The times of the rows of a table.

    Args:
        codes: of each row, a number into `index`, [N].
        index: different times in ascending order: dates or step numbers.
        freq: alias of the step, None for step numbers.
        notes: what was found and moved.
    """

    codes: np.ndarray
    index: pd.Index
    freq: str | None
    notes: tuple[str, ...]


def settle_times(
    times: Times, codes: np.ndarray, series: np.ndarray, names: pd.Index, options: FrameOptions, source: Source
) -> TimeGrid:
    """Settle the step of all series, and bring their dates to it where that was asked for.

    Args:
        times: different times as read.
        codes: of each row, a number into these, [N].
        series: of each row, the number of its series, [N].
        names: of the series.
        options: the step, rounding, where they are given.
        source: where the rows come from.

    Raises:
        UserError: if the step cannot be found, or is none, or dates do not lie on its anchor.
    """
    if times.second is not None:
        times, codes = _tell_apart(times, codes, series, source)
    notes: list[str] = []
    index, freq = times.index, options.freq
    if not isinstance(index, pd.DatetimeIndex):
        if freq is not None and options.start is None:
            raise UserError(
                f"{source.name}: --freq {freq} was given, but the rows have no dates: name the column of dates with "
                "--time, or the date of the first row with --start"
            )
        codes, index = _sorted(codes, index)
        return TimeGrid(codes, index, None, ())
    if options.rows_are_steps:
        codes, index = _sorted(codes, index)
        return TimeGrid(codes, index, None, ())
    zone = midnight_zone(index) if options.time_zone is None else None
    if zone is not None:
        raise UserError(
            f"{source.name}: the times are in UTC, and midnights of {zone} there: give --time-zone {zone} to read them "
            "as its days, or --rows-are-steps"
        )
    if options.round and freq is None:
        freq = infer_round_step(index.sort_values().unique())
        if freq is None:
            raise UserError(f"{source.name}: the times follow no round step: name it with --freq, such as 15min")
        notes.append(f"frequency {freq}, inferred")
    if freq is not None:
        freq, index, moved = _given(freq, times, index, options.round, source)
        if options.round and isinstance(calendar_of(freq), Ticks):
            index, told = _rounded(index, freq)
            notes += told
        elif moved is not None and moved.any():
            count = int(moved[codes].sum())
            notes.append(f"{counted(count, 'date')} moved to the day of the month that {freq} names")
        codes, index = _sorted(codes, index)
        return TimeGrid(codes, index, freq, tuple(notes))
    codes, index = _sorted(codes, index)
    index = cast(pd.DatetimeIndex, index)
    freq, told = _infer(codes, index, series, names, source)
    notes += told
    snapped = snap(index, freq)
    if _is_rough(index, freq) and not snapped.equals(index):
        count = int((snapped != index)[codes].sum())
        notes.append(f"{counted(count, 'date')} moved to the day of the month that {freq} names")
        codes, index = _sorted(codes, snapped)
    return TimeGrid(codes, index, freq, tuple(notes))


def _sorted(codes: np.ndarray, index: pd.Index) -> tuple[np.ndarray, pd.Index]:
    """Different times in ascending order, and the rows' numbers into these."""
    if index.is_monotonic_increasing and index.is_unique:
        return codes, index
    ordered = index.unique().sort_values()
    return ordered.get_indexer(index)[codes], ordered


def _tell_apart(times: Times, codes: np.ndarray, series: np.ndarray, source: Source) -> tuple[Times, np.ndarray]:
    """Take the later of a series' rows with the same clock time for the hour after the clock was put back.

    The rows before and behind say whether the oldest row stands first, or the newest.

    Raises:
        UserError: if they are in no order.
    """
    second = cast(pd.DatetimeIndex, times.second)
    first = cast(pd.DatetimeIndex, times.index)
    whole = replace(times, index=first.append(second), second=None)
    order = np.argsort(series, kind="stable")
    own, of = codes[order], series[order]
    steps = np.where(np.diff(of) == 0, np.sign(np.diff(first.asi8[own])), 0)
    before, behind = np.append(0, steps), np.append(steps, 0)
    rows = np.flatnonzero(np.asarray(second != first)[own])
    key = of[rows].astype(np.int64) * len(first) + own[rows]
    late = np.zeros(len(codes), dtype=bool)
    for one in np.unique(key[pd.Series(key).duplicated().to_numpy()]):
        alike = rows[key == one]
        ways = {int(before[alike[0]]), int(behind[alike[-1]])} - {0}
        if len(ways) == 2:
            shown = date_at(first, int(own[alike[0]])).tz_localize(None)
            raise UserError(
                f"{source.name}: {shown} occurs twice, where the clock was put back, "
                "and the rows about it are in no order that tells which is which: sort the rows by time, or write the "
                "times with their offset from UTC"
            )
        late[order[alike[:-1] if ways == {-1} else alike[1:]]] = True
    return whole, np.where(late, codes + len(first), codes)


def _given(
    given: str, times: Times, index: pd.DatetimeIndex, rounding: bool, source: Source
) -> tuple[str, pd.DatetimeIndex, np.ndarray | None]:
    """The frequency that was given, dates named by it, and which of them were moved."""
    labelled = times.label is not None and given != "W"
    like = pd.DatetimeIndex([]) if labelled else dates_at(index, slice(1)) if rounding else index
    freq = settle_frequency(given, like)
    named = period_dates(times, freq) if labelled else None
    if named is not None:
        return freq, named, None
    freq = settle_frequency(given, index)
    off = np.flatnonzero(~on_anchor(freq, index))
    if len(off) and anchor_of(given):
        lies = anchor(freq, date_at(index, off[0]))
        raise UserError(
            f"{source.name}: {counted(len(off), 'date')} do not lie on --freq {given} (such as "
            f"{show_time(index[off[0]])}, which lies on {lies}): give that, or leave --freq out to have it found"
        )
    calendar = calendar_of(freq)
    if not isinstance(calendar, Months):
        return freq, index, None
    snapped = snap(index, freq)
    return freq, snapped, np.asarray(snapped != index)


def _rounded(index: pd.DatetimeIndex, freq: str) -> tuple[pd.DatetimeIndex, list[str]]:
    """Times taken to the nearest step, or day where the step is longer."""
    size = min(cast(Ticks, calendar_of(freq)).size, DAY)
    times = micros(base_times(index, freq))
    near = (times + size // 2) // size * size
    late = int(np.abs(times - near).max())
    moved = int((times != near).sum())
    told = [f"{counted(moved, 'time')} rounded to {freq}, by at most {late / 1e6:g} s"] if moved else []
    return dated(near.astype("datetime64[us]"), freq, index.tz), told


def _infer(
    codes: np.ndarray, index: pd.DatetimeIndex, series: np.ndarray, names: pd.Index, source: Source
) -> tuple[str, list[str]]:
    """The step that most series follow."""
    sizes = np.bincount(series, minlength=len(names))
    # Two dates always agree on a step, so longer series are asked first.
    asked = np.argsort(-sizes, kind="stable")[:_ASKED]
    order = np.argsort(series, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    patterns: dict[bytes, tuple[str | None, int]] = {}
    each: dict[str, str | None] = {}
    for one in asked:
        own = np.unique(codes[order[starts[one] : starts[one + 1]]])
        key = own.tobytes()
        if key not in patterns:
            patterns[key] = (infer_frequency(dates_at(index, own)), len(own))
        each[str(names[one])] = patterns[key][0] if patterns[key][1] > 2 or sizes.max() <= 2 else None
    votes = Counter(freq for freq in each.values() if freq is not None)
    if not votes:
        votes = Counter(freq for freq, _ in patterns.values() if freq is not None)
    if not votes:
        raise UserError(f"{source.name}: the frequency cannot be inferred from single rows: give it with --freq")
    freq = votes.most_common(1)[0][0]
    others = [name for name, own in each.items() if own is not None and period_of(own) != period_of(freq)]
    notes = [f"frequency {freq}, inferred" + (f" from {len(each)} series" if len(names) > 1 else "")]
    if others:
        notes.append(f"series with another step of their own: {enumerate_some(others, 3)}")
    return freq, notes


def _is_rough(index: pd.DatetimeIndex, freq: str) -> bool:
    """Whether months are named by their first day although hardly a date is one."""
    calendar = calendar_of(freq)
    if not isinstance(calendar, Months):
        return False
    times = base_times(index, freq)
    late = times - calendar.time(calendar.number(times))
    on = (late >= np.timedelta64(0)) & (late < np.timedelta64(1, "D"))
    return bool(np.mean(on) < _ROUGH)


def dates_from(start: str, length: int, freq: str, zone: str | None, source: Source) -> pd.DatetimeIndex:
    """Return the dates of rows that have none, from the first on.

    A period ("2020-Q1", "2020") begins with the date that the frequency names it by.

    Raises:
        UserError: if the start is no date, can be two, does not exist in the time zone, or is not one of the frequency.

    Example:
        >>> [str(day.date()) for day in dates_from("2020-01-31", 2, "ME", None, Source.of(None))]
        ['2020-01-31', '2020-02-29']
        >>> str(dates_from("2020-Q1", 1, "QE", None, Source.of(None))[0].date())
        '2020-03-31'
    """
    (text,), named_zone = without_zone([start.strip()])
    local, zone = without_offset(text), zone or named_zone
    readings = [reading for reading in read_dates([local]) if not reading.failures]
    if not readings:
        raise UserError(f"--start {start!r} is not a date: give one such as 2020-01-31 or '2020-01-31 06:00'")
    read = [Times(fine_index(one.times), one.written, one.label, one.fields) for one in readings]
    days = [date_at(one.index, 0) for one in read]
    if days[0] != days[-1]:
        raise UserError(f"--start {start!r} can be {days[0].date()} or {days[-1].date()}: write it as one of these")
    named = period_dates(read[0], settle_frequency(freq, pd.DatetimeIndex([])))
    times = dates_at(read[0].index if named is None else named, slice(1))
    ahead = offsets([text], [local], TimeColumn("--start", source, np.zeros(1)))
    first = date_at(_start_in_zone(times, ahead, zone, start), 0)
    settled = settle_frequency(freq, pd.DatetimeIndex([first]))
    index = walk(first, length, settled)
    snapped = snap(dates_at(index, slice(1)), settled)
    if index[0] != first or not snapped.equals(index[:1]) or _is_between(dates_at(index, slice(1)), settled):
        raise UserError(f"{source.name}: --start {start} does not lie on --freq {freq}: give a date that does")
    return index


def _is_between(start: pd.DatetimeIndex, freq: str) -> bool:
    """Whether a date lies on none of the days or hours that a calendar with pauses names."""
    calendar = calendar_of(freq)
    match calendar:
        case Weekly(_, slots):
            clocks = min([*np.diff(slots), DAY])  # a slot of a day holds all its times
        case MonthDays() | YearDays():
            clocks = DAY
        case _:
            return False
    times = base_times(start, freq)
    return bool((times - calendar.time(calendar.number(times)) >= np.timedelta64(clocks, "us")).any())


def _start_in_zone(times: pd.DatetimeIndex, ahead: np.ndarray | None, zone: str | None, start: str) -> pd.DatetimeIndex:
    """The clock time of a start in its time zone, which an offset from UTC gives where no zone is named."""
    if zone is not None:
        check_zone(zone)
    if ahead is not None:
        universal = (times - pd.Timedelta(minutes=int(ahead[0]))).tz_localize("UTC")
        return universal.tz_convert(zone or fixed_zone(int(ahead[0])))
    if zone is None:
        return times
    first, second = localize(times, zone)
    if first.isna().any():
        raise UserError(
            f"--start {start} does not exist in {zone}, where the clock is put forward: give another, or another "
            "--time-zone, or none"
        )
    if first[0] != second[0]:
        raise UserError(
            f"--start {start} occurs twice in {zone}, where the clock is put back: write it as '{first[0]}' or "
            f"'{second[0]}'"
        )
    return first
