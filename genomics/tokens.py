"""Tokens: what a model reads in place of letters, and what each of them is on the other strand."""

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from titans_seq.config import register
from titans_seq.errors import UserError

from .sequences.alphabet import encode
from .sequences.kmers import kmer_complements

_UNKNOWN_BASE = 4
MOST_BASES = 8
"""Bases of the longest k-mer: 65,536 tokens."""


class Tokenizer(ABC):
    """Turn a sequence into ids: k-mers of A, C, G and T; `unknown` for one with another letter, `pad` and `mask`.

    The ids of a k-mer run from 0 to `4**k - 1`, its bases read as digits of base 4 in the order A, C, G, T.
    """

    @property
    @abstractmethod
    def width(self) -> int:
        """Bases of a token, k."""

    @property
    @abstractmethod
    def step(self) -> int:
        """Bases from the start of one token to the start of the next."""

    @property
    def unknown(self) -> int:
        """Id of a token with a letter that is not A, C, G or T; ids below it are k-mers."""
        return 4**self.width

    @property
    def pad(self) -> int:
        """Id that fills up rows; no prediction depends on it."""
        return self.unknown + 1

    @property
    def mask(self) -> int:
        """Id that hides a token in pretraining."""
        return self.unknown + 2

    @property
    def vocabulary(self) -> int:
        """Number of ids."""
        return self.unknown + 3

    @property
    def complement(self) -> np.ndarray:
        """int64 `[vocabulary]`: each id's own reverse complement; `unknown`, `pad` and `mask` are their own."""
        return _complement(self.width)

    def encode(self, sequence: str) -> np.ndarray:
        """Return the ids of a sequence.

        Args:
            sequence: clean, upper-case, at least one letter. One shorter than a token is one `unknown`; bases after
                the last whole token are left out.

        Returns:
            int64 `[T]`, T >= 1.

        Raises:
            UserError: if the sequence is empty.
        """
        if not sequence:
            raise UserError("a sequence has no bases: expected at least one; leave the record out")
        bases = encode(sequence)
        if self.width == self.step == 1:
            return bases
        tokens = (len(bases) - self.width) // self.step + 1
        if tokens < 1:
            return np.array([self.unknown])
        ids, unknown = np.zeros(tokens, dtype=np.int64), np.zeros(tokens, dtype=bool)
        for place in range(self.width):
            column = bases[place :: self.step][:tokens]
            ids = 4 * ids + column
            unknown |= column == _UNKNOWN_BASE
        ids[unknown] = self.unknown
        return ids

    def substitutions(self, gradient: np.ndarray, ids: np.ndarray, length: int) -> np.ndarray:
        """Return what each base at each position would change, to first order, given the gradient of its tokens.

        A base that is replaced changes all tokens that hold it, whose changes add up.

        Args:
            gradient: of a score with respect to one-hot tokens, `[T, vocabulary]`.
            ids: the tokens, `[T]`.
            length: bases of the sequence.

        Returns:
            float64 `[length, 4]` in the order A, C, G, T; 0 for the base that is there. Where a token of several bases
            is unknown nothing is known, and it adds 0.

        Example:
            >>> gradient = np.zeros((2, 7))
            >>> gradient[0] = [1, 2, 4, 8, 16, 0, 0]
            >>> Nucleotides().substitutions(gradient, np.array([1, 3]), 2)[0].tolist()
            [-1.0, 0.0, 2.0, 6.0]
        """
        gradient = np.asarray(gradient, dtype=np.float64)
        rows, changes = np.arange(len(ids)), np.zeros((max(length, self.width), _UNKNOWN_BASE))
        known = ids < self.unknown
        for place in range(self.width):
            unit = 4 ** (self.width - 1 - place)
            digit = ids // unit % 4
            for base in range(_UNKNOWN_BASE):
                other = np.where(known, ids + (base - digit) * unit, base if self.width == 1 else ids)
                changes[place :: self.step, base][: len(ids)] += gradient[rows, other] - gradient[rows, ids]
        return changes[:length]


@register("nucleotides")
@dataclass(frozen=True)
class Nucleotides(Tokenizer):
    """Make one token of each base: A, C, G, T, and one for every other letter.

    Example:
        >>> Nucleotides().encode("ACGTN").tolist(), Nucleotides().complement.tolist()
        ([0, 1, 2, 3, 4], [3, 2, 1, 0, 4, 5, 6])
    """

    @property
    def width(self) -> int:
        """One base."""
        return 1

    @property
    def step(self) -> int:
        """One base."""
        return 1


@register("kmers")
@dataclass(frozen=True)
class KMers(Tokenizer):
    """Make one token of every k bases, overlapping if `stride` is below k.

    With a stride above 1 the two strands of a sequence are read in different frames, unless its length happens to fit.

    Attributes:
        k: bases of a token, in [1, 8].
        stride: bases from one token to the next, in [1, k].

    Raises:
        UserError: if a number is out of range.

    Example:
        >>> KMers(2).encode("AACGN").tolist()
        [0, 1, 6, 16]
    """

    k: int = 3
    stride: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST_BASES:
            raise UserError(f"k must be in [1, {MOST_BASES}], got {self.k}")
        if not 1 <= self.stride <= self.k:
            raise UserError(f"stride must be in [1, k = {self.k}], or bases would never be read, got {self.stride}")

    @property
    def width(self) -> int:
        """K bases."""
        return self.k

    @property
    def step(self) -> int:
        """The stride."""
        return self.stride


@functools.cache
def _complement(width: int) -> np.ndarray:
    whole = np.concatenate([kmer_complements(width), 4**width + np.arange(3)])
    whole.setflags(write=False)
    return whole
