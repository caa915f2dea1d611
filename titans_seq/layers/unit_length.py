"""Queries and keys of unit length, and the values beside them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.autodiff import differentiable_gradients, transformed

# A silent token's key becomes zero instead of a division by zero.
_SHORTEST = 1e-6


class _Divided(torch.autograd.Function):
    """By hand: automatic differentiation would walk over three times as much memory."""

    @staticmethod
    def forward(mixed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        pair = mixed[:, :, :2]
        lengths = torch.linalg.vector_norm(pair, dim=-1, keepdim=True).clamp_min_(_SHORTEST)
        q, k = (pair / lengths).unbind(2)
        return q, k, mixed[:, :, 2], lengths

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: tuple[Tensor, ...]) -> None:
        q, k, _, lengths = output
        ctx.save_for_backward(*inputs, q, k, lengths)
        ctx.mark_non_differentiable(lengths)

    @staticmethod
    def backward(ctx, d_q: Tensor, d_k: Tensor, d_v: Tensor, _) -> Tensor | None:  # type: ignore[override]
        mixed, q, k, lengths = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiable_gradients(_divide, [mixed], [d_q, d_k, d_v])[0]
        d_mixed = q.new_empty(*q.shape[:2], 3, *q.shape[2:])
        for i, (unit, d_unit) in enumerate(((q, d_q), (k, d_k))):
            length = lengths[:, :, i]
            # What points along a vector does not turn it; one that was too short was scaled by a constant.
            along = torch.linalg.vecdot(d_unit, unit).unsqueeze(-1) * (length > _SHORTEST)
            torch.addcmul(d_unit, unit, along, value=-1, out=d_mixed[:, :, i]).div_(length)
        d_mixed[:, :, 2] = d_v
        return d_mixed


def _divide(mixed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q, k = F.normalize(mixed[:, :, :2], dim=-1, eps=_SHORTEST).unbind(2)
    return q, k, mixed[:, :, 2]


def unit_queries_and_keys(mixed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Divide queries and keys by their lengths.

    Args:
        mixed: queries, keys and values `[B, T, 3, H, D]`.

    Returns:
        The three, `[B, T, H, D]` each; a query or key shorter than 1e-6 is divided by that.

    Example:
        >>> q, k, v = unit_queries_and_keys(torch.full((1, 1, 3, 1, 4), 2.0))
        >>> q.flatten().tolist(), v.flatten().tolist()
        ([0.5, 0.5, 0.5, 0.5], [2.0, 2.0, 2.0, 2.0])
    """
    if torch.compiler.is_compiling() or transformed():  # a compiler fuses the plain form by itself
        return _divide(mixed)
    run = _Divided.apply if torch.is_grad_enabled() else _Divided.forward
    return run(mixed)[:3]  # type: ignore[return-value, index]
