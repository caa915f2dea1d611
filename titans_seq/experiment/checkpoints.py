"""Checkpoints that are always whole, of which the last few stay."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from titans_seq.experiment.run_folder import CHECKPOINT
from titans_seq.files import remove


class KeepLast(Checkpoint):
    """Write a checkpoint every N optimiser steps, or after each epoch, and at the end; keep the last few.

    Each is `step-00000100.ckpt` in the folder, a file or, where the strategy shards, a folder. It gets this name when
    it is whole, and older ones go after that, so that a killed run always leaves one.

    As a `Checkpoint` it runs after the other callbacks.

    Args:
        folder: where; made if need be.
        every: steps, at least 1; None for epochs.
        keep: how many, at least 1.
    """

    def __init__(self, folder: Path, every: int | None, keep: int = 2) -> None:
        self.folder, self.every, self.keep = Path(folder), every, keep
        self._saved_at = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note where training goes on, which needs no second checkpoint."""
        self._saved_at = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if a step is due; within a step that accumulates gradients none is."""
        if self.every and (trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after an epoch."""
        if self.every is None:
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        step = trainer.global_step
        if step == self._saved_at:
            return
        self._saved_at = step
        target = self.folder / CHECKPOINT.replace("*", f"{step:08d}")
        temporary = target.with_name(f".{target.name}.new")
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove(temporary)
        trainer.strategy.barrier()
        try:
            trainer.save_checkpoint(temporary, weights_only=False)
        except OSError as error:  # of a temporary file elsewhere, where Lightning writes first
            raise OSError(error.errno, error.strerror, str(target)) from error
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            remove(target)
            temporary.rename(target)
            for old in sorted(self.folder.glob(CHECKPOINT))[: -self.keep]:
                remove(old)
        trainer.strategy.barrier()
