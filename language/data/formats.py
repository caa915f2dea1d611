"""One reader for each kind of file: documents as they come, and messages that say where a fault is."""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from titans_seq.errors import UserError

from ..optional import load_optional

_BOM = b"\xef\xbb\xbf"
_BATCH_ROWS = 256


@dataclass(frozen=True)
class Document:
    """One document.

    Args:
        text: its text, as it stands in the file.
        place: where it stands, such as "corpus.jsonl, line 12".
        read: bytes of the file that had been read when it was complete.
    """

    text: str
    place: str
    read: int

    @property
    def empty(self) -> bool:
        """Whether it has nothing but white space."""
        return not self.text or self.text.isspace()


def read_text(path: Path, separator: str | None) -> Iterator[Document]:
    """The documents of a text file, plain or gzipped: one, or those between lines that equal `separator`.

    A mark of the byte order is left out; everything else, line ends too, stays as it is.

    Raises:
        UserError: if the file cannot be opened, is not UTF-8 (with the byte's offset) or is a broken gzip file.
    """
    with open_bytes(path) as (stream, raw):
        if separator is None:
            yield Document(_decode(stream.read(), path, 0), str(path), raw.tell())
            return
        lines: list[str] = []
        first, offset = 1, 0
        for number, line in enumerate(stream, start=1):
            text = _decode(line, path, offset)
            offset += len(line)
            if text.strip() == separator.strip():
                yield Document("".join(lines), f"{path}, line {first}", raw.tell())
                lines, first = [], number + 1
            else:
                lines.append(text)
        yield Document("".join(lines), f"{path}, line {first}", raw.tell())


def read_json_lines(path: Path, field: str) -> Iterator[Document]:
    """The documents of a JSON Lines file, plain or gzipped: the text in `field` of the object on each line.

    Empty lines are left out.

    Raises:
        UserError: if the file cannot be opened or is a broken gzip file, or a line is not UTF-8, no JSON object, or
            has no text in the field.
    """
    with open_bytes(path) as (stream, raw):
        offset = 0
        for number, line in enumerate(stream, start=1):
            place = f"{path}, line {number}"
            text = _decode(line, path, offset, f", line {number}")
            offset += len(line)
            if text.strip():
                yield Document(_text_of_line(text.rstrip(), field, place), place, raw.tell())


def read_parquet(path: Path, field: str) -> Iterator[Document]:
    """The documents of a Parquet file: the text in each row of the column `field`.

    Raises:
        UserError: if the file is not Parquet, has no such column of text, or a row has none; or pyarrow is missing.
    """
    parquet = load_optional("pyarrow.parquet", "a Parquet file")
    arrow = load_optional("pyarrow", "a Parquet file")
    size = path.stat().st_size
    row = 0
    try:
        with parquet.ParquetFile(path) as file:
            _check_column(file.schema_arrow, field, path, arrow.types)
            rows = file.metadata.num_rows
            for batch in file.iter_batches(_BATCH_ROWS, columns=[field]):
                for value in batch.column(0):
                    row += 1
                    place = f"{path}, row {row}"
                    yield Document(_text_of_row(value, field, place), place, size * row // rows)
    except (arrow.ArrowException, OSError) as error:
        problem = str(error).splitlines()[0]
        raise UserError(f"{path}: not a whole Parquet file ({problem}): download or write it again") from error


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[IO[bytes] | gzip.GzipFile, IO[bytes]]]:
    """Open a file: its content, unzipped where its name ends in .gz, and the file itself.

    Raises:
        UserError: while it is read, if it is a broken gzip file.
    """
    with path.open("rb") as raw:
        if not path.name.lower().endswith(".gz"):
            yield raw, raw
            return
        try:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream, raw
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{path}: broken gzip file ({error}): download or compress it again") from error


def _decode(raw: bytes, path: Path, offset: int, line: str = "") -> str:
    """Decode a piece of a file that begins at byte `offset`."""
    start = len(_BOM) if offset == 0 and raw.startswith(_BOM) else 0
    try:
        return raw[start:].decode()
    except UnicodeDecodeError as error:
        at = start + error.start
        utf16 = offset == 0 and raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        hint = " (the file begins as UTF-16 does)" if utf16 else ""
        raise UserError(
            f"{path}{line}: not UTF-8: byte {raw[at]:#04x} at offset {offset + at}{hint}: convert the file to UTF-8"
        ) from error


def _text_of_line(line: str, field: str, place: str) -> str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"{place}: not JSON ({problem}): expected one object a line; correct the line") from error
    if not isinstance(value, dict):
        raise UserError(f"{place}: expected a JSON object with a field '{field}', got {_shown(value)}")
    if field not in value:
        known = ", ".join(map(repr, value)) or "none"
        raise UserError(f"{place}: no field '{field}': its fields are {known}; name the one that holds the text")
    text = value[field]
    if not isinstance(text, str):
        raise UserError(f"{place}: field '{field}' holds {_shown(text)}: expected a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{place}: field '{field}' holds \\u{ord(text[error.start]):04x} at character {error.start}, half of a "
            "surrogate pair: expected text that can be written as UTF-8"
        ) from error
    return text


def _check_column(schema: Any, field: str, path: Path, types: Any) -> None:
    if field not in schema.names:
        known = ", ".join(map(repr, schema.names)) or "none"
        raise UserError(f"{path}: no column '{field}': its columns are {known}; name the one that holds the text")
    kind = schema.field(field).type
    plain = kind.value_type if types.is_dictionary(kind) else kind
    if not (types.is_string(plain) or types.is_large_string(plain) or types.is_string_view(plain)):
        raise UserError(f"{path}: column '{field}' holds {kind}: expected strings; name the column that holds the text")


def _text_of_row(value: Any, field: str, place: str) -> str:
    try:
        text = value.as_py()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{place}: column '{field}' is not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start} of "
            "the text: write the file again"
        ) from error
    if text is None:
        raise UserError(f"{place}: column '{field}' is empty (null): expected a string; remove the row")
    return text


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
