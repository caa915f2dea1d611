"""One training, or one a fold or a seed: train them all, and find the trained models again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.processes import is_first_process
from titans_seq.experiment.record import CONFIG
from titans_seq.experiment.settings import Runtime

from ..sequences.values import LabelledSequences, Splits
from ..training.overfitting import overfitting
from .config import RUNS, TrainSettings, member_folder
from .members import Members
from .plan import Plan
from .predictor import Predictor
from .saving import load_classifier
from .train_runs import resume_run, train_run

Parts = Sequence[tuple[Plan, Splits]]
"""The plan and the data of each run, from `divided`."""


def train_parts(
    parts: Parts,
    out: Path,
    settings: TrainSettings,
    *,
    init: Path | None = None,
    chosen: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    runtime: Runtime,
    notify: Callable[[str], object] = lambda text: None,
) -> bool:
    """Train a run, or those of all folds or seeds, in a folder; what is finished already is left as it is.

    Args:
        parts: of the data.
        out: folder of the run, or of the runs.
        settings: of models and training.
        init: see `train_run`, like the next.
        chosen: for the record.
        resume: go on with what is there.
        overwrite: replace what is there.
        runtime: what it runs on and shows meanwhile.
        notify: called with a line about each fold or seed before it begins.

    Returns:
        Whether this is the process that goes on to use the models.

    Raises:
        UserError: see `train_run` and `resume_run`.
    """
    first = True
    with _whole(out, parts, resume, overwrite):
        for plan, part in parts:
            folder, training = member_folder(out, plan), settings.training
            if plan.fold is not None:
                notify(f"fold {plan.fold} of {plan.parts.folds}")
            if plan.member is not None:
                notify(f"seed {plan.member + 1} of {plan.parts.seeds}")
                training = replace(training, seed=training.seed + plan.member)
            own = runtime if plan is parts[0][0] else replace(runtime, later=folder.name)
            if resume and (folder / CONFIG).is_file():
                found = resume_run(folder, part, runtime=own)
            else:
                found = train_run(
                    part,
                    folder,
                    settings.classifier,
                    training,
                    plan=plan,
                    init=init,
                    chosen=chosen,
                    overwrite=overwrite,
                    runtime=own,
                )
            first = found is not None
    if first:
        RUNS.clear(out)
    return first


@contextmanager
def _whole(out: Path, parts: Parts, resume: bool, overwrite: bool) -> Iterator[None]:
    """Several runs take the place of an earlier one as a whole, or not at all."""
    if resume or member_folder(out, parts[0][0]) == out or not is_first_process():
        yield
        return
    with RUNS.claim(out, overwrite):
        yield


def trained_parts(
    parts: Parts, out: Path, device: str
) -> tuple[list[tuple[Predictor | Members, Splits, LabelledSequences]], list[str]]:
    """Return each trained model with its parts and what it is tested on, and what a reader of scores should know.

    What it is tested on is the test part, or without one the validation part. Models of several seeds are one, their
    mean.
    """
    runs: list[tuple[Predictor | Members, Splits, LabelledSequences]] = []
    warnings = []
    for plan, part in parts:
        held = part.validation if part.test is None else part.test
        assert held is not None
        folder = member_folder(out, plan)
        runs.append((load_classifier(folder, device), part, held))
        if warning := overfitting(History.read(folder / LOG)):
            warnings.append(warning if folder == out else f"{folder.name.replace('-', ' ').capitalize()}: {warning}")
    if parts[0][0].member is not None:
        names = [member_folder(out, plan).name for plan, _ in parts]
        runs = [(Members([model for model, _, _ in runs], names), *runs[0][1:])]
    return runs, warnings
