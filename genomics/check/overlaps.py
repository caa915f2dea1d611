"""What two parts of a data set have in common: equal sequences, reverse complements, shared k-mers."""

import numpy as np

from ..sequences.alphabet import reverse_complement
from ..sequences.kmers import canonical_kmers
from ..sequences.splitting import near_duplicate_groups
from ..sequences.values import LabelledSequences
from .report import ClassOverlap, Overlap, PartSummary
from .summaries import conflicting_later, either_strand, label_keys


class KnownPart:
    """Hold a part of a data set in which others are looked for.

    Args:
        name: of the part.
        data: its sequences.
        k: bases of a k-mer.
    """

    def __init__(self, name: str, data: LabelledSequences, k: int) -> None:
        self.name = name
        self.k = k
        self._labels: dict[str, set[bytes]] = {}
        for sequence, label in zip(data.sequences, label_keys(data), strict=True):
            self._labels.setdefault(sequence, set()).add(label)
        self._kmers = np.zeros(0, dtype=np.uint64)
        for numbers, _ in canonical_kmers(data.sequences, k):
            self._kmers = np.union1d(self._kmers, numbers)

    def overlap(self, part: str, data: LabelledSequences) -> Overlap:
        """Return what another part has in common with this one."""
        exact = other_strand = conflicting = 0
        for sequence, label in zip(data.sequences, label_keys(data), strict=True):
            found = self._labels.get(sequence)
            if found is not None:
                exact += 1
            else:
                found = self._labels.get(reverse_complement(sequence))
                other_strand += found is not None
            conflicting += found is not None and found != {label}
        sharing, long_enough = self._sharing(data)
        return Overlap(
            part=part,
            other=self.name,
            count=len(data),
            exact=exact,
            reversed=other_strand,
            conflicting=conflicting,
            k=self.k,
            sharing=int(sharing.sum()),
            too_short=int((~long_enough).sum()),
            classes=_by_class(data, sharing),
        )

    def _sharing(self, data: LabelledSequences) -> tuple[np.ndarray, np.ndarray]:
        """For each sequence whether it shares a k-mer, and whether it has one, bool `[N]` each."""
        sharing = np.zeros(len(data), dtype=bool)
        has_one = np.zeros(len(data), dtype=bool)
        for numbers, owners in canonical_kmers(data.sequences, self.k):
            has_one[owners] = True
            different, which = np.unique(numbers, return_inverse=True)
            known = np.isin(different, self._kmers, assume_unique=True)
            sharing[owners[known[which]]] = True
        return sharing, has_one


def overlap_within(summary: PartSummary, data: LabelledSequences, k: int) -> Overlap:
    """Return what the sequences of a part have in common with each other.

    Args:
        summary: of the part.
        data: its sequences.
        k: bases of a k-mer.
    """
    groups = near_duplicate_groups(data.sequences, k)
    sharing = np.bincount(groups)[groups] > 1
    return Overlap(
        part=summary.part,
        other=summary.part,
        count=len(data),
        exact=summary.duplicates,
        reversed=summary.reversed,
        conflicting=conflicting_later(either_strand(data), label_keys(data)),
        k=k,
        sharing=int(sharing.sum()),
        too_short=sum(len(sequence) < k for sequence in data.sequences),
        classes=_by_class(data, sharing),
    )


def _by_class(data: LabelledSequences, sharing: np.ndarray) -> tuple[ClassOverlap, ...]:
    if data.kind != "classes":
        return ()
    present = [number for number in range(len(data.classes)) if (data.labels == number).any()]
    return tuple(ClassOverlap(data.classes[number], float(sharing[data.labels == number].mean())) for number in present)
