"""`fit`: run Lightning's trainer, write the log and checkpoints, and return the weights to keep."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from titans_seq.errors import Terminated, UserError, choose, require_at_least, require_seed
from titans_seq.experiment.checkpoints import KeepLast
from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.lightning_tools import (
    RandomState,
    SeedEpochs,
    new_trainer,
    quiet_and_apart,
    run_trainer,
    stopping_at_once,
)
from titans_seq.experiment.module import FitModule
from titans_seq.experiment.recorder import Recorder, Score, Stop
from titans_seq.experiment.run_folder import CHECKPOINTS, alone_in, last_checkpoint
from titans_seq.experiment.settings import RUNTIME, Runtime

MakeLoader = Callable[[int, int], Iterable[Any]]
"""Makes the loader of one process from its rank and the number of processes."""

Precision = Literal["32-true", "bf16-mixed", "bf16-true"]


@dataclass(frozen=True)
class FitPlan:
    """How long a training lasts, and what is done meanwhile: so many epochs, or so many steps.

    Attributes:
        epochs: most passes over the data, each with a validation, a row of the log and a checkpoint.
        steps: optimiser steps, in place of epochs; the loader has to have batches for all of them.
        seed: of dropout and the like.
        keep_best: scores by which the best epoch is known, the later ones where earlier ones are equal; with none, or
            without a validation, the last weights are kept.
        patience: epochs without a better score, of all these, after which it stops, at least 1; None for all epochs.
        accumulate: batches of an optimiser step.
        precision: as Lightning names it.
        validate_every: steps between validations; there is one at the end in any case, like the next two.
        checkpoint_every: steps between checkpoints.
        log_every: steps between rows of the log.
        keep: checkpoints that stay.

    Raises:
        UserError: if a value is out of range, there are both epochs and steps or neither, what goes with epochs
            stands beside steps, or patience without a score.

    Example:
        >>> FitPlan(epochs=20, keep_best=(Score("validation_loss"),), patience=3).patience
        3
        >>> FitPlan(epochs=20, steps=1_000)
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: give either epochs or steps, got epochs=20 and steps=1000
    """

    epochs: int | None = None
    steps: int | None = None
    seed: int = 0
    keep_best: tuple[Score, ...] = ()
    patience: int | None = None
    accumulate: int = 1
    precision: Precision = "32-true"
    validate_every: int = 1
    checkpoint_every: int = 1
    log_every: int = 1
    keep: int = 1

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise UserError(f"give either epochs or steps, got epochs={self.epochs} and steps={self.steps}")
        given = {name: 1 for name in ("epochs", "steps", "patience") if getattr(self, name) is not None}
        counts = {"accumulate": 1, "validate_every": 1, "checkpoint_every": 1, "log_every": 1, "keep": 1}
        require_at_least(self, **given, **counts)
        require_seed(self.seed)
        choose(self.precision, get_args(Precision), "precision")
        if self.epochs is None and (self.keep_best or self.patience is not None):
            raise UserError("keep_best and patience go with epochs, got steps: leave them out, or give epochs")
        if self.patience is not None and not self.keep_best:
            raise UserError(f"patience={self.patience} waits for a better score and there is none: give keep_best")


@dataclass(frozen=True)
class Fitted:
    """What `fit` leaves.

    Attributes:
        history: the log.
        weights: of the network to keep, by name, on the CPU; None in all processes but the first.
    """

    history: History
    weights: dict[str, Tensor] | None


def fit(
    module: FitModule,
    plan: FitPlan,
    train: MakeLoader,
    validation: MakeLoader | None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    runtime: Runtime = RUNTIME,
) -> Fitted:
    """Train a module.

    Writes `log.jsonl` and `checkpoints/` into `folder`, nothing anywhere else, and leaves the global random state as it
    was. A run that was stopped and resumed ends with the same weights, bit for bit, as one that was not, on the same
    kind of machine with the same number of processes, provided that the loaders are a function of epoch and step.

    Args:
        module: with its network, which is trained in place.
        plan: how long.
        train: makes a process's training batches, sized.
        validation: makes its validation batches; None for no validation.
        folder: where to write; made if need be. With None nothing is written.
        resume: go on from the last checkpoint in `folder`, if there is one.
        runtime: what it runs on and shows meanwhile.

    Raises:
        UserError: if training does not stay finite, the checkpoint is of another model, a GPU, a logger or a score
            that is asked for is not there, the batches end before the steps do, or another process trains into
            `folder`.
        KeyboardInterrupt: if the user stops it.
        Terminated: on SIGTERM; like the above it is said on standard error at which step.
    """
    with contextlib.ExitStack() as stack:
        where = Path(stack.enter_context(tempfile.TemporaryDirectory())) if folder is None else folder
        where.mkdir(parents=True, exist_ok=True)
        stack.enter_context(alone_in(where))
        start = last_checkpoint(where / CHECKPOINTS) if resume else None
        recorder = Recorder(
            where / LOG,
            epochs=plan.epochs,
            steps=plan.steps,
            log_every=plan.log_every,
            keep_best=plan.keep_best if validation is not None else (),
            progress=runtime.progress,
        )
        callbacks: list[Callback] = [SeedEpochs(plan.seed) if plan.epochs else RandomState(), recorder]
        if validation is not None and plan.patience is not None:
            callbacks.append(Stop(plan.keep_best, plan.patience))
        if folder is not None:
            every = None if plan.epochs else plan.checkpoint_every
            callbacks.append(KeepLast(where / CHECKPOINTS, every, plan.keep))
        stack.enter_context(quiet_and_apart())
        torch.manual_seed(plan.seed)
        trainer = new_trainer(
            callbacks,
            runtime.hardware,
            logger=False if runtime.logger is None else _new_logger(runtime.logger, where),
            precision=plan.precision,
            max_epochs=plan.epochs or 1,
            max_steps=plan.steps or -1,
            accumulate_grad_batches=plan.accumulate,
            val_check_interval=min(plan.validate_every, plan.steps) * plan.accumulate if plan.steps else None,
            # Steps are counted through, whatever a loader calls an epoch.
            check_val_every_n_epoch=None if plan.steps else 1,
            limit_val_batches=None if validation is not None else 0,
            log_every_n_steps=1,
            default_root_dir=where,
        )
        module.total_steps = plan.steps
        data = Loaders(train, validation)
        try:
            with stopping_at_once(trainer):
                run_trainer(trainer, module, data, start)
                if plan.steps and trainer.global_step < plan.steps:
                    raise UserError(
                        f"training ended after {trainer.global_step:,} of {plan.steps:,} steps, as the loader has no "
                        f"more batches: give it {plan.steps * plan.accumulate:,} batches, or fewer steps"
                    )
                if plan.steps and validation is not None and recorder.validated_at != plan.steps:
                    trainer.validate(module, data, verbose=False)
        except (KeyboardInterrupt, Terminated):
            if trainer.is_global_zero:
                _say_where(trainer.global_step, last_checkpoint(where / CHECKPOINTS), runtime.later)
            raise
        return Fitted(History.read(where / LOG), recorder.weights if trainer.is_global_zero else None)


class Loaders(pl.LightningDataModule):
    """Make loaders when the trainer knows its processes.

    Args:
        train: makes the training batches.
        validation: makes the validation batches; None for no validation.
    """

    def __init__(self, train: MakeLoader, validation: MakeLoader | None) -> None:
        super().__init__()
        self._train, self._validation = train, validation

    def train_dataloader(self) -> Iterable[Any]:
        """Return this process's training batches."""
        return self._train(*self._place())

    def val_dataloader(self) -> Iterable[Any]:
        """Return this process's validation batches; none without a validation."""
        return [] if self._validation is None else self._validation(*self._place())

    def _place(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size


def _new_logger(name: str, folder: Path) -> Any:
    choose(name, ("tensorboard", "wandb"), "logger")
    from lightning.pytorch import loggers

    try:
        if name == "wandb":
            return loggers.WandbLogger(name=folder.name, save_dir=folder, offline="WANDB_API_KEY" not in os.environ)
        return loggers.TensorBoardLogger(folder, name="", version="tensorboard")
    except ModuleNotFoundError as error:
        raise UserError(
            f"--logger {name} needs the package '{name}', which is not installed: run pip install {name}"
        ) from error


def _say_where(step: int, checkpoint: Path | None, later: str) -> None:
    if checkpoint is not None:
        left = f"the last checkpoint is {checkpoint.name}, and --resume goes on from there"
    else:
        left = "--resume begins that part anew" if later else "there is no checkpoint"
    print(f"stopped at step {step:,}{later and f' of {later}'}; {left}", file=sys.stderr, flush=True)
