"""`fit_network`: run the Lightning trainer, keep the best weights, write only what is asked for."""

import math
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, Checkpoint
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.files import atomic_path
from titans_seq.progress import Progress
from titans_seq.experiment.fit import Loaders
from titans_seq.experiment.lightning_tools import SeedEpochs, Stop, new_trainer, quiet_and_apart, run_trainer
from titans_seq.experiment.settings import Hardware

from ..network.simba_network import SimbaNetwork
from ..windows.cutting import WindowBatch
from .lightning_module import ForecastModule
from .optimiser import OptimiserConfig


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 0.
        train_loss: mean over the batches, in training mode.
        val_loss: mean over the observed validation targets; NaN without validation, like the next two.
        val_mse: squared error of the mean forecast.
        val_mae: absolute error of the mean forecast.
    """

    number: int
    train_loss: float
    val_loss: float
    val_mse: float
    val_mae: float


@dataclass(frozen=True)
class FitResult:
    """What `fit_network` did: every epoch, and the number of the one whose weights were kept."""

    history: tuple[Epoch, ...]
    best_epoch: int


class _Record(Checkpoint):
    """Keep history and best weights, print a line an epoch, and write the checkpoint.

    As a `Checkpoint` it runs after the module's own hooks and after all callbacks whose state it saves.
    """

    def __init__(self, monitor: str, checkpoint: Path | None, lines: bool) -> None:
        self.monitor = monitor
        self.checkpoint = checkpoint
        self.lines = lines
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(pl_module, ForecastModule):
            raise TypeError(f"expected a ForecastModule, got {type(pl_module).__name__}")
        names = ("train_loss", "val_loss", "val_mse", "val_mae")
        metrics = {name: float(trainer.callback_metrics.get(name, math.nan)) for name in names}
        self.history.append(Epoch(trainer.current_epoch, **metrics))
        score, best = (getattr(self.history[i], self.monitor) for i in (-1, self.best_epoch))
        # Without validation the score is NaN, and the latest weights are the ones to keep.
        if not self.best_weights or score < best or math.isnan(score):
            self.best_epoch = trainer.current_epoch
            weights = pl_module.kept_network().state_dict()
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        if self.lines:
            print(self._line(pl_module.config.epochs), file=sys.stderr, flush=True)
        if self.checkpoint is not None:
            with atomic_path(self.checkpoint) as temporary:
                trainer.save_checkpoint(temporary, weights_only=False)

    def _line(self, epochs: int) -> str:
        epoch = self.history[-1]
        line = f"epoch {epoch.number + 1}/{epochs}: train loss {epoch.train_loss:.4f}"
        if math.isnan(epoch.val_loss):
            return line
        line += f", validation loss {epoch.val_loss:.4f} (mse {epoch.val_mse:.4f}, mae {epoch.val_mae:.4f})"
        return line + (", best so far" if self.best_epoch == epoch.number else "")

    def state_dict(self) -> dict[str, Any]:
        return {
            "history": [asdict(epoch) for epoch in self.history],
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = [Epoch(**epoch) for epoch in state_dict["history"]]
        self.best_epoch = state_dict["best_epoch"]
        self.best_weights = state_dict["best_weights"]


def fit_network(
    network: SimbaNetwork,
    train: Iterable[WindowBatch],
    validation: Iterable[WindowBatch] | None,
    config: OptimiserConfig,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress = "none",
    accelerator: str = "auto",
) -> FitResult:
    """Train `network` in place and leave its best weights in it, on the CPU and in evaluation mode.

    Nothing is written but `checkpoint`, and the global random state stays as it was. A run that was stopped
    after an epoch and resumed ends with the same weights, bit for bit, as one that was not, provided that the
    order of `train` is a function of the epoch, as that of `WindowLoader` is.

    Args:
        network: what to train.
        train: sized iterable of training batches.
        validation: iterable of validation batches; None trains all epochs and keeps the last weights.
        config: optimiser, schedule and stopping.
        seed: of the dropout; the initial weights come from the seed that `build_network` was given.
        checkpoint: file that holds the state after the latest epoch, for `resume`.
        resume: go on from `checkpoint`, which must exist.
        progress: a bar, one line an epoch on stderr, or nothing.
        accelerator: as Lightning names it: "auto", "cpu", "gpu".

    Raises:
        UserError: if the loss is not finite, or the checkpoint to resume from is missing or of another
            network.

    Example:
        >>> import numpy as np
        >>> from forecasting.windows.arrays import ItemArrays
        >>> from forecasting.network.simba_network import NetworkConfig, build_network
        >>> from forecasting.network.outputs import Point
        >>> from forecasting.windows.cutting import WindowLoader, Windows
        >>> series = ItemArrays(np.sin(np.arange(200))[:, None].astype(np.float32))
        >>> loader = WindowLoader(Windows([series], context=16, horizon=4), batch_size=32, shuffle=True)
        >>> network = build_network(NetworkConfig(width=8), Point(), channels=1, context=16, horizon=4)
        >>> config = OptimiserConfig(lr=1e-2, epochs=5)
        >>> result = fit_network(network, loader, None, config, accelerator="cpu")
        >>> result.history[-1].train_loss < result.history[0].train_loss
        True
    """
    if resume and (checkpoint is None or not checkpoint.is_file()):
        raise UserError(f"there is no checkpoint {checkpoint} to resume from: train without resuming first")
    monitor = f"val_{config.monitor}"
    record = _Record(monitor, checkpoint, lines=progress == "lines")
    callbacks: list[Callback] = [SeedEpochs(seed), record]
    if validation is not None:
        callbacks.append(Stop(monitor, patience=config.patience, check_finite=False))
    with tempfile.TemporaryDirectory() as folder, quiet_and_apart():
        trainer = new_trainer(
            callbacks,
            Hardware(accelerator),  # pyright: ignore[reportArgumentType]
            logger=False,
            max_epochs=config.epochs,
            gradient_clip_val=config.clip or None,
            default_root_dir=folder,
        )
        module = ForecastModule(network.train(), config)
        start = checkpoint if resume else None
        data = Loaders(lambda *_: train, None if validation is None else lambda *_: validation)
        run_trainer(trainer, module, data, start)
    network.cpu().eval().load_state_dict(record.best_weights)
    return FitResult(tuple(record.history), record.best_epoch)
