"""How a network is optimised: AdamW, its learning-rate schedule, and when to stop."""

import math
from dataclasses import dataclass
from typing import Literal

from titans_seq.errors import UserError


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW, its schedule, and when to stop.

    Attributes:
        lr: largest learning rate.
        weight_decay: decoupled weight decay.
        schedule: "cosine" falls to 0 over all epochs; "halving" halves after every epoch (TSLib's "type1");
            "constant" does neither.
        warmup: share of all steps, in [0, 1), over which the rate rises linearly from 0.
        clip: largest gradient norm; 0 for no clipping.
        epochs: most epochs, at least 1.
        patience: stop after so many epochs without a better validation score, at least 1.
        averaging: decay of an exponential moving average of the weights, in [0, 1); the average is what is
            validated and kept. 0 for none.
        monitor: the validation score: the training loss, or squared or absolute error of the mean forecast.

    Raises:
        UserError: if a value is out of range.
    """

    lr: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "halving", "constant"] = "cosine"
    warmup: float = 0.0
    clip: float = 1.0
    epochs: int = 10
    patience: int = 3
    averaging: float = 0.0
    monitor: Literal["loss", "mse", "mae"] = "loss"

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("lr", self.lr > 0, "above 0"),
            ("weight_decay", self.weight_decay >= 0, "at least 0"),
            ("warmup", 0 <= self.warmup < 1, "in [0, 1)"),
            ("clip", self.clip >= 0, "at least 0"),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("averaging", 0 <= self.averaging < 1, "in [0, 1)"),
        ):
            if not good:
                raise UserError(f"{name} must be {expected}, got {getattr(self, name)}")

    def factor(self, step: int, total: int) -> float:
        """Share of `lr` used at `step` (0-based) of `total` steps.

        Example:
            >>> OptimiserConfig(warmup=0.5).factor(1, total=4), OptimiserConfig().factor(2, total=4)
            (0.5, 0.5)
        """
        warm = self.warmup * total
        if step < warm:
            return step / warm
        if self.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / (total - warm))))
        if self.schedule == "halving":
            return 0.5 ** (step * self.epochs // total)
        return 1.0
