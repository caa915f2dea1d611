"""The series of a large Parquet or text file, a part at a time, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from titans_seq.errors import UserError

from .frames import from_table, read_written
from .frequency import without_anchor
from .loading import load_series
from .number_texts import NumberStyle, Writing
from .options import FrameOptions, TableOptions
from .reading import Table
from .series import SeriesData
from .source import PARQUET_SUFFIXES, Source
from .text_parts import has_parts, text_parts
from .unpivot import unpivot

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
    path, options, table = Path(path), options or FrameOptions(), table or TableOptions()
    if rows < 1:
        raise UserError(f"rows must be at least 1, got {rows}")
    first: SeriesData | None = None
    before: dict[str, Writing] = {}
    seen: set[tuple[str, ...]] = set()
    for part in _tables(path, options, table, rows):
        if part is None:
            yield load_series(path, options, table)
            return
        shown = frozenset(one.decimal for one in before.values() if one.decimal)
        data, writings = read_written(replace(part, style=replace(part.style, shown=shown)), options)
        again = seen & {item.ids for item in data.items}
        if data.layout == "long" and again:
            raise UserError(
                f"{path}: the rows of series {'/'.join(min(again))!r} do not follow each other: sort the file by its "
                "identifiers"
            )
        first = first or data
        _check_alike(path, part.source, first, data)
        before = _joined(path, part.source, before, writings)
        seen |= {item.ids for item in data.items}
        options = replace(
            options, time=data.time_columns, id=data.id_columns, target=data.channels, static=data.static_names
        )
        if options.freq is None and not options.rows_are_steps and data.freq is not None:
            options = replace(options, freq=without_anchor(data.freq))
        yield data


def _check_alike(path: Path, source: Source, first: SeriesData, part: SeriesData) -> None:
    """Make sure that a part writes dates as the first one does: by itself it may be read otherwise."""
    ways = [{note for note in data.notes if note.startswith("times in")} for data in (first, part)]
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
            data = from_table(part, self.options)
            if not data.id_columns:
                raise _Whole
            if len(data.items) == 1:
                return 0  # One series does not show what tells it from others.
            self.ids = data.id_columns
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
            end = last_end(_part(path, frame, first))
            if end == 0:
                held = [frame]
                continue
            yield _part(path, frame.iloc[:end], first)
            held, first, count = [frame.iloc[end:]], first + end, len(frame) - end
        if count:
            yield _part(path, pd.concat(held), first)


def _part(path: Path, frame: pd.DataFrame, first: int) -> Table:
    return Table(frame, Source(str(path), "row", first + 1), NumberStyle(), ())
