"""The non-linear gate that joins what attention and what the memory return."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.checks import check_choice
from titans_seq.layers.norm import RMSNorm

FusionName = Literal["product", "mix", "sum"]


class Fusion(nn.Module):
    """Join attention's output y and the memory's m (Titans eq. 25 and 28).

    The paper normalises both "with learnable vector-valued weights", applies "a non-linearity", and leaves the rest
    open. Two readings, neither of which has a matrix:

    * `product`: `norm(y) * silu(norm(m))`, the product sign of its equations taken literally;
    * `mix`: `g * norm(y) + (1 - g) * norm(m)` with `g = sigmoid(a * norm(y) + b * norm(m) + c)` and learned vectors
      a, b and c, where either can speak alone.

    A third is not from the paper: `sum`, `y + s * norm(m)` with a learned vector s that starts at zero, so that the
    block starts as its attention alone.

    Args:
        form: which of the three.
        dim: width.

    Raises:
        ValueError: if there is no such form.

    Example:
        >>> Fusion("mix", 8)(torch.randn(1, 3, 8), torch.randn(1, 3, 8)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, form: FusionName, dim: int) -> None:
        super().__init__()
        check_choice("form", form, FusionName)
        self.attention_norm = nn.Identity() if form == "sum" else RMSNorm(dim)
        self.memory_norm = RMSNorm(dim)
        self.scale = nn.Parameter(torch.zeros(dim)) if form == "sum" else None
        self.gate = nn.Parameter(torch.zeros(3, dim)) if form == "mix" else None

    def forward(self, y: Tensor, m: Tensor) -> Tensor:
        """Return a tensor shaped like both, `[..., dim]`."""
        y, m = self.attention_norm(y), self.memory_norm(m)
        if self.scale is not None:
            return y + self.scale.to(y.dtype) * m
        if self.gate is None:
            return y * F.silu(m)
        a, b, c = self.gate.to(y.dtype)
        return m + torch.sigmoid(a * y + b * m + c) * (y - m)
