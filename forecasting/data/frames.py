"""A table to series: columns found, times read, faults met, and everything that was decided noted."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .assembling import Repairs, assemble
from .cells import to_numbers
from .columns import Roles, find_roles
from .frequency import infer_frequency, period_of, settle_frequency
from .grid import Rows
from .options import FrameOptions
from .series import Item, SeriesData
from .source import Source, counted, enumerate_some
from .timestamps import column_of, date_number_format, parse_times

_FAULTS_SHOWN = 3


def from_frame(frame: pd.DataFrame, options: FrameOptions | None = None, source: str | None = None) -> SeriesData:
    """Turn a table into series.

    A wide table (a time column, one column a series) gives one item with a channel for each column; a long
    one (id, time, value) an item for each id, in the order of the ids. The frame is not changed.

    Args:
        frame: one row for each time, or for each time and id. Dates may also be its index.
        options: what the columns mean and how faults are met; what it leaves open is found out and noted.
        source: the path of the file the frame was read from, row i being line i + 2; None for a frame made in
            memory, whose rows are counted from 0 in messages.

    Raises:
        UserError: for an empty table, unknown columns, text among numbers, infinite values, times that are no
            dates or off the step, duplicates and holes that are not to be repaired, a series without a value,
            a covariate with an empty cell.

    Example:
        >>> days = ["2020-01-02", "2020-01-01", "2020-01-03"]
        >>> frame = pd.DataFrame({"day": days, "sold": [2.0, 1.0, None]})
        >>> data = from_frame(frame)
        >>> data.items[0].values.ravel().tolist(), data.freq
        ([1.0, 2.0, nan], 'D')
        >>> data.notes[:2]
        ("time is column 'day'", 'frequency D, inferred')
    """
    options = options or FrameOptions()
    origin = Source.of(source)
    table = _plain(frame, origin)
    filled = table.loc[table.notna().any(axis=1)]
    if not len(filled):
        raise UserError(f"{origin.name}: the table holds no value: expected rows of data")
    roles = find_roles(filled, options, origin)
    notes = list(roles.notes)
    if roles.time is not None and len(filled) < len(table):
        notes.append(f"{counted(len(table) - len(filled), 'empty line')} left out")
    # Without a time column an empty line is a step whose values are missing.
    table = filled if roles.time is not None else table
    names = [*roles.targets, *roles.known, *roles.past]
    numbers, found = to_numbers(table, names, options.missing_values, origin)
    notes += found
    times, written = _times(table, roles, options, origin)
    notes += written
    groups = _groups(table, roles, origin)
    rows = {name: _sorted(times, numbers, table.index.to_numpy(), at) for name, at in groups.items()}
    freq, told = _frequency(rows, options.freq, origin)
    notes += told
    if any(not pd.Index(times[at]).is_monotonic_increasing for at in groups.values()):
        notes.append("rows were not in order of time and have been sorted")
    items, repairs = _assemble_all(rows, freq, roles, options, origin)
    notes += _repair_notes(repairs, options) + _end_notes(items)
    layout = "wide" if roles.id is None else "long"
    return SeriesData(items, freq, roles.targets, roles.known, roles.past, layout, tuple(notes), roles.id)


def _plain(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """The frame with text names, dates of its index as a column, and rows numbered by position."""
    if isinstance(frame.index, pd.MultiIndex):
        frame = frame.reset_index()
    elif isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex):
        name = frame.index.name or "time"
        if name in frame.columns:
            raise UserError(f"{source.name}: {name!r} is both the index and a column: drop one of them")
        frame = frame.reset_index(names=str(name))
    if frame.empty:
        raise UserError(f"{source.name}: the table is empty: expected rows of data")
    plain = frame.reset_index(drop=True).rename(columns=str)
    if not plain.columns.is_unique:
        twice = plain.columns[plain.columns.duplicated()][0]
        raise UserError(f"{source.name}: column {twice!r} occurs more than once: rename one")
    return plain


def _times(table: pd.DataFrame, roles: Roles, options: FrameOptions, source: Source) -> tuple[pd.Index, list[str]]:
    """The time of each row: dates, step numbers, or its place in the table where that has no time column."""
    if roles.time is None:
        return pd.RangeIndex(len(table)), []
    column = column_of(table, roles.time)
    empty = np.flatnonzero(column.isna())
    if len(empty):
        raise UserError(
            f"{source.at(column.index[empty[0]])}: no time in column {roles.time!r} "
            f"({counted(len(empty), 'such row')}): give each row its time, or remove it"
        )
    date_format = options.date_format
    if pd.api.types.is_numeric_dtype(column.dtype) and date_format is None:
        date_format = date_number_format(column)
        if date_format is None:
            return _step_numbers(column, roles.time, source)
    if pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype(str)
    times = parse_times(column, roles.time, source, date_format)
    return times.index, [f"times in {roles.time!r} are {times.written}"] if times.written else []


def _step_numbers(column: pd.Series, name: str, source: Source) -> tuple[pd.Index, list[str]]:
    steps = column.to_numpy(dtype=np.float64)
    odd = np.flatnonzero(~np.isfinite(steps) | (steps != np.round(steps)))
    if len(odd):
        raise UserError(
            f"{source.at(column.index[odd[0]])}: {column.iloc[odd[0]]} in the time column {name!r} is "
            "neither a date nor a whole step number: turn it into dates, or name another column as time"
        )
    return pd.Index(steps.astype(np.int64)), [f"column {name!r} holds step numbers, not dates"]


def _groups(table: pd.DataFrame, roles: Roles, source: Source) -> dict[str, np.ndarray]:
    """Row numbers of each series, in the order of the ids."""
    if roles.id is None:
        return {source.stem: np.arange(len(table))}
    ids = column_of(table, roles.id)
    empty = np.flatnonzero(ids.isna())
    if len(empty):
        raise UserError(
            f"{source.at(table.index[empty[0]])}: no id in column {roles.id!r} "
            f"({counted(len(empty), 'such row')}; in text files NA, null and None count as empty): "
            "give each row its id"
        )
    codes, found = pd.factorize(ids, sort=True)
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.searchsorted(codes[order], np.arange(1, len(found))))
    return {str(name): part for name, part in zip(found, parts, strict=True)}


def _sorted(times: pd.Index, numbers: np.ndarray, positions: np.ndarray, at: np.ndarray) -> Rows:
    at = at[np.argsort(times[at].to_numpy(), kind="stable")]
    return Rows(times[at], numbers[at], positions[at])


def _frequency(rows: dict[str, Rows], given: str | None, source: Source) -> tuple[str | None, list[str]]:
    """The one step of all series: the one given, or the one that most of them follow."""
    dated = {name: part.index for name, part in rows.items() if isinstance(part.index, pd.DatetimeIndex)}
    if not dated:
        if given is not None:
            raise UserError(
                f"{source.name}: freq {given!r} was given, but the rows have no dates: "
                "leave it out, or name the column of dates as time"
            )
        return None, []
    if given is not None:
        return settle_frequency(given, next(iter(dated.values()))), []
    # Two dates always agree on a step, so longer series are asked first.
    asked = {name: index.unique() for name, index in dated.items()}
    asked = {n: index for n, index in asked.items() if len(index) > 2} or asked
    each = {name: infer_frequency(index) for name, index in asked.items()}
    votes = Counter(freq for freq in each.values() if freq is not None)
    if not votes:
        raise UserError(f"{source.name}: the frequency cannot be inferred from single rows: give it as freq")
    freq = votes.most_common(1)[0][0]
    others = [name for name, own in each.items() if own is not None and period_of(own) != period_of(freq)]
    notes = [f"frequency {freq}, inferred" + (f" from {len(each)} series" if len(rows) > 1 else "")]
    if others:
        notes.append(f"series with another step of their own: {enumerate_some(others, 3)}")
    return freq, notes


def _assemble_all(
    rows: dict[str, Rows], freq: str | None, roles: Roles, options: FrameOptions, source: Source
) -> tuple[tuple[Item, ...], list[Repairs]]:
    items, repairs, faults = [], [], []
    for name, part in rows.items():
        place = source if roles.id is None else replace(source, name=f"{source.name}, series {name!r}")
        # Without a time column the steps of every series start at 0.
        part = part if roles.time is not None else replace(part, index=pd.RangeIndex(len(part.index)))
        try:
            item, done = assemble(name, part, freq, roles, options, place)
        except UserError as error:
            faults.append(str(error))
            continue
        items.append(item)
        repairs.append(done)
    if faults:
        more = [f"{len(faults) - _FAULTS_SHOWN} more series are refused"] if len(faults) > _FAULTS_SHOWN else []
        raise UserError("\n".join(faults[:_FAULTS_SHOWN] + more))
    return tuple(items), repairs


def _repair_notes(repairs: list[Repairs], options: FrameOptions) -> list[str]:
    moved = sum(done.moved for done in repairs)
    merged = sum(done.merged for done in repairs)
    inserted = sum(done.inserted for done in repairs)
    notes = []
    if moved:
        notes.append(f"{counted(moved, 'date')} moved to the first or last day of the month")
    if merged:
        notes.append(f"{counted(merged, 'row')} of a time seen before merged ({options.duplicates})")
    if inserted:
        notes.append(f"{counted(inserted, 'missing time step')} inserted ({options.holes})")
    return notes


def _end_notes(items: tuple[Item, ...]) -> list[str]:
    missing = sum(int(np.isnan(item.values).sum()) for item in items)
    ahead = max(item.future_rows for item in items)
    notes = [f"{counted(missing, 'value')} missing, to be masked"] if missing else []
    if ahead:
        notes.append(f"known covariates reach {counted(ahead, 'step')} past the last value")
    return notes
