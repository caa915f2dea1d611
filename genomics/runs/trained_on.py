"""What a run was trained on, as its folder says: its data, divided as it was, and what its sequences were like."""

from pathlib import Path

from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config

from ..sequences.loading import load_splits
from ..sequences.values import Splits
from .config import TrainRun, fingerprint, member_runs
from .plan import Plan, divided
from .training_range import TrainingRange


def own_parts(out: Path, left_out: list[str] | None = None) -> tuple[TrainRun, Splits]:
    """Return the run in a folder, and the parts of its data, read again.

    Args:
        out: folder of a classifier's run.
        left_out: see `load_splits`.

    Raises:
        UserError: if the folder is no such run, or its data is gone or changed.
    """
    run = read_config(out, TrainRun)
    plan = plan_of(run, out)
    _, parts = next(divided(load_splits(plan.data, plan.reading, left_out), plan))
    if fingerprint((parts.train, parts.validation)) != run.data.sha256:
        raise UserError(
            f"the sequences or labels in {plan.data} are not those that the run in {out} was trained on: put those "
            "back, or train anew"
        )
    return run, parts


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
