"""Memory algorithm: how a memory turns one gradient a token into its weights.

Every algorithm here is linear in the gradients u_t. Inside a chunk, where all u_t are taken at the chunk's first
weights, it is therefore a linear recurrence over a few *slots* (slot 0 holds the weights, slot 1 the momentum) and has
a closed form. With rows t and columns s of a chunk of C tokens, `Coefficients` hold that closed form:

    W_t      = sum_n read[t, n] slot_n  -  sum_{s<=t} mix[t, s] u_s
    slot_m'  = sum_n carry[m, n] slot_n -  sum_s     write[m, s] u_s        (after the chunk's last token)

Nothing here divides by a product of gates: gates of exactly 0 and 1 are exact, with finite gradients.

Reference: arXiv 2501.00663, eq. 16-18 (which print the linear memory without momentum).
"""

import abc
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.config import register


@dataclass(frozen=True)
class Coefficients:
    """Closed form of one chunk's updates; see the module's docstring.

    Attributes:
        read: `[..., C, n]`.
        mix: `[..., C, C]`, lower triangular.
        carry: `[..., n, n]`.
        write: `[..., n, C]`.
    """

    read: Tensor
    mix: Tensor
    carry: Tensor
    write: Tensor


# Products below this count as 0. Left in, they would soon be subnormal numbers, which make matrix products on a CPU ten
# times slower, for a share of the memory that no sum in this precision can show.
_NEGLIGIBLE = {dtype: torch.finfo(dtype).tiny ** 0.5 for dtype in (torch.float32, torch.float64)}


