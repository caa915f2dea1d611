"""One call from a file of any known kind to series."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError

from .excel import EXCEL_SUFFIXES
from .frames import from_table
from .options import FrameOptions, TableOptions
from .reading import PLAIN_SUFFIXES, read_table
from .series import SeriesData
from .source import PARQUET_SUFFIXES
from .tsf import is_tsf, read_tsf
from .wording import enumerate_some

DATA_SUFFIXES = (*PLAIN_SUFFIXES, *PARQUET_SUFFIXES, *EXCEL_SUFFIXES, ".tsf")
"""What files of data end in, before they are compressed."""


def load_series(path: str | Path, options: FrameOptions | None = None, table: TableOptions | None = None) -> SeriesData:
    r"""Read the series of a file, choosing the reader by the file's suffix.

    Args:
        path: .csv, .tsv, .txt, .tsf, .parquet, .pq, .xlsx or .xlsm; text also with .gz, .bz2 or .xz, and a .zip of one.
        options: what the columns mean and how faults are met. A .tsf file says this itself: only `freq` and
            `missing_values` apply to it, and of `table` only `encoding`.
        table: how a table is written.

    Raises:
        UserError: if the file is missing, broken, of an unknown kind, or its content is refused (see
            `from_table`), or options are given that do not apply to a .tsf file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "sales.csv"
        ...     _ = path.write_text("Month,sold\n1949-01,112\n1949-02,118\n1949-03,132\n")
        ...     data = load_series(path)
        >>> data.freq, data.items[0].name, data.notes
        ('MS', 'sales', ("time is column 'Month'", 'frequency MS, inferred'))
    """
    path, options, table = Path(path), options or FrameOptions(), table or TableOptions()
    if is_tsf(path):
        # A .tsf file has no static columns, so leaving them out is no option that is ignored.
        read = {"freq", "missing_values", *(("static",) if not options.static else ())}
        given = _changed(options, read) + _changed(table, {"encoding"})
        if given:
            raise UserError(
                f"{path}: {enumerate_some(given)} {'does' if len(given) == 1 else 'do'} not apply to a .tsf file, "
                "which says itself what its series are: leave out what does not, or save the series as a table"
            )
        return read_tsf(path, options.freq, options.missing_values, table.encoding)
    return from_table(read_table(path, table), options)


def _changed(options: Any, but: set[str]) -> list[str]:
    """The options, as the command line calls them, that are not as they are by default; `but` some."""
    plain = type(options)()
    changed = [one.name for one in fields(options) if getattr(options, one.name) != getattr(plain, one.name)]
    return [f"--{name.replace('_', '-')}" for name in changed if name not in but]
