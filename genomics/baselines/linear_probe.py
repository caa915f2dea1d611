"""What quick linear models find on the training part: which strands a label belongs to, and whether places matter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix, hstack

from ..sequences.splitting import stratified_split
from ..sequences.values import LabelledSequences
from .features import Features, kmer_frequencies, of_both_strands, one_hot_ends
from .linear import fit_linear
from .values import by_loss, loss

_MOST_SEQUENCES, _MOST_LABELS, _LONGEST_END = 6_000, 4, 300
_FEWEST, _FEWEST_OF_CLASS = 40, 8
_SIZES = (1, 2, 3, 4, 5)
_STRENGTHS = (1e-3, 1e-2, 1e-1)
_HELD_OUT = 0.25
_LONGEST_ALIKE, _HELP = 1_000, 0.03


@dataclass(frozen=True)
class LinearProbe:
    """What linear models lose on held-out training sequences: cross-entropy, or squared error of a regression.

    Attributes:
        given: of the better of k-mers and positions, as the sequences are given.
        both: the same with each feature added to that of the other strand.
        words: of k-mers alone, with the better of both kinds of strands.
        words_in_places: of k-mers and positions together, likewise; None where sequences differ in length or are long,
            so that the same place of two of them need not mean the same.
        count: sequences that it was measured on.
    """

    given: float
    both: float
    words: float
    words_in_places: float | None
    count: int

    @property
    def belongs_to_both(self) -> bool:
        """Whether the label belongs to both strands alike: what a strand tells is no help in predicting it."""
        return self.both <= self.given

    @property
    def places_matter(self) -> bool:
        """Whether it helps to know what stands where, by more than chance would have it."""
        return self.words_in_places is not None and self.words_in_places < (1 - _HELP) * self.words

    def describe_strands(self) -> str:
        """Return both losses that `belongs_to_both` compares."""
        return f"{self.both:.4f} blind to the strand, {self.given:.4f} as given"

    def describe_places(self) -> str:
        """Return both losses that `places_matter` compares, or why there are none."""
        if self.words_in_places is None:
            return f"sequences differ in length, or have more than {_LONGEST_ALIKE:,} bases"
        return f"{self.words_in_places:.4f} with what stands where, {self.words:.4f} of k-mers alone"


def probe(train: LabelledSequences, seed: int = 0) -> LinearProbe | None:
    """Fit linear models on three quarters of the training part, and score them on the rest.

    K-mers tell what is in a sequence, positions what stands where; a model that is blind to the strand adds the
    features of the reverse complement.

    Args:
        train: the training part; at most 6,000 sequences, 4 labels and classes with at least 8 sequences of it are
            looked at.
        seed: of what is held out.

    Returns:
        The losses; None if there are too few sequences to divide.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> probe(planted_motifs(4, 20, seed=0)) is None
        True
    """
    data = _few(train, seed)
    if len(data) < _FEWEST or (data.kind == "classes" and len(data.classes) < 2):
        return None
    rest, held = (data.take(part) for part in stratified_split(data, _HELD_OUT, seed))
    lengths = np.array([len(sequence) for sequence in data.sequences])
    alike = bool(lengths.min() == lengths.max() <= _LONGEST_ALIKE)
    ends = int(lengths[0]) if alike else min(_LONGEST_END, max(1, int(np.quantile(lengths, 0.05))))
    features = {both: _features(ends, alike, both) for both in (False, True)}
    losses = {both: [_loss(one, rest, held) for one in pair] for both, pair in features.items()}
    given, both = min(losses[False]), min(losses[True])
    kmers, positions = features[both <= given]
    together = _loss(partial(_beside, kmers, positions), rest, held) if alike else None
    return LinearProbe(given, both, losses[both <= given][0], together, len(data))


def _few(train: LabelledSequences, seed: int) -> LabelledSequences:
    data = train
    if len(train) > _MOST_SEQUENCES:
        chosen = np.random.default_rng(seed).choice(len(train), _MOST_SEQUENCES, replace=False)
        data = train.take(np.sort(chosen))
    if data.kind == "classes":
        kept = np.flatnonzero(np.bincount(data.labels, minlength=len(data.classes)) >= _FEWEST_OF_CLASS)
        data = data.take(np.flatnonzero(np.isin(data.labels, kept)))
        names = tuple(data.classes[number] for number in kept)
        data = replace(data, labels=np.searchsorted(kept, data.labels), classes=names)
    if data.kind == "multilabel" and len(data.classes) > _MOST_LABELS:
        # The most even labels tell most.
        even = np.sort(np.argsort(np.abs(data.labels.mean(0) - 0.5), kind="stable")[:_MOST_LABELS])
        data = replace(data, labels=data.labels[:, even], classes=tuple(data.classes[column] for column in even))
    return data


def _features(ends: int, alike: bool, both: bool) -> tuple[Features, Features]:
    """K-mers, and positions."""
    positions = partial(one_hot_ends, left=ends, right=0 if alike else ends)
    kmers = partial(kmer_frequencies, sizes=_SIZES, symmetric=both)
    return kmers, partial(of_both_strands, positions) if both else positions


def _beside(first: Features, second: Features, sequences: Sequence[str]) -> csr_matrix:
    return csr_matrix(hstack([first(sequences), second(sequences)], format="csr"))


def _loss(features: Features, rest: LabelledSequences, held: LabelledSequences) -> float:
    """The smallest of all strengths of penalty."""
    model = fit_linear({"": features}, _STRENGTHS, rest, held, prefer=by_loss)
    return loss(model.predict_proba(list(held.sequences)), held)
