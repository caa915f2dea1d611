"""Closed form of what a chunk's gradients do to a memory, and the products of gates that it is made of.

Reference: arXiv 2501.00663, eq. 16-18 (which print the linear memory without momentum).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.autodiff import differentiable_gradients, full_precision, transformed


@dataclass(frozen=True)
class Gates:
    """One layer's gates, `[..., C]` for a chunk or broadcastable to the weights for a token.

    Attributes:
        lr: step size.
        momentum: share of the past surprise kept; None if the algorithm reads none.
        keep: share of the memory kept.

    Example:
        >>> gates = Gates(lr=torch.ones(2), momentum=None, keep=torch.full((2,), 0.5))
        >>> gates.map(torch.Tensor.double).keep
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    lr: Tensor
    momentum: Tensor | None
    keep: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> "Gates":
        """Return the gates with `function` applied to each."""
        momentum = None if self.momentum is None else function(self.momentum)
        return Gates(function(self.lr), momentum, function(self.keep))

    @property
    def fade(self) -> Tensor:
        """The momentum gate of an algorithm that needs one."""
        if self.momentum is None:
            raise ValueError("momentum needs the gate `momentum`, got None")
        return self.momentum


@dataclass(frozen=True)
class Coefficients:
    """Closed form of one chunk's updates, with rows t and columns s of the chunk's C tokens.

        W_t      = sum_n read[t, n] slot_n  -  sum_{s<=t} mix[t, s] u_s
        slot_m'  = sum_n carry[m, n] slot_n -  sum_s     write[m, s] u_s        (after the chunk's last token)

    The chunk may be written by tokens before it as well: there are then S >= C columns s, the last C its own. Where
    every row of the weights has gates of its own, all tensors but `closing_lr` have a dimension of rows before their
    last two.

    Attributes:
        read: `[..., C, n]`.
        mix: `[..., C, S]`; zero for columns after row t.
        carry: `[..., n, n]`.
        write: `[..., n, S]`.
        closing_lr: `[...]`, the size of the step that closes the chunk; None if the algorithm has none.

    Example:
        >>> from titans_seq.memory import GradientDescent
        >>> gates = Gates(lr=torch.tensor([0.1, 0.2]), momentum=None, keep=torch.tensor([0.5, 0.5]))
        >>> c = GradientDescent().coefficients(gates)
        >>> c.read.flatten(), c.mix
        (tensor([0.5000, 0.2500]), tensor([[0.1000, 0.0000],
                [0.0500, 0.2000]]))
    """

    read: Tensor
    mix: Tensor
    carry: Tensor
    write: Tensor
    closing_lr: Tensor | None = None

    def tensors(self) -> list[Tensor]:
        """Return the tensors in order."""
        linear = [self.read, self.mix, self.carry, self.write]
        return linear if self.closing_lr is None else [*linear, self.closing_lr]


# Products below this count as 0. Left in, they would soon be subnormal numbers, which make matrix products on a CPU ten
# times slower, for a share of the memory that no sum in this precision can show.
_NEGLIGIBLE = {dtype: torch.finfo(dtype).tiny ** 0.5 for dtype in (torch.float32, torch.float64)}


def _without_negligible(table: Tensor) -> Tensor:
    """Return a table whose negligible entries are 0."""
    least = _NEGLIGIBLE[table.dtype]
    if torch.is_grad_enabled() or transformed():
        # A product that is 0 because a gate is has a derivative, which `hardshrink` would lose.
        return table * ((table.abs() > least) | (table == 0))
    return F.hardshrink(table, least)


def _products(gate: Tensor) -> Tensor:
    """Compute `cumulative_products`."""
    ones = gate.new_ones(gate.shape[-1], gate.shape[-1] + 1)
    # Walk down the rows of each column: ones above token s, then its product, multiplied by each row's gate.
    products = torch.addcmul(ones.triu(1), gate.unsqueeze(-1), ones.tril())
    if torch.is_grad_enabled() or transformed():
        return _without_negligible(torch.cumprod(products, -2)) * (ones.tril(1) > 0)
    # In place where nothing else is to differentiate it.
    return _without_negligible(torch.cumprod(products, -2, out=products)).mul_(ones.tril(1))


