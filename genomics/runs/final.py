"""The final model: trained on every part of the data, once validation has chosen how long."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.record import CONFIG, read_config
from titans_seq.experiment.settings import RUNTIME, Runtime

from ..sequences.values import Splits
from ..training.config import TrainConfig
from .config import FINAL, RUNS, TrainRun
from .plan import whole
from .stacking import mean_of, read_stack
from .train_runs import resume_run, train_run


def train_final(
    runs: Sequence[Path],
    splits: Splits,
    out: Path,
    *,
    runtime: Runtime = RUNTIME,
) -> Path:
    """Train a model on all parts together, with the settings of finished runs and as many epochs as were best.

    It is trained into a folder of its own, and goes on there if it was stopped. No part is left that could say how
    good it is: the scores of the runs do that.

    Args:
        runs: folders of the run, or of those of folds or seeds.
        splits: the data set, as it was read.
        out: folder that holds them.
        runtime: what it runs on and shows meanwhile.

    Returns:
        The folder of the final model's run.

    Raises:
        UserError: see `train_run`.
    """
    folder, data = out / FINAL, Splits(whole(splits))
    runtime = replace(runtime, later="the training on all parts")
    if (folder / CONFIG).is_file() and not RUNS.is_finished(folder):
        resume_run(folder, data, runtime=runtime)
    elif not RUNS.is_finished(folder):
        run = read_config(runs[0], TrainRun)
        training = final_training(run.training, [History.read(one / LOG) for one in runs])
        plan = None if run.plan is None else replace(run.plan, fold=None, member=None, whole=True)
        init = None if run.init is None else Path(run.init)
        stack = mean_of([read_stack(one) for one in runs])
        train_run(
            data, folder, run.classifier, training, plan=plan, init=init, chosen=run.chosen, stack=stack,
            runtime=runtime,
        )  # fmt: skip
    return folder


def final_training(training: TrainConfig, histories: Sequence[History]) -> TrainConfig:
    """Return how the final model is trained: the median of the best epochs, with the whole schedule in them.

    Example:
        >>> history = History(({"epoch": 1, "step": 5, "best_epoch": 1}, {"epoch": 2, "step": 9, "best_epoch": 2}))
        >>> final_training(TrainConfig(epochs=7), [history]).epochs
        2
    """
    best = [history.best_epoch or len(history.epochs) for history in histories]
    return replace(training, epochs=max(1, round(float(np.median(best)))))
