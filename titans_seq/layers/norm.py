"""Normalisation in full precision."""

from torch import Tensor, nn


class RMSNorm(nn.RMSNorm):
    """`x / rms(x)` times a learned scale, computed in the scale's dtype whatever x's is.

    Args:
        dim: width of the last axis.

    Example:
        >>> import torch
        >>> RMSNorm(8)(torch.ones(2, 8, dtype=torch.bfloat16)).dtype
        torch.bfloat16
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped and typed like x, `[..., dim]`."""
        return super().forward(x.to(self.weight.dtype)).to(x.dtype)
