"""Each part of a data set in itself: balance, lengths, unknown letters, copies."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from ..sequences.alphabet import reverse_complement
from ..sequences.values import LabelledSequences
from .report import ClassSummary, PartSummary

_KNOWN = "ACGT"


def summarise(part: str, data: LabelledSequences) -> PartSummary:
    """Describe one part.

    Args:
        part: its name.
        data: its sequences, at least one.
    """
    lengths = np.array([len(sequence) for sequence in data.sequences])
    known = np.array([sum(map(sequence.count, _KNOWN)) for sequence in data.sequences])
    strong = np.array([sequence.count("G") + sequence.count("C") for sequence in data.sequences])
    duplicates, reversed_copies = _copies(data.sequences)

    def described(name: str, chosen: np.ndarray) -> ClassSummary:
        summary = describe(name, lengths[chosen], len(data))
        chosen = chosen & (known > 0)
        if not chosen.any():
            return summary
        gc = strong[chosen] / known[chosen]
        return replace(summary, gc=float(gc.mean()), gc_deviation=float(gc.std()))

    return PartSummary(
        part=part,
        whole=described("all", np.ones(len(data), dtype=bool)),
        classes=tuple(described(name, _has(data, number)) for number, name in enumerate(data.classes)),
        unknown=1 - int(known.sum()) / int(lengths.sum()),
        duplicates=duplicates,
        reversed=reversed_copies,
        conflicting=conflicting(either_strand(data), label_keys(data)),
        mostly_unknown=int((2 * known < lengths).sum()),
    )


def label_keys(data: LabelledSequences) -> list[bytes]:
    """Return for each sequence something that is equal where the labels are."""
    return [np.ascontiguousarray(label).tobytes() for label in data.labels]


def either_strand(data: LabelledSequences) -> list[str]:
    """Return for each sequence something that is equal where it, or its reverse complement, is."""
    return [min(sequence, reverse_complement(sequence)) for sequence in data.sequences]


def conflicting(keys: Sequence[Hashable], labels: Sequence[Hashable]) -> int:
    """Count those whose copies, which have an equal key, do not all have one label."""
    found: dict[Hashable, set[Hashable]] = {}
    for key, label in zip(keys, labels, strict=True):
        found.setdefault(key, set()).add(label)
    counts = Counter(keys)
    return sum(counts[key] for key, held in found.items() if len(held) > 1)


def conflicting_later(keys: Sequence[Hashable], labels: Sequence[Hashable]) -> int:
    """Count those of which an earlier copy has another label.

    Example:
        >>> conflicting_later(["a", "b", "a", "a"], [0, 0, 0, 1]), conflicting(["a", "b", "a", "a"], [0, 0, 0, 1])
        (1, 3)
    """
    earlier: dict[Hashable, set[Hashable]] = {}
    count = 0
    for key, label in zip(keys, labels, strict=True):
        held = earlier.setdefault(key, set())
        count += not held <= {label}
        held.add(label)
    return count


def _has(data: LabelledSequences, number: int) -> np.ndarray:
    return data.labels[:, number] > 0 if data.kind == "multilabel" else data.labels == number


def describe(name: str, lengths: np.ndarray, total: int) -> ClassSummary:
    """Describe those of one class by their lengths `[N]`, as a share of a total."""
    if not len(lengths):
        return ClassSummary(name, 0, 0.0, 0, 0, 0)
    share = len(lengths) / total
    return ClassSummary(name, len(lengths), share, int(lengths.min()), int(np.median(lengths)), int(lengths.max()))


def _copies(sequences: tuple[str, ...]) -> tuple[int, int]:
    seen: set[str] = set()
    duplicates = other_strand = 0
    for sequence in sequences:
        if sequence in seen:
            duplicates += 1
        elif reverse_complement(sequence) in seen:
            other_strand += 1
        seen.add(sequence)
    return duplicates, other_strand
