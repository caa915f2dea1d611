"""The lengths and unknown bases that a classifier was trained on: beyond them its answers are guesses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..sequences.values import LabelledSequences

SCANNED = 10
"""A sequence of more than so many times the longest training sequence is scanned in windows, not scored once."""

_KNOWN = "ACGT"
_ALLOWED = 0.05


def unknown_bases(sequence: str) -> int:
    """Return how many letters of a sequence are not A, C, G or T.

    Example:
        >>> unknown_bases("ACGNR")
        2
    """
    return len(sequence) - sum(map(sequence.count, _KNOWN))


@dataclass(frozen=True)
class TrainingRange:
    """What the sequences of a training part were like.

    Attributes:
        shortest: bases of the shortest.
        median: bases of the middle one.
        longest: bases of the longest.
        unknown: largest share of letters in one of them that are not A, C, G or T, in [0, 1].
    """

    shortest: int
    median: int
    longest: int
    unknown: float = 0.0

    @classmethod
    def of(cls, data: LabelledSequences) -> "TrainingRange":
        """Describe at least one sequence.

        Example:
            >>> data = LabelledSequences(("a", "b"), ("ACGN", "TT"), np.array([1, 0]), ("no", "yes"), "classes")
            >>> TrainingRange.of(data)
            TrainingRange(shortest=2, median=3, longest=4, unknown=0.25)
        """
        lengths = [len(sequence) for sequence in data.sequences]
        unknown = max(unknown_bases(sequence) / len(sequence) for sequence in data.sequences)
        return cls(min(lengths), int(np.median(lengths)), max(lengths), unknown)

    @classmethod
    def joined(cls, ranges: Sequence["TrainingRange"]) -> "TrainingRange":
        """Return what at least one of some ranges holds, with the middle one of their medians.

        Example:
            >>> TrainingRange.joined([TrainingRange(2, 3, 4), TrainingRange(3, 5, 9, 0.5)])
            TrainingRange(shortest=2, median=4, longest=9, unknown=0.5)
        """
        return cls(
            min(one.shortest for one in ranges),
            int(np.median([one.median for one in ranges])),
            max(one.longest for one in ranges),
            max(one.unknown for one in ranges),
        )

    def outside(self, length: int, unknown: int) -> bool:
        """Say whether a sequence is shorter, longer or less known than all that the model was trained on.

        Args:
            length: its bases.
            unknown: those of them that are not A, C, G or T; one in twenty is always allowed.
        """
        return not self.shortest <= length <= self.longest or unknown > max(self.unknown, _ALLOWED) * length

    def is_contig(self, length: int) -> bool:
        """Say whether a sequence is so long that one score for all of it means nothing."""
        return length > SCANNED * self.longest

    def text(self) -> str:
        """Return the range in words.

        Example:
            >>> TrainingRange(90, 100, 110, 0.02).text()
            '90 to 110 bases, at most 2.0% of them unknown'
        """
        bases = f"{self.shortest:,} to {self.longest:,}" if self.shortest < self.longest else f"{self.longest:,}"
        return f"{bases} bases, at most {self.unknown:.1%} of them unknown"
