"""What a run was trained on, as its folder says: its data, divided as it was, and what its sequences were like."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config

from ..sequences.loading import load_splits
from ..sequences.values import LabelledSequences, Splits
from .config import TrainRun, fingerprint, member_runs
from .plan import Plan, divided
from .training_range import TrainingRange


def own_parts(out: Path) -> tuple[TrainRun, Splits]:
    """Return the run in a folder, and the parts of its data, read again.

    Args:
        out: folder of a classifier's run.

    Raises:
        UserError: if the folder is no such run, or its data is gone or changed.
    """
    run = read_config(out, TrainRun)
    plan = plan_of(run, out)
    _, parts = next(divided(load_splits(plan.data, plan.reading), plan))
    if fingerprint((parts.train, parts.validation)) != run.data.sha256:
        raise UserError(
            f"the sequences or labels in {plan.data} are not those that the run in {out} was trained on: put those "
            "back, or train anew"
        )
    return run, parts


def parts_of_all(folders: Sequence[Path]) -> tuple[TrainRun, LabelledSequences, Splits]:
    """Return the first of several runs, all that they were trained on, and parts on which a model like them is fitted.

    Args:
        folders: of one run, or of those of folds or seeds, of which seeds share their parts.

    Returns:
        The run; the training parts of all runs together; and these without the validation part of the first run, which
        stands beside them.

    Raises:
        UserError: see `own_parts`.
    """
    run, parts = own_parts(folders[0])
    others = [own_parts(folder)[1].train for folder in folders[1:]] if plan_of(run, folders[0]).fold is not None else []
    if not others:
        return run, parts.train, parts
    together = LabelledSequences.joined([parts.train, *others])
    seen = together.take(_first_of_each(together, [parts.train, *others]))
    held = Counter() if parts.validation is None else Counter(_rows(parts.validation))
    kept = []
    for index, row in enumerate(_rows(seen)):
        held[row] -= 1
        if held[row] < 0:
            kept.append(index)
    return run, seen, Splits(seen.take(kept), parts.validation)


def _first_of_each(together: LabelledSequences, parts: Sequence[LabelledSequences]) -> list[int]:
    """Return where in parts that stand one behind the other each sequence is, as often as in the part that has most."""
    rows, most, kept, at = list(_rows(together)), Counter(), [], 0
    for part in parts:
        seen = Counter()
        for index in range(at, at + len(part)):
            seen[rows[index]] += 1
            if seen[rows[index]] > most[rows[index]]:
                most[rows[index]] += 1
                kept.append(index)
        at += len(part)
    return kept


def _rows(data: LabelledSequences) -> Iterator[tuple[str, str, bytes]]:
    return zip(data.names, data.sequences, map(np.ndarray.tobytes, data.labels[:, None]), strict=True)


def plan_of(run: TrainRun, out: Path) -> Plan:
    """Return the plan that a run was trained by.

    Raises:
        UserError: if it was trained in Python on data that no file holds.
    """
    if run.plan is None:
        raise UserError(f"the run in {out} does not say which files it was trained on ({run.data.path}): give data")
    return run.plan


def training_range(run: Path) -> TrainingRange | None:
    """Return what the sequences were like that a run was trained on; None where its folder does not say.

    Args:
        run: a run folder, or that of a model alone; or of several runs, of which one must have seen a sequence.
    """
    if members := member_runs(run):
        known = [one for one in map(training_range, members) if one is not None]
        return TrainingRange.joined(known) if known else None
    try:
        held = read_config(run, TrainRun).data.options["parts"]["train"]
        median = int(held["median_length"])
        lengths = (int(held.get("shortest_length", median)), median, int(held.get("longest_length", median)))
        return TrainingRange(*lengths, float(held.get("most_unknown", 0.0)))
    except (UserError, KeyError, TypeError, ValueError):
        return None
