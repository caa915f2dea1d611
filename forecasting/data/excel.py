"""Reading a table from a sheet of an Excel file."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

from titans_seq.errors import UserError

from .layout import sheet_header
from .number_texts import NumberStyle
from .options import TableOptions
from .source import Source
from .table import Table
from .wording import counted, enumerate_some

EXCEL_SUFFIXES = (".xlsx", ".xlsm")


def read_excel(path: Path, raw: bytes, options: TableOptions) -> Table:
    """Read the sheet that is named, or the first one that holds more than remarks.

    Raises:
        UserError: if the file is no Excel file, the sheet is not there, or it holds no rows of data.
    """
    try:
        with pd.ExcelFile(io.BytesIO(raw), engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            sheet = options.sheet or sheets[0]
            if sheet not in sheets:
                raise UserError(f"{path}: no sheet {sheet!r}: expected one of {enumerate_some(sheets)}")
            cells = _cells(book, sheet)
            for other in () if options.sheet else sheets[1:]:
                if min(cells.dropna(how="all").shape) > 1:
                    break
                sheet, cells = other, _cells(book, other)  # The one before holds remarks.
    except ImportError as error:
        raise UserError(
            f"{path}: reading Excel needs openpyxl: pip install openpyxl, or save the sheet as CSV"
        ) from error
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a readable Excel file ({error}): save it again, or as CSV") from error
    notes = [] if len(sheets) == 1 else [f"read sheet {sheet!r} of {enumerate_some(sheets)}: --sheet names another"]
    filled = cells.notna().sum(axis=1).to_numpy()
    if not len(filled) or filled.max() == 0:
        raise UserError(f"{path}: sheet {sheet!r} is empty: expected a header row and rows of data")
    header = options.skip_rows
    if header is None:
        # Titles above the header fill fewer cells than it does.
        full = int((filled >= max(2, filled.max() - 1)).argmax())
        shown = [["" if pd.isna(cell) else _name(cell) for cell in row] for row in cells[: full + 2].to_numpy()]
        header = sheet_header(str(path), shown, full)
    if options.skip_rows is None and header:
        notes.append(f"{counted(header, 'row')} above the header {'is' if header == 1 else 'are'} left out")
    names = [f"Unnamed: {at}" if pd.isna(name) else _name(name) for at, name in enumerate(cells.iloc[header])]
    frame = cells.iloc[header + 1 :].reset_index(drop=True)
    frame.columns = pd.Index(names)
    if frame.empty:
        raise UserError(f"{path}: sheet {sheet!r} holds a header and no rows of data")
    return Table(frame.infer_objects(), Source(str(path), "row", header + 2), NumberStyle(), tuple(notes))


def _cells(book: pd.ExcelFile, sheet: str) -> Any:
    return book.parse(sheet, header=None, dtype=object, keep_default_na=False, na_values=[""])


def _name(cell: object) -> str:
    """A header cell as text: a year without a point, a date without its midnight."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).removesuffix(" 00:00:00").strip()
