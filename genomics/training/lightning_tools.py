"""What both trainings ask of Lightning and its losses: a message where something is amiss."""

from dataclasses import replace

import torch

from titans_seq.errors import UserError
from titans_seq.experiment.settings import OptimiserConfig

CHECK_EVERY = 50
"""Steps after which a loss that is not finite is noticed: every look makes a GPU wait for the CPU."""


def shortened_warmup(config: OptimiserConfig, steps: int) -> OptimiserConfig:
    """Return the optimiser with a warm-up of at most a tenth of all steps.

    Example:
        >>> shortened_warmup(OptimiserConfig(warmup=100), steps=200).warmup
        20
    """
    return replace(config, warmup=min(config.warmup, steps // 10))


def check_losses(losses: list[torch.Tensor], first_step: int, lr: float) -> float:
    """Return the sum of losses, all of them finite.

    Args:
        losses: scalars, in the order of the steps.
        first_step: number of the first, from 1.
        lr: largest learning rate, for the message.

    Raises:
        UserError: naming the step, if one is not finite.
    """
    if not losses:
        return 0.0
    values = torch.stack(losses).double().cpu()
    bad = (~values.isfinite()).nonzero()
    if len(bad):
        at = int(bad[0])
        raise UserError(
            f"the training loss became {values[at].item()} in step {first_step + at}: lower the learning rate (it is "
            f"{lr:g}), or lengthen the warm-up"
        )
    return values.sum().item()
