"""The series of a large Parquet or text file, a part at a time, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from titans_seq.errors import UserError

from .frames import find_columns, read_written
from .frequency import without_anchor
from .id_columns import UndecidedError, find_ids
from .loading import load_series
from .number_texts import Writing
from .options import FrameOptions, TableOptions
from .pandas_columns import column_of
from .series import SeriesData
from .source import PARQUET_SUFFIXES, Source
from .table import Table
from .text_parts import has_parts, text_parts
from .timestamps import CENTURIES
from .unpivot import unpivot
from .wording import enumerate_some

_ROWS = 1_000_000


def read_series_batches(
    path: str | Path, options: FrameOptions | None = None, table: TableOptions | None = None, rows: int = _ROWS
) -> Iterator[SeriesData]:
    """Read the series of a long Parquet or text file in parts; memory holds one part at a time.

    The rows of a series must follow each other. The columns, the step, and how dates and numbers are written, as the
    first part shows them, hold for all. A file of another kind, of one series, or whose first part shows that its rows
    are not in order of series, comes whole.

    Args:
        path: a file that `load_series` reads.
        options: what the columns mean; see `from_table`.
        table: how a text is written.
        rows: about how many rows a part has; it ends with the end of a series.

    Yields:
        Some series, in the order of their ids within a part.

    Raises:
        UserError: if `rows` is below 1, a series goes on in a later part, a part is written otherwise than the first,
            or as `load_series`.

    Example:
        >>> import tempfile
        >>> days = pd.date_range("2024-01-01", periods=3)
        >>> frame = pd.concat([pd.DataFrame({"shop": shop, "day": days, "sold": 1.0}) for shop in "abcd"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     frame.to_csv(Path(folder) / "sales.csv", index=False)
        ...     parts = list(read_series_batches(Path(folder) / "sales.csv", rows=6))
        >>> [[item.name for item in part.items] for part in parts]
        [['a'], ['b'], ['c', 'd']]
    """
    path, given, table = Path(path), options or FrameOptions(), table or TableOptions()
    options = given
    if rows < 1:
        raise UserError(f"rows must be at least 1, got {rows}")
    first: SeriesData | None = None
    before: dict[str, Writing] = {}
    seen: set[tuple[str, ...]] = set()
    empty: list[str] = []
    for part in _tables(path, options, table, rows):
        if part is None:
            yield load_series(path, options, table)
            return
        if first is None:
            empty = [str(name) for name in part.frame.columns if column_of(part.frame, name).isna().all()]
        else:
            _check_columns(part, first, empty, given)
        shown = frozenset(one.decimal for one in before.values() if one.decimal)
        data, writings = read_written(replace(part, style=replace(part.style, shown=shown)), options)
        again = seen & {item.ids for item in data.items}
        if data.layout == "long" and again:
            raise UserError(
                f"{path}: the rows of series {'/'.join(min(again))!r} do not follow each other: sort the file by its "
                "identifiers"
            )
        first = first or data
        _check_alike(path, part.source, first, data, given)
        before = _joined(path, part.source, before, writings)
        seen |= {item.ids for item in data.items}
        options = replace(
            options, time=data.time_columns, id=data.id_columns, target=data.channels, static=data.static_names
        )
        if options.freq is None and not options.rows_are_steps and data.freq is not None:
            options = replace(options, freq=without_anchor(data.freq))
        # Series of other weekdays, quarters or years are of the step that the first part shows.
        yield data if given.freq is not None else replace(data, freq=first.freq)


def _check_columns(part: Table, first: SeriesData, empty: Sequence[str], given: FrameOptions) -> None:
    """Make sure that columns hold in a later part what they were taken for in the first one.

    Raises:
        UserError: naming the first row of a column that does not.
    """
    frame, source, ids = part.frame, part.source, list(first.id_columns)
    for name in empty if given.target is None else ():
        filled = np.flatnonzero(column_of(frame, name).notna())
        if len(filled):
            raise UserError(
                f"{source.at(filled[0])}: column {name!r} has values from here on, and none before: name the columns "
                "to forecast with --target, and what is known beside them with --known or --past"
            )
    for name in first.static_names if given.static is None else ():
        cells = column_of(frame, name)
        other = np.flatnonzero(cells.notna() & (cells != frame.groupby(ids, sort=False)[name].transform("first")))
        if len(other):
            raise UserError(
                f"{source.at(other[0])}: column {name!r} varies within a series, and in the first part of the file it "
                f"was found to be the same in all rows of each: name it with --target, --known or --past"
            )
    if given.duplicates == "refuse" or given.id:
        return
    taken = {*first.time_columns, *(given.target or ()), *given.known, *given.past, *(given.static or ())}
    key = [*first.time_columns, *ids]
    merged = int(frame.duplicated(key).sum())
    if merged:
        own = find_ids(frame, [name for name in frame.columns if name not in taken], first.time_columns, given, source)
        if frame.duplicated([*key, *own]).sum() < merged:
            raise UserError(
                f"{source.name}: {enumerate_some(ids)} told the series apart up to {source.place(0)}, from there on "
                f"{enumerate_some(list(dict.fromkeys([*ids, *own])))} do together: name them with --id"
            )


def _check_alike(path: Path, source: Source, first: SeriesData, part: SeriesData, given: FrameOptions) -> None:
    """Make sure that a part writes dates as the first one does: by itself it may be read otherwise."""
    moved = [
        any(f"moved to the day of the month that {first.freq}" in one for one in data.notes) for data in (first, part)
    ]
    if given.freq is None and moved == [False, True]:
        raise UserError(
            f"{path}: from {source.place(0)} on dates do not lie on the frequency {first.freq}, as those before do: "
            f"give --freq {first.freq} to take each to that day of its month, or another --freq"
        )
    # Each part has its own years.
    said = [[note.partition(CENTURIES)[0] for note in data.notes] for data in (first, part)]
    ways = [{note for note in notes if note.startswith("times in")} for notes in said]
    if ways[0] == ways[1]:
        return
    shown = ["; ".join(sorted(own - other)) or "nothing is said of them" for own, other in (ways, ways[::-1])]
    raise UserError(
        f"{path}: from {source.place(0)} on dates are read otherwise ({shown[1]}) than before ({shown[0]}): "
        "say how they are written with --date-format or --time-zone"
    )


def _joined(path: Path, source: Source, before: dict[str, Writing], part: dict[str, Writing]) -> dict[str, Writing]:
    """How columns write their numbers, as far as it is known after a part.

    Raises:
        UserError: if the part writes them otherwise than those before it.
    """
    joined = dict(before)
    for name, own in part.items():
        known = before.get(name, own)
        decimals = {known.decimal, own.decimal} - {None}
        if len(decimals) > 1 or known.beside != own.beside:
            shown = [
                " and ".join(
                    ([f"{one.decimal!r} as the decimal sign"] if one.decimal else [])
                    + [repr(one.beside) if one.beside else "nothing beside them"]
                )
                for one in (own, known)
            ]
            raise UserError(
                f"{path}: from {source.place(0)} on the numbers in {name!r} are written otherwise (with {shown[0]}) "
                f"than before (with {shown[1]}): write them alike, or say how with --decimal or --thousands"
            )
        joined[name] = replace(known, decimal=known.decimal or own.decimal)
    return joined


def _tables(path: Path, options: FrameOptions, table: TableOptions, rows: int) -> Iterator[Table | None]:
    """Parts of a file; None alone where it is to be read whole."""
    ends = _Ends(options)
    if path.name.lower().endswith(PARQUET_SUFFIXES) and path.is_file():
        parts = _parquet_parts(path, rows, ends)
    elif has_parts(path):
        parts = text_parts(path, table, rows, ends)
    else:
        parts = iter(())
    try:
        first = next(parts, None)
    except _Whole:
        first = None
    yield first
    if first is not None:
        yield from parts


class _Whole(Exception):
    """A file is not to be read in parts."""


class _Ends:
    """Where the last series of a part begins; the first part says whether there are to be parts.

    Args:
        options: what the columns mean.
    """

    def __init__(self, options: FrameOptions) -> None:
        self.options = options
        self.ids: tuple[str, ...] | None = None

    def __call__(self, part: Table) -> int:
        """Return the row after which the last series begins, 0 where there is one series.

        Raises:
            _Whole: for the first part, where it has no identifiers, or its rows are not in order of series.
        """
        first, frame = self.ids is None, part.frame
        if self.ids is None:
            if unpivot(frame, part.source)[2]:
                raise _Whole
            try:
                ids = find_columns(part, self.options).id
            except UndecidedError as error:  # further rows may show it
                raise _Whole from error
            if not ids:
                raise _Whole
            if len(frame[list(ids)].drop_duplicates()) == 1:
                return 0  # One series does not show what tells it from others.
            self.ids = ids
        codes = [pd.factorize(frame[name])[0] for name in self.ids]
        changed = np.zeros(len(frame), dtype=bool)
        for own in codes:
            changed[1:] |= own[1:] != own[:-1]
        ends = np.flatnonzero(changed)
        if first and len(ends) + 1 > len(frame[list(self.ids)].drop_duplicates()):
            raise _Whole
        return int(ends[-1]) if len(ends) else 0


def _parquet_parts(path: Path, rows: int, last_end: Callable[[Table], int]) -> Iterator[Table]:
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    with file:
        if file.metadata.num_rows <= rows:
            return
        held: list[pd.DataFrame] = []
        first = count = 0
        for batch in file.iter_batches(batch_size=min(rows, 1 << 16)):
            held.append(batch.to_pandas())
            count += len(batch)
            if count < rows:
                continue
            frame = pd.concat(held)
            part = _part(path, frame, first)
            end = last_end(part)
            if end == 0:
                held = [frame]
                continue
            yield replace(part, frame=part.frame.iloc[:end])
            held, first, count = [frame.iloc[end:]], first + end, len(frame) - end
        if count:
            yield _part(path, pd.concat(held), first)


def _part(path: Path, frame: pd.DataFrame, first: int) -> Table:
    return Table.of(frame, Source(str(path), "row", first + 1))