def _gated_sums(gate: Tensor, table: Tensor) -> Tensor:
    """Return the table `[..., C, columns]` of rows `y_t = x_t + gate_t y_{t-1}`, in x's own memory where it can be."""
    # A row at a time costs C calls, but a product with the table of all gates costs C times the arithmetic.
    rows, gates = table.unbind(-2), gate.unsqueeze(-1).unbind(-2)
    if torch.is_grad_enabled() or transformed():
        sums = [rows[0]]
        for x, kept in zip(rows[1:], gates[1:], strict=True):
            sums.append(torch.addcmul(x, kept, sums[-1]))
        return torch.stack(sums, -2)
    for before, x, kept in zip(rows, rows[1:], gates[1:], strict=False):
        x.addcmul_(kept, before)
    return table


def _gated_sums_backward(gate: Tensor, sums: Tensor, gradient: Tensor) -> Tensor:
    """Pull a gradient of `_gated_sums` back to the gates, and turn it, in place, into that of the table.

    The row before the first one is the chunk's start: 1 in column 0, and 0 elsewhere.
    """
    rows, gates = gradient.unbind(-2), gate.unsqueeze(-1).unbind(-2)
    for after, d_x, kept in zip(rows[::-1], rows[-2::-1], gates[::-1], strict=False):
        d_x.addcmul_(kept, after)
    return torch.cat([gradient[..., 0, :1], (gradient[..., 1:, :] * sums[..., :-1, :]).sum(-1)], -1)


class _CumulativeProducts(torch.autograd.Function):
    outputs = 0  # before those that the backward pass is given

    @staticmethod
    def forward(gate: Tensor) -> Tensor:
        return _products(gate)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor | None:  # type: ignore[override]
        gate, products = ctx.saved_tensors
        with full_precision(gate.device.type):  # who calls backward within autocast has it on here
            if torch.is_grad_enabled():
                return differentiable_gradients(lambda gate: [_products(gate)], [gate], [gradient])[0]
            return _gated_sums_backward(gate, products, gradient.clone())


def _operator(name: str, arguments: str, by_hand: Any) -> Any:
    """Make an opaque operator of a Function for compiled and exported graphs.

    A compiler that looks into the Function cannot follow symbolic lengths, and an exported graph would have it without
    its derivative.
    """

    def run(*inputs: Tensor) -> list[Tensor]:
        outputs = by_hand.forward(*inputs)
        return [outputs] if isinstance(outputs, Tensor) else list(outputs)

    def set_up(ctx, inputs: tuple[Tensor, ...], output: list[Tensor]) -> None:
        ctx.save_for_backward(*inputs, *output[by_hand.outputs :])

    def differentiate(ctx, gradients: list[Tensor]) -> Any:
        return by_hand.backward(ctx, *gradients)

    schema = f"({arguments}) -> Tensor[]"
    made = torch.library.custom_op(f"titans_seq::{name}", run, mutates_args=(), schema=schema)
    made.register_fake(run)
    made.register_autograd(differentiate, setup_context=set_up)
    return made


_products_operator = _operator("cumulative_products", "Tensor gate", _CumulativeProducts)


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
    if torch.is_grad_enabled() and torch.compiler.is_compiling():
        return _products_operator(gate)[0]
    by_hand = torch.is_grad_enabled() and not transformed()
    return _CumulativeProducts.apply(gate) if by_hand else _products(gate)  # type: ignore[return-value]