class Algorithm(abc.ABC):
    """A learning rule that is linear in the gradients."""

    @property
    @abc.abstractmethod
    def slots(self) -> int:
        """How many tensors the size of the weights are carried: the weights, and what the rule adds."""

    @property
    @abc.abstractmethod
    def gated(self) -> bool:
        """Whether the rule reads a `momentum` value per token."""

    @abc.abstractmethod
    def coefficients(self, lr: Tensor, momentum: Tensor | None, keep: Tensor) -> Coefficients:
        """Return the closed form for gates `[..., C]`."""

    @abc.abstractmethod
    def step(
        self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: tuple[Tensor, Tensor | None, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Take one token's step; `gates` are (lr, momentum, keep), broadcastable to the weights."""


def _products(gate: Tensor) -> Tensor:
    """Compute `cumulative_products`."""
    ones = gate.new_ones(gate.shape[-1], gate.shape[-1] + 1)
    # Walk down the rows of each column: ones above token s, then its product, multiplied by each row's gate.
    products = torch.addcmul(ones.triu(1), gate.unsqueeze(-1), ones.tril())
    products = torch.cumprod(products, -2, out=products)
    return F.hardshrink(products, _NEGLIGIBLE[gate.dtype]).mul_(ones.tril(1))


def _products_backward(products: Tensor, gradient: Tensor) -> Tensor:
    """Pull a gradient of `cumulative_products` back to the gates, without dividing by any.

    d products[t', s] / d gate_t = products[t', t] * products[t - 1, s] for s < t <= t'; row 0 is the chunk's start.
    """
    through = gradient @ products[..., :-1, :].mT
    first = (products[..., 1] * gradient[..., 0]).sum(-1, keepdim=True)
    return torch.cat([first, (products[..., 2:] * through).sum(-2)], -1)


class _CumulativeProducts(torch.autograd.Function):
    @staticmethod
    def forward(gate: Tensor) -> Tensor:
        return _products(gate)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (products,) = ctx.saved_tensors
        return _products_backward(products, gradient)


def cumulative_products(gate: Tensor) -> Tensor:
    """Multiply gates over every stretch of a chunk.

    Args:
        gate: `[..., C]`; exact 0 and 1 are exact.

    Returns:
        `[..., C, C + 1]`: entry (t, s) is the product of gates s+1 .. t (1-based), 0 above the diagonal. Column 0
        runs from the chunk's start, column s from after token s, so entry (t, t) is 1.

    Example:
        >>> cumulative_products(torch.tensor([0.5, 0.5]))
        tensor([[0.5000, 1.0000, 0.0000],
                [0.2500, 0.5000, 1.0000]])
    """
    return _CumulativeProducts.apply(gate)  # type: ignore[return-value]


@register("gradient_descent")
@dataclass(frozen=True)
class GradientDescent(Algorithm):
    """`W_t = keep_t W_{t-1} - lr_t u_t` (Titans eq. 8 and 16; the paper's ablation without momentum)."""

    @property
    def slots(self) -> int:
        return 1

    @property
    def gated(self) -> bool:
        return False

    def coefficients(self, lr: Tensor, momentum: Tensor | None, keep: Tensor) -> Coefficients:
        """Return the closed form for gates `[..., C]`; `momentum` is not read."""
        kept = cumulative_products(keep)
        read, mix = kept[..., :1], kept[..., 1:] * lr.unsqueeze(-2)
        return Coefficients(read, mix, read[..., -1:, :], mix[..., -1:, :])

    def step(
        self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: tuple[Tensor, Tensor | None, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Take one token's step; the momentum passes through."""
        lr, _, keep = gates
        return keep * weight - lr * gradient, momentum


class _MomentumCoefficients(torch.autograd.Function):
    """Momentum's closed form; by hand because the derivatives of its many slices would each fill a whole table."""

    @staticmethod
    def forward(
        lr: Tensor, momentum: Tensor, keep: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        kept, carried = _products(keep), _products(momentum)
        # Column 0 is what the chunk's first momentum adds to the weights, column s what token s adds.
        moved = kept[..., 1:] @ carried
        read = torch.stack([kept[..., 0], moved[..., 0]], -1)
        mix = moved[..., 1:] * lr.unsqueeze(-2)
        last = carried[..., -1, :]
        fade = torch.stack([torch.zeros_like(last[..., 0]), last[..., 0]], -1)
        carry = torch.stack([read[..., -1, :], fade], -2)
        write = torch.stack([mix[..., -1, :], last[..., 1:] * lr], -2)
        return read, mix, carry, write, kept, carried, moved

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor, Tensor], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(inputs[0], *output[4:])
        ctx.mark_non_differentiable(*output[4:])

    @staticmethod
    def backward(ctx, d_read, d_mix, d_carry, d_write, *_) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        lr, kept, carried, moved = ctx.saved_tensors
        d_mix, d_read = d_mix.clone(), d_read.clone()
        d_mix[..., -1, :] += d_write[..., 0, :]
        d_read[..., -1, :] += d_carry[..., 0, :]
        d_lr = (d_mix * moved[..., 1:]).sum(-2).addcmul_(d_write[..., 1, :], carried[..., -1, 1:])
        d_moved = torch.cat([d_read[..., 1:], d_mix * lr.unsqueeze(-2)], -1)
        d_kept = torch.cat([d_read[..., :1], d_moved @ carried.mT], -1)
        d_carried = kept[..., 1:].mT @ d_moved
        d_carried[..., -1, 0] += d_carry[..., 1, 1]
        d_carried[..., -1, 1:].addcmul_(d_write[..., 1, :], lr)
        return d_lr, _products_backward(carried, d_carried), _products_backward(kept, d_kept)


_NO_MOMENTUM = "momentum needs the gate `momentum`, got None"


@register("momentum")
@dataclass(frozen=True)
class Momentum(Algorithm):
    """`S_t = momentum_t S_{t-1} - lr_t u_t`, `W_t = keep_t W_{t-1} + S_t` (Titans eq. 13-14).

    This is the "trace" convention, momentum * S + gradient, not the "moving average" one. S is carried across chunks.
    """

    @property
    def slots(self) -> int:
        return 2

    @property
    def gated(self) -> bool:
        return True

    def coefficients(self, lr: Tensor, momentum: Tensor | None, keep: Tensor) -> Coefficients:
        """Return the closed form for gates `[..., C]`."""
        if momentum is None:
            raise ValueError(_NO_MOMENTUM)
        return Coefficients(*_MomentumCoefficients.apply(lr, momentum, keep)[:4])  # type: ignore[index]

    def step(
        self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: tuple[Tensor, Tensor | None, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Take one token's step."""
        lr, fade, keep = gates
        if fade is None:
            raise ValueError(_NO_MOMENTUM)
        momentum = fade * momentum - lr * gradient
        return keep * weight + momentum, momentum
