"""Tokenizers that need no package: bytes, and the characters of a text."""

import codecs
import json
from collections.abc import Iterable

import numpy as np

from titans_seq.errors import UserError

from .base import Decoder, Tokenizer

_BYTES = 256


class ByteTokenizer(Tokenizer):
    """Take the bytes of the text in UTF-8, 0 to 255, and 256 for the end of a document.

    Example:
        >>> tokenizer = ByteTokenizer()
        >>> tokenizer.encode("né"), tokenizer.vocabulary, tokenizer.end_of_document
        ([110, 195, 169], 257, 256)
        >>> tokenizer.decode([110, 195, 169, 256])
        'né'
        >>> list(tokenizer.decode_stream([110, 195, 169]))
        ['n', 'é']
    """

    kind = "bytes"
    file = ""
    by_character = True

    def __init__(self) -> None:
        super().__init__(_BYTES + 1, _BYTES)

    def _encode(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode(), dtype=np.uint8)

    def _decode(self, ids: list[int]) -> str:
        return bytes(ids).decode(errors="replace")

    def decoder(self) -> Decoder:
        """Return a new decoder for ids that come one by one."""
        return _ByteDecoder()


class _ByteDecoder:
    """Python's own incremental decoder, which is exact for any bytes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        return "" if token == _BYTES else self._decoder.decode(bytes([token]))

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)


class CharacterTokenizer(Tokenizer):
    """Give each character that occurs in a text an id, in the order of code points, then the end of a document one.

    Args:
        characters: the characters; each once, sorted.

    Raises:
        UserError: if there are none, or they are not sorted or not unique.

    Example:
        >>> tokenizer = CharacterTokenizer.build(["to be", "or not"])
        >>> tokenizer.characters, tokenizer.vocabulary
        (' benort', 8)
        >>> tokenizer.encode("bet")
        [1, 2, 6]
        >>> tokenizer.encode("bet?")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: character '?' (U+003F) is not one of the tokenizer's 7: remove it, or build the \
tokenizer from a text that holds it
    """

    kind = "characters"
    file = "characters.json"
    by_character = True

    def __init__(self, characters: str) -> None:
        if not characters or sorted(set(characters)) != list(characters):
            raise UserError(
                f"expected at least one character, each once and sorted by code point, got {characters[:60]!r}: "
                "CharacterTokenizer.build finds those of a text"
            )
        content = json.dumps({"characters": characters}).encode()
        super().__init__(len(characters) + 1, len(characters), content)
        self.characters = characters
        self._points = _code_points(characters)

    @classmethod
    def build(cls, texts: Iterable[str]) -> "CharacterTokenizer":
        """Return the tokenizer of all characters that occur in some texts.

        Raises:
            UserError: if there is no character.
        """
        found: set[str] = set()
        for text in texts:
            found.update(text)
        return cls("".join(sorted(found)))

    @classmethod
    def from_json(cls, content: bytes, source: str) -> "CharacterTokenizer":
        """Return the tokenizer of a saved file.

        Args:
            content: the file.
            source: its name, for messages.

        Raises:
            UserError: if it is no such file.
        """
        try:
            return cls(str(json.loads(content)["characters"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{source}: not a saved character tokenizer ({error}): restore the file") from error

    def _encode(self, text: str) -> np.ndarray:
        points = _code_points(text)
        ids = np.searchsorted(self._points, points)
        # A point above the last one is given the index behind it, which the comparison may not look up.
        known = self._points[np.minimum(ids, len(self._points) - 1)] == points
        if not known.all():
            character = text[int(np.argmin(known))]
            raise UserError(
                f"character {character!r} (U+{ord(character):04X}) is not one of the tokenizer's "
                f"{len(self.characters)}: remove it, or build the tokenizer from a text that holds it"
            )
        return ids

    def _decode(self, ids: list[int]) -> str:
        return "".join(self.characters[token] for token in ids)


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
