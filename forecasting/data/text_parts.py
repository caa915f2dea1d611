"""A long text table in parts, each with the header, that end where a series does."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from titans_seq.errors import UserError

from .encodings import decode, find_encoding
from .number_texts import NumberStyle
from .options import TableOptions
from .reading import PLAIN_SUFFIXES
from .source import Source
from .table import Table
from .text_tables import read_text_table

_HEAD = 1 << 20
"""Bytes that tell how a text is written."""
_OPEN: dict[str, Callable[[Path], Any]] = {
    ".gz": lambda path: gzip.open(path),
    ".bz2": lambda path: bz2.open(path),
    ".xz": lambda path: lzma.open(path),
}


def has_parts(path: Path) -> bool:
    """Say whether a file is text that can be read in parts: lines that end in one byte."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if not suffixes or not path.is_file():
        return False
    last = suffixes[0] if suffixes[-1] in _OPEN else suffixes[-1]
    with _open(path) as file:
        head = file.read(_HEAD)
    return last in PLAIN_SUFFIXES and b"\n" in head and b"\0" not in head


def text_parts(path: Path, options: TableOptions, rows: int, last_end: Callable[[Table], int]) -> Iterator[Table]:
    """Read a text table in parts; none where it has no more rows than a part.

    Args:
        path: of a file that `has_parts`.
        options: how the text is written.
        rows: about how many rows a part has.
        last_end: the row after which the last series of a part begins, 0 where there is one.

    Raises:
        UserError: as `read_table`.
    """
    with _open(path) as file:
        head = _to_line(file.read(_HEAD))
    decoder = _Decoder(path, options.encoding)
    text, told = decoder(head, 1)
    first = read_text_table(str(path), text, options)
    given = replace(options, separator=first.layout.separator, skip_rows=0)
    size = max(1, rows * len(head) // max(1, head.count(b"\n")))
    notes, held, line = (*told, *first.layout.notes), b"", first.layout.header + 2
    with _open(path) as file:
        for _ in range(first.layout.header):
            file.readline()
        header, read = decoder(file.readline(), first.layout.header + 1)[0], first.layout.header + 1
        ahead, begun = b"", False
        while ahead or not begun:
            block = ahead + file.read(max(0, size - len(held) - len(ahead)))
            block += file.readline()
            while (held.count(b'"') + block.count(b'"')) % 2 and (more := file.readline()):
                block += more
            ahead, begun = file.readline(), True
            if not ahead and line == first.layout.header + 2:
                return
            # Only what is new is decoded: what was held back is in UTF-8 already.
            own, told = decoder(block, read + 1)
            held, read = held + own, read + block.count(b"\n")
            text = header + held
            table = read_text_table(str(path), text, given)
            # Lines are counted in the file, not in the part.
            lines = table.lines if table.lines is not None else range(2, len(table.frame) + 2)
            source = Source(str(path), "line", line, [own + line - 2 for own in lines])
            style = NumberStyle(options.decimal, options.thousands, semicolons=given.separator == ";")
            part = Table(table.frame, source, style, (*told, *notes, *table.notes))
            end = last_end(part) if ahead else len(table.frame)
            if not end:
                # One series fills the block, and goes on.
                size = 2 * len(held)
                continue
            yield replace(part, frame=part.frame.iloc[:end])
            notes = ()
            if ahead:
                cut = _row_start(text, table.lines, end)
                held = text[cut:]
                line += text.count(b"\n", 0, cut) - 1


class _Decoder:
    """Decodes the lines of a file, all in the encoding that its first letters beyond ASCII show.

    Args:
        path: of the file, for messages.
        encoding: the one that was given, None to find it.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        self.path, self.encoding, self.given = path, encoding, encoding is not None

    def __call__(self, raw: bytes, line: int) -> tuple[bytes, list[str]]:
        """Whole lines in UTF-8, the first of which has the number `line`, with a note where the encoding shows first.

        Raises:
            UserError: if they are not in the encoding.
        """
        notes: list[str] = []
        if self.encoding is None and not raw.isascii():
            self.encoding, note = find_encoding(self.path, raw, line)
            notes = [note] if note else []
        try:
            return decode(self.path, raw, self.encoding or "utf-8", line)[0], notes
        except UserError as error:
            if self.given:
                raise
            raise UserError(f"{error}; the lines before are {self.encoding}") from error


def _open(path: Path) -> IO[bytes]:
    return _OPEN.get(path.suffix.lower(), lambda plain: plain.open("rb"))(path)


def _to_line(head: bytes) -> bytes:
    """Whole lines."""
    return head if len(head) < _HEAD else head[: head.rfind(b"\n") + 1]


def _row_start(text: bytes, lines: Sequence[int] | None, row: int) -> int:
    """Where a row below the header begins; `lines` are those of the rows where they do not follow each other."""
    signs = np.frombuffer(text, np.uint8)
    ends = signs == ord("\n")
    if lines is not None:
        return int(np.flatnonzero(ends)[lines[row] - 2]) + 1
    if b'"' in text:
        ends &= np.cumsum(signs == ord('"')) % 2 == 0
    return int(np.flatnonzero(ends)[row]) + 1
