"""The derivative of one chunk, by hand: matrix products of the forward's shapes and fused pointwise kernels.

Follows `_chunk`'s shapes and names; `d_x` is the gradient of the outer loss with respect to x.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.memory import Architecture, Bias, Coefficients
from titans_seq.memory._activation import ACTIVATIONS
from titans_seq.ops._chunk import Reads, Writes, _add_outer, _rows, _scaled, _stacked


@dataclass(frozen=True)
class ChunkGradients:
    """Gradients of one chunk's inputs. `d_slots` and `d_anchor` are new tensors per layer."""

    d_q: Tensor
    d_k: Tensor
    d_v: Tensor
    d_coefficients: Coefficients
    d_slots: list[Tensor]
    d_anchor: list[Tensor]


def chunk_backward(
    rule: tuple[Architecture, Bias],
    w: Writes,
    r: Reads,
    v: Tensor,
    c: Coefficients,
    slots: list[Tensor],
    anchor: list[Tensor],
    d_output: Tensor,
    d_carried: list[Tensor] | None,
) -> ChunkGradients:
    """Pull the gradients of a chunk's outputs and carried slots back to its inputs.

    Args:
        rule: memory architecture and attentional bias.
        w: the chunk's writes, recomputed.
        r: the chunk's reads, recomputed.
        v: values `[G, C, V]`.
        c: coefficients.
        slots: per layer `[G, n, in, out]`, or `[H, 1, in, out]` of a new memory.
        anchor: per layer `[G | H, in, out]`.
        d_output: `[G, C, V]`.
        d_carried: per layer `[G, n, in, out]`; None if the carried slots were not computed.
    """
    architecture, bias = rule
    d_c = Coefficients(*(torch.zeros_like(x) for x in (c.read, c.mix, c.carry, c.write)))
    d_slots = [torch.zeros_like(slot) for slot in slots]
    if d_carried is None:
        d_inputs, d_errors = [torch.zeros_like(a) for a in w.inputs], [torch.zeros_like(e) for e in w.errors]
    else:
        d_inputs, d_errors = _carry_backward(w, c, slots, d_carried, d_c, d_slots)
    d_q = _reads_backward(architecture, w, r, c, slots, d_output, d_c, d_slots, d_inputs, d_errors)
    d_anchor = [torch.zeros_like(matrix) for matrix in anchor]
    d_k, d_v = _writes_backward(rule, w, v, anchor, d_inputs, d_errors, d_anchor)
    return ChunkGradients(d_q, d_k, d_v, d_c, d_slots, d_anchor)


def _carry_backward(
    w: Writes, c: Coefficients, slots: list[Tensor], d_carried: list[Tensor], d_c: Coefficients, d_slots: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    d_inputs, d_errors = [], []
    for layer, (a, error, slot, d_new) in enumerate(zip(w.inputs, w.errors, slots, d_carried, strict=True)):
        lead, n = slot.shape[:2]
        d_old = c.carry[..., :n].mT @ d_new.flatten(2)
        if lead == a.shape[0]:
            d_slots[layer] = d_old.view_as(slot)
            d_c.carry[..., :n] += d_new.flatten(2) @ slot.flatten(2).mT
        else:
            d_slots[layer] = d_old.view(lead, -1, *slot.shape[1:]).sum(1)
            shared = slot.flatten(2).repeat_interleave(a.shape[0] // lead, 0)
            d_c.carry[..., :n] += d_new.flatten(2) @ shared.mT
        d_errors.append(-torch.bmm(_scaled(a, c.write.mT), _stacked(d_new)))
        pulled = torch.bmm(error, _stacked(d_new).mT).unflatten(-1, (-1, a.shape[-1]))  # [G, C, n, in]
        d_inputs.append(-(pulled * c.write.mT.unsqueeze(-1)).sum(-2))
        d_c.write.sub_((pulled * a.unsqueeze(-2)).sum(-1).mT)
    return d_inputs, d_errors


def _reads_backward(
    architecture: Architecture,
    w: Writes,
    r: Reads,
    c: Coefficients,
    slots: list[Tensor],
    d_output: Tensor,
    d_c: Coefficients,
    d_slots: list[Tensor],
    d_inputs: list[Tensor],
    d_errors: list[Tensor],
) -> Tensor:
    activation = ACTIVATIONS[architecture.activation]
    d_y = d_output if r.norm is None else r.norm.backward(d_output)
    d_x = d_y
    for layer in reversed(range(len(slots))):
        x, slot, n = r.inputs[layer], slots[layer], slots[layer].shape[1]
        pulled = _rows(d_y, _stacked(slot).mT).unflatten(-1, (n, -1))  # [G, C, n, in]
        d_c.read[..., :n] += (pulled * x.unsqueeze(-2)).sum(-1)
        d_mixed = -torch.bmm(d_y, w.errors[layer].mT)
        d_c.mix.addcmul_(d_mixed, r.scores[layer])
        d_scores = d_mixed * c.mix
        d_x = torch.baddbmm((pulled * c.read[..., :n].unsqueeze(-1)).sum(-2), d_scores, w.inputs[layer])
        d_inputs[layer].baddbmm_(d_scores.mT, x)
        d_errors[layer].baddbmm_(r.mixed[layer].mT, d_y, alpha=-1)
        _add_outer(_stacked(d_slots[layer]), r.scaled[layer], d_y)
        if layer:
            d_y = activation.backward(d_x, r.hidden[layer - 1])
    return d_x + d_output if architecture.residual else d_x


def _writes_backward(
    rule: tuple[Architecture, Bias],
    w: Writes,
    v: Tensor,
    anchor: list[Tensor],
    d_inputs: list[Tensor],
    d_errors: list[Tensor],
    d_anchor: list[Tensor],
) -> tuple[Tensor, Tensor]:
    architecture, bias = rule
    activation = ACTIVATIONS[architecture.activation]
    last = len(anchor) - 1
    d_hidden = []
    for layer in range(last):  # error_l = (error_{l+1} W_{l+1}^T) f'(hidden_l)
        z = w.hidden[layer]
        d_raw = activation.backward(d_errors[layer], z)
        d_hidden.append(d_errors[layer] * w.raw_errors[layer] * activation.second(z))
        d_errors[layer + 1] = d_errors[layer + 1] + _rows(d_raw, anchor[layer + 1])
        _add_outer(d_anchor[layer + 1], d_raw, w.errors[layer + 1])
    d_error = d_errors[last] if w.norm is None else w.norm.backward(d_errors[last])
    d_prediction, d_v = bias.error_backward(w.prediction, v, d_error)
    d_z = d_prediction
    if w.norm is not None:
        d_z = w.norm.backward(d_prediction) + w.norm.second(w.output_error, d_errors[last])
    for layer in range(last, -1, -1):
        _add_outer(d_anchor[layer], w.inputs[layer], d_z)
        d_inputs[layer] = d_inputs[layer] + _rows(d_z, anchor[layer].mT)
        if layer:
            d_z = d_hidden[layer - 1] + activation.backward(d_inputs[layer], w.hidden[layer - 1])
    d_k = d_inputs[0]
    return (d_k + d_prediction if architecture.residual else d_k), d_v