class _MomentumCoefficients(torch.autograd.Function):
    """Momentum's closed form; by hand because the derivatives of its many slices would each fill a whole table."""

    outputs = 4  # before those that the backward pass is given

    @staticmethod
    def forward(lr: Tensor, momentum: Tensor, keep: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        carried = _products(momentum)
        # What the weights hold of themselves as they began, of the first momentum, and of each token's step.
        started = F.pad(keep[..., :1], (0, keep.shape[-1] - 1)).unsqueeze(-1)
        moved = _without_negligible(_gated_sums(keep, torch.cat([started, carried], -1)))
        read, mix = moved[..., :2].clone(), moved[..., 2:] * lr.unsqueeze(-2)
        last = carried[..., -1, :]
        fade = torch.stack([torch.zeros_like(last[..., 0]), last[..., 0]], -1)
        carry = torch.stack([read[..., -1, :], fade], -2)
        write = torch.stack([mix[..., -1, :], last[..., 1:] * lr], -2)
        return read, mix, carry, write, carried, moved

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor, Tensor], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs, *output[4:])
        ctx.mark_non_differentiable(*output[4:])
        ctx.set_materialize_grads(False)  # of whole tables that have none

    @staticmethod
    def backward(ctx, *given: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        tensors = ctx.saved_tensors  # once: activation checkpointing gives them out a single time
        gates, found = tensors[:3], tensors[3:]
        *lead, size = gates[0].shape
        shapes = zip(given, ((size, 2), (size, size), (2, 2), (2, size)), strict=False)
        gradients = [gates[0].new_zeros(*lead, *shape) if g is None else g for g, shape in shapes]
        with full_precision(gates[0].device.type):
            if torch.is_grad_enabled():
                return tuple(differentiable_gradients(_MomentumCoefficients.forward, gates, gradients))
            return _MomentumCoefficients._pulled(*gates, *found, *gradients)

    @staticmethod
    def _pulled(
        lr: Tensor,
        momentum: Tensor,
        keep: Tensor,
        carried: Tensor,
        moved: Tensor,
        d_read: Tensor,
        d_mix: Tensor,
        d_carry: Tensor,
        d_write: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pull gradients of the coefficients back to the gates."""
        d_lr = (d_mix * moved[..., 2:]).sum(-2).addcmul_(d_write[..., 1, :], carried[..., -1, 1:])
        d_lr.addcmul_(d_write[..., 0, :], moved[..., -1, 2:])
        d_moved = torch.empty_like(moved)
        d_moved[..., :2] = d_read
        d_moved[..., -1, :2] += d_carry[..., 0, :]
        torch.mul(d_mix, lr.unsqueeze(-2), out=d_moved[..., 2:])
        d_moved[..., -1, 2:].addcmul_(d_write[..., 0, :], lr)
        d_keep = _gated_sums_backward(keep, moved, d_moved)
        d_carried = d_moved[..., 1:]
        d_carried[..., -1, 0] += d_carry[..., 1, 1]
        d_carried[..., -1, 1:].addcmul_(d_write[..., 1, :], lr)
        return d_lr, _gated_sums_backward(momentum, carried, d_carried), d_keep


_momentum_operator = _operator(
    "momentum_coefficients", "Tensor lr, Tensor momentum, Tensor keep", _MomentumCoefficients
)


def _of_one_token(lr: Tensor, momentum: Tensor, keep: Tensor) -> Coefficients:
    """Return momentum's closed form for a chunk of one token: the recurrence itself, with no products to take."""
    read = torch.stack([keep, momentum], -1)
    fade = torch.stack([torch.zeros_like(momentum), momentum], -1)
    step = lr.unsqueeze(-2)
    return Coefficients(read, step, torch.cat([read, fade], -2), torch.cat([step, step], -2))


def momentum_coefficients(gates: Gates) -> Coefficients:
    """Return the closed form of `S_t = momentum_t S_{t-1} - lr_t u_t`, `W_t = keep_t W_{t-1} + S_t`."""
    if gates.lr.shape[-1] == 1:
        return _of_one_token(gates.lr, gates.fade, gates.keep)
    # Calling a Function takes its time, which a short call would notice.
    if torch.compiler.is_compiling():
        run = _momentum_operator
    else:
        by_hand = torch.is_grad_enabled() and not transformed()
        run = _MomentumCoefficients.apply if by_hand else _MomentumCoefficients.forward
    found = run(gates.lr, gates.fade, gates.keep)
    return Coefficients(*found[:4])  # type: ignore[index]
