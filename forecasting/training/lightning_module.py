"""The Lightning module that trains a forecasting network."""

import copy
import math
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from titans_seq.errors import UserError

from ..network.simba_network import SimbaNetwork
from ..windows.cutting import WindowBatch
from .optimiser import OptimiserConfig

# Steps after which a loss that is not finite is noticed: every look makes a GPU wait for the CPU.
CHECK_EVERY = 50


class ForecastModule(pl.LightningModule):
    """Train a `SimbaNetwork` on `WindowBatch`es.

    Logs `train_loss`, and with validation data `val_loss`, `val_mse` and `val_mae` (means over all observed
    targets, whatever the batch size).

    Args:
        network: the network; its output says what the loss is.
        config: optimiser and schedule.

    Raises:
        UserError: while training, if the loss is not finite.

    Example:
        >>> from forecasting.network.simba_network import NetworkConfig, build_network
        >>> from forecasting.network.outputs import Point
        >>> network = build_network(NetworkConfig(width=8), Point(), channels=1, context=16, horizon=4)
        >>> ForecastModule(network, OptimiserConfig()).kept_network() is network
        True
    """

    def __init__(self, network: SimbaNetwork, config: OptimiserConfig) -> None:
        super().__init__()
        self.network = network
        self.averaged = copy.deepcopy(network).requires_grad_(False) if config.averaging else None
        self.config = config
        self._train_losses: list[Tensor] = []
        self._checked = 0
        self._train_sum = 0.0
        self._validation: list[Tensor] = []

    def kept_network(self) -> SimbaNetwork:
        """The network that is validated and kept: the averaged one where there is an average."""
        return self.network if self.averaged is None else self.averaged

    def forward(self, batch: WindowBatch) -> Tensor:
        """Forecast with the network to be kept."""
        return self.kept_network()(batch)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with the configured schedule, stepped every batch."""
        optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=self.config.lr, weight_decay=self.config.weight_decay
        )
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: self.config.factor(step, total))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Forget the losses of the epoch before."""
        self._train_losses, self._checked, self._train_sum = [], 0, 0.0

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        loss = self.network.output.loss(self.network(batch), batch.future, batch.future_observed)
        self._train_losses.append(loss.detach())
        return loss

    def on_train_batch_end(self, outputs: Any, batch: WindowBatch, batch_idx: int) -> None:
        """Move the average; now and then look whether the losses are finite."""
        if self.averaged is not None:
            # Lets the average of a short run forget the initial weights.
            decay = min(self.config.averaging, (1 + self.global_step) / (10 + self.global_step))
            with torch.no_grad():
                pairs = zip(self.averaged.parameters(), self.network.parameters(), strict=True)
                for average, current in pairs:
                    average.lerp_(current, 1 - decay)
        if len(self._train_losses) >= CHECK_EVERY:
            self._check_losses()

    def _check_losses(self) -> None:
        if not self._train_losses:
            return
        losses = torch.stack(self._train_losses).double().cpu()
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            first = int(bad[0])
            raise UserError(
                f"the training loss became {losses[first].item()} in step {self._checked + first + 1} of "
                f"epoch {self.current_epoch + 1}: lower the learning rate (it is {self.config.lr:g}) or the "
                f"gradient clip (it is {self.config.clip:g}), or look for extreme values in the data"
            )
        self._train_sum += losses.sum().item()
        self._checked += len(losses)
        self._train_losses = []

    def on_train_epoch_end(self) -> None:
        """Log the mean training loss."""
        self._check_losses()
        self.log("train_loss", self._train_sum / max(self._checked, 1), prog_bar=True)

    def on_validation_epoch_start(self) -> None:
        """Look at the training losses first, for they explain a bad validation; forget the sums before."""
        self._check_losses()
        self._validation = []

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> None:
        """Add one batch to the sums of loss, squared and absolute error and observed targets."""
        output = self.network.output
        parameters = self(batch)
        count = batch.future_observed.sum()
        loss = output.loss(parameters, batch.future, batch.future_observed)
        error = torch.where(batch.future_observed, output.mean(parameters) - batch.future, 0.0)
        sums = torch.stack((loss * count, error.square().sum(), error.abs().sum(), count))
        self._validation.append(sums.double().cpu())

    def on_validation_epoch_end(self) -> None:
        """Log the means over all observed targets."""
        sums = torch.stack(self._validation).sum(0)
        scores = (sums[:3] / sums[3].clamp(min=1)).tolist()
        if not all(math.isfinite(score) for score in scores):
            raise UserError(
                f"the validation loss became {scores[0]} after epoch {self.current_epoch + 1}: lower the "
                f"learning rate (it is {self.config.lr:g}), or look for extreme values in the data"
            )
        self.log_dict(dict(zip(("val_loss", "val_mse", "val_mae"), scores, strict=True)), prog_bar=True)
