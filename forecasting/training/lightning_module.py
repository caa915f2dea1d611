"""The Lightning module that trains a forecasting network."""

import copy
from typing import Any

import torch
from torch import Tensor

from titans_seq.experiment.module import FitModule

from ..network.batch import WindowBatch
from ..network.simba_network import SimbaNetwork
from ..settings.optimiser import OptimiserConfig


class ForecastModule(FitModule):
    """Train a `SimbaNetwork` on `WindowBatch`es.

    Logs `loss`, and with validation data `validation_loss`, `validation_mse` and `validation_mae` (means over all
    observed targets, whatever the batch size).

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

    network: SimbaNetwork

    def __init__(self, network: SimbaNetwork, config: OptimiserConfig) -> None:
        super().__init__(network, config)
        self.averaged = copy.deepcopy(network).requires_grad_(False) if config.averaging else None
        self._averaging = config.averaging
        self._sums: list[Tensor] = []

    def kept_network(self) -> SimbaNetwork:
        """Return the network that is validated and kept: the averaged one where there is an average."""
        return self.network if self.averaged is None else self.averaged

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return all parameters in one group: all of them decay."""
        return [{"params": list(self.network.parameters()), "weight_decay": self.config.weight_decay}]

    def forward(self, batch: WindowBatch) -> Tensor:
        """Forecast with the network to be kept."""
        return self.kept_network()(batch)

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        loss = self.network.output.loss(self.network(batch), batch.future, batch.future_observed)
        if self.trainer.world_size == 1:
            self.note_loss(loss)
            return loss
        count = batch.future_observed.sum()
        share = count / self.over_processes(count.clone()).clamp(min=1)
        self.note_loss(loss * share, share)
        # Processes average their gradients: this makes it the mean over the targets of all.
        return loss * (share * self.trainer.world_size)

    def on_train_batch_end(self, outputs: Any, batch: WindowBatch, batch_idx: int) -> None:
        """Move the average."""
        if self.averaged is None:
            return
        # Lets the average of a short run forget the initial weights.
        decay = min(self._averaging, (1 + self.global_step) / (10 + self.global_step))
        with torch.no_grad():
            for average, current in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                average.lerp_(current, 1 - decay)

    def on_validation_epoch_start(self) -> None:
        """Forget the sums before."""
        self._sums = []

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> None:
        """Add one batch to the sums of loss, squared and absolute error and observed targets."""
        output = self.network.output
        parameters = self(batch)
        count = batch.future_observed.sum()
        loss = output.loss(parameters, batch.future, batch.future_observed)
        error = torch.where(batch.future_observed, output.mean(parameters) - batch.future, 0.0)
        sums = torch.stack((loss * count, error.square().sum(), error.abs().sum(), count))
        self._sums.append(sums.double().cpu())

    def on_validation_epoch_end(self) -> None:
        """Log the means over all observed targets."""
        sums = self.over_processes(torch.stack(self._sums).sum(0).to(self.device))
        loss, mse, mae = (sums[:3] / sums[3].clamp(min=1)).tolist()
        self.log_scores(validation_loss=loss, validation_mse=mse, validation_mae=mae)
