"""The channel mixer of a block."""

import torch.nn.functional as F
from torch import Tensor, nn


class SwiGLU(nn.Module):
    """Compute `W_out (silu(W_gate x) * W_in x)`, without biases (Llama style, as the NeurIPS version of Titans uses).

    Args:
        dim: width.
        hidden: hidden width, at least 1; 8/3 of `dim`, rounded up to a multiple of 8, if None.

    Raises:
        ValueError: if `hidden` is below 1.

    Example:
        >>> import torch
        >>> SwiGLU(16)(torch.randn(2, 3, 16)).shape
        torch.Size([2, 3, 16])
    """

    def __init__(self, dim: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = -(-8 * dim // 24) * 8 if hidden is None else hidden
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, or None for 8/3 of the width, got {hidden}")
        self.gate_and_input = nn.Linear(dim, 2 * hidden, bias=False)
        self.output = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped like x, `[..., dim]`."""
        gate, value = self.gate_and_input(x).chunk(2, -1)
        return self.output(F.silu(gate) * value)
