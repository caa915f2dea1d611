"""The tokens of one text, file or standard input, as they are read."""

import codecs
import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from titans_seq.errors import UserError

from ..data.documents import find_files
from ..data.formats import open_bytes
from ..tokenizers import ByteTokenizer, CharacterTokenizer, Tokenizer

STANDARD_INPUT = Path("-")

_BLOCK = 1 << 20
_PER_CHARACTER = (ByteTokenizer, CharacterTokenizer)
"""Tokenizers that give the same tokens wherever a text is cut."""


def text_pieces(path: Path, size: int = _BLOCK) -> Iterator[str]:
    r"""The text of a file, plain or gzipped, or of standard input, a piece at a time.

    Line ends stay as they are; a mark of the byte order is left out.

    Args:
        path: the file; `-` is standard input.
        size: bytes of a piece.

    Raises:
        UserError: if there is no such file, it is a folder or an archive, or not UTF-8 (with the byte's offset).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.txt"
        ...     _ = path.write_bytes("né!\n".encode())
        ...     list(text_pieces(path, size=2))
        ['n', 'é!', '\n']
    """
    decoder, offset = codecs.getincrementaldecoder("utf-8")(), 0
    with _open(path) as stream:
        while True:
            block = stream.read(size)
            begin = offset - len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{_name(path)}: not UTF-8: byte {error.object[error.start]:#04x} at offset {begin + error.start}: "
                    "convert the text to UTF-8"
                ) from error
            if begin == 0:
                text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
            if text:
                yield text
            if not block:
                return
            offset += len(block)


class TextTokens:
    """The tokens of one text, in arrays of any length, and how much of it they are so far.

    A text of bytes or characters is never in memory as a whole. Other tokenizers may read a word differently if its
    text is cut, so they get the whole text at once.

    Args:
        path: see `text_pieces`.
        tokenizer: makes the tokens.

    Attributes:
        tokens: given out so far.
        text_bytes: of their text, in UTF-8.
        size: bytes of the file; None where that says nothing of its text.

    Raises:
        UserError: while reading, see `text_pieces` and `Tokenizer.encode_array`; or at its end if there was no text.
    """

    def __init__(self, path: Path, tokenizer: Tokenizer) -> None:
        self.path, self._tokenizer = path, tokenizer
        self.tokens = self.text_bytes = 0
        plain = path != STANDARD_INPUT and path.suffix != ".gz" and path.is_file()
        self.size = path.stat().st_size if plain else None

    def __iter__(self) -> Iterator[np.ndarray]:
        pieces = text_pieces(self.path)
        for text in pieces if isinstance(self._tokenizer, _PER_CHARACTER) else ("".join(pieces),):
            try:
                ids = self._tokenizer.encode_array(text)
            except UserError as error:
                raise UserError(f"{_name(self.path)}, after byte {self.text_bytes:,}: {error}") from error
            self.tokens += len(ids)
            self.text_bytes += len(text.encode())
            yield ids
        if not self.tokens:
            raise UserError(f"{_name(self.path)}: holds no text: check the path")


def blocks(arrays: Iterator[np.ndarray] | TextTokens, size: int) -> Iterator[np.ndarray]:
    """Tokens in arrays of `size`, int64, the last one shorter; from arrays of any lengths.

    Example:
        >>> [block.tolist() for block in blocks(iter([np.array([1, 2, 3]), np.array([4])]), 2)]
        [[1, 2], [3, 4]]
    """
    rest = np.empty(0, dtype=np.int64)
    for array in arrays:
        rest = np.concatenate([rest, array]) if len(rest) else array
        whole = len(rest) // size * size
        for start in range(0, whole, size):
            yield rest[start : start + size].astype(np.int64)
        rest = rest[whole:]
    if len(rest):
        yield rest.astype(np.int64)


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    if path.is_dir():
        raise UserError(f"{path} is a folder: expected one text file")
    find_files([path])  # refuses what is missing, or an archive
    with open_bytes(path) as (stream, _):
        yield stream


def _name(path: Path) -> str:
    return "standard input" if path == STANDARD_INPUT else str(path)
