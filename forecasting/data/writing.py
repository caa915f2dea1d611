"""Writing tables of forecasts."""

import contextlib
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from titans_seq.errors import UserError
from titans_seq.files import atomic_path


def check_table_file(path: Path) -> None:
    """Make sure that a file has a suffix that a table can be written as.

    Raises:
        UserError: if it has not.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"{path}: a forecast is written as .csv or .parquet, got {path.suffix or 'no suffix'!r}")


class TableWriter:
    """A table that is written in parts, whole or not at all: the file appears when all parts are in it.

    Args:
        path: .csv or .parquet.

    Raises:
        UserError: if the file has another suffix.
        OSError: if it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.csv"
        ...     with TableWriter(path) as writer:
        ...         writer.write(pd.DataFrame({"a": [1]}))
        ...         writer.write(pd.DataFrame({"a": [2]}))
        ...     path.read_text().split()
        ['a', '1', '2']
    """

    def __init__(self, path: Path) -> None:
        check_table_file(path)
        self.path = path
        self._open = contextlib.ExitStack()
        self._parquet: pyarrow.parquet.ParquetWriter | None = None
        self._begun = False

    def __enter__(self) -> Self:
        self._temporary = self._open.enter_context(atomic_path(self.path))
        return self

    def __exit__(self, *error: Any) -> None:
        # The Parquet file is closed before it is moved to its place.
        self._open.__exit__(*error)

    def write(self, frame: pd.DataFrame, *, clock: bool = False) -> None:
        """Add rows, with the columns of those before.

        Args:
            frame: the rows.
            clock: whether dates have a time of day, so that midnights in CSV have theirs where a part holds no other.
        """
        if self.path.suffix == ".csv":
            frame = _with_clock(frame) if clock else frame
            frame.to_csv(self._temporary, index=False, mode="a", header=not self._begun)
            self._begun = True
            return
        schema = None if self._parquet is None else self._parquet.schema
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if self._parquet is None:
            self._parquet = self._open.enter_context(pyarrow.parquet.ParquetWriter(self._temporary, table.schema))
        self._parquet.write_table(table)


def _with_clock(frame: pd.DataFrame) -> pd.DataFrame:
    """Write out midnights where all are; pandas would leave their clock out."""
    dates = frame.select_dtypes("datetime")
    alone = [name for name in dates if (frame[name].dt.normalize() == frame[name]).all()]
    return frame.assign(**{str(name): frame[name].dt.strftime("%Y-%m-%d %H:%M:%S") for name in alone})


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as .csv or .parquet, whole or not at all; see `TableWriter`."""
    with TableWriter(path) as writer:
        writer.write(frame)
