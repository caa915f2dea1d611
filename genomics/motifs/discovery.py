"""Motifs from attributions by TF-MoDISco (Shrikumar et al. 2018, arXiv 1811.00416), as modisco-lite computes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from titans_seq.errors import UserError, require_at_least
from titans_seq.extras import needing

from ..explain.exports import one_hot_bases
from ..explain.mutagenesis import Attribution
from ..explain.scores import spread_of

_CORE = 0.3
_PSEUDO = 0.01
_FITTING = 0.5
_TRIMMED = 20
_GROWN = 5
_CLUSTERINGS = 5
_ALIKE = 0.85
_BASES = "ACGT"


@dataclass(frozen=True)
class MotifOptions:
    """How motifs are looked for.

    Attributes:
        window: bases of the windows whose contributions are summed, at least 3.
        flank: bases on either side that go with a window, at least 1.
        fewest: seqlets (windows that contribute more than chance explains) that make a motif, at least 2.
        most_windows: largest share of all windows that are taken for seqlets, in (0, 1]; large, as sequences that a
            classifier is trained on are short, and motifs fill much of them.

    Raises:
        UserError: if a number is out of range.

    Example:
        >>> MotifOptions(window=9, fewest=10).flank
        5
    """

    window: int = 15
    flank: int = 5
    fewest: int = 20
    most_windows: float = 0.6

    def __post_init__(self) -> None:
        require_at_least(self, window=3, flank=1, fewest=2)
        if not 0 < self.most_windows <= 1:
            raise UserError(f"the share of windows must be in (0, 1], got {self.most_windows}")


@dataclass(frozen=True)
class Site:
    """A place in a sequence from which a motif was made.

    Attributes:
        sequence: number of the sequence.
        start: first base, from 0, on the sequence as given.
        end: the base after the last.
        strand: on which the motif reads as it is drawn.
        effect: sum of the contributions of its bases.

    Example:
        >>> site = Site(sequence=3, start=7, end=11, strand="-", effect=2.0)
        >>> site.end - site.start
        4
    """

    sequence: int
    start: int
    end: int
    strand: str
    effect: float


@dataclass(frozen=True, eq=False)
class Motif:
    """A pattern that many sequences share where the model looks.

    Attributes:
        name: "motif_1", ... for those that speak for the target, "against_1", ... for those that speak against it.
        matrix: share of each base at each position, float64 `[W, 4]` in the order A, C, G, T.
        contributions: mean contribution of the bases that stand there, `[W, 4]`.
        sites: that it was made from.

    Example:
        >>> sites = (Site(0, 5, 9, "+", 1.0), Site(3, 7, 11, "-", 2.0))
        >>> motif = Motif("motif_1", np.tile([1.0, 0.0, 0.0, 0.0], (4, 1)), np.ones((4, 4)), sites)
        >>> motif.effect, round(motif.information)
        (1.5, 8)
    """

    name: str
    matrix: np.ndarray = field(repr=False)
    contributions: np.ndarray = field(repr=False)
    sites: tuple[Site, ...] = field(default=(), repr=False)

    @property
    def effect(self) -> float:
        """Mean effect of its sites, in the unit of the attributions."""
        return float(np.mean([site.effect for site in self.sites])) if self.sites else 0.0

    @property
    def information(self) -> float:
        """Bits in the matrix, of 2 a position."""
        return float(column_information(self.matrix).sum())

    @property
    def consensus(self) -> str:
        """The likeliest base at each position, in lower case where it has less than half of the sites."""
        best = self.matrix.argmax(1)
        letters = zip(best, self.matrix.max(1), strict=True)
        return "".join(_BASES[base] if share >= 0.5 else _BASES[base].lower() for base, share in letters)


def column_information(matrix: np.ndarray) -> np.ndarray:
    """Return the bits of each position of a matrix, `[W]`, of 2 where one base stands alone.

    Example:
        >>> column_information(np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]])).round(6).tolist()
        [2.0, 0.0]
    """
    shares = np.clip(matrix, 1e-12, 1)
    return 2 + (shares * np.log2(shares)).sum(1)


def discover(attributions: Sequence[Attribution], options: MotifOptions | None = None) -> list[Motif]:
    """Find the motifs in attributions.

    Args:
        attributions: of many sequences, dozens at least, for one target.
        options: how they are looked for.

    Returns:
        Those that speak for the target, then those against it, each the most frequent first.

    Raises:
        UserError: if the package for it is missing.
    """
    with needing("TF-MoDISco", "motifs"):
        from modiscolite import tfmodisco
    options = options or MotifOptions()
    lengths = [len(one.sequence) for one in attributions]
    # A pattern with its flanks must fit about a motif that stands at the end of a sequence. What is unknown there is
    # any base: zeros in place of shares would have no logarithm.
    margin = options.window + options.flank + _TRIMMED
    longest = max(lengths) + 2 * margin
    one_hot = np.full((len(attributions), longest, 4), 0.25)
    contributions = np.zeros_like(one_hot)
    for row, one in enumerate(attributions):
        bases = one_hot_bases(one.sequence)
        one_hot[row, margin : margin + lengths[row]] = bases + (1 - bases.sum(1, keepdims=True)) / 4
        contributions[row, margin : margin + lengths[row]] = one.contributions
    patterns = tfmodisco.TFMoDISco(
        one_hot=one_hot,
        hypothetical_contribs=contributions,
        sliding_window_size=options.window,
        flank_size=options.flank,
        min_metacluster_size=options.fewest,
        final_min_cluster_size=options.fewest,
        max_passing_windows_frac=options.most_windows,
        trim_to_window_size=_TRIMMED,
        n_leiden_runs=_CLUSTERINGS,
        initial_flank_to_add=_GROWN,
    )
    found: list[Motif] = []
    for held, name in zip(patterns, ("motif", "against"), strict=True):
        motifs = [realigned(_trimmed(pattern, margin), attributions) for pattern in held or ()]
        motifs = joined([motif for motif in motifs if motif.sites], attributions)
        # What is left of a cluster once its sites are aligned may be too little to be one.
        motifs = [motif for motif in motifs if len(motif.sites) >= options.fewest]
        motifs.sort(key=lambda motif: -len(motif.sites))
        found += [
            Motif(f"{name}_{number}", motif.matrix, motif.contributions, motif.sites)
            for number, motif in enumerate(motifs, 1)
        ]
    return found


def effect_spread(motif: Motif, attributions: Sequence[Attribution]) -> float | None:
    """Return the standard deviation of a motif's mean effect over the members of an ensemble; None of another model.

    Args:
        motif: with its sites.
        attributions: that it was found in.
    """
    effects = []
    for site in motif.sites:
        one, here = attributions[site.sequence], slice(max(site.start, 0), site.end)
        if one.members is None:
            return None
        changes = one.members[:, here]
        contributions = changes - changes.mean(2, keepdims=True)
        effects.append((contributions * one_hot_bases(one.sequence[here])).sum((1, 2)))
    spread = spread_of(np.mean(effects, axis=0)) if effects else None
    return None if spread is None else float(spread)


def realigned(motif: Motif, attributions: Sequence[Attribution], slack: int = 4) -> Motif:
    """Move each site to where it fits its motif best, and leave out those that fit badly.

    A cluster holds windows that are some bases off, and some that are of no motif; both blur the matrix.

    Args:
        motif: as it was clustered.
        attributions: that it was found in.
        slack: bases by which a site may move.
    """
    weights = np.log2(np.maximum(motif.matrix, _PSEUDO) / 0.25)
    least = _FITTING * float(weights.max(1).sum())
    sites: dict[tuple[int, int], Site] = {}
    counts, contributions = np.zeros_like(motif.matrix), np.zeros_like(motif.matrix)
    for site in motif.sites:
        one = attributions[site.sequence]
        bases = one_hot_bases(one.sequence)
        fit, start, strand = _best_place(weights, bases, site.start - slack, site.start + slack)
        if fit < least or (site.sequence, start) in sites:
            continue
        here = slice(start, start + len(weights))
        held = bases[here] * one.contributions[here]
        sites[site.sequence, start] = Site(site.sequence, start, start + len(weights), strand, float(held.sum()))
        turn = slice(None, None, 1 if strand == "+" else -1)
        counts += bases[here][turn, turn]
        contributions += held[turn, turn]
    if not sites:
        return motif
    matrix = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return Motif(motif.name, matrix, contributions / len(sites), tuple(sites.values()))


def _best_place(weights: np.ndarray, bases: np.ndarray, first: int, last: int) -> tuple[float, int, str]:
    """Return how well a motif fits where it fits best between two starts, where that is, and on which strand."""
    size = len(weights)
    places = [
        (
            float(
                (
                    weights
                    * (bases[start : start + size] if strand == "+" else bases[start : start + size][::-1, ::-1])
                ).sum()
            ),
            start,
            strand,
        )
        for start in range(max(first, 0), min(last, len(bases) - size) + 1)
        for strand in "+-"
    ]
    return max(places, default=(-np.inf, 0, "+"))


@dataclass(frozen=True)
class Likeness:
    """How like two motifs are where they fit best.

    Attributes:
        value: correlation of the matrices about 1/4, from -1 to 1; 1 for copies. What one has beside the other counts
            as unlike.
        offset: position in the first at which the second begins.
        turned: whether the second fits on the other strand.
    """

    value: float
    offset: int
    turned: bool


def likeness(one: np.ndarray, other: np.ndarray) -> Likeness:
    """Compare two matrices, `[W, 4]` and `[V, 4]`, at every offset and on both strands.

    Example:
        >>> word = np.eye(4)[[3, 2, 0, 1, 3]]
        >>> likeness(word, word[::-1, ::-1]), likeness(word, word[1:]).offset
        (Likeness(value=1.0, offset=0, turned=True), 1)
    """
    one, other = one - 0.25, other - 0.25
    scale = max(float(np.sqrt((one**2).sum() * (other**2).sum())), 1e-12)
    best = Likeness(-1.0, 0, False)
    for turned in (False, True):
        turn = slice(None, None, -1 if turned else 1)
        for offset in range(1 - len(other), len(one)):
            first, last = max(offset, 0), min(offset + len(other), len(one))
            part = other[turn, turn][first - offset : last - offset]
            value = float((one[first:last] * part).sum()) / scale
            if value > best.value + 1e-9:
                best = Likeness(value, offset, turned)
    return best


def joined(motifs: Sequence[Motif], attributions: Sequence[Attribution], alike: float = _ALIKE) -> list[Motif]:
    """Put together motifs that are near-copies, on either strand, into which the clustering divided one motif.

    The sites of a copy are moved to where the more frequent motif stands, and its matrix is made of all of them.

    Args:
        motifs: with their sites.
        attributions: that they were found in.
        alike: least `likeness` of copies. Of ten exact bases it allows one to differ, or two to be missing.
    """
    found: list[Motif] = []
    for motif in sorted(motifs, key=lambda motif: -len(motif.sites)):
        likest = [likeness(one.matrix, motif.matrix) for one in found]
        best = max(range(len(found)), key=lambda number: likest[number].value, default=None)
        if best is None or likest[best].value < alike:
            found.append(motif)
            continue
        width = len(found[best].matrix)
        moved = tuple(_moved(site, likest[best], width) for site in motif.sites)
        found[best] = realigned(replace(found[best], sites=(*found[best].sites, *moved)), attributions)
    return found


def _moved(site: Site, at: Likeness, width: int) -> Site:
    """Return where the first of two motifs stands that has the second at a site."""
    strand = site.strand if not at.turned else "-" if site.strand == "+" else "+"
    start = site.start - at.offset if strand == "+" else site.end + at.offset - width
    return replace(site, start=start, end=start + width, strand=strand)


def _trimmed(pattern: Any, margin: int) -> Motif:
    """Cut a pattern to the positions that contribute, with those between them."""
    scores = np.asarray(pattern.contrib_scores)
    size = np.abs(scores).sum(1)
    kept = np.flatnonzero(size >= _CORE * size.max())
    first, last = int(kept[0]), int(kept[-1]) + 1
    sites = []
    for seqlet in pattern.seqlets:
        start, end = (first, last) if not seqlet.is_revcomp else (len(size) - last, len(size) - first)
        effect = float(np.asarray(seqlet.contrib_scores)[first:last].sum())
        strand = "-" if seqlet.is_revcomp else "+"
        begin = int(seqlet.start) - margin
        sites.append(Site(int(seqlet.example_idx), begin + start, begin + end, strand, effect))
    matrix = np.asarray(pattern.sequence, dtype=np.float64)[first:last]
    return Motif("", matrix / np.maximum(matrix.sum(1, keepdims=True), 1e-12), scores[first:last], tuple(sites))
