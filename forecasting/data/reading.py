"""Reading a table from a file: text, Parquet, Excel, each also compressed or in a zip archive."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .layout import sheet_header
from .number_texts import NumberStyle
from .options import TableOptions
from .source import PARQUET_SUFFIXES, Source
from .text_tables import read_text_table
from .timestamps import looks_like_dates
from .unpivot import unpivot
from .wording import enumerate_some

EXCEL_SUFFIXES = (".xlsx", ".xlsm")
PLAIN_SUFFIXES = (".csv", ".tsv", ".txt")
_OTHER_SCRIPTS = ("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256")
_UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}


@dataclass(frozen=True, eq=False)
class Table:
    """A table as read.

    Args:
        frame: the cells, one row for each line after the header: text as it is written, or what a Parquet or Excel
            file gives.
        source: where the rows stand.
        style: how its text writes numbers, as far as that is known.
        notes: what was found out about the file.
    """

    frame: pd.DataFrame
    source: Source
    style: NumberStyle
    notes: tuple[str, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame, source: Source) -> "Table":
        """The table of a frame: its names as text, and its index as columns where that has a name or holds dates.

        Whole numbers without a name count the rows, and stay the index.

        Args:
            frame: made in memory, or read from a Parquet file. It is not changed.
            source: where its rows stand.

        Raises:
            UserError: if a column is called as the index is.

        Example:
            >>> frame = pd.DataFrame({"sold": [1, 2]}, index=pd.Index(["007", "010"], name="shop"))
            >>> list(Table.of(frame, Source.of(None)).frame.columns)
            ['shop', 'sold']
        """
        plain, index, notes = frame.copy(deep=False), frame.index, ()
        if isinstance(frame.columns, pd.MultiIndex):
            plain.columns = ["/".join(str(part) for part in name if str(part)) for name in frame.columns]
        else:
            plain.columns = [str(name) for name in frame.columns]
        if isinstance(index, pd.MultiIndex):
            names = [f"level_{at}" if name is None else str(name) for at, name in enumerate(index.names)]
        elif index.name is not None:
            names = [str(index.name)]
        else:
            names = ["time"] if looks_like_dates(pd.Series(index)) else []
        for name in names:
            if name in plain.columns:
                raise UserError(f"{source.name}: {name!r} is both the index and a column: drop one of them")
        if names:
            plain = plain.reset_index(names=names)
        elif not pd.api.types.is_integer_dtype(index.dtype):
            notes = ("the index has no name, and is left out: give it one (frame.index.name) to make it a column",)
        return cls(plain, source, NumberStyle(), notes)


def read_table(path: str | Path, options: TableOptions | None = None) -> Table:
    r"""Read a table from a text file, Parquet or Excel.

    The separator, the header's line, the encoding and how numbers are written are found out unless given. A column a
    year (or another date) becomes a row each.

    Args:
        path: a file ending in .csv, .tsv, .txt (each also with .gz, .bz2, .xz), .parquet, .pq, .xlsx, .xlsm, or a .zip
            that holds one such file.
        options: how the text is written.

    Raises:
        UserError: if the file is missing, empty, of an unknown suffix, cut short, or not a table.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.csv"
        ...     _ = path.write_text("day;shop\n2020-01-01;007\n2020-01-02;010\n")
        ...     table = read_table(path)
        >>> table.frame["shop"].tolist(), table.notes
        (['007', '010'], ("cells are separated by ';'",))
    """
    path, options = Path(path), options or TableOptions()
    name, raw, notes = open_file(path)
    suffix = "".join(Path(name.lower()).suffixes[-1:])
    if suffix in PARQUET_SUFFIXES:
        table = Table.of(_read_parquet(path, raw), Source(str(path), "row", 1))
    elif suffix in EXCEL_SUFFIXES:
        table = _read_excel(path, raw, options)
    elif suffix in PLAIN_SUFFIXES:
        table = _read_text(path, raw, options)
    else:
        raise UserError(f"{path}: unknown kind of file {suffix or '(no suffix)'!r}: {_expected()}")
    frame, source, found = unpivot(table.frame, table.source)
    return replace(table, frame=frame, source=source, notes=(*notes, *table.notes, *found))


def inner_name(path: Path) -> str:
    """The name of a file without what packs it; that of the table in an archive that holds one.

    Example:
        >>> inner_name(Path("a.tsf.gz")), inner_name(Path("a.csv"))
        ('a.tsf', 'a.csv')
    """
    if path.suffix.lower() in _UNPACK:
        return path.stem
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return next(iter(_tables_of(archive)), path.name)
    return path.name


def open_file(path: Path) -> tuple[str, bytes, tuple[str, ...]]:
    """The name and the bytes of a file, unpacked, with a note where it was in an archive.

    Raises:
        UserError: if it is missing, empty or broken, or an archive of several files.
    """
    raw = _read_bytes(path)
    name = path.name
    if name.lower().endswith(".zip"):
        return _unzip(path, raw)
    suffix = path.suffix.lower()
    if suffix in _UNPACK:
        try:
            raw, name = _UNPACK[suffix](raw), path.stem
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            kind = {".gz": "gzip"}.get(suffix, suffix[1:])
            raise UserError(f"{path}: broken {kind} file ({error}): download or compress it again") from error
    if not raw[:4096].strip() and not raw.strip():
        raise UserError(f"{path}: the file is empty: expected a header line and rows of data")
    return name, raw, ()


def read_text(path: Path, encoding: str | None = None) -> tuple[str, list[str]]:
    """The text of a file, unpacked where its name says so, with notes on its archive and its encoding.

    Raises:
        UserError: if the file is missing, empty or broken, or not text.
    """
    _, raw, packed = open_file(path)
    decoded, notes = decode(path, raw, encoding)
    return decoded.decode("utf-8"), [*packed, *notes]


def decode(path: Path, raw: bytes, encoding: str | None = None, first: int = 1) -> tuple[bytes, list[str]]:
    """The bytes of a text in UTF-8 without a mark, with notes on the encoding it had.

    UTF-8, UTF-16 and UTF-32 are recognised. Other bytes are read as cp1252 where they are letters with accents; where
    they are of another script, the user is asked.

    Args:
        path: of the file, for messages.
        raw: its bytes, or some of its lines.
        encoding: a Python codec name; None finds it.
        first: the number of the first line of `raw`.

    Raises:
        UserError: if the encoding is unknown or not that of the file, or the file is not text.
    """
    notes: list[str] = []
    if encoding is None:
        encoding, note = find_encoding(path, raw, first)
        notes = [note] if note else []
    try:
        text = raw if encoding == "utf-8" else raw.decode(encoding).encode("utf-8")
        if encoding == "utf-8":
            raw.decode("utf-8")
    except LookupError as error:
        raise UserError(f"{path}: unknown encoding {encoding!r}: give a name such as utf-8 or cp1252") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + first
        raise UserError(
            f"{path}: byte {raw[error.start]:#04x} on line {line} is not {encoding}: "
            "give another --encoding, one for the whole file"
        ) from error
    text = text.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in text:
        raise UserError(f"{path}: the file holds zero bytes, so it is not text: expected a text table")
    return text, notes


def find_encoding(path: Path, raw: bytes, first: int = 1) -> tuple[str, str]:
    """The encoding of a text whose first line has the number `first`, and a note where the file does not say it.

    Raises:
        UserError: if it is that of a script for which there are several.
    """
    if raw[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "utf-32", ""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16", ""
    head = raw[:2000]
    for encoding, high in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        if len(high) > 8 and high.count(0) > 0.6 * len(high):
            return encoding, f"read as {encoding}, which the file does not say"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + first
        fault = f"byte {raw[error.start]:#04x} on line {line} is not utf-8"
        if _is_other_script(raw):
            raise UserError(
                f"{path}: {fault}: name the encoding with --encoding{_readings(raw, error.start)}"
            ) from error
        # latin-1 takes the few bytes that cp1252 leaves undefined, so this cannot fail.
        encoding = "latin-1" if set(raw) & set(b"\x81\x8d\x8f\x90\x9d") else "cp1252"
        return encoding, f"{fault}; read as {encoding}"
    return "utf-8", ""


def _is_other_script(raw: bytes) -> bool:
    """Whether bytes above ASCII stand together: letters with accents stand alone among others."""
    high = np.frombuffer(raw[:100_000], dtype=np.uint8) >= 0x80
    return bool(high.sum() >= 4 and (high[1:] & high[:-1]).sum() >= 0.4 * high.sum())


def _readings(raw: bytes, at: int) -> str:
    """What the line that holds a byte reads as, in each encoding that makes letters of it."""
    begin = raw.rfind(b"\n", 0, at) + 1
    line = raw[begin:].partition(b"\n")[0][:40]
    shown = []
    for encoding in _OTHER_SCRIPTS:
        text = line.decode(encoding, "replace")
        if all(letter.isalpha() for letter in text if not letter.isascii()):
            shown.append(f"{encoding} ({text.strip()!r})")
    return f", such as {enumerate_some(shown, 6)}" if shown else ""


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path}: is a folder: give a file")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _unzip(path: Path, raw: bytes) -> tuple[str, bytes, tuple[str, ...]]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            tables = _tables_of(archive)
            if len(tables) != 1:
                shown = enumerate_some([one.filename for one in archive.infolist() if not one.is_dir()], 5)
                raise UserError(
                    f"{path}: the archive holds {len(tables)} tables ({shown}): unzip it, and name one of them"
                )
            return tables[0], archive.read(tables[0]), (f"read {tables[0]} of the archive",)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path}: broken zip file, or one with a password ({error}): unzip it yourself") from error


def _tables_of(archive: zipfile.ZipFile) -> list[str]:
    kinds = (*PLAIN_SUFFIXES, *PARQUET_SUFFIXES, *EXCEL_SUFFIXES, ".tsf")
    named = [one.filename for one in archive.infolist() if not one.is_dir()]
    return [name for name in named if name.lower().endswith(kinds) and not name.startswith("__MACOSX/")]


def _expected() -> str:
    known = enumerate_some([*PLAIN_SUFFIXES, *PARQUET_SUFFIXES, *EXCEL_SUFFIXES, ".tsf"], limit=20)
    return f"expected a name ending in {known} (text also with .gz, .bz2, .xz), or a .zip: save it as one of these"


def _read_parquet(path: Path, raw: bytes) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(io.BytesIO(raw), engine="pyarrow")
    except (ValueError, OSError) as error:  # pyarrow's errors are ValueError or OSError
        raise UserError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    if frame.empty:
        raise UserError(f"{path}: the file holds no rows")
    return frame


_OTHER_KINDS = (
    (rb"PK\x03\x04", "an Excel file or an archive", "call it .xlsx or .zip"),
    (rb"\x1f\x8b", "a gzip file", "let its name end in .gz"),
    (rb"PAR1", "a Parquet file", "let its name end in .parquet"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel file", "save it as .xlsx or CSV"),
    (rb"%PDF", "a PDF", "get the table as CSV"),
    (rb'\s*(\{\s*"|\[\s*[\[{])', "JSON", "save the table as CSV or Parquet"),
    (rb"(?i)\s*<(!doctype|html|\?xml|table|head|body)", "a web page or XML", "get the table as CSV"),
)
"""How files begin that are no text tables, whatever they are called."""


def _refuse_other_kind(path: Path, raw: bytes) -> None:
    for begins, kind, remedy in _OTHER_KINDS:
        if re.match(begins, raw):
            raise UserError(f"{path}: the file holds {kind}, not a text table: {remedy}")


def _read_text(path: Path, raw: bytes, options: TableOptions) -> Table:
    _refuse_other_kind(path, raw)
    text, notes = decode(path, raw, options.encoding)
    table = read_text_table(str(path), text, options)
    style = NumberStyle(options.decimal, options.thousands, semicolons=table.layout.separator == ";")
    source = Source(str(path), "line", table.layout.header + 2, table.lines)
    return Table(table.frame, source, style, (*notes, *table.layout.notes, *table.notes))


def _read_excel(path: Path, raw: bytes, options: TableOptions) -> Table:
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
        notes.append(f"{header} rows above the header are left out")
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
