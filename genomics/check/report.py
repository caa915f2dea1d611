"""What a look at a data set found, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassSummary:
    """The sequences of one class, or those with one of several labels.

    Args:
        name: of the class or label.
        count: how many sequences.
        share: of the sequences of the part, in [0, 1].
        shortest: fewest bases; 0 where `count` is.
        median: bases of the middle one.
        longest: most bases.
        gc: mean share of G and C among the known bases of a sequence; None if only intervals are known.
        gc_deviation: standard deviation of that share over sequences.
    """

    name: str
    count: int
    share: float
    shortest: int
    median: int
    longest: int
    gc: float | None = None
    gc_deviation: float = 0.0


@dataclass(frozen=True)
class PartSummary:
    """One part of a data set in itself.

    Args:
        part: "train", "validation" or "test".
        whole: all of its sequences together.
        classes: each class or label; empty for regression.
        unknown: share of its letters that are not A, C, G or T; None if only intervals are known.
        duplicates: sequences that are equal to an earlier one.
        reversed: sequences that are the reverse complement of an earlier, different one.
        conflicting: sequences of which another copy, on either strand, has another label.
        mostly_unknown: sequences of which more than half of the letters are not A, C, G or T.
    """

    part: str
    whole: ClassSummary
    classes: tuple[ClassSummary, ...]
    unknown: float | None
    duplicates: int
    reversed: int
    conflicting: int
    mostly_unknown: int = 0


@dataclass(frozen=True)
class LengthScore:
    """What a decision tree scores that sees the length of a sequence and nothing else.

    Args:
        scored_on: "test part", "validation part" or "k folds".
        count: sequences that it was scored on.
        accuracy: its share of right answers.
        mcc: its Matthews correlation coefficient.
        majority: accuracy of always naming the largest class of the training part.
    """

    scored_on: str
    count: int
    accuracy: float
    mcc: float
    majority: float


@dataclass(frozen=True)
class ClassOverlap:
    """Of the sequences of a class, the share that has a k-mer in common with the other part."""

    name: str
    share: float


@dataclass(frozen=True)
class Overlap:
    """What two parts have in common, or one part with itself, counted in sequences of the first.

    Args:
        part: the part whose sequences are counted.
        other: the part in which they are looked for; the same part stands for its other sequences.
        count: sequences of `part`.
        exact: those that also stand in `other`; within a part, all but the first of each.
        reversed: those whose reverse complement does, and that do not stand there themselves.
        conflicting: those of both kinds that have another label there; within a part, than an earlier copy.
        k: bases of a k-mer.
        sharing: those that have at least one k-mer, on either strand, in common with any sequence of `other`.
        too_short: those with no k-mer at all.
        classes: for each class of `part` the share that shares k-mers; empty for other kinds of labels.
    """

    part: str
    other: str
    count: int
    exact: int
    reversed: int
    conflicting: int
    k: int
    sharing: int
    too_short: int
    classes: tuple[ClassOverlap, ...]

    @property
    def within(self) -> bool:
        """Whether a part is compared with itself."""
        return self.part == self.other


@dataclass(frozen=True)
class CheckReport:
    """All that was found.

    Args:
        parts: each part in itself, training first.
        length: what the length alone predicts; None unless labels are classes and folds can be made.
        overlaps: what validation and test have in common with training, and with each other; without either, what
            training has in common with itself, which folds would divide.
    """

    parts: tuple[PartSummary, ...]
    length: LengthScore | None
    overlaps: tuple[Overlap, ...]
