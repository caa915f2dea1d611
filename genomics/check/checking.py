"""The look at a data set: all checks together."""

import numpy as np

from ..sequences.values import LabelledSequences, Splits
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


def _lengths(part: LabelledSequences) -> Lengths:
    return Lengths(np.array([len(sequence) for sequence in part.sequences]), part.labels)
