"""The network as GluonTS trains it, calls it and writes it down."""

from typing import Any, Literal

import torch
from gluonts.core.component import validated
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from titans_seq.config import from_dict

from ..network.batch import WindowBatch
from ..network.outputs import Quantiles, StudentT
from ..network.simba_network import NetworkConfig, build_network
from ..training.lightning_module import ForecastModule


class GluonTSNetwork(nn.Module):
    """A forecasting network on the scale of the data, with the arguments and results GluonTS expects.

    It standardises every window by the mean and deviation of its own context, so that series of any scale
    share one network. It holds nothing between calls: the memory of a mixer starts anew in each. Its
    arguments can all be written as JSON, because GluonTS saves a predictor as its arguments and its weights.

    Args:
        network: what `titans_seq.config.to_dict` makes of a `NetworkConfig`.
        context_length: number of context steps L.
        prediction_length: number of steps H to forecast.
        target_dim: number of channels V.
        known: number F of known covariates, calendar features included.
        output: quantiles, or a Student-t distribution.
        quantile_levels: levels of the quantiles, increasing, in (0, 1).
        seed: of the initial weights.

    Raises:
        UserError: if `network` does not describe a network; the message names the field.
        ValueError: if the sizes or levels do not fit.

    Example:
        >>> network = GluonTSNetwork(network={"width": 8, "mixer": {"kind": "gru_mixer"}}, context_length=32,
        ...                          prediction_length=4, output="student-t")
        >>> past = 1e6 + torch.randn(2, 32, 1)
        >>> inputs = {"known": torch.zeros(2, 36, 0), "phase": torch.zeros(2, dtype=torch.int64)}
        >>> (freedom, location, spread), loc, scale = network(past, past > 0, **inputs)
        >>> location.shape, loc.shape
        (torch.Size([2, 4]), torch.Size([2, 1]))
    """

    @validated()
    def __init__(
        self,
        network: dict[str, Any],
        context_length: int,
        prediction_length: int,
        target_dim: int = 1,
        known: int = 0,
        output: Literal["quantiles", "student-t"] = "quantiles",
        quantile_levels: list[float] = [0.1, 0.5, 0.9],  # noqa: B006 (GluonTS records the literal)
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.target_dim = target_dim
        self.prediction_length = prediction_length
        self.output = StudentT() if output == "student-t" else Quantiles(tuple(quantile_levels))
        self.network = build_network(
            from_dict(network, NetworkConfig),
            self.output,
            channels=target_dim,
            context=context_length,
            horizon=prediction_length,
            known=known,
            seed=seed,
        )

    def forward(
        self,
        past: Float[Tensor, "B L V"],
        observed: Bool[Tensor, "B L V"],
        known: Float[Tensor, "B N F"],
        phase: Int[Tensor, " B"],
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Forecast what follows the context.

        Args:
            past: values as they are in the data, 0 where not observed.
            observed: where they are observed.
            known: covariates over context and horizon, N = L + H.
            phase: absolute number of the first context step.

        Returns:
            the arguments of the distribution, each `[B, H, V]`, or the quantiles `[B, H, V, Q]` as the only
            one; then location and scale `[B, 1, V]`, to bring them to the scale of the data. The axis V is
            left out where `target_dim` is 1.
        """
        future = past.new_zeros(len(past), self.prediction_length, self.target_dim)
        none = past.new_zeros(*past.shape[:2], 0)
        unseen = torch.zeros_like(future, dtype=torch.bool)
        batch = WindowBatch(past, observed, known, none, phase, future, unseen, past.new_zeros(len(past), 0))
        batch, loc, scale = standardise(batch)
        parameters = self.network(batch)
        if self.target_dim == 1:
            parameters, loc, scale = parameters.squeeze(2), loc.squeeze(2), scale.squeeze(2)
        if isinstance(self.output, StudentT):
            return parameters.unbind(-1), loc, scale
        return (parameters,), loc, scale


class GluonTSModule(ForecastModule):
    """Train the network inside a `GluonTSNetwork`, whose weights have the same names here.

    Logs `train_loss` and, with validation data, `val_loss`, both on the standardised scale.
    """

    def log_scores(self, **scores: float) -> None:
        """Log the validation loss by the name that GluonTS monitors."""
        self.log("val_loss", scores["validation_loss"], prog_bar=True)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's loss likewise."""
        self.log("train_loss", self.training_row(None)["loss"], prog_bar=True)

    def on_after_batch_transfer(self, batch: WindowBatch, dataloader_idx: int) -> WindowBatch:
        """Standardise each window, as `GluonTSNetwork` does when it predicts."""
        return standardise(batch)[0]


def standardise(batch: WindowBatch) -> tuple[WindowBatch, Float[Tensor, "B 1 V"], Float[Tensor, "B 1 V"]]:
    """Give the observed context of each window and channel mean 0 and deviation 1; its future, the same map.

    A constant context, or one with a single observed value, is divided by its absolute value instead, or by 1
    if that is 0. Without any observed value nothing changes.

    Returns:
        the batch, and the location and scale that were taken out.

    Example:
        >>> past, future = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[[4.0]]])
        >>> empty = torch.zeros(1, 2, 0)
        >>> known, phase = torch.zeros(1, 3, 0), torch.zeros(1, dtype=torch.int64)
        >>> batch = WindowBatch(past, past > 0, known, empty, phase, future, future > 0, torch.zeros(1, 0))
        >>> batch, loc, scale = standardise(batch)
        >>> batch.past.flatten().tolist(), batch.future.item(), loc.item(), scale.item()
        ([-1.0, 1.0], 2.0, 2.0, 1.0)
    """
    count = batch.observed.sum(dim=1, keepdim=True).clamp(min=1)
    seen = torch.where(batch.observed, batch.past, 0.0)
    unit = _unit(seen)
    seen = seen / unit
    loc = seen.sum(dim=1, keepdim=True) / count
    centred = torch.where(batch.observed, seen - loc, 0.0)
    deviation = (centred.square().sum(dim=1, keepdim=True) / count).sqrt()
    size = loc.abs()
    # float32 leaves a constant context a deviation of some 1e-7 of its size.
    constant = deviation <= 1e-6 * size
    spread = torch.where(constant, torch.where(size > 0, size, 1.0), deviation)
    loc, scale = loc * unit, spread * unit
    scaled = WindowBatch(
        past=torch.where(constant, 0.0, centred / spread),
        observed=batch.observed,
        known=batch.known,
        past_only=batch.past_only,
        phase=batch.phase,
        future=torch.where(batch.future_observed, (batch.future - loc) / scale, 0.0),
        future_observed=batch.future_observed,
        static=batch.static,
    )
    return scaled, loc, scale


def _unit(seen: Float[Tensor, "B L V"]) -> Float[Tensor, "B 1 V"]:
    """A power of two near the largest value, so that no square leaves the range of numbers and nothing is rounded."""
    largest = seen.abs().amax(dim=1, keepdim=True)
    exponent = (torch.frexp(largest).exponent - 1).clamp(min=-126)
    return torch.where(largest > 0, torch.ldexp(torch.ones_like(largest), exponent), 1.0)
