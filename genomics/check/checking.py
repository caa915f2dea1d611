"""The look at a data set: all checks together."""

import numpy as np

from ..sequences.values import LabelledSequences, Splits
from .findings import findings_of_scored
from .lengths import Lengths, length_score
from .overlaps import KnownPart, overlap_within
from .report import CheckReport
from .summaries import summarise


def check(splits: Splits, k: int = 40) -> CheckReport:
    """Look for what lets a model score well on a data set without learning what it should.

    Args:
        splits: the data set.
        k: bases that two sequences must have in common, on either strand, to count as overlapping, in [1, 64]. Short
            ones are shared by chance.

    Returns:
        The numbers; `findings` says which of them matter.

    Raises:
        UserError: if k is out of range.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> report = check(Splits(planted_motifs(20, 50, seed=0), test=planted_motifs(10, 50, seed=1)))
        >>> report.overlaps[0].part, report.overlaps[0].exact
        ('test', 0)
    """
    others = [(name, part) for name, part in (("validation", splits.validation), ("test", splits.test)) if part]
    parts = tuple(summarise(name, part) for name, part in [("train", splits.train), *others])
    if others:
        train = KnownPart("train", splits.train, k)
        overlaps = [train.overlap(name, part) for name, part in others]
    else:
        overlaps = [overlap_within(parts[0], splits.train, k)]
    if splits.validation is not None and splits.test is not None:
        overlaps.append(KnownPart("validation", splits.validation, k).overlap("test", splits.test))
    length = None
    if splits.train.kind == "classes":
        length = length_score({name: _lengths(part) for name, part in [("train", splits.train), *others]})
    return CheckReport(parts, length, tuple(overlaps))


def check_scored(train: LabelledSequences, data: LabelledSequences, k: int = 40) -> tuple[str, ...]:
    """Say what of other data a model has seen in training, so that its scores on them promise too much.

    Args:
        train: the sequences that it was trained on.
        data: those that it is to be scored on.
        k: bases that two sequences must have in common, on either strand, to count as overlapping, in [1, 64].

    Returns:
        Sentences; none if nothing stands out.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> train = planted_motifs(20, 50, seed=0)
        >>> check_scored(train, planted_motifs(10, 50, seed=1))
        ()
        >>> check_scored(train, train.take([0, 1, 2]))[0]  # doctest: +ELLIPSIS
        '3 of 3 sequences also stand in the training part: the model has seen them...'
    """
    return findings_of_scored(KnownPart("the training part", train, k).overlap("scored", data))


def _lengths(part: LabelledSequences) -> Lengths:
    return Lengths(np.array([len(sequence) for sequence in part.sequences]), part.labels)
