"""The channel mixer of a block."""

import torch.nn.functional as F
from torch import Tensor, nn


class SwiGLU(nn.Module):
    """`W_out (silu(W_gate x) * W_in x)`, without biases (Llama style, as the NeurIPS version of Titans uses).

    Args:
        dim: width.
        hidden: hidden width; 8/3 of `dim`, rounded up to a multiple of 8, if None.

    Example:
        >>> import torch
        >>> SwiGLU(16)(torch.randn(2, 3, 16)).shape
        torch.Size([2, 3, 16])
    """

    def __init__(self, dim: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = hidden or -(-8 * dim // 24) * 8
        self.gate_and_input = nn.Linear(dim, 2 * hidden, bias=False)
        self.output = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped like x, `[..., dim]`."""
        gate, value = self.gate_and_input(x).chunk(2, -1)
        return self.output(F.silu(gate) * value)
