"""The settings of a forecaster: everything that repeats a training run besides the data."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from titans_seq.errors import UserError, choose, require_at_least
from titans_seq.experiment import settings

from .network.outputs import Output, Quantiles
from .network.simba_network import NetworkConfig

Monitor = Literal["loss", "mse", "mae"]


@dataclass(frozen=True)
class OptimiserConfig(settings.OptimiserConfig):
    """AdamW, its schedule, and when to stop.

    Attributes:
        lr: Largest learning rate, above 0.
        schedule: How the rate falls over all epochs: along a cosine, at the end alone (wsd), or on a line.
        least: Share of the rate that the schedule ends at, in [0, 1].
        warmup: Steps over which the rate rises, at most a tenth of all; a number below 1 is a share of all steps.
        decay_share: Share of all steps over which "wsd" lets the rate fall, in (0, 1].
        betas: Decays of AdamW's two averages, each in [0, 1).
        weight_decay: Decoupled weight decay of all weights, at least 0.
        clip: Largest norm of the gradient; 0 for no clipping.
        epochs: Most epochs, at least 1; training stops early.
        patience: Stop after N epochs without improvement, at least 1.
        averaging: Decay of an exponential moving average of the weights, in [0, 1); the average is what is validated
            and kept. 0 for none.
        monitor: Validation score that decides: the training loss, or squared or absolute error of the mean forecast.

    Raises:
        UserError: if a value is out of range.
    """

    least: float = 0.0
    warmup: int | float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-4
    epochs: int = 10
    patience: int = 3
    averaging: float = 0.0
    monitor: Monitor = "loss"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, epochs=1, patience=1)
        choose(self.monitor, get_args(Monitor), "monitor")
        if not 0 <= self.averaging < 1:
            raise UserError(f"averaging must be in [0, 1), got {self.averaging}")


@dataclass(frozen=True)
class ForecastConfig:
    """What is forecast, by which network, trained how.

    Attributes:
        context: number of past steps L the network reads, at least 1.
        horizon: number of future steps H it forecasts, at least 1.
        network: the network.
        output: what a forecast consists of: a point, quantiles (the default) or a Student-t distribution.
        optimiser: optimiser, schedule and early stopping.
        batch_size: windows a batch, at least 1.
        batches_per_epoch: at most this many batches an epoch, drawn anew each time; None for every window.
        shares: parts of the time axis kept for validation (early stopping) and, after it, for the test; each
            in [0, 1), together below 1. A share above 0 keeps at least one horizon; 0 keeps nothing.
        calendar: whether calendar features (hour of the day, day of the week, ...) are known covariates.
        seed: of the initial weights, the order of the windows and the dropout.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> config = ForecastConfig(context=96, horizon=24)
        >>> config.shares, config.output.size
        ((0.1, 0.2), 9)
    """

    context: int
    horizon: int
    network: NetworkConfig = field(default_factory=NetworkConfig)
    output: Output = field(default_factory=Quantiles)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    batch_size: int = 64
    batches_per_epoch: int | None = None
    shares: tuple[float, float] = (0.1, 0.2)
    calendar: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("context", "horizon", "batch_size", "batches_per_epoch"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UserError(f"{name} must be at least 1, got {number}: give a positive whole number")
        if self.seed < 0:
            raise UserError(f"seed must be at least 0, got {self.seed}")
        if len(self.shares) != 2 or min(self.shares) < 0 or sum(self.shares) >= 1:
            raise UserError(
                "shares must be two numbers, for validation and test, each at least 0 and together below 1 "
                f"(the rest is for training), got {tuple(self.shares)}"
            )
