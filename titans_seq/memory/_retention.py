"""Retention gate: what share of the memory is kept before each token's write."""

import abc
from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.config import register


class Retention(abc.ABC):
    """How a memory forgets."""

    @property
    @abc.abstractmethod
    def gated(self) -> bool:
        """Whether the gate reads a `decay` value per token."""

    @abc.abstractmethod
    def keep(self, decay: Tensor | None, like: Tensor) -> Tensor:
        """Return the share kept, in [0, 1], shaped and typed like `like`."""


@register("weight_decay")
@dataclass(frozen=True)
class WeightDecay(Retention):
    """Scalar weight decay per token and head: keep `1 - decay_t` (Titans eq. 13, alpha).

    Example:
        >>> WeightDecay().keep(torch.tensor([0.25]), torch.ones(1))
        tensor([0.7500])
    """

    @property
    def gated(self) -> bool:
        return True

    def keep(self, decay: Tensor | None, like: Tensor) -> Tensor:
        """Return `1 - decay`."""
        if decay is None:
            raise ValueError("weight decay needs the gate `decay`, got None")
        return 1 - decay


@register("no_retention")
@dataclass(frozen=True)
class NoRetention(Retention):
    """Nothing is forgotten (Titans eq. 9; the paper's ablation without weight decay).

    Example:
        >>> NoRetention().keep(None, torch.zeros(1))
        tensor([1.])
    """

    @property
    def gated(self) -> bool:
        return False

    def keep(self, decay: Tensor | None, like: Tensor) -> Tensor:
        """Return ones."""
        return torch.ones_like(like)
