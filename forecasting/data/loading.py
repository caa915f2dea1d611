"""One call from a file of any known kind to series."""

from pathlib import Path

from .frames import from_table
from .options import FrameOptions, TableOptions
from .reading import EXCEL_SUFFIXES, PLAIN_SUFFIXES, read_table
from .series import SeriesData
from .source import PARQUET_SUFFIXES
from .tsf import TSF_SUFFIXES, read_tsf

DATA_SUFFIXES = (*PLAIN_SUFFIXES, *PARQUET_SUFFIXES, *EXCEL_SUFFIXES, *TSF_SUFFIXES)
"""What files of data end in, before they are compressed."""


def load_series(path: str | Path, options: FrameOptions | None = None, table: TableOptions | None = None) -> SeriesData:
    r"""Read the series of a file, choosing the reader by the file's suffix.

    Args:
        path: .csv, .tsv, .txt, .tsf, .parquet, .pq, .xlsx or .xlsm; text also with .gz, .bz2 or .xz, and a .zip of one.
        options: what the columns mean and how faults are met. A .tsf file says this itself; of the options
            only `freq` applies to it.
        table: how a table is written.

    Raises:
        UserError: if the file is missing, broken, of an unknown kind, or its content is refused (see
            `from_table`).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "sales.csv"
        ...     _ = path.write_text("Month,sold\n1949-01,112\n1949-02,118\n1949-03,132\n")
        ...     data = load_series(path)
        >>> data.freq, data.items[0].name, data.notes
        ('MS', 'sales', ("time is column 'Month'", 'frequency MS, inferred'))
    """
    path = Path(path)
    if path.name.lower().endswith(TSF_SUFFIXES):
        return read_tsf(path, options.freq if options else None)
    return from_table(read_table(path, table), options)
