"""The settings of a forecaster: everything that repeats a training run besides the data."""

from dataclasses import dataclass, field

from titans_seq.errors import UserError, require_seed

from ..network.outputs import Output, Quantiles
from ..network.simba_network import NetworkConfig
from .optimiser import OptimiserConfig


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
        static: whether static columns (a region, a size) are used.
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
    static: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("context", "horizon", "batch_size", "batches_per_epoch"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UserError(f"{name} must be at least 1, got {number}: give a positive whole number")
        require_seed(self.seed)
        if len(self.shares) != 2 or min(self.shares) < 0 or sum(self.shares) >= 1:
            raise UserError(
                "shares must be two numbers, for validation and test, each at least 0 and together below 1 "
                f"(the rest is for training), got {tuple(self.shares)}"
            )
