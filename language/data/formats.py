"""One reader for each kind of file: documents as they come, and messages that say where a fault is."""

import codecs
import gzip
import io
import json
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from titans_seq.errors import UserError

from ..optional import load_optional

_BOM = b"\xef\xbb\xbf"
_OTHER_FILES = {
    b"\xff\xfe": "the file begins as UTF-16 does",
    b"\xfe\xff": "the file begins as UTF-16 does",
    b"\x1f\x8b": "the file is gzipped: give it a name that ends in .gz",
    b"PK": "the file begins as zip archives and office documents do",
}
_BATCH_ROWS = 256
_BLOCK = 1 << 20
_IN_MEMORY = 1 << 23
"""Bytes of a document between two separators above which it is put into a temporary file."""


@dataclass(frozen=True)
class Document:
    """One document.

    Args:
        pieces: gives its text, as it stands in the file, cut anywhere; as often as it is called, until the next
            document is read.
        place: where it stands, such as "corpus.jsonl, line 12".
        read: bytes of the file that had been read when it was complete.
        fault: why it has no text, if it could not be read but what follows can.
    """

    pieces: Callable[[], Iterable[str]]
    place: str
    read: int
    fault: UserError | None = None

    @classmethod
    def of(cls, text: str, place: str, read: int) -> "Document":
        """Return a document whose text is in memory.

        Example:
            >>> Document.of("To be", "hamlet.txt", 5).text
            'To be'
        """
        return cls(lambda: (text,), place, read)

    @property
    def text(self) -> str:
        """The whole text.

        Raises:
            UserError: if it cannot be read.
        """
        if self.fault is not None:
            raise self.fault
        return "".join(self.pieces())

    @property
    def empty(self) -> bool:
        """Whether it has nothing but white space."""
        return all(not piece or piece.isspace() for piece in self.pieces())


def read_text(path: Path, separator: str | None) -> Iterator[Document]:
    """Return the documents of a text file, plain or gzipped: one, or those between lines that equal `separator`.

    A mark of the byte order is left out; everything else, line ends too, stays as it is; a line ends in LF, CR LF or
    CR. A document that is a whole file is read when its pieces are.

    Raises:
        UserError: if the file cannot be opened, is not UTF-8 (with the byte's offset) or is a broken gzip file.
    """
    return _whole_file(path) if separator is None else _between_separators(path, separator)


def _whole_file(path: Path) -> Iterator[Document]:
    def pieces() -> Iterator[str]:
        with open_bytes(path) as (stream, _):
            yield from decoded_pieces(stream, str(path))

    yield Document(pieces, str(path), path.stat().st_size)


def _between_separators(path: Path, separator: str) -> Iterator[Document]:
    with open_bytes(path) as (stream, raw), _split_lines(stream) as split:
        first, last, lines = 1, 0, _decoded_lines(split, path)
        more = True
        while more:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="") as spool:
                more, fault = False, None
                for number, line in lines:
                    last = number
                    if isinstance(line, UserError):
                        fault = fault or line
                    elif _separates(line, separator):
                        more = True
                        break
                    else:
                        spool.write(line)
                place = f"{path}, line {first}"
                if fault is not None:
                    yield Document(tuple, place, raw.tell(), fault)
                elif spool.tell() <= _IN_MEMORY:
                    spool.seek(0)
                    yield Document.of(spool.read(), place, raw.tell())
                else:
                    yield Document(lambda spool=spool: _read_again(spool), place, raw.tell())
            first = last + 1


def has_separator(path: Path, separator: str) -> bool:
    """Say whether a line of a text file stands between two documents; or is no text, as reading it will say.

    Raises:
        UserError: if the file cannot be opened or is a broken gzip file.
    """
    with open_bytes(path) as (stream, _), _split_lines(stream) as split:
        lines = (line for _, line in _decoded_lines(split, path))
        return any(isinstance(line, UserError) or _separates(line, separator) for line in lines)


def _separates(line: str, separator: str) -> bool:
    return line.strip() == separator.strip()


