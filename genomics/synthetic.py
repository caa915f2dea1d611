"""Sequences made up by a seed, for a first try without files, and to see what a model can and cannot find."""

import numpy as np

from titans_seq.errors import UserError

from .sequences.alphabet import decode, encode, reverse_complement
from .sequences.values import LabelledSequences

_MOTIF = "TGACTCAGCA"
# Long enough that 20,000 random bases hold nothing like them: of ten bases, nine are met by chance in such a sequence.
_PAIRS = (("GATAAGCATCTTGACG", "CCAATCGTACGGATTA"), ("TTGCGCAACTGACCAT", "AGGTCATGTTCACGCA"))


def planted_motifs(count: int, length: int, seed: int, motif: str = _MOTIF, kept: float = 0.9) -> LabelledSequences:
    """Draw random sequences, half of them with a motif on either strand.

    The other half has the bases of the motif in another order, so that the composition says nothing.

    Args:
        count: number of sequences, at least 2.
        length: bases of each, at least those of the motif.
        seed: of everything random.
        motif: clean sequence of A, C, G and T that is not its own reverse complement.
        kept: chance that a base of the motif stays as it is, in [0, 1]; else it becomes any base.

    Returns:
        Classes "background" and "motif", alternating.

    Raises:
        UserError: if a number is out of its range.

    Example:
        >>> data = planted_motifs(4, 30, seed=0, kept=1.0)
        >>> data.classes, data.labels.tolist(), {len(sequence) for sequence in data.sequences}
        (('background', 'motif'), [0, 1, 0, 1], {30})
    """
    if not 0 <= kept <= 1:
        raise UserError(f"the chance that a base is kept must be in [0, 1], got {kept}")
    if length < len(motif):
        raise UserError(f"a sequence of {length} bases has no room for a motif of {len(motif)}: make it longer")
    random = np.random.default_rng(seed)
    strands = [encode(motif), encode(reverse_complement(motif))]

    def sequence(label: int) -> str:
        ids = random.integers(0, 4, length)
        planted = strands[random.integers(2)]
        if label == 0:
            planted = random.permutation(planted)
        changed = random.random(len(planted)) >= kept
        planted = np.where(changed, random.integers(0, 4, len(planted)), planted)
        start = random.integers(0, length - len(planted) + 1)
        ids[start : start + len(planted)] = planted
        return decode(ids)

    labels = _alternating(count)
    return _named([sequence(label) for label in labels], labels, ("background", "motif"))


def motif_pairs(count: int, length: int, distance: int, seed: int) -> LabelledSequences:
    """Draw random sequences whose class shows only in what stands `distance` bases apart.

    There are two pairs of motifs. Each sequence has all four: the two first halves of the pairs, in either order, half
    the distance apart, and at `distance` after each of them a second half. In class "matching" that is its own second
    half, in "crossed" that of the other pair. Windows shorter than half the distance see the same in both classes, and
    even all of them together do not tell which; one must remember over `distance` bases which motif came first.

    Args:
        count: number of sequences, at least 2.
        length: bases of each, at least half as much again as `distance`, and a motif.
        distance: from a first to a second half, at least four motifs long.
        seed: of everything random.

    Returns:
        Classes "crossed" and "matching", alternating.

    Raises:
        UserError: if a number is out of its range.

    Example:
        >>> data = motif_pairs(4, 200, distance=100, seed=0)
        >>> data.classes, data.labels.tolist(), {len(sequence) for sequence in data.sequences}
        (('crossed', 'matching'), [0, 1, 0, 1], {200})
    """
    size = len(_PAIRS[0][0])
    gap = distance // 2
    if distance < 4 * size:
        raise UserError(f"the distance must be at least {4 * size} bases, four motifs, got {distance}")
    if length < distance + gap + size:
        raise UserError(
            f"two pairs at a distance of {distance} need at least {distance + gap + size} bases, got {length}"
        )
    random = np.random.default_rng(seed)
    halves = np.array([[encode(first), encode(second)] for first, second in _PAIRS])

    def sequence(label: int) -> str:
        ids = random.integers(0, 4, length)
        order = random.permutation(2)
        start = random.integers(0, length - distance - gap - size + 1)
        for place, pair in enumerate(order):
            second = pair if label else 1 - pair
            at = start + place * gap
            ids[at : at + size] = halves[pair, 0]
            ids[at + distance : at + distance + size] = halves[second, 1]
        return decode(ids)

    labels = _alternating(count)
    return _named([sequence(label) for label in labels], labels, ("crossed", "matching"))


def _alternating(count: int) -> list[int]:
    if count < 2:
        raise UserError(f"the number of sequences must be at least 2, got {count}")
    return [number % 2 for number in range(count)]


def _named(sequences: list[str], labels: list[int], classes: tuple[str, ...]) -> LabelledSequences:
    names = tuple(f"made_{number}" for number in range(1, len(sequences) + 1))
    return LabelledSequences(names, tuple(sequences), np.array(labels, dtype=np.int64), classes, "classes")
