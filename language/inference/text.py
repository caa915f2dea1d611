"""The tokens of one text, file or standard input, as they are read."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from titans_seq.errors import UserError

from ..data.documents import find_files, is_text
from ..data.formats import decoded_pieces, open_bytes
from ..tokenizers import Tokenizer
from ..tokenizers.loss import TextLoss, is_sampled, text_loss

STANDARD_INPUT = Path("-")

_BLOCK = 1 << 20


def text_pieces(path: Path, size: int = _BLOCK) -> Iterator[str]:
    r"""Yield the text of a file, plain or gzipped, or of standard input, a piece at a time.

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
    with _open(path) as stream:
        yield from decoded_pieces(stream, _name(path), size)


class TextTokens:
    """Yield the tokens of one text, in arrays of any length, and say how much of it they are so far.

    The text is never in memory as a whole, and its tokens are the same as if it were.

    Args:
        path: see `text_pieces`.
        tokenizer: makes the tokens.

    Attributes:
        tokens: given out so far.
        text_bytes: read so far, in UTF-8.
        loss: what the tokens lack of the text, on a sample of what was read.
        size: bytes of the file; None where that says nothing of its text.

    Raises:
        UserError: while reading, see `text_pieces` and `Tokenizer.encode_pieces`; or at its end if there was no text.
    """

    def __init__(self, path: Path, tokenizer: Tokenizer) -> None:
        self.path, self._tokenizer = path, tokenizer
        self.tokens = self.text_bytes = 0
        self.loss = TextLoss()
        plain = path != STANDARD_INPUT and path.suffix != ".gz" and path.is_file()
        self.size = path.stat().st_size if plain else None

    def __iter__(self) -> Iterator[np.ndarray]:
        begin = 0

        def counted() -> Iterator[str]:
            nonlocal begin
            for number, text in enumerate(text_pieces(self.path)):
                begin, self.text_bytes = self.text_bytes, self.text_bytes + len(text.encode())
                if not self._tokenizer.by_character and is_sampled(number):
                    self.loss += text_loss(self._tokenizer, text)
                yield text
                begin = self.text_bytes

        try:
            for ids in self._tokenizer.encode_pieces(counted()):
                self.tokens += len(ids)
                yield ids
        except UserError as error:
            if begin == self.text_bytes:  # not of the tokenizer, but of the file
                raise
            raise UserError(f"{_name(self.path)}, after byte {begin:,}: {error}") from error
        if not self.tokens:
            raise UserError(f"{_name(self.path)}: holds no text: check the path")

    @property
    def seen_bytes(self) -> int | None:
        """Bytes of the text that its tokens stand for; None if the tokenizer loses some of it."""
        return None if self.loss.lost else self.text_bytes


def blocks(arrays: Iterator[np.ndarray] | TextTokens, size: int) -> Iterator[np.ndarray]:
    """Yield tokens in arrays of `size`, int64, the last one shorter; from arrays of any lengths.

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
    if not is_text(path):
        raise UserError(f"{path}: titans lm prepare reads such files: give plain text, such as one of its documents")
    with open_bytes(path) as (stream, _):
        yield stream


def _name(path: Path) -> str:
    return "standard input" if path == STANDARD_INPUT else str(path)
