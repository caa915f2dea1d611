"""The training loss: quantile loss in units of the seasonal error, as MASE and the weighted quantile loss count it."""

import torch
from torch import Tensor

from ..network.losses import pinball

LEAST_UNIT = 0.05
"""A series' unit is its seasonal error, at least this share of its scale: series without noise would rule the mean."""
FARTHEST = 20.0
"""Targets count as at most so many units away from the seasonal naive forecast."""


def quantile_loss(
    quantiles: Tensor, levels: Tensor, target: Tensor, weight: Tensor, unit: Tensor, naive: Tensor
) -> Tensor:
    """Average twice the pinball loss in units of each series' seasonal error.

    Args:
        quantiles: `[B, H, Q]`.
        levels: `[Q]`.
        target: `[B, H]`.
        weight: `[B, H]`, 0 where the target is missing.
        unit: `[B, 1]`, the seasonal error.
        naive: `[B, H]`, the seasonal naive forecast.

    Example:
        >>> one = torch.ones(1, 1)
        >>> quantile_loss(one[..., None], torch.tensor([0.5]), 3 * one, one, one, one).item()
        2.0
    """
    unit = unit.clamp(min=LEAST_UNIT)
    target = torch.clamp(target, naive - FARTHEST * unit, naive + FARTHEST * unit)
    loss = 2 * pinball(quantiles, target, levels).mean(-1) / unit
    return (loss * weight).sum() / weight.sum().clamp(min=1)
