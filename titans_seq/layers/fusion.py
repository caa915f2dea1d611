"""The non-linear gate that joins what attention and what the memory return."""

from typing import Literal

import torch
from torch import Tensor, nn

from titans_seq.layers.norm import RMSNorm

FusionName = Literal["product", "mix"]


class Fusion(nn.Module):
    """Join attention's output y and the memory's m, both normalised with learned vectors (Titans eq. 25 and 28).

    The paper normalises both and applies "a non-linearity", and leaves the rest open. Two readings:

    * `product`: `norm(y) * silu(norm(m))`, the product sign of its equations taken literally;
    * `mix`: `g * norm(y) + (1 - g) * norm(m)` with `g = sigmoid(W [norm(y), norm(m)])`, where either can speak alone.

    Args:
        form: which of the two.
        dim: width.

    Example:
        >>> Fusion("mix", 8)(torch.randn(1, 3, 8), torch.randn(1, 3, 8)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, form: FusionName, dim: int) -> None:
        super().__init__()
        self.attention_norm, self.memory_norm = RMSNorm(dim), RMSNorm(dim)
        self.gate = nn.Linear(2 * dim, dim) if form == "mix" else None
        self.output = nn.Linear(dim, dim, bias=False)

    def forward(self, y: Tensor, m: Tensor) -> Tensor:
        """Return a tensor shaped like both, `[..., dim]`."""
        y, m = self.attention_norm(y), self.memory_norm(m)
        if self.gate is None:
            return self.output(y * nn.functional.silu(m))
        g = torch.sigmoid(self.gate(torch.cat([y, m], -1)))
        return self.output(g * y + (1 - g) * m)
