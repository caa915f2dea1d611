"""What every tokenizer does, and decoding while tokens still come."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from titans_seq.config import to_yaml
from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from .streaming import encode_stream

INFO = "tokenizer.yaml"
"""Name of the file that says which tokenizer a folder holds."""


@dataclass(frozen=True)
class TokenizerInfo:
    """Which tokenizer it is: two tokenizers with the same info give the same ids.

    Args:
        kind: "bytes", "characters", "sentencepiece" or "json".
        vocabulary: number of ids; they run from 0 to `vocabulary - 1`.
        end_of_document: the id that ends a document.
        sha256: of the tokenizer's file, in hexadecimal; None where there is none.

    Example:
        >>> from language.tokenizers import ByteTokenizer
        >>> ByteTokenizer().info.vocabulary
        257
    """

    kind: str
    vocabulary: int
    end_of_document: int
    sha256: str | None = None


class Decoder(Protocol):
    """Make text from tokens that come one by one; only whole characters come out."""

    def push(self, token: int) -> str:
        """Take one more id and return the text that is now certain, which may be empty."""
        ...

    def finish(self) -> str:
        """Return what is left, with U+FFFD for a character that was never completed."""
        ...


class Tokenizer(ABC):
    """Turn text into ids and back.

    `end_of_document` never comes out of `encode`, whatever the text holds, and decodes to nothing. A tokenizer file
    that names no such token gets one id more, after its own.

    Args:
        vocabulary: number of ids.
        end_of_document: one of them.
        content: the file that defines the tokenizer, None if nothing does.
    """

    kind: ClassVar[str]
    """Name of the kind in saved files."""
    file: ClassVar[str]
    """Name of the tokenizer's own file in a saved folder."""
    by_character: ClassVar[bool] = False
    """Whether each character has its own ids, whatever is around it, and every text comes back from them."""

    def __init__(self, vocabulary: int, end_of_document: int, content: bytes | None = None) -> None:
        self.vocabulary = vocabulary
        self.end_of_document = end_of_document
        self._content = content

    @abstractmethod
    def _encode(self, text: str) -> np.ndarray:
        """Ids [T] of any integer type, of a text that can be written as UTF-8."""

    @abstractmethod
    def _decode(self, ids: list[int]) -> str:
        """Text of ids that are in the vocabulary and not `end_of_document`."""

    def encode_pieces(self, pieces: Iterable[str]) -> Iterator[np.ndarray]:
        """Yield the ids of one text that comes in pieces, the same wherever it is cut, in memory that does not grow.

        Args:
            pieces: the text, cut anywhere.

        Returns:
            Arrays [T] of some integer type, of consecutive parts of the text.

        Raises:
            UserError: if the text holds what the tokenizer does not know, or half of a surrogate pair.
        """
        if self.by_character:
            return map(self._encode_checked, pieces)
        return encode_stream(self._encode_checked, pieces)

    def encode_array(self, text: str) -> np.ndarray:
        """Return the ids of a text as an array [T] of some integer type: a list of a long text takes too much memory.

        Raises:
            UserError: see `encode_pieces`.
        """
        return np.concatenate(list(self.encode_pieces((text,))) or [np.empty(0, np.int64)])

    def _encode_checked(self, text: str) -> np.ndarray:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"the text holds U+{ord(text[error.start]):04X} at character {error.start}, half of a surrogate pair: "
                "expected text that can be written as UTF-8; remove it"
            ) from error
        return self._encode(text)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text as a list; see `encode_array`."""
        return self.encode_array(text).tolist()

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids without `end_of_document` and special tokens; broken characters become U+FFFD.

        Raises:
            ValueError: if an id is not in the vocabulary.
        """
        kept = []
        for token in ids:
            if not 0 <= token < self.vocabulary:
                raise ValueError(f"token {token} is not in the vocabulary: expected 0 to {self.vocabulary - 1}")
            if token != self.end_of_document:
                kept.append(int(token))
        return self._decode(kept)

    def decoder(self) -> Decoder:
        """Return a new decoder for ids that come one by one."""
        return WindowDecoder(self.decode)

    def decode_stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text of ids as they come, in pieces of whole characters, none of them empty."""
        decoder = self.decoder()
        for token in ids:
            if piece := decoder.push(token):
                yield piece
        if piece := decoder.finish():
            yield piece

    @property
    def info(self) -> TokenizerInfo:
        """Which tokenizer this is."""
        digest = None if self._content is None else hashlib.sha256(self._content).hexdigest()
        return TokenizerInfo(self.kind, self.vocabulary, self.end_of_document, digest)

    def files(self) -> dict[str, bytes]:
        """Return all that `load_tokenizer` needs, as contents by file name: what a model keeps of its tokenizer."""
        own = {} if self._content is None else {self.file: self._content}
        return own | {INFO: to_yaml(self.info).encode()}

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the tokenizer into a folder, from which `load_tokenizer` reads it.

        Raises:
            OSError: if the folder cannot be written to.
        """
        for name, content in self.files().items():
            with atomic_path(Path(folder) / name) as temporary:
                temporary.write_bytes(content)


class WindowDecoder:
    """Decode ids one by one on top of a function that decodes whole sequences.

    How a token reads depends on its neighbours: bytes join to a character, the first word loses its space. So the
    tokens since the last piece of text are decoded again together with those that made that piece, and what is new is
    given out, unless it ends in U+FFFD: then its last character may still be completed. A run of `PATIENCE` tokens
    that is no text by then never will be, and is given out as it is.
    """

    PATIENCE = 16

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._told = 0  # of the tokens, how many have had their text given out

    def push(self, token: int) -> str:
        """Take one more id and return the text that is now certain."""
        self._tokens.append(token)
        new = self._new()
        waiting = len(self._tokens) - self._told
        if (not new or new.endswith("\N{REPLACEMENT CHARACTER}")) and waiting < self.PATIENCE:
            return ""
        self._tokens = self._tokens[self._told :]
        self._told = len(self._tokens)
        return new

    def finish(self) -> str:
        """Return what is left."""
        new = self._new()
        self._told = len(self._tokens)
        return new

    def _new(self) -> str:
        told = self._decode(self._tokens[: self._told])
        return self._decode(self._tokens)[len(told) :]
