"""Reading a table from a file: text, Parquet, Excel, each also compressed or in a zip archive."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from titans_seq.errors import UserError

from .encodings import decode
from .excel import EXCEL_SUFFIXES, read_excel
from .number_texts import NumberStyle
from .options import TableOptions
from .source import PARQUET_SUFFIXES, Source
from .table import Table
from .text_tables import read_text_table
from .unpivot import unpivot
from .wording import enumerate_some

PLAIN_SUFFIXES = (".csv", ".tsv", ".txt")
_UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}


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
        table = read_excel(path, raw, options)
    elif suffix in PLAIN_SUFFIXES:
        table = _read_text(path, raw, options)
    else:
        raise UserError(f"{path}: unknown kind of file {suffix or '(no suffix)'!r}: {_expected()}")
    frame, source, found = unpivot(table.frame, table.source)
    return replace(table, frame=frame, source=source, notes=(*notes, *table.notes, *found))


def inner_name(path: Path) -> str:
    """Return the name of a file without what packs it; that of the table in an archive that holds one.

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
    """Return the name and the bytes of a file, unpacked, with a note where it was in an archive.

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
    """Return the text of a file, unpacked where its name says so, with notes on its archive and its encoding.

    Raises:
        UserError: if the file is missing, empty or broken, or not text.
    """
    _, raw, packed = open_file(path)
    decoded, notes = decode(path, raw, encoding)
    return decoded.decode("utf-8"), [*packed, *notes]


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
