"""Normalisation in full precision."""

import torch
from torch import Tensor, nn

from titans_seq.autodiff import differentiable_gradients, full_precision, transformed

_EPS = 1e-6

# As tensors, which an operator takes three times faster than a number.
_EPS_AS = {dtype: torch.tensor(_EPS, dtype=dtype) for dtype in (torch.float32, torch.float64)}


class RMSNorm(nn.RMSNorm):
    """Compute `x / rms(x)` times a learned scale, in the scale's dtype whatever x's is.

    Args:
        dim: width of the last axis.

    Example:
        >>> import torch
        >>> RMSNorm(8)(torch.ones(2, 8, dtype=torch.bfloat16)).dtype
        torch.bfloat16
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped and typed like x, `[..., dim]`."""
        weight, dtype = self.weight, x.dtype
        if dtype != weight.dtype:
            x = x.to(weight.dtype)
        # Elsewhere than on a CPU PyTorch has a kernel of its own, and a compiler fuses the plain form by itself.
        by_hand = weight.dtype in _EPS_AS and x.device.type == "cpu"
        if not by_hand or torch.compiler.is_compiling() or transformed():
            y = super().forward(x)
        else:
            run = _Scaled.apply if torch.is_grad_enabled() else _Scaled.forward
            y: Tensor = run(x, weight)[0]  # type: ignore[index]
        return y if dtype == y.dtype else y.to(dtype)


class _Scaled(torch.autograd.Function):
    """By hand: automatic differentiation walks over x three times as often."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = torch.addcmul(_EPS_AS[x.dtype], length, length, value=1 / x.shape[-1]).rsqrt_()
        return (x * scale).mul_(weight), scale

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, gradient: Tensor, _) -> tuple[Tensor | None, Tensor | None]:  # type: ignore[override]
        x, weight, scale = ctx.saved_tensors
        if torch.is_grad_enabled():
            d_x, d_weight = differentiable_gradients(_plain, [x, weight], [gradient])
            return d_x, d_weight
        unit = x * scale
        along = gradient * unit
        d_weight = along.flatten(0, -2).sum(0)
        # What points along x does not change its direction.
        with full_precision(x.device.type):
            share = (along @ weight).unsqueeze(-1).mul_(-1 / x.shape[-1])
        return (gradient * weight).addcmul_(unit, share).mul_(scale), d_weight


def _plain(x: Tensor, weight: Tensor) -> list[Tensor]:
    return [x * (x.square().mean(-1, keepdim=True) + _EPS).rsqrt() * weight]