def _split_lines(stream: IO[bytes] | gzip.GzipFile) -> io.TextIOWrapper:
    """The lines of a file as any system ends them, with their ends; each byte stands there as one character."""
    return io.TextIOWrapper(stream, encoding="latin-1", newline="")


def _decoded_lines(split: Iterable[str], path: Path) -> Iterator[tuple[int, str | UserError]]:
    """The lines of a file, or why one is not text, each behind its number."""
    offset = 0
    for number, characters in enumerate(split, start=1):
        line = characters.encode("latin-1")
        try:
            yield number, _decode(line, path, offset)
        except UserError as error:
            yield number, error
        offset += len(line)


def _read_again(stream: Any) -> Iterator[str]:
    stream.seek(0)
    while piece := stream.read(_BLOCK):
        yield piece


def decoded_pieces(stream: IO[bytes] | gzip.GzipFile, name: str, size: int = _BLOCK) -> Iterator[str]:
    """Yield the text of a stream in UTF-8 in pieces, without a mark of the byte order; line ends stay as they are.

    Args:
        stream: the bytes.
        name: for messages.
        size: bytes of a piece.

    Raises:
        UserError: if the stream is not UTF-8, with the byte's offset.
    """
    decoder, offset = codecs.getincrementaldecoder("utf-8")(), 0
    while True:
        block = stream.read(size)
        begin = offset - len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise _not_utf8(error.object, error.start, begin, name) from error
        if offset == 0:
            _check_not_wide(block, name)
        if begin == 0:
            text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
        if text:
            yield text
        if not block:
            return
        offset += len(block)


def read_json_lines(path: Path, field: str) -> Iterator[Document]:
    """Yield the documents of a JSON Lines file, plain or gzipped: the text in `field` of the object on each line.

    Empty lines are left out. A line that is not UTF-8, no JSON object, or has no text in the field is a document with a
    fault.

    Raises:
        UserError: if the file cannot be opened or is a broken gzip file.
    """
    with open_bytes(path) as (stream, raw):
        offset = 0
        for number, line in enumerate(stream, start=1):
            place = f"{path}, line {number}"
            try:
                text = _decode(line, path, offset, f", line {number}")
                if text.strip():
                    yield Document.of(_text_of_line(text.rstrip(), field, place), place, raw.tell())
            except UserError as fault:
                yield Document(tuple, place, raw.tell(), fault)
            offset += len(line)


def read_parquet(path: Path, field: str) -> Iterator[Document]:
    """Yield the documents of a Parquet file: the text in each row of the column `field`; a row without is a fault.

    Raises:
        UserError: if the file is not Parquet or has no such column of text, or pyarrow is missing.
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
                    read = size * row // rows
                    try:
                        yield Document.of(_text_of_row(value, field, place), place, read)
                    except UserError as fault:
                        yield Document(tuple, place, read, fault)
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
        text = raw[start:].decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(raw, start + error.start, offset, f"{path}{line}") from error
    _check_not_wide(raw, f"{path}{line}")
    return text


def _check_not_wide(block: bytes, name: str) -> None:
    """Refuse UTF-16 and UTF-32 without a mark of the byte order: with their zero bytes they are UTF-8 too."""
    if 4 * block.count(0) >= len(block) > 0:
        raise UserError(
            f"{name}: one byte in four, or more, is zero, as in UTF-16 and in files that are no text: convert it to "
            "UTF-8"
        )


def _not_utf8(block: bytes, at: int, offset: int, name: str) -> UserError:
    """What to say of byte `at` of a block that begins at byte `offset`."""
    kinds = (kind for begin, kind in _OTHER_FILES.items() if offset == 0 and block.startswith(begin))
    hint = next((f" ({kind})" for kind in kinds), "")
    return UserError(
        f"{name}: not UTF-8: byte {block[at]:#04x} at offset {offset + at}{hint}: convert the file to UTF-8"
    )


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
    count = schema.names.count(field)
    if count > 1:
        raise UserError(f"{path}: {count} columns are called '{field}': write the file again with one of that name")
    if not count:
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
