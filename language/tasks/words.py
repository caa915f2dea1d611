"""Words as tokens: splitting text, and numbering the words of a small vocabulary."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np

UNKNOWN = "<unk>"
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\d|[^\w\s]")


def split_words(text: str) -> list[str]:
    r"""Split text into lower-case words, single digits and single signs; spaces and underscores are dropped.

    Example:
        >>> split_words('Mr. Bennet\'s _key_ is 42."')
        ['mr', '.', "bennet's", 'key', 'is', '4', '2', '.', '"']
    """
    return _WORD.findall(text.lower().replace("_", " "))


@dataclass(frozen=True)
class WordVocabulary:
    """Number words; 0 stands for every word that is not among them.

    Args:
        words: different words, the first of them `UNKNOWN`; see `WordVocabulary.of`.

    Example:
        >>> vocabulary = WordVocabulary.of(["the", "cat", "the"])
        >>> vocabulary.encode(["the", "dog"]), vocabulary.decode([2, 0])
        (array([1, 0]), 'cat <unk>')
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, words: Iterable[str]) -> "WordVocabulary":
        """Number words in the order of their first appearance."""
        return cls(tuple(dict.fromkeys([UNKNOWN, *words])))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str]) -> np.ndarray:
        """Return the numbers of words, int64 `[len(words)]`."""
        return np.fromiter(map(self._numbers.get, words, repeat(0)), dtype=np.int64, count=len(words))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of numbers, with spaces between them."""
        return " ".join(self.words[int(i)] for i in ids)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}
