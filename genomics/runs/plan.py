"""Which data a classifier is trained on, how it is divided, and how the parts are found again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config

from ..sequences.loading import load_splits
from ..sequences.options import LoadOptions
from ..sequences.splitting import k_folds, near_duplicate_groups, stratified_split
from ..sequences.values import LabelledSequences, Splits
from .folder import TrainRun, fingerprint

_KIND = "labels_are"


@dataclass(frozen=True)
class Plan:
    """How a data set is read and divided; a run keeps it with its settings.

    Attributes:
        data: absolute path.
        reading: how it is read.
        test_share: share of the training part that becomes the test part where there is none, in [0, 1); 0 for none.
        validation_share: share of what is left that becomes the validation part where there is none, in (0, 1).
        groups: whether sequences that share 40 bases stay in one part.
        folds: number of parts of a cross-validation, at least 2; None for none.
        fold: which of them is held out, from 1.
        seed: of every choice.

    Raises:
        UserError: if a number is out of its range.
    """

    data: str
    reading: LoadOptions = field(default_factory=LoadOptions)
    test_share: float = 0.1
    validation_share: float = 0.1
    groups: bool = False
    folds: int | None = None
    fold: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.test_share < 1:
            raise UserError(f"the test share must be in [0, 1), got {self.test_share}")
        if not 0 < self.validation_share < 1:
            raise UserError(f"the validation share must be in (0, 1), got {self.validation_share}")
        if self.folds is not None and self.folds < 2:
            raise UserError(f"the number of folds must be at least 2, got {self.folds}")

    def plain(self) -> dict[str, Any]:
        """The plan as plain values, for a configuration."""
        return {name: value for name, value in to_dict(self).items() if name != "data"} | {
            "reading": plain_reading(self.reading)
        }


def plain_reading(reading: LoadOptions) -> dict[str, Any]:
    """How data is read, as plain values; in a configuration "kind" would name a class, so it has another name."""
    return {_KIND if name == "kind" else name: value for name, value in to_dict(reading).items()}


def reading_of(values: Mapping[str, Any]) -> LoadOptions:
    """What `plain_reading` was made of.

    Example:
        >>> reading_of(plain_reading(LoadOptions(kind="regression"))).kind
        'regression'
    """
    return from_dict(_with_kind(values), LoadOptions)


def plan_of(run: TrainRun, out: Path) -> Plan:
    """The plan that a run was trained by.

    Raises:
        UserError: if it was trained in Python on data that no file holds.
    """
    if not Path(run.source.data).is_absolute():
        raise UserError(f"the run in {out} does not say which files it was trained on ({run.source.data}): give data")
    options = run.source.options
    try:
        return from_dict({**options, "data": run.source.data, "reading": _with_kind(options.get("reading", {}))}, Plan)
    except UserError as error:
        raise UserError(f"{out}: its configuration does not say how its data was divided ({error})") from error


def divided(splits: Splits, plan: Plan) -> Iterator[tuple[Plan, Splits]]:
    """The parts of each run: one, or those of a cross-validation.

    A part that is not given is taken from the training part. In a cross-validation training and validation parts are
    divided together, the fold that is held out is the test part, and a test part that is given is left alone.

    Args:
        splits: the data set.
        plan: how it is divided.

    Yields:
        The plan, with the number of the fold, and the parts.

    Raises:
        UserError: if the data cannot be divided so.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> parts = divided(Splits(planted_motifs(40, 30, seed=0)), Plan("/data", folds=2))
        >>> [(plan.fold, len(part.train), len(part.validation), len(part.test)) for plan, part in parts]
        [(1, 18, 2, 20), (2, 18, 2, 20)]
    """
    if plan.folds is None:
        yield plan, _parts(splits, plan)
        return
    data = splits.train if splits.validation is None else _joined(splits.train, splits.validation)
    groups = near_duplicate_groups(data.sequences) if plan.groups else None
    for number, (rest, held) in enumerate(k_folds(data, plan.folds, plan.seed, groups), 1):
        if plan.fold in (None, number):
            parts = Splits(*_split(data.take(rest), plan.validation_share, plan), data.take(held))
            yield replace(plan, fold=number), parts


def _parts(splits: Splits, plan: Plan) -> Splits:
    if plan.groups and splits.validation is not None and splits.test is not None:
        raise UserError(f"{plan.data}: has its own validation and test parts, which --groups cannot change: leave it")
    train, test = splits.train, splits.test
    if test is None and plan.test_share > 0:
        train, test = _split(train, plan.test_share, plan)
    if splits.validation is not None:
        return Splits(train, splits.validation, test)
    return Splits(*_split(train, plan.validation_share, plan), test)


def own_parts(out: Path, left_out: list[str] | None = None) -> tuple[TrainRun, Splits]:
    """The run in a folder, and the parts of its data, read again.

    Args:
        out: folder of a classifier's run.
        left_out: see `load_splits`.

    Raises:
        UserError: if the folder is no such run, or its data is gone or changed.
    """
    run = read_config(out, TrainRun)
    plan = plan_of(run, out)
    _, parts = next(divided(load_splits(plan.data, plan.reading, left_out), plan))
    if fingerprint((parts.train, parts.validation)) != run.source.fingerprint:
        raise UserError(
            f"the sequences or labels in {plan.data} are not those that the run in {out} was trained on: put those "
            "back, or train anew"
        )
    return run, parts


def _with_kind(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind" if name == _KIND else name: value for name, value in values.items()}


def _split(data: LabelledSequences, share: float, plan: Plan) -> tuple[LabelledSequences, LabelledSequences]:
    groups = near_duplicate_groups(data.sequences) if plan.groups else None
    rest, held = stratified_split(data, share, plan.seed, groups)
    return data.take(rest), data.take(held)


def _joined(one: LabelledSequences, other: LabelledSequences) -> LabelledSequences:
    return LabelledSequences(
        one.names + other.names,
        one.sequences + other.sequences,
        np.concatenate([one.labels, other.labels]),
        one.classes,
        one.kind,
    )
