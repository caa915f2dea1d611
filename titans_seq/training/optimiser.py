"""AdamW with weight decay on matrices only, and a cosine schedule with warm-up."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from titans_seq.errors import UserError


@dataclass(frozen=True)
class OptimiserConfig:
    """How weights are updated (the Titans paper follows Gated DeltaNet: AdamW, decay 0.1, clip 1, cosine, warm-up).

    Attributes:
        lr: largest learning rate, above 0.
        least: share of `lr` that the cosine ends at, in [0, 1].
        warmup: steps over which the rate rises linearly, at least 0.
        betas: of AdamW, in [0, 1).
        weight_decay: decoupled, at least 0; see `parameter_groups` for what it acts on.
        clip: largest norm of the gradient, at least 0; 0 for no clipping.

    Raises:
        UserError: if a value is out of range.
    """

    lr: float = 1e-3
    least: float = 0.1
    warmup: int = 100
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    clip: float = 1.0

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("lr", self.lr > 0 and math.isfinite(self.lr), "above 0"),
            ("least", 0 <= self.least <= 1, "in [0, 1]"),
            ("warmup", self.warmup >= 0, "at least 0"),
            ("betas", all(0 <= beta < 1 for beta in self.betas), "in [0, 1)"),
            ("weight_decay", self.weight_decay >= 0, "at least 0"),
            ("clip", self.clip >= 0, "at least 0"),
        ):
            if not good:
                raise UserError(f"{name} must be {expected}, got {getattr(self, name)}")

    def factor(self, step: int, total: int) -> float:
        """Share of `lr` used at `step` (0-based) of `total` steps.

        Example:
            >>> config = OptimiserConfig(warmup=2, least=0.0)
            >>> [round(config.factor(step, total=6), 2) for step in range(6)]
            [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = min(1.0, (step - self.warmup) / max(1, total - self.warmup))
        return self.least + (1 - self.least) * 0.5 * (1 + math.cos(math.pi * done))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters into those that decay and those that do not, for an optimiser.

    Decay acts on the matrices of `nn.Linear` layers. It does not act on embeddings (a tied head included), norms,
    biases, convolutions, persistent tokens and gate vectors, whose scale means something. Nor does it act on a
    memory's initial weights: they are the first value of a state that forgets by a gate of its own, and pulled to zero
    they would be a deep memory that cannot begin to learn.

    Args:
        model: any module; parameters that need no gradient are left out.
        weight_decay: for the first group.

    Returns:
        Two groups, in the order of the model's parameters.

    Example:
        >>> model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3))
        >>> [len(group["params"]) for group in parameter_groups(model, 0.1)]
        [1, 2]
    """
    matrices = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    # A head tied to the embedding is the embedding.
    matrices -= {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if id(p) in matrices], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) not in matrices], "weight_decay": 0.0},
    ]


def build_optimiser(model: nn.Module, config: OptimiserConfig, steps: int) -> tuple[torch.optim.AdamW, Any]:
    """Return AdamW and its schedule over `steps` optimiser steps.

    Example:
        >>> optimiser, schedule = build_optimiser(nn.Linear(2, 2), OptimiserConfig(lr=0.1, warmup=10), steps=100)
        >>> round(schedule.get_last_lr()[0], 6)
        0.01
    """
    groups = parameter_groups(model, config.weight_decay)
    optimiser = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas)
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: config.factor(step, steps))
