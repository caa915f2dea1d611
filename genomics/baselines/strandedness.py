"""Which strands a label belongs to, as quick linear models on the training part find it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix

from ..sequences.alphabet import reverse_complement
from ..sequences.splitting import stratified_split
from ..sequences.values import LabelledSequences
from .features import kmer_frequencies, one_hot_ends
from .linear import Features, fit_linear
from .values import loss

_MOST_SEQUENCES, _MOST_LABELS, _LONGEST_END = 6_000, 4, 300
_FEWEST, _FEWEST_OF_CLASS = 40, 8
_SIZES = (1, 2, 3, 4, 5)
_STRENGTHS = (1e-3, 1e-2, 1e-1)
_HELD_OUT = 0.25


@dataclass(frozen=True)
class Strandedness:
    """What linear models lose on held-out training sequences, read as given and blind to the strand.

    Attributes:
        given: cross-entropy, or squared error of a regression, of the better of k-mers and positions as given.
        both: the same with each feature added to that of the other strand.
        count: sequences that it was measured on.
    """

    given: float
    both: float
    count: int

    @property
    def belongs_to_both(self) -> bool:
        """Whether the label belongs to both strands alike: what a strand tells is no help in predicting it."""
        return self.both <= self.given

    def __str__(self) -> str:
        return f"{self.both:.4f} blind to the strand, {self.given:.4f} as given"


def measure_strandedness(train: LabelledSequences, seed: int = 0) -> Strandedness | None:
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
        >>> measure_strandedness(planted_motifs(4, 20, seed=0)) is None
        True
    """
    data = _few(train, seed)
    if len(data) < _FEWEST or (data.kind == "classes" and len(data.classes) < 2):
        return None
    rest, held = (data.take(part) for part in stratified_split(data, _HELD_OUT, seed))
    losses = {both: min(_loss(features, rest, held) for features in _features(rest, both)) for both in (False, True)}
    return Strandedness(losses[False], losses[True], len(data))


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


def _features(train: LabelledSequences, both: bool) -> list[Features]:
    lengths = np.array([len(sequence) for sequence in train.sequences])
    ends = min(_LONGEST_END, max(1, int(np.quantile(lengths, 0.05))))
    whole = lengths.min() == lengths.max() <= _LONGEST_END
    positions = partial(one_hot_ends, left=ends, right=0 if whole else ends)
    kmers = partial(kmer_frequencies, sizes=_SIZES, symmetric=both)
    return [kmers, partial(_added, positions) if both else positions]


def _added(features: Features, sequences: Sequence[str]) -> csr_matrix:
    return features(sequences) + features([reverse_complement(sequence) for sequence in sequences])


def _loss(features: Features, rest: LabelledSequences, held: LabelledSequences) -> float:
    model = fit_linear({"": features}, _STRENGTHS, rest, held)
    return loss(model.predict_proba(list(held.sequences)), held)
