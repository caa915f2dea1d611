"""How a network is optimised, and when that stops: settings that need no PyTorch."""

from dataclasses import dataclass
from typing import Literal, get_args

from titans_seq.errors import UserError, choose, require_at_least
from titans_seq.experiment import settings

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


USUAL = OptimiserConfig(lr=1e-3, epochs=20, patience=4)
"""That of the default preset, which the command line names in its help."""
