"""A table to series: columns found, times read, faults met, and everything that was decided noted."""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa

from titans_seq.errors import UserError

from .assembling import Repairs, SeriesRows, assemble
from .clock_columns import join_times
from .columns import Roles, find_roles
from .ends import describe_ends, future_rows
from .frequency import settle_frequency
from .number_texts import NO_VALUE, Writing, is_numeric
from .numbers import to_numbers, with_numbers
from .options import FrameOptions
from .pandas_columns import column_of
from .row_order import number_series, order_rows, plain_index, without_empty_series
from .series import Item, SeriesData, Static
from .source import Source
from .static import read_static
from .summaries import data_rows
from .table import Table
from .time_grid import dates_from, settle_times
from .times import TimeColumn, Times
from .timestamps import format_with_clock, parse_times, sample_of
from .wording import counted


def from_frame(frame: pd.DataFrame, options: FrameOptions | None = None, source: str | None = None) -> SeriesData:
    """Turn a table in memory into series; see `from_table`.

    Args:
        frame: one row for each time, or for each time and id. Dates and named columns may also be its index. It is not
            changed.
        options: what the columns mean and how faults are met; what it leaves open is found out and noted.
        source: the path of the file the frame was read from, row i being line i + 2; None for a frame made in
            memory, whose rows are counted from 0 in messages.

    Raises:
        UserError: as `from_table`.

    Example:
        >>> days = ["2020-01-02", "2020-01-01", "2020-01-03"]
        >>> frame = pd.DataFrame({"day": days, "sold": [2.0, None, 3.0]})
        >>> data = from_frame(frame)
        >>> data.items[0].values.ravel().tolist(), data.freq
        ([nan, 2.0, 3.0], 'D')
        >>> data.notes[:2]
        ("time is column 'day'", 'frequency D, inferred')
    """
    return from_table(Table.of(frame, Source.of(source)), options)


def from_table(table: Table, options: FrameOptions | None = None) -> SeriesData:
    """Turn a table into series.

    A wide table (a time column, one column a series) gives one item with a channel for each column; a long
    one (id, time, value) an item for each id, in the order of the ids.

    Args:
        table: as `read_table` gives it.
        options: what the columns mean and how faults are met; what it leaves open is found out and noted.

    Raises:
        UserError: for an empty table, unknown columns, text among numbers, infinite values, times that are no
            dates or off the step, duplicates and holes that are not to be repaired, a series without a value,
            a covariate with an empty cell. What was found before is added as its notes (`__notes__`).

    Example:
        >>> from forecasting.data.source import Source
        >>> days = pd.date_range("2024-01-01", periods=3, freq="D")
        >>> from_table(Table.of(pd.DataFrame({"day": days, "sold": [1.0, 2.0, 3.0]}), Source.of("a.csv"))).freq
        'D'
    """
    return read_written(table, options)[0]


def read_written(table: Table, options: FrameOptions | None = None) -> tuple[SeriesData, dict[str, Writing]]:
    """Turn a table into series, as `from_table`, and say how its columns of text write their numbers."""
    notes = list(table.notes)
    try:
        return _read(_Reading(table, options or FrameOptions(), notes))
    except UserError as error:
        for note in notes:
            error.add_note(note)
        raise


def find_columns(table: Table, options: FrameOptions) -> Roles:
    """Say what each column of a table is, without reading its times and numbers.

    Raises:
        UserError: for an empty table, unknown columns, or where `options` must say what a column is.
    """
    return _columns(_Reading(table, options, []))[1]


@dataclass(frozen=True, eq=False)
class _Reading:
    """How a table is read, and what was found out about it so far.

    Attributes:
        table: as it was read.
        options: what its columns mean and how faults are met.
        notes: what was decided; each step adds its own, so that they are there where a later one fails.
    """

    table: Table
    options: FrameOptions
    notes: list[str]

    @property
    def source(self) -> Source:
        """Where the rows come from."""
        return self.table.source


@dataclass(frozen=True, eq=False)
class _Numbered:
    """The rows of all series as numbers, in order of series and time, with what they are called.

    Attributes:
        rows: targets, known and past covariates.
        freq: step of dates, None for step numbers.
        static: what static columns hold of each series.
        writings: how columns of text write their numbers.
    """

    rows: SeriesRows
    freq: str | None
    static: dict[str, tuple[Static, ...]]
    writings: dict[str, Writing]


def _read(reading: _Reading) -> tuple[SeriesData, dict[str, Writing]]:
    frame, roles = _columns(reading)
    numbered = _numbered(reading, frame, roles)
    items = _items(reading, numbered, roles)
    data = SeriesData(
        items=items,
        freq=numbered.freq,
        channels=roles.targets,
        known_names=roles.known,
        past_names=roles.past,
        layout="long" if roles.id else "wide",
        notes=tuple(reading.notes),
        id_columns=roles.id,
        time_columns=roles.time,
        unused=roles.unused,
        static_names=roles.static,
    )
    return data, numbered.writings


