"""Instance normalisation: each window's own level and spread are taken out, and put back at the end."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


@dataclass(frozen=True)
class NormaliseConfig:
    """How a window is brought to a common level.

    Attributes:
        kind: "mean_std" removes the mean and divides by the standard deviation of the context (RevIN,
            Kim et al., ICLR 2022); "last_value" subtracts the last observed value (NLinear, arXiv
            2205.13504), the better choice for random walks; "none" leaves the values as they are.
        affine: whether a learned gain and offset per channel follow (RevIN's affine parameters).
        epsilon: added to the variance, so that a constant context is not divided by zero.
    """

    kind: Literal["mean_std", "last_value", "none"] = "mean_std"
    affine: bool = False
    epsilon: float = 1e-5


class Level(NamedTuple):
    """What `InstanceNormalise` took out: the input is `normalised * scale + loc`."""

    loc: Float[Tensor, "B 1 V"]
    scale: Float[Tensor, "B 1 V"]


class InstanceNormalise(nn.Module):
    """Normalise each channel of each window by statistics of its observed values.

    Args:
        config: the kind of normalisation.
        channels: number of channels V.

    Example:
        >>> layer = InstanceNormalise(NormaliseConfig("last_value"), channels=1)
        >>> past = torch.tensor([1.0, 2.0, 5.0]).reshape(1, 3, 1)
        >>> normalised, level = layer(past, torch.ones_like(past, dtype=torch.bool))
        >>> normalised.flatten().tolist(), level.loc.item()
        ([-4.0, -3.0, 0.0], 5.0)
    """

    def __init__(self, config: NormaliseConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        # The gain is exp(log_gain), so that undoing it never divides by zero.
        self.log_gain = nn.Parameter(torch.zeros(channels)) if config.affine else None
        self.offset = nn.Parameter(torch.zeros(channels)) if config.affine else None

    def forward(
        self, past: Float[Tensor, "B L V"], observed: Bool[Tensor, "B L V"]
    ) -> tuple[Float[Tensor, "B L V"], Level]:
        """Return the normalised context, 0 where nothing was observed, and the level that was taken out."""
        level = self._level(past, observed)
        if self.log_gain is not None and self.offset is not None:
            scale = level.scale * torch.exp(-self.log_gain)
            level = Level(level.loc - self.offset * scale, scale)
        normalised = (past - level.loc) / level.scale
        return normalised.masked_fill(~observed, 0.0), level

    def _level(self, past: Tensor, observed: Tensor) -> Level:
        if self.config.kind == "none":
            zero = past.new_zeros(past.shape[0], 1, past.shape[2])
            return Level(zero, torch.ones_like(zero))
        if self.config.kind == "last_value":
            loc = last_observed(past, observed)
            return Level(loc, torch.ones_like(loc))
        weight = observed.to(past.dtype)
        count = weight.sum(dim=1, keepdim=True)
        loc = (past * weight).sum(dim=1, keepdim=True) / count.clamp(min=1)
        variance = ((past - loc).square() * weight).sum(dim=1, keepdim=True) / count.clamp(min=1)
        # One value or none says nothing about the spread: leave the scale of the training data in place.
        scale = torch.where(count > 1, (variance + self.config.epsilon).sqrt(), torch.ones_like(variance))
        return Level(loc, scale)


def last_observed(past: Float[Tensor, "B L V"], observed: Bool[Tensor, "B L V"]) -> Float[Tensor, "B 1 V"]:
    """Return the last observed value of each channel, 0 where the whole context is unobserved.

    Example:
        >>> past = torch.tensor([1.0, 2.0, 0.0]).reshape(1, 3, 1)
        >>> last_observed(past, torch.tensor([True, True, False]).reshape(1, 3, 1)).item()
        2.0
    """
    steps = torch.arange(1, past.shape[1] + 1, device=past.device).reshape(1, -1, 1)
    last = (steps * observed).amax(dim=1, keepdim=True)
    value = past.gather(1, (last - 1).clamp(min=0))
    return torch.where(last > 0, value, torch.zeros_like(value))
