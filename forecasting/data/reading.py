"""Reading a table from a file: CSV and TSV, plain or gzip, and Parquet."""

import csv
import gzip
import io
import re
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from titans_seq.errors import UserError

from .options import TableOptions
from .source import PARQUET_SUFFIXES, enumerate_some

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")

_SNIFFED_LINES = 50


@dataclass(frozen=True, eq=False)
class Table:
    """A table as read.

    Args:
        frame: the cells, one row for each line after the header. Empty lines are kept, so that row i is line
            i + 2.
        notes: what was found out about the file's text.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]


def read_table(path: str | Path, options: TableOptions | None = None) -> Table:
    r"""Read a table from CSV, TSV or Parquet; a text file may be gzipped.

    The separator (comma, semicolon, tab), the decimal sign and the encoding are found out unless given.

    Args:
        path: a file ending in .csv, .tsv, .txt (each also with .gz), .parquet or .pq.
        options: how the text is written.

    Raises:
        UserError: if the file is missing, empty, of an unknown suffix, cut short, or not a table.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.csv"
        ...     _ = path.write_text("day;sold\n2020-01-01;1,5\n2020-01-02;2,5\n")
        ...     table = read_table(path)
        >>> table.frame["sold"].tolist(), table.notes
        ([1.5, 2.5], ("cells are separated by ';', numbers written with a decimal comma",))
    """
    path, options = Path(path), options or TableOptions()
    name = path.name.lower()
    if name.endswith(PARQUET_SUFFIXES):
        return Table(_read_parquet(path), ())
    if not name.endswith(TEXT_SUFFIXES):
        known = enumerate_some([*TEXT_SUFFIXES, *PARQUET_SUFFIXES], limit=20)
        kind = path.suffix or "(no suffix)"
        raise UserError(f"{path}: unknown kind of file {kind!r}: expected a name ending in {known}")
    text, notes = read_text(path, options.encoding)
    return _parse(path, text, options, notes)


def read_text(path: Path, encoding: str | None = None) -> tuple[str, list[str]]:
    """The text of a file, unzipped where its name ends in .gz, with notes on its encoding.

    UTF-8 is tried first (with or without a mark), UTF-16 where a mark says so, then cp1252.

    Raises:
        UserError: if the file is missing, empty, a broken gzip, or not text.
    """
    raw = _read_bytes(path)
    if encoding is None and raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    try:
        text, notes = raw.decode(encoding or "utf-8-sig"), []
    except LookupError as error:
        raise UserError(f"{path}: unknown encoding {encoding!r}: give a name such as utf-8 or cp1252") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fault = f"byte {raw[error.start]:#04x} on line {line} is not {encoding or 'utf-8'}"
        if encoding is not None:
            raise UserError(f"{path}: {fault}: give another encoding, or none to have it found out") from error
        # latin-1 takes the few bytes that cp1252 leaves undefined, so this cannot fail.
        text = raw.decode("cp1252") if not set(raw) & set(b"\x81\x8d\x8f\x90\x9d") else raw.decode("latin-1")
        notes = [f"{fault}; read as cp1252"]
    if "\0" in text:
        raise UserError(f"{path}: the file holds zero bytes, so it is not text: expected a text table")
    if not text.strip():
        raise UserError(f"{path}: the file is empty: expected a header line and rows of data")
    return text, notes


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path}: is a folder: give a file")
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path) as stream:
                return stream.read()
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: broken gzip file ({error}): download or compress it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _read_parquet(path: Path) -> pd.DataFrame:
    raw = _read_bytes(path)
    try:
        frame = pd.read_parquet(io.BytesIO(raw), engine="pyarrow")
    except (ValueError, OSError) as error:  # pyarrow's errors are ValueError or OSError
        raise UserError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    if frame.empty:
        raise UserError(f"{path}: the file holds no rows")
    return frame


def _parse(path: Path, text: str, options: TableOptions, notes: list[str]) -> Table:
    lines = text.splitlines()
    separator = options.separator or _sniff_separator(lines[:_SNIFFED_LINES])
    header = next(csv.reader(lines[:1], delimiter=separator))
    _check_header(path, header)
    decimal = options.decimal or _sniff_decimal(lines[1:_SNIFFED_LINES], separator)
    if separator != "," or decimal != ".":
        sign = ", numbers written with a decimal comma" if decimal == "," else ""
        notes.append(f"cells are separated by {separator!r}{sign}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(  # pyright: ignore[reportCallIssue]  (its hints lack "round_trip")
                io.StringIO(text.rstrip("\r\n")),
                sep=separator,
                decimal=decimal,
                index_col=False,
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                float_precision="round_trip",  # pyright: ignore[reportArgumentType]
            )
    except pd.errors.ParserWarning as error:
        raise UserError(
            f"{path}: the rows have more cells than the header's {len(header)}: name every column, "
            "or remove the separator at the end of the rows"
        ) from error
    except (pd.errors.ParserError, ValueError, csv.Error) as error:
        reason = re.sub(r"^Error tokenizing data\. C error: ", "", str(error)).strip()
        raise UserError(f"{path}: cannot be read as a table with separator {separator!r}: {reason}") from error
    if frame.empty:
        raise UserError(f"{path}: the file holds a header and no rows of data")
    frame.columns = frame.columns.str.strip()
    if any("\N{REPLACEMENT CHARACTER}" in name for name in header):
        notes.append("some column names hold a replacement sign: an earlier program lost their letters")
    return Table(frame, tuple(notes))


def _check_header(path: Path, header: list[str]) -> None:
    named = [name.strip() for name in header if name.strip()]
    if not named:
        raise UserError(f"{path}: line 1 names no column: expected a header line")
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise UserError(f"{path}: column {twice[0]!r} occurs {named.count(twice[0])} times in the header: rename one")
    # Numbered columns ("date,0,1" or "0,1,2") are names; anything else that reads as a row of values is one.
    numbered = named == [str(number) for number in range(len(named))]
    if all(_is_value(name) for name in named) and not numbered:
        raise UserError(f"{path}: line 1 holds values ({', '.join(named[:3])}), not names: put a header line before it")


def _is_value(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d*[.,]?\d+(e[-+]?\d+)?|\d+[-/.]\d+([-/.]\d+)?([ T].*)?", text, re.IGNORECASE))


def _sniff_separator(lines: list[str]) -> str:
    """The separator that cuts all lines into equally many cells, the most; else what the header shows."""
    best, width = ",", 1
    for separator in ("\t", ";", ","):
        cells = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        if cells and cells[0] > width and set(cells) == {cells[0]}:
            best, width = separator, cells[0]
    return best if width > 1 else max((",", ";", "\t"), key=lines[0].count)


def _sniff_decimal(lines: list[str], separator: str) -> str:
    """A comma, where cells such as "1,5" occur and cells such as "1.5" do not."""
    if separator == ",":
        return "."
    cells = [cell.strip() for row in csv.reader(lines, delimiter=separator) for cell in row]
    comma = any(re.fullmatch(r"[-+]?\d*,\d+", cell) for cell in cells)
    return "," if comma and not any(re.fullmatch(r"[-+]?\d*\.\d+", cell) for cell in cells) else "."
