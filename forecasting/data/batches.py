"""The series of a large Parquet file, a part at a time, in bounded memory."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from titans_seq.errors import UserError

from .frames import from_table
from .frequency import without_anchor
from .loading import load_series
from .number_texts import NumberStyle
from .options import FrameOptions
from .reading import Table
from .series import SeriesData
from .source import PARQUET_SUFFIXES, Source

_ROWS = 1_000_000


def read_series_batches(
    path: str | Path, options: FrameOptions | None = None, rows: int = _ROWS
) -> Iterator[SeriesData]:
    """Read the series of a long Parquet file in parts; memory holds one part at a time.

    The rows of a series must follow each other. The columns and the step that the first part shows hold for all. A file
    that is no Parquet, or of one series, comes whole.

    Args:
        path: a file that `load_series` reads.
        options: what the columns mean; see `from_table`.
        rows: about how many rows a part has; it ends with the end of a series.

    Yields:
        Some series, in the order of their ids within a part.

    Raises:
        UserError: if `rows` is below 1, a series goes on in a later part, or as `load_series`.

    Example:
        >>> import tempfile
        >>> days = pd.date_range("2024-01-01", periods=3)
        >>> frame = pd.concat([pd.DataFrame({"shop": shop, "day": days, "sold": 1.0}) for shop in "abcd"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     frame.to_parquet(Path(folder) / "sales.parquet")
        ...     parts = list(read_series_batches(Path(folder) / "sales.parquet", rows=5))
        >>> [[item.name for item in part.items] for part in parts]
        [['a'], ['b', 'c'], ['d']]
    """
    path, options = Path(path), options or FrameOptions()
    if rows < 1:
        raise UserError(f"rows must be at least 1, got {rows}")
    if not path.name.lower().endswith(PARQUET_SUFFIXES) or not path.is_file():
        yield load_series(path, options)
        return
    seen: set[tuple[str, ...]] = set()
    for frame, first in _parts(path, options, rows):
        source = Source(str(path), "row", first + 1)
        data = from_table(Table(frame, source, NumberStyle(), ()), options)
        again = seen & {item.ids for item in data.items}
        if data.layout == "long" and again:
            raise UserError(
                f"{path}: the rows of series {'/'.join(min(again))!r} do not follow each other: sort the file by its "
                f"identifiers, or read it whole"
            )
        seen |= {item.ids for item in data.items}
        options = replace(options, time=data.time_columns, id=data.id_columns, target=data.channels)
        if options.freq is None and not options.rows_are_steps and data.freq is not None:
            options = replace(options, freq=without_anchor(data.freq))
        yield data


def _parts(path: Path, options: FrameOptions, rows: int) -> Iterator[tuple[pd.DataFrame, int]]:
    """Frames that end with the end of a series, and the number of their first row."""
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    with file:
        held: list[pd.DataFrame] = []
        ids, first, count = list(options.id), 0, 0
        for batch in file.iter_batches(batch_size=min(rows, 1 << 16)):
            held.append(batch.to_pandas())
            count += len(batch)
            if count < rows:
                continue
            frame = pd.concat(held)
            ids = ids or _ids(frame, path, options)
            end = _last_end(frame, ids)
            if end == 0:
                held = [frame]
                continue
            yield frame.iloc[:end], first
            held, first, count = [frame.iloc[end:]], first + end, len(frame) - end
        if held and count:
            yield pd.concat(held), first
        elif not first:
            raise UserError(f"{path}: the file holds no rows")


def _ids(frame: pd.DataFrame, path: Path, options: FrameOptions) -> list[str]:
    """The columns that tell the series of the first part apart."""
    data = from_table(Table(frame, Source(str(path), "row", 1), NumberStyle(), ()), options)
    return list(data.id_columns)


def _last_end(frame: pd.DataFrame, ids: list[str]) -> int:
    """The row after which the last series of a frame begins, 0 where there is one series."""
    if not ids:
        return 0
    changed = np.zeros(len(frame), dtype=bool)
    for name in ids:
        codes = pd.factorize(frame[name])[0]
        changed[1:] |= codes[1:] != codes[:-1]
    ends = np.flatnonzero(changed)
    return int(ends[-1]) if len(ends) else 0
