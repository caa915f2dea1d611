"""The control: a block without any sequence mixing, which shows what a mixer is worth."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from titans_seq.blocks import Block
from titans_seq.config import register


class Identity(nn.Module):
    """Contribute nothing to the residual stream, so that the block is its feed-forward alone.

    Example:
        >>> Identity()(torch.ones(1, 2, 3))[0].abs().sum().item()
        0.0
    """

    def forward(self, x: Tensor, state: None = None, *, return_state: bool = True) -> tuple[Tensor, None]:
        """Return zeros, and no state."""
        return torch.zeros_like(x), None


@register("identity_block")
@dataclass(frozen=True)
class IdentityBlockConfig:
    """A block that looks at each token alone.

    Attributes:
        hidden: hidden width of the feed-forward; 8/3 of the width if None.

    Example:
        >>> IdentityBlockConfig(hidden=16).build(8)(torch.randn(2, 5, 8))[0].shape
        torch.Size([2, 5, 8])
    """

    hidden: int | None = None

    def build(self, dim: int) -> Block:
        """Build a block of width `dim`.

        Example:
            >>> y, state = IdentityBlockConfig().build(8)(torch.randn(1, 5, 8))
            >>> y.shape, state
            (torch.Size([1, 5, 8]), None)
        """
        return Block(Identity(), dim, self.hidden)
