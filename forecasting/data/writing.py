"""Writing tables of forecasts."""

from pathlib import Path

import pandas as pd

from titans_seq.errors import UserError
from titans_seq.files import atomic_path, write_text


def check_table_file(path: Path) -> None:
    """Make sure that a file has a suffix that a table can be written as.

    Raises:
        UserError: if it has not.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"{path}: a forecast is written as .csv or .parquet, got {path.suffix or 'no suffix'!r}")


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame as .csv or .parquet, whole or not at all.

    Raises:
        UserError: if the file has another suffix.
        OSError: if it cannot be written.
    """
    check_table_file(path)
    if path.suffix == ".csv":
        write_text(path, frame.to_csv(index=False))
        return
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)
