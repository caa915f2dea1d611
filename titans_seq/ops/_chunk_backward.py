"""The derivative of one chunk, by hand: matrix products of the forward's shapes and fused pointwise kernels.

Follows `_chunk`'s shapes and names; `d_x` is the gradient of the outer loss with respect to x.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.memory import Architecture, Bias, Coefficients
from titans_seq.memory._activation import ACTIVATIONS
from titans_seq.ops._chunk import Reads, Writes, rows_times, scaled_rows, stacked


@dataclass(frozen=True)
class Chunk:
    """A chunk as the forward pass saw it, its writes and reads recomputed.

    Attributes:
        v: values `[G, C, V]`.
        coefficients: the closed form of its updates.
        slots: per layer `[G, n, in, out]`, or `[H, 1, in, out]` of a new memory.
        anchor: per layer `[G | H, in, out]`.
        writes: from `_chunk.writes`.
        reads: from `_chunk.reads`.
    """

    v: Tensor
    coefficients: Coefficients
    slots: list[Tensor]
    anchor: list[Tensor]
    writes: Writes
    reads: Reads


@dataclass(frozen=True)
class ChunkGradients:
    """Gradients of one chunk's inputs; the anchor's are in `slots` unless it was a tensor of its own."""

    q: Tensor
    k: Tensor
    v: Tensor
    coefficients: Coefficients
    slots: list[Tensor]
    anchor: list[Tensor]


def _outer(x: Tensor, y: Tensor, lead: int) -> Tensor:
    """Sum over rows of x (outer) y: `[lead, in, out]`, over the batch too where `lead` is the heads alone."""
    return torch.bmm(x.reshape(lead, -1, x.shape[-1]).mT, y.reshape(lead, -1, y.shape[-1]))


def _combined(parts: Tensor, scale: Tensor) -> Tensor:
    """Sum over slots m of scale[t, m] parts[t, m]: `[G, C, n, in]` and `[G, C, n]` to `[G, C, in]`."""
    total = parts[..., 0, :] * scale[..., :1]
    for m in range(1, parts.shape[-2]):
        total.addcmul_(parts[..., m, :], scale[..., m : m + 1])
    return total


def chunk_backward(
    architecture: Architecture,
    bias: Bias,
    chunk: Chunk,
    d_output: Tensor,
    d_carried: list[Tensor] | None,
    own_anchor: bool,
) -> ChunkGradients:
    """Pull the gradients of a chunk's outputs and carried slots back to its inputs.

    Args:
        architecture: the memory network.
        bias: the inner loss.
        chunk: what went in, and what the forward pass made of it.
        d_output: `[G, C, V]`.
        d_carried: per layer `[G, n, in, out]`; None if the carried slots were not computed.
        own_anchor: whether the anchor was a tensor of its own and not the first slot.
    """
    d_q, d_inputs, d_errors, d_slots, d_read, d_mix = _reads_backward(architecture, chunk, d_output)
    c = chunk.coefficients
    d_c = Coefficients(d_read, d_mix, torch.zeros_like(c.carry), torch.zeros_like(c.write))
    if d_carried is not None:
        _add_carry_backward(chunk, d_carried, d_inputs, d_errors, d_slots, d_c)
    d_k, d_v, d_anchor = _writes_backward(architecture, bias, chunk, d_inputs, d_errors)
    if not own_anchor:  # then it was the first slot
        for slot, matrix in zip(d_slots, d_anchor, strict=True):
            slot[:, 0].add_(matrix)
    return ChunkGradients(d_q, d_k, d_v, d_c, d_slots, d_anchor if own_anchor else [])


def _reads_backward(
    architecture: Architecture, chunk: Chunk, d_output: Tensor
) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor], Tensor, Tensor]:
    """Return the gradients of queries, layer inputs, errors, slots, and the read and mix coefficients."""
    activation = ACTIVATIONS[architecture.activation]
    w, r, c = chunk.writes, chunk.reads, chunk.coefficients
    d_inputs, d_errors, d_slots = [], [], []
    d_read, d_mix = torch.zeros_like(c.read), torch.zeros_like(c.mix)
    d_y = d_x = d_output if r.norm is None else r.norm.backward(d_output)
    for layer in reversed(range(len(chunk.slots))):
        x, slot = r.inputs[layer], chunk.slots[layer]
        n = slot.shape[1]
        pulled = rows_times(d_y, stacked(slot).mT).unflatten(-1, (n, -1))  # [G, C, n, in]
        d_read[..., :n] += (pulled @ x.unsqueeze(-1)).squeeze(-1)
        d_mixed = torch.bmm(d_y, w.errors[layer].mT).neg_()
        d_mix.addcmul_(d_mixed, r.scores[layer])
        d_scores = d_mixed.mul_(c.mix)
        d_x = _combined(pulled, c.read).baddbmm_(d_scores, w.inputs[layer])
        d_inputs.append(torch.bmm(d_scores.mT, x))
        d_errors.append(torch.bmm(r.mixed[layer].mT, d_y).neg_())
        d_slots.append(_outer(r.scaled[layer], d_y, slot.shape[0]).view_as(slot))
        if layer:
            d_y = activation.backward(d_x, r.hidden[layer - 1])
    d_q = d_x + d_output if architecture.residual else d_x
    return d_q, d_inputs[::-1], d_errors[::-1], d_slots[::-1], d_read, d_mix


def _add_carry_backward(
    chunk: Chunk,
    d_carried: list[Tensor],
    d_inputs: list[Tensor],
    d_errors: list[Tensor],
    d_slots: list[Tensor],
    d_c: Coefficients,
) -> None:
    """Add what flows back from the carried slots to the gradients, in place."""
    w, c = chunk.writes, chunk.coefficients
    for layer, (slot, d_new) in enumerate(zip(chunk.slots, d_carried, strict=True)):
        a, error = w.inputs[layer], w.errors[layer]
        (lead, n), groups = slot.shape[:2], a.shape[0]
        d_flat, flat = d_new.flatten(2), slot.flatten(2)
        if lead == groups:
            d_slots[layer].flatten(2).baddbmm_(c.carry[..., :n].mT, d_flat)
        else:
            flat = flat.repeat_interleave(groups // lead, 0)
            d_slots[layer].add_((c.carry[..., :n].mT @ d_flat).view(lead, -1, *slot.shape[1:]).sum(1))
        d_c.carry[..., :n] += d_flat @ flat.mT
        d_errors[layer].baddbmm_(scaled_rows(a, c.write.mT), stacked(d_new), alpha=-1)
        pulled = torch.bmm(error, stacked(d_new).mT).unflatten(-1, (-1, a.shape[-1]))  # [G, C, n, in]
        d_inputs[layer].sub_(_combined(pulled, c.write.mT))
        d_c.write.sub_((pulled @ a.unsqueeze(-1)).squeeze(-1).mT)


def _writes_backward(
    architecture: Architecture,
    bias: Bias,
    chunk: Chunk,
    d_inputs: list[Tensor],
    d_errors: list[Tensor],
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return the gradients of keys, values and anchor."""
    activation = ACTIVATIONS[architecture.activation]
    w, anchor = chunk.writes, chunk.anchor
    last = len(anchor) - 1
    d_hidden, through_errors = [], []
    for layer in range(last):  # error_l = (error_{l+1} W_{l+1}^T) f'(hidden_l)
        z = w.hidden[layer]
        d_raw = d_errors[layer] * w.slopes[layer]
        d_hidden.append(activation.second(z).mul_(d_errors[layer]).mul_(w.raw_errors[layer]))
        d_errors[layer + 1].add_(rows_times(d_raw, anchor[layer + 1]))
        through_errors.append(_outer(d_raw, w.errors[layer + 1], anchor[layer + 1].shape[0]))
    d_error = d_errors[last] if w.norm is None else w.norm.backward(d_errors[last])
    d_prediction, d_v = bias.error_backward(w.prediction, chunk.v, d_error)
    d_z = d_prediction
    if w.norm is not None:
        d_z = w.norm.backward(d_prediction) + w.norm.second(w.output_error, d_errors[last])
    d_anchor = []
    for layer in range(last, -1, -1):
        through_inputs = _outer(w.inputs[layer], d_z, anchor[layer].shape[0])
        d_anchor.append(through_inputs if layer == 0 else through_inputs.add_(through_errors[layer - 1]))
        d_inputs[layer].add_(rows_times(d_z, anchor[layer].mT))
        if layer:
            d_z = torch.addcmul(d_hidden[layer - 1], d_inputs[layer], w.slopes[layer - 1])
    d_k = d_inputs[0]
    return (d_k + d_prediction if architecture.residual else d_k), d_v, d_anchor[::-1]
