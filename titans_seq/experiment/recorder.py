"""The callback of `fit` that keeps the log and the best weights, and tells the user how far it is."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, Checkpoint
from torch import Tensor

from titans_seq.errors import UserError, choose, did_you_mean
from titans_seq.experiment import history
from titans_seq.experiment.lightning_tools import whole_weights
from titans_seq.experiment.module import FitModule
from titans_seq.progress import Display, Progress

Mode = Literal["min", "max"]


@dataclass(frozen=True)
class Score:
    """A score of the validation that tells which weights are better.

    Attributes:
        name: in the log.
        mode: whether less or more is better.

    Raises:
        UserError: if there is no such mode.
    """

    name: str
    mode: Mode = "min"

    def __post_init__(self) -> None:
        choose(self.mode, get_args(Mode), "mode")

    def rank(self, row: history.Row) -> float:
        """Return the score as a number of which more is better; one that is absent, or no number, is the worst.

        Example:
            >>> Score("validation_loss").rank({"validation_loss": 0.5})
            -0.5
        """
        value = row.get(self.name)
        if value is None or math.isnan(value):
            return -math.inf
        return -value if self.mode == "min" else value


class Stop(Callback):
    """Stop after some epochs in which no score of the validation was better than before.

    A run which had stopped, and is resumed, remembers that before it trains another epoch.

    Args:
        scores: all of them.
        patience: epochs, at least 1.
    """

    def __init__(self, scores: Sequence[Score], patience: int) -> None:
        self._scores, self._patience = tuple(scores), patience
        self._best = [-math.inf] * len(self._scores)
        self._waited = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once where patience was used up."""
        trainer.should_stop = trainer.should_stop or self._waited >= self._patience

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the epoch, unless a score is the best so far."""
        ranks = [score.rank(_scores(trainer)) for score in self._scores]
        better = any(rank > best for rank, best in zip(ranks, self._best, strict=True))
        self._best = [max(rank, best) for rank, best in zip(ranks, self._best, strict=True)]
        self._waited = 0 if better else self._waited + 1
        stop = trainer.strategy.reduce_boolean_decision(self._waited >= self._patience, all=False)
        trainer.should_stop = trainer.should_stop or stop

    def state_dict(self) -> dict[str, Any]:
        """Return how long no score was better."""
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take that up again."""
        self._best, self._waited = state_dict["best"], state_dict["waited"]


class Recorder(Checkpoint):
    """Write the log, keep the weights, and show how far the training is.

    With epochs there is a row after each, and the best epoch's weights are kept. With steps there is a row every
    `log_every` steps and one for each validation, and the last weights are kept.

    As a `Checkpoint` it runs after the module's own hooks and after all callbacks but `KeepLast`.

    Args:
        path: the log. A resumed run goes on after the rows up to where it goes on.
        epochs: of the training, or None.
        steps: of the training, or None.
        log_every: steps between rows.
        keep_best: see `FitPlan`.
        progress: what to show.
    """

    def __init__(
        self,
        path: Path,
        *,
        epochs: int | None,
        steps: int | None,
        log_every: int,
        keep_best: tuple[Score, ...],
        progress: Progress,
    ) -> None:
        self._path, self._epochs, self._steps, self._log_every = path, epochs, steps, log_every
        self._keep_best = keep_best
        self._progress: Progress = progress
        self._seen = 0
        self.validated_at = -1
        """Step of the latest validation."""
        self.best: dict[str, Any] = {}
        """The row of the epoch whose weights are kept."""
        self.weights: dict[str, Tensor] = {}
        """The weights to keep; the first process's."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Show the bar."""
        if not hasattr(self, "_display"):
            self._display = Display(self._progress if trainer.is_global_zero else "none")
            self._display.__enter__()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the bar away."""
        if hasattr(self, "_display"):
            self._display.__exit__(None, None, None)
            del self._display

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let a run that is to be longer than planned go on after its last batch."""
        if self._steps is not None and checkpoint["global_step"] < self._steps:
            checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop what an earlier process logged after the step that this one goes on from."""
        self._start(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the last weights; a run that was resumed after its last step has not started at all."""
        assert isinstance(pl_module, FitModule)
        if self._seen < trainer.global_step:
            self._start(trainer)
        if self._epochs is None:
            self.weights = whole_weights(pl_module.kept_network())

    def _start(self, trainer: pl.Trainer) -> None:
        self._seen = trainer.global_step
        if trainer.is_global_zero:
            kept = history.cut_after(self._path, trainer.global_step)
            self.validated_at = max((row["step"] for row in kept.validations), default=-1)
        # All processes must agree whether a last validation is due.
        self.validated_at = trainer.strategy.broadcast(self.validated_at)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a row if one is due after this step."""
        assert isinstance(pl_module, FitModule)
        step = trainer.global_step
        if step == self._seen:
            return
        self._seen = step
        if self._progress == "bar" and self._display.is_time():
            self._tell(trainer, f"step {step:,}")
        if self._steps is not None and (step % self._log_every == 0 or step == self._steps):
            self._write(trainer, {"step": step} | pl_module.training_row(batch))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the row of an epoch, and keep the weights if they are the best so far.

        Raises:
            UserError: if the first validation gives no score of such a name.
        """
        assert isinstance(pl_module, FitModule)
        if self._epochs is None:
            return
        epoch = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        scores = _scores(trainer)
        row = epoch | pl_module.training_row(None) | scores
        if not self.best:
            self._check_there(scores)
        if not self.best or not self._keep_best or self._rank(row) > self._rank(self.best):
            self.best, self.weights = row, whole_weights(pl_module.kept_network())
        self._write(trainer, row | {"best_epoch": self.best["epoch"]})

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the row of a validation."""
        if self._epochs is None:
            self.validated_at = self._seen
            self._write(trainer, {"step": self._seen} | _scores(trainer))

    def _check_there(self, scores: dict[str, float]) -> None:
        for score in self._keep_best:
            if score.name not in scores:
                more = did_you_mean(score.name, scores)
                raise UserError(
                    f"the validation gave no {score.name!r} by which to know the best weights: expected one of "
                    f"{', '.join(scores)}{more}"
                )

    def _rank(self, row: history.Row) -> tuple[float, ...]:
        return tuple(score.rank(row) for score in self._keep_best)

    def _write(self, trainer: pl.Trainer, row: dict[str, Any]) -> None:
        if not trainer.is_global_zero:
            return
        history.append(self._path, row)
        for logger in trainer.loggers:
            numbers = {name: value for name, value in row.items() if name != "step"}
            logger.log_metrics(numbers, step=row["step"])
        if self._progress != "none":
            done = f"epoch {row['epoch']}/{self._epochs}" if self._epochs else f"step {row['step']:,}/{self._steps:,}"
            best = ", best so far" if self._keep_best and row.get("epoch") == row.get("best_epoch", 0) else ""
            self._tell(trainer, f"{done}: {history.describe(row)}{best}")

    def _tell(self, trainer: pl.Trainer, text: str) -> None:
        if self._progress == "lines":
            print(text, file=sys.stderr, flush=True)
        else:
            self._display.show(text, self._seen, self._steps or int(trainer.estimated_stepping_batches))

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch and its weights."""
        return {"best": self.best, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them up again."""
        self.best, self.weights = state_dict["best"], state_dict["weights"]


def _scores(trainer: pl.Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}
