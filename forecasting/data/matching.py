"""Reading what a user gives to a trained model: series that fit it, and future covariates."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from . import (
    FrameOptions,
    Item,
    SeriesData,
    Table,
    TableOptions,
    from_frame,
    from_table,
    future_index,
    load_series,
    read_table,
)
from .calendars import MonthDays, Weekly, YearDays, calendar_of
from .frequency import without_anchor
from .numbers import to_numbers
from .pandas_columns import column_of
from .steps import same_step
from .timestamps import UndecidedDatesError, read_with_format, sample_of
from .tsf import is_tsf
from .wording import counted, enumerate_some, show_time

_FEW_ROWS = 2
"""Rows from which no frequency can be inferred with certainty."""


def as_series(data: pd.DataFrame | SeriesData, options: FrameOptions) -> SeriesData:
    """Return series from a frame; series as they are.

    Raises:
        UserError: if `data` is neither, or the frame is refused.
    """
    if isinstance(data, SeriesData):
        return data
    if isinstance(data, pd.DataFrame):
        return from_frame(data, options)
    raise UserError(
        f"expected a pandas DataFrame or SeriesData, got {type(data).__name__}: read a file with load_series"
    )


def read_like(path: Path, like: SeriesData, options: FrameOptions, table: TableOptions) -> SeriesData:
    """Read a file with the columns of the one that `like` came from.

    Raises:
        UserError: if the file is missing, broken or refused, or has another step.
    """
    if is_tsf(path):
        if like.time_columns or like.id_columns:
            # They say how another file, a table, is read.
            options = FrameOptions(freq=options.freq, missing_values=options.missing_values)
            table = TableOptions(encoding=table.encoding)
        series = load_series(path, options, table)
    else:
        read = read_table(path, table)
        frame = _without_unused(read.frame, like, options)
        series = from_table(replace(read, frame=frame), _as_before(frame, like, options))
    _check_step(series, like)
    return series


def matching_series(data: pd.DataFrame | SeriesData, like: SeriesData, options: FrameOptions) -> SeriesData:
    """New series for a model that was trained on series like `like`.

    Where the data has the columns that the model knows, they are taken, in its order.

    Raises:
        UserError: if the channels, covariates or the step differ from those of `like`.
    """
    series = _read_as_before(data, like, options)
    if set(like.channels) <= set(series.channels):
        series = _with_channels(series, like.channels)
    lacking = [name for name in like.static_names if name not in series.static_names]
    if lacking:
        raise UserError(
            f"the model was trained with the static column {lacking[0]!r}, which the data does not have: add it, with "
            "the same value in all rows of a series, or name it with --static"
        )
    series = series.with_static(like.static_names)
    _check_matches(series, len(like.channels), like.known_names, like.past_names)
    _check_step(series, like)
    return series


def continuing_series(data: pd.DataFrame | SeriesData, like: SeriesData, options: FrameOptions) -> SeriesData:
    """Return rows of the series `like`, which go on under their names.

    Raises:
        UserError: as `matching_series`, and if the data tells series apart otherwise, or lacks a column to forecast.
    """
    series = _read_as_before(data, like, options)
    if like.layout == "long":
        told = " and ".join(like.id_columns) or "an identifier"
        renamed = len(options.id) == len(like.id_columns) > 0 and series.id_columns == options.id
        if series.layout == "wide" or (like.id_columns != series.id_columns and not renamed):
            own = " and ".join(series.id_columns)
            raise UserError(
                f"the series known are told apart by {told}; the new data "
                + (f"is told apart by {own}" if own else "has no such column")
                + ": add it, or name the column that holds it with --id"
            )
    elif series.layout == "long":
        raise UserError(
            f"the series known stand side by side ({enumerate_some(list(like.channels))}); the new data tells series "
            f"apart by {' and '.join(series.id_columns) or 'an identifier'}: give it in columns as before"
        )
    lacking = [name for name in like.channels if name not in series.channels]
    if lacking:
        raise UserError(
            f"the series known go on under their names, and the new data has no column {lacking[0]!r}, only "
            f"{enumerate_some(list(series.channels))}: name the columns as before"
        )
    return matching_series(series, like, options)


def _read_as_before(data: pd.DataFrame | SeriesData, like: SeriesData, options: FrameOptions) -> SeriesData:
    if isinstance(data, pd.DataFrame):
        data = _without_unused(data, like, options)
        options = _as_before(data, like, options)
    return as_series(data, options)


def _with_channels(data: SeriesData, names: Sequence[str]) -> SeriesData:
    """The named channels in the order given."""
    if data.channels == tuple(names):
        return data
    at = [data.channels.index(name) for name in names]
    items = tuple(replace(item, values=item.values[:, at]) for item in data.items)
    return replace(data, items=items, channels=tuple(names))


def _without_unused(frame: pd.DataFrame, like: SeriesData, options: FrameOptions) -> pd.DataFrame:
    """The table without columns of no part in series side by side: in few rows they may look like identifiers."""
    named = {*options.time, *options.id, *(options.target or ()), *options.known, *options.past}
    gone = [name for name in like.unused if name in frame.columns and name not in named]
    return frame.drop(columns=gone) if like.layout == "wide" and len(gone) < len(frame.columns) else frame


def _check_step(series: SeriesData, like: SeriesData) -> None:
    if not same_step(series.freq, like.freq):
        raise UserError(
            f"the model was trained on {_step(like.freq)}, the new data has {_step(series.freq)}: "
            "resample it to the model's step, or train another model"
        )


def _as_before(frame: pd.DataFrame, like: SeriesData, options: FrameOptions) -> FrameOptions:
    """The options with what a short frame does not show: the columns' parts and the step found earlier."""
    held = set(frame.columns.map(str)) if not isinstance(frame.columns, pd.MultiIndex) else set()
    if not options.id and like.id_columns and held >= set(like.id_columns):
        options = replace(options, id=like.id_columns)
    if not options.time and like.time_columns and held >= set(like.time_columns):
        options = replace(options, time=like.time_columns)
    if options.static is None:
        options = replace(options, static=tuple(name for name in like.static_names if name in held))
    taken = {*options.time, *options.id, *options.known, *options.past, *(options.static or ())}
    if options.target is None and held >= set(like.channels) and not taken & set(like.channels):
        options = replace(options, target=like.channels)
    if like.zone is not None and options.time_zone is None:
        options = replace(options, time_zone=like.zone)
    few = len(frame) <= _FEW_ROWS * max(1, len(like.items)) and len(frame) <= 100
    if like.freq is not None and options.freq is None and (few or _has_pauses(like.freq)):
        options = replace(options, freq=without_anchor(like.freq))
    return options


