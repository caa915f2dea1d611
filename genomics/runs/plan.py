"""Which data a classifier is trained on, and how it is divided."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from titans_seq.errors import UserError

from ..sequences.options import LoadOptions
from ..sequences.splitting import k_folds, near_duplicate_groups, stratified_split
from ..sequences.values import LabelledSequences, Splits
from ..training.config import PartConfig


@dataclass(frozen=True)
class Plan:
    """How a data set is read and divided; a run keeps it with its settings.

    Attributes:
        data: absolute path.
        reading: how it is read.
        parts: how it is divided.
        fold: which of the folds is held out, from 1; None for all of them, or without folds.
        seed: of every choice.
        whole: whether all parts together are the training part, and nothing is held out.
        member: which of several seeds it is trained with, from 0; None for all of them, or without `parts.seeds`.
    """

    data: str
    reading: LoadOptions = field(default_factory=LoadOptions)
    parts: PartConfig = field(default_factory=PartConfig)
    fold: int | None = None
    seed: int = 0
    whole: bool = False
    member: int | None = None


def divided(splits: Splits, plan: Plan) -> Iterator[tuple[Plan, Splits]]:
    """Yield the parts of each run: one, those of a cross-validation, or the same for each of several seeds.

    A part that is not given is taken from the training part. In a cross-validation training and validation parts are
    divided together, the fold that is held out is the test part, and a test part that is given is left alone.

    Args:
        splits: the data set.
        plan: how it is divided.

    Yields:
        The plan, with the number of the fold or of the seed, and the parts.

    Raises:
        UserError: if the data cannot be divided so.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> parts = divided(Splits(planted_motifs(40, 30, seed=0)), Plan("/data", parts=PartConfig(folds=2)))
        >>> [(plan.fold, len(part.train), len(part.validation), len(part.test)) for plan, part in parts]
        [(1, 18, 2, 20), (2, 18, 2, 20)]
    """
    if plan.whole:
        yield plan, Splits(whole(splits))
        return
    if plan.parts.folds is None:
        parts = _parts(splits, plan)
        members = range(plan.parts.seeds) if plan.parts.seeds and plan.member is None else [plan.member]
        yield from ((replace(plan, member=member), parts) for member in members)
        return
    data = whole(Splits(splits.train, splits.validation))
    groups = near_duplicate_groups(data.sequences) if plan.parts.groups else None
    for number, (rest, held) in enumerate(k_folds(data, plan.parts.folds, plan.seed, groups), 1):
        if plan.fold in (None, number):
            parts = Splits(*_split(data.take(rest), plan.parts.validation_share, plan), data.take(held))
            yield replace(plan, fold=number), parts


def _parts(splits: Splits, plan: Plan) -> Splits:
    if plan.parts.groups and splits.validation is not None and splits.test is not None:
        raise UserError(f"{plan.data}: has its own validation and test parts, which --groups cannot change: leave it")
    train, test = splits.train, splits.test
    if test is None and plan.parts.test_share > 0:
        train, test = _split(train, plan.parts.test_share, plan)
    if splits.validation is not None:
        return Splits(train, splits.validation, test)
    return Splits(*_split(train, plan.parts.validation_share, plan), test)


def _split(data: LabelledSequences, share: float, plan: Plan) -> tuple[LabelledSequences, LabelledSequences]:
    groups = near_duplicate_groups(data.sequences) if plan.parts.groups else None
    rest, held = stratified_split(data, share, plan.seed, groups)
    return data.take(rest), data.take(held)


def whole(splits: Splits) -> LabelledSequences:
    """Return all parts of a data set as one.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> len(whole(Splits(planted_motifs(4, 20, seed=0), test=planted_motifs(2, 20, seed=1))))
        6
    """
    return LabelledSequences.joined(
        [part for part in (splits.train, splits.validation, splits.test) if part is not None]
    )