def _columns(reading: _Reading) -> tuple[pd.DataFrame, Roles]:
    """The rows of data, as they are numbered in the source, and what each column is."""
    source, options, notes = reading.source, reading.options, reading.notes
    frame = _plain(reading.table.frame, source)
    filled = _filled(frame)
    if not filled.any():
        raise UserError(f"{source.name}: the table holds no value: expected rows of data")
    named = {*options.id, *(options.target or ()), *options.known, *options.past, *(options.static or ())}
    seen = with_numbers(frame, [name for name in frame.columns if name not in named], reading.table.style)
    roles = find_roles(seen if filled.all() else seen.loc[filled], options, source)
    frame = frame.assign(**{name: seen[name] for name in roles.time})
    notes += roles.notes
    if roles.time and _holds_units(frame, roles):
        notes.append(f"{source.place(0)} holds units, not values: left out")
        filled[0], frame = False, frame.iloc[1:]
    # Without a time column an empty line is a step whose values are missing.
    if roles.time and not filled[frame.index].all():
        notes.append(f"{counted(int((~filled[frame.index]).sum()), 'empty line')} left out")
        frame = frame.loc[filled[frame.index]]
    is_data, said = data_rows(frame, roles, source)
    notes += said
    return frame if is_data.all() else frame.loc[is_data], roles


def _numbered(reading: _Reading, frame: pd.DataFrame, roles: Roles) -> _Numbered:
    """The rows as numbers at their times, in order, with what is the same in all rows of a series."""
    source, options, notes = reading.source, reading.options, reading.notes
    names = [*roles.targets, *roles.known, *roles.past]
    numbers = to_numbers(frame, names, options.missing_values, source, reading.table.style)
    notes += numbers.notes
    times, codes, said = _times(frame, roles, reading)
    notes += said
    series, ids = number_series(frame, roles, source)
    labels = _labels(ids, source)
    table = replace(reading.table, style=numbers.style)
    static, said = read_static(frame, roles.static, series, labels.tolist(), options, table)
    notes += said
    grid = settle_times(times, codes, series, labels, options, source)
    notes += grid.notes
    rows = order_rows(grid, series, numbers.values, frame.index.to_numpy(), labels, ids)
    if roles.time and (np.diff(rows.positions[rows.ends[0] : rows.ends[1]]) < 0).any():
        notes.append("rows were not in order of time and have been sorted")
    rows, said = without_empty_series(rows, len(roles.targets), roles)
    notes += said
    freq, rows, said = _as_steps(rows, grid.freq, roles, options, source)
    notes += said
    return _Numbered(rows, freq, static, numbers.writings)


def _labels(ids: list[tuple[str, ...]], source: Source) -> pd.Index:
    """What the series are called: by their identifiers, or as their source where they have none."""
    labels = pd.Index(["/".join(own) for own in ids] if ids else [source.stem])
    return labels if labels.is_unique else pd.Index([" | ".join(own) for own in ids])


def _items(reading: _Reading, numbered: _Numbered, roles: Roles) -> tuple[Item, ...]:
    """The series, repaired, up to where the future begins."""
    rows, said = future_rows(numbered.rows, roles)
    reading.notes.extend(said)
    items, repairs = assemble(rows, numbered.freq, roles, reading.options, reading.source)
    static = numbered.static
    items = tuple(replace(item, static=static[item.name]) for item in items) if static else items
    reading.notes.extend(_repair_notes(repairs, reading.options) + describe_ends(items, roles))
    return items