def _has_pauses(freq: str) -> bool:
    """Whether a calendar leaves out days or hours, which a short history cannot show."""
    return isinstance(calendar_of(freq), Weekly | MonthDays | YearDays)


def read_future(path: Path, data: SeriesData, options: TableOptions) -> Table:
    """Read a file of known covariates as the options say, or as it shows itself where it holds none by them.

    Args:
        path: of the file.
        data: the series that it goes on with.
        options: how the file of the series is written, and this one too unless it cannot be.

    Raises:
        UserError: if the file is missing, broken or refused in both ways.
    """

    def read(how: TableOptions) -> Table:
        table = read_table(path, how)
        _check_known(table.frame, data, _called(table))
        to_numbers(table.frame, data.known_names, (), table.source, table.style)
        return table

    try:
        return read(options)
    except UserError:
        own = TableOptions(encoding=options.encoding)
        try:
            table = read(own) if own != options else None
        except UserError:
            table = None
        if table is None:
            return read_table(path, options)
    said = f"{path}: by the options on text it holds no known covariates, and is read without them"
    return replace(table, notes=(said, *table.notes))


def with_known_future(
    data: SeriesData, future: pd.DataFrame | Table, options: FrameOptions, horizon: int
) -> SeriesData:
    """Return the series with the rows of known covariates that follow each item's end taken from `future`.

    Rows of the past are not taken; a note says where they contradict the series. Dates whose day and month can change
    places are those that the steps to forecast need. A date format of the series counts only where some date is
    written so.

    Args:
        data: the series.
        future: a column of times (and of ids, for long data) and the known covariates; rows of other times
            are not taken.
        options: how the frame is read.
        horizon: rows needed after the end of each item.

    Raises:
        UserError: if the model has no known covariates, or a row or a value is missing.
    """
    if not data.known_names:
        raise UserError("known_future was given, but the model has no known covariates: leave it out")
    frame = future.frame if isinstance(future, Table) else future
    _check_known(frame, data, _called(future))
    options = replace(options, target=data.known_names, known=(), past=(), static=())
    options = _as_before(frame, data, options)
    if data.freq is not None and options.freq is None:
        options = replace(options, freq=without_anchor(data.freq))
    if len(options.time) == 1 and options.date_format is not None:
        texts = sample_of(column_of(frame, options.time[0]))
        if read_with_format(texts, options.date_format).failures == len(texts):
            options = replace(options, date_format=None)
    try:
        return _followed(data, future, options, horizon)
    except UndecidedDatesError as error:
        fitting = []
        for date_format in error.formats:
            with contextlib.suppress(UserError):
                fitting.append(_followed(data, future, replace(options, date_format=date_format), horizon))
        if len(fitting) != 1:
            raise
        return fitting[0]


