"""What a chunk's coefficients do to one layer: read it token by token, and carry it over to the next chunk.

Shapes. G = heads x batch (heads first), C tokens that read, S >= C tokens that write, n slots (weights, momentum).
Matrices are kept transposed, `[in, out]`, so that a row of activations times a matrix is a layer. A layer's slots are
`[G, n, in, out]`. A new memory has one slot shared by the batch, `[H, 1, in, out]`: its rows then meet their matrix in
one ordinary product a head, and nothing is expanded per sequence.

Every inner gradient is an outer product of a layer's input a_s and the error delta_s at its output, so a token's read
is a causal, weighted attention over the chunk (arXiv 2501.00663 eq. 16-18 with momentum and depth):

    W_t z = sum_n read[t, n] (slot_n z) - sum_{s<=t} mix[t, s] (a_s . z) delta_s

With gates per head the sum over s is a matrix product. With gates per channel every row of the weights, that is every
column here, has coefficients of its own, `[G, out, C, n]`, and the sum is a table of C x S x out numbers.
"""

import abc
from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.autodiff import by_autograd, transformed
from titans_seq.memory import Coefficients


def rows_times(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply rows `[G, C, in]` by `[G | H, in, out]`; a matrix shared by the batch meets all its rows at once."""
    shared = x.reshape(matrix.shape[0], -1, x.shape[-1])
    return torch.bmm(shared, matrix).view(*x.shape[:-1], matrix.shape[-1])


def merged(x: Tensor, lead: int) -> Tensor:
    """View rows `[G, C, in]` as `[lead, rows, in]`, of the whole batch where `lead` is the heads alone."""
    return x.reshape(lead, -1, x.shape[-1])


def outer(x: Tensor, y: Tensor, lead: int) -> Tensor:
    """Sum over rows of x (outer) y: `[lead, in, out]`, over the batch too where `lead` is the heads alone."""
    return torch.bmm(merged(x, lead).mT, merged(y, lead))


def per_sequence(matrix: Tensor, groups: int) -> Tensor:
    """Repeat a matrix shared by the batch, `[H, ...]`, for its sequences, `[G, ...]`."""
    return matrix if matrix.shape[0] == groups else matrix.repeat_interleave(groups // matrix.shape[0], 0)


def summed_to(matrix: Tensor, lead: int) -> Tensor:
    """Sum `[G, ...]` over the sequences that share a matrix: the derivative of `per_sequence`."""
    return matrix if matrix.shape[0] == lead else matrix.view(lead, -1, *matrix.shape[1:]).sum(1)


@dataclass(frozen=True)
class Written:
    """What a chunk's tokens write into one layer.

    Attributes:
        inputs: the layer's inputs a, `[G, S, in]`.
        errors: the errors delta at its output, `[G, S, out]`.
    """

    inputs: Tensor
    errors: Tensor


@dataclass(frozen=True)
class LayerGradients:
    """Gradients of what went into one layer, added up in place while a chunk is walked back.

    Attributes:
        inputs: of `Written.inputs`.
        errors: of `Written.errors`.
        slots: of the layer's slots.
    """

    inputs: Tensor
    errors: Tensor
    slots: Tensor


class Updates(abc.ABC):
    """Apply one chunk's coefficients to one layer. Gradients of the coefficients are added to `d_c`."""

    def __init__(self, c: Coefficients) -> None:
        self.c = c

    @abc.abstractmethod
    def read(self, x: Tensor, slot: Tensor, written: Written) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return `W_t x_t` for every token, `[G, C, in]` to `[G, C, out]`, and what `read_backward` wants to see."""

    @abc.abstractmethod
    def read_backward(
        self, x: Tensor, slot: Tensor, written: Written, seen: tuple[Tensor, ...], d_y: Tensor, d_c: Coefficients
    ) -> tuple[Tensor, LayerGradients]:
        """Return the gradients of x and of the layer."""

    @abc.abstractmethod
    def carry(self, slot: Tensor, written: Written) -> Tensor:
        """Return the slots after the chunk's last token, `[G, n, in, out]`."""

    @abc.abstractmethod
    def carry_backward(
        self, slot: Tensor, written: Written, d_new: Tensor, d: LayerGradients, d_c: Coefficients
    ) -> None:
        """Add the gradients of what `carry` was given to `d`."""

    @abc.abstractmethod
    def age(self) -> Tensor:
        """Return the share of the chunk's first weights kept at each token, `[G, C, 1 | out]`."""

    @abc.abstractmethod
    def age_backward(self, d_age: Tensor, d_c: Coefficients) -> None:
        """Add the gradient of what `age` returned, given as `[G, C, out]`."""


class _PerHead(Updates):
    """Gates that all of a layer's weights share."""

    def read(self, x: Tensor, slot: Tensor, written: Written) -> tuple[Tensor, tuple[Tensor, ...]]:
        scaled = scaled_rows(x, self.c.read[..., : slot.shape[1]])
        scores = torch.bmm(x, written.inputs.mT)
        mixed = scores * self.c.mix
        y = _less(rows_times(scaled, _stacked(slot)), mixed, written.errors)
        return y, (scaled, scores, mixed)

    def read_backward(
        self, x: Tensor, slot: Tensor, written: Written, seen: tuple[Tensor, ...], d_y: Tensor, d_c: Coefficients
    ) -> tuple[Tensor, LayerGradients]:
        scaled, scores, mixed = seen
        n = slot.shape[1]
        pulled = rows_times(d_y, _stacked(slot).mT).unflatten(-1, (n, -1))  # [G, C, n, in]
        d_c.read[..., :n] += products_per_row(pulled, x)
        d_mixed = torch.bmm(d_y, written.errors.mT).neg_()
        d_c.mix.addcmul_(d_mixed, scores)
        d_scores = d_mixed.mul_(self.c.mix)
        d_x = combined(pulled, self.c.read).baddbmm_(d_scores, written.inputs)
        d_errors = torch.bmm(mixed.mT, d_y).neg_()
        d_slots = outer(scaled, d_y, slot.shape[0]).view_as(slot)
        return d_x, LayerGradients(torch.bmm(d_scores.mT, x), d_errors, d_slots)

    def carry(self, slot: Tensor, written: Written) -> Tensor:
        (lead, n), groups = slot.shape[:2], written.inputs.shape[0]
        if n == 1:
            old = self.c.carry[..., 0].reshape(lead, -1, self.c.carry.shape[-1], 1, 1) * slot.unsqueeze(1)
        else:
            old = self.c.carry @ slot.flatten(2)
        added = scaled_rows(written.inputs, self.c.write.mT).mT
        new = _less(old.reshape(groups, -1, slot.shape[-1]), added, written.errors)
        return new.view(groups, -1, *slot.shape[2:])

    def carry_backward(
        self, slot: Tensor, written: Written, d_new: Tensor, d: LayerGradients, d_c: Coefficients
    ) -> None:
        (lead, n), a = slot.shape[:2], written.inputs
        # Sequences that share their one slot are so many rows of it.
        carry = self.c.carry[..., :n].reshape(lead, -1, n)
        d_flat = d_new.reshape(lead, carry.shape[1], -1)
        d.slots.flatten(2).baddbmm_(carry.mT, d_flat)
        d_c.carry[..., :n] += torch.bmm(d_flat, slot.flatten(2).mT).reshape(*d_new.shape[:2], n)
        d.errors.baddbmm_(scaled_rows(a, self.c.write.mT), _stacked(d_new), alpha=-1)
        pulled = torch.bmm(written.errors, _stacked(d_new).mT).unflatten(-1, (-1, a.shape[-1]))  # [G, S, n, in]
        d.inputs.sub_(combined(pulled, self.c.write.mT))
        d_c.write.sub_(products_per_row(pulled, a).mT)

    def age(self) -> Tensor:
        return self.c.read[..., :1]

    def age_backward(self, d_age: Tensor, d_c: Coefficients) -> None:
        d_c.read[..., 0].add_(d_age.sum(-1))


class _PerChannel(Updates):
    """Gates of its own for every row of a layer's weights: read is `[G, out, C, n]`, and so on."""

    def read(self, x: Tensor, slot: Tensor, written: Written) -> tuple[Tensor, tuple[Tensor, ...]]:
        scores = torch.bmm(x, written.inputs.mT).unsqueeze(1)
        mixed = self.c.mix * scores  # [G, out, C, S]
        y = -(mixed @ written.errors.mT.unsqueeze(-1)).squeeze(-1)
        for m in range(slot.shape[1]):
            y = y + self.c.read[..., m] * rows_times(x, slot[:, m]).mT
        return y.mT.contiguous(), (scores, mixed)

    def read_backward(
        self, x: Tensor, slot: Tensor, written: Written, seen: tuple[Tensor, ...], d_y: Tensor, d_c: Coefficients
    ) -> tuple[Tensor, LayerGradients]:
        scores, mixed = seen
        d_rows, errors = d_y.mT.unsqueeze(-1), written.errors.mT.unsqueeze(-1)  # [G, out, C, 1], [G, out, S, 1]
        d_mixed = (d_rows @ errors.mT).neg_()
        d_c.mix.addcmul_(d_mixed, scores)
        d_errors = (mixed.mT @ d_rows).squeeze(-1).mT.neg()
        d_scores = d_mixed.mul_(self.c.mix).sum(1)
        d_x, d_slots = torch.bmm(d_scores, written.inputs), []
        for m in range(slot.shape[1]):
            d_c.read[..., m].addcmul_(d_y.mT, rows_times(x, slot[:, m]).mT)
            d_row = d_y * self.c.read[..., m].mT
            d_x.add_(rows_times(d_row, slot[:, m].mT))
            d_slots.append(outer(x, d_row, slot.shape[0]))
        return d_x, LayerGradients(torch.bmm(d_scores.mT, x), d_errors, torch.stack(d_slots, 1))

    def carry(self, slot: Tensor, written: Written) -> Tensor:
        whole = per_sequence(slot, written.inputs.shape[0])
        return torch.stack(
            [
                torch.bmm(written.inputs.mT, written.errors * self.c.write[..., m, :].mT).neg_()
                + sum(whole[:, j] * self._carried(m, j) for j in range(slot.shape[1]))
                for m in range(self.c.carry.shape[-1])
            ],
            1,
        )

    def carry_backward(
        self, slot: Tensor, written: Written, d_new: Tensor, d: LayerGradients, d_c: Coefficients
    ) -> None:
        whole = per_sequence(slot, written.inputs.shape[0])
        for m in range(d_new.shape[1]):
            pulled = torch.bmm(written.inputs, d_new[:, m])  # [G, S, out]
            scale = self.c.write[..., m, :].mT
            d.errors.addcmul_(pulled, scale, value=-1)
            d_c.write[..., m, :].sub_((pulled * written.errors).mT)
            d.inputs.baddbmm_(written.errors * scale, d_new[:, m].mT, alpha=-1)
            for j in range(slot.shape[1]):
                d.slots[:, j].add_(summed_to(d_new[:, m] * self._carried(m, j), slot.shape[0]))
                d_c.carry[..., m, j].add_((d_new[:, m] * whole[:, j]).sum(-2))

    def age(self) -> Tensor:
        return self.c.read[..., 0].mT

    def age_backward(self, d_age: Tensor, d_c: Coefficients) -> None:
        d_c.read[..., 0].add_(d_age.mT)

    def _carried(self, m: int, j: int) -> Tensor:
        return self.c.carry[..., m, j].unsqueeze(-2)


def updates(c: Coefficients) -> Updates:
    """Apply coefficients `[G, C, n]` per head, or `[G, out, C, n]` per channel."""
    return _PerChannel(c) if c.read.dim() == 4 else _PerHead(c)


def _less(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return `x - a b` of matrices, in x's own memory where it can be."""
    # `torch.func.vmap` cannot write what differs from sample to sample into what does not.
    return torch.baddbmm(x, a, b, alpha=-1) if transformed() else x.baddbmm_(a, b, alpha=-1)


def _stacked(slots: Tensor) -> Tensor:
    """View `[G, n, in, out]` as `[G, n * in, out]`."""
    return slots.flatten(1, 2)


def scaled_rows(x: Tensor, scale: Tensor) -> Tensor:
    """Return `[..., C, n * in]`: row t of x times scale[t, m], for every slot m side by side."""
    # A product that spreads over both axes takes twice as long.
    n, width = scale.shape[-1], x.shape[-1]
    if n == 1:
        return x * scale
    if by_autograd(x, scale):
        return torch.cat([x * part for part in scale.split(1, -1)], -1)
    scaled = x.new_empty(*x.shape[:-1], n * width)
    for m in range(n):
        torch.mul(x, scale[..., m : m + 1], out=scaled[..., m * width : (m + 1) * width])
    return scaled


def products_per_row(parts: Tensor, x: Tensor) -> Tensor:
    """Multiply row t of x with parts[t, m] for every slot m: `[..., C, n, in]` and `[..., C, in]` to `[..., C, n]`."""
    return torch.matmul(parts, x.unsqueeze(-1)).squeeze(-1)


def combined(parts: Tensor, scale: Tensor) -> Tensor:
    """Sum over slots m of scale[t, m] parts[t, m]: `[..., C, n, in]` and `[..., C, n]` to `[..., C, in]`."""
    total = parts[..., 0, :] * scale[..., :1]
    for m in range(1, parts.shape[-2]):
        total.addcmul_(parts[..., m, :], scale[..., m : m + 1])
    return total