def _plain(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """The frame with rows numbered by position, and columns that are told apart by their names."""
    if frame.empty:
        raise UserError(f"{source.name}: the table is empty: expected rows of data")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UserError(f"{source.name}: column {twice!r} occurs more than once: rename one")
    plain = frame.copy(deep=False)
    plain.index = pd.RangeIndex(len(frame))
    return _without_arrow(plain)


def _without_arrow(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with pandas' own types in place of Arrow's, whose dates and truth values are not met further on."""
    arrow = [name for name in frame.columns if isinstance(frame[name].dtype, pd.ArrowDtype)]
    if not arrow:
        return frame
    text = {kind: pd.StringDtype("pyarrow") for kind in (pa.string(), pa.large_string())}
    table = pa.Table.from_pandas(frame[arrow], preserve_index=False)
    own = table.to_pandas(ignore_metadata=True, date_as_object=False, types_mapper=text.get)
    return frame.assign(**{name: own[name] for name in arrow})


def _filled(frame: pd.DataFrame) -> np.ndarray:
    """Which rows hold anything."""
    filled = np.zeros(len(frame), dtype=bool)
    for name in frame.columns:
        filled |= column_of(frame, name).notna().to_numpy()
        if filled.all():
            break
    return filled


def _holds_units(frame: pd.DataFrame, roles: Roles) -> bool:
    """Whether the first row has no time and no number, but words."""
    if any(pd.notna(frame[name].iloc[0]) for name in (*roles.time, *roles.id)) or len(frame) < 2:
        return False
    cells = [frame[name].iloc[0] for name in roles.targets]
    return any(isinstance(cell, str) for cell in cells) and not any(
        is_numeric([str(cell)]) for cell in cells if pd.notna(cell)
    )


def _step_index(frame: pd.DataFrame) -> pd.Index | None:
    """The whole numbers that a frame in memory counts its rows by, where it is not from 0."""
    index = frame.index
    if not pd.api.types.is_integer_dtype(index.dtype) or len(index) < 2 or index[0] == 0:
        return None
    steps = np.diff(index.to_numpy())
    return index if steps[0] > 0 and (steps == steps[0]).all() else None


def _times(frame: pd.DataFrame, roles: Roles, reading: _Reading) -> tuple[Times, np.ndarray, list[str]]:
    """The different times, and of each row its number among them."""
    source, options = reading.source, reading.options
    if not roles.time:
        steps = _step_index(reading.table.frame)
        index = pd.RangeIndex(len(frame)) if steps is None else steps
        return Times(index, ""), np.arange(len(frame)), []
    name, (column, date_format) = " and ".join(roles.time), _time_cells(frame, roles, options)
    codes, values = pd.factorize(column)
    empty = np.flatnonzero(codes < 0)
    if len(empty):
        raise UserError(
            f"{source.at(frame.index[empty[0]])}: no time in column {name!r} "
            f"({counted(len(empty), 'such row')}): give each row its time, or remove it"
        )
    first = np.zeros(len(values), dtype=np.int64)
    first[codes[::-1]] = frame.index.to_numpy()[::-1]
    try:
        times = parse_times(plain_index(values), TimeColumn(name, source, first), date_format, options.time_zone)
    except UserError:
        if not options.rows_are_steps:
            raise
        return Times(pd.RangeIndex(len(frame)), ""), np.arange(len(frame)), ["rows are taken as steps in their order"]
    said = [f"times in {name!r} are {times.written}"] if times.written else []
    if options.rows_are_steps:
        said = ["rows are taken as steps, in order of their times"]
    return times, codes.astype(np.int32), said


def _time_cells(frame: pd.DataFrame, roles: Roles, options: FrameOptions) -> tuple[pd.Series, str | None]:
    """The cells of the time columns as one, None where they hold no time, and the format that is given for them."""
    columns = [column_of(frame, name) for name in roles.time]
    column = columns[0] if len(columns) == 1 else join_times(columns)
    date_format = options.date_format
    if date_format is not None and len(columns) > 1:
        date_format = format_with_clock(date_format, sample_of(column))
    if not pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = column.where(~column.isin(NO_VALUE), None) if column.isin(NO_VALUE).any() else column
    return column, date_format


def _as_steps(
    rows: SeriesRows, freq: str | None, roles: Roles, options: FrameOptions, source: Source
) -> tuple[str | None, SeriesRows, list[str]]:
    """Rows that carry no time, or whose times are not asked for, as steps from 0, or as dates from a start."""
    if roles.time and not options.rows_are_steps:
        if options.start is not None:
            raise UserError(
                f"{source.name}: --start is for rows without dates, and column {' and '.join(roles.time)!r} holds "
                "their times: leave --start out, or add --rows-are-steps"
            )
        return freq, rows, []
    sizes = np.diff(rows.ends)
    places = np.arange(len(rows.positions)) - np.repeat(rows.ends[:-1], sizes)
    if options.start is None:
        counted_from = rows.index if not roles.time and not roles.id and rows.index[0] != 0 else pd.Index(places)
        return None, replace(rows, index=counted_from), []
    given = cast(str, options.freq)
    index = dates_from(options.start, int(sizes.max()), given, options.time_zone, source)
    return (
        settle_frequency(given, index),
        replace(rows, index=index[places]),
        [f"the first row is dated {options.start}, steps of {given}"],
    )


def _repair_notes(repairs: Repairs, options: FrameOptions) -> list[str]:
    notes = []
    if repairs.merged:
        notes.append(f"{counted(repairs.merged, 'row')} of a time seen before merged ({options.duplicates})")
    if repairs.inserted:
        notes.append(f"{counted(repairs.inserted, 'missing time step')} inserted ({options.holes})")
    if repairs.filled:
        notes.append(f"{counted(repairs.filled, 'empty cell')} of covariates filled ({options.holes})")
    return notes