def _called(future: pd.DataFrame | Table) -> str:
    """What messages call the table of known covariates: by its file, where it has one."""
    return future.source.name if isinstance(future, Table) else "known_future"


def _check_known(frame: pd.DataFrame, data: SeriesData, called: str) -> None:
    lacking = [name for name in data.known_names if name not in frame.columns]
    if lacking:
        raise UserError(
            f"{called} has no column {lacking[0]!r}, a known covariate of the model: its columns are "
            f"{enumerate_some([str(name) for name in frame.columns])}"
        )


def _followed(data: SeriesData, future: pd.DataFrame | Table, options: FrameOptions, horizon: int) -> SeriesData:
    """The series with the rows that follow them, read as the options say."""
    given = from_table(future, options) if isinstance(future, Table) else from_frame(future, options)
    called = _called(future)
    named = [item.name for item in given.items]
    if data.layout == "wide" and len(named) > 1:
        raise UserError(
            f"{called} holds {len(named)} series ({enumerate_some(named)}), and the data is one table of series "
            "side by side: give one row for each time"
        )
    timed = bool(given.time_columns)
    pairs = [
        (item, given.items[0] if data.layout == "wide" else _named(given, item.name, called)) for item in data.items
    ]
    items = tuple(_extend(item, source, data, horizon, timed, called) for item, source in pairs)
    places = [place for pair in pairs for place in _contradictions(*pair, data)] if timed else []
    note = f"{called} differs from the past of the data, which counts, in {counted(len(places), 'value')}: "
    return replace(data, items=items, notes=(*data.notes, *([note + enumerate_some(places, 2)] if places else [])))


def _contradictions(item: Item, source: Item, data: SeriesData) -> list[str]:
    """The places of the past where known covariates are others than those of the series, but for rounding."""
    at = source.index.get_indexer(item.index)
    ours, theirs = item.known[: item.length], np.where((at >= 0)[:, None], source.values[at], np.nan)
    named = "" if data.layout == "wide" else f" of series {item.name!r}"
    return [
        f"{theirs[row, column]:g}, not {ours[row, column]:g}, for {data.known_names[column]!r} at "
        f"{show_time(item.index[row])}{named}"
        for row, column in np.argwhere(np.isfinite(theirs) & ~np.isclose(ours, theirs, rtol=1e-3))
    ]


def _named(data: SeriesData, name: str, called: str) -> Item:
    for item in data.items:
        if item.name == name:
            return item
    held = ", ".join(item.name for item in data.items[:10])
    raise UserError(f"{called} has no rows for series {name!r}, only for {held}: add them")


def _extend(item: Item, source: Item, data: SeriesData, horizon: int, timed: bool, called: str) -> Item:
    needed = future_index(item.index, data.freq, horizon)
    at = source.index.get_indexer(needed)
    if not timed and isinstance(source.index, pd.RangeIndex) and source.index.start == 0 and source.length == horizon:
        at = np.arange(horizon)  # rows without times are the next steps in their order
    if (at < 0).any():
        missing, first, last = (show_time(needed[row]) for row in (int(np.argmax(at < 0)), 0, -1))
        raise UserError(
            f"{called} has no row for {missing} of series {item.name!r}: it needs the {horizon} steps from "
            f"{first} to {last}"
        )
    rows = source.values[at]
    if np.isnan(rows).any():
        row, column = np.argwhere(np.isnan(rows))[0]
        raise UserError(
            f"{called} has no value of {data.known_names[column]!r} at {show_time(needed[row])} for "
            f"series {item.name!r}: fill the cell"
        )
    return replace(item, known=np.concatenate([item.known[: item.length], rows]))


def _step(freq: str | None) -> str:
    return "steps without dates" if freq is None else f"steps of {freq}"


def _check_matches(data: SeriesData, channels: int, known: Sequence[str], past: Sequence[str]) -> None:
    """Make sure that data has the channels and covariates a model was built for.

    Raises:
        UserError: naming what differs.
    """
    if len(data.channels) != channels:
        raise UserError(
            f"the model forecasts {channels} column{'s' if channels > 1 else ''} at a time, the data has "
            f"{len(data.channels)} ({', '.join(data.channels[:10])}): name the columns to forecast as target"
        )
    for what, names, wanted in (("known", data.known_names, known), ("past", data.past_names, past)):
        if tuple(names) != tuple(wanted):
            raise UserError(
                f"the model was trained with the {what} covariates {list(wanted)}, the data has "
                f"{list(names)}: give the same columns in the same order"
            )
