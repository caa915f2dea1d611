"""The derivative of one chunk, by hand: matrix products of the forward's shapes and fused pointwise kernels.

Follows the names of `forward`; `d_x` is the gradient of the outer loss with respect to x. What a rule does when a chunk
ends is a small function of the weights alone, and differentiated automatically.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.memory import ACTIVATIONS, Coefficients, MemoryRule
from titans_seq.ops.chunked import network
from titans_seq.ops.chunked.forward import (
    Chunk,
    Found,
    Reads,
    Writes,
    aged_anchor,
    ages_of,
    anchor_of,
    carry_over,
    close_layer,
    last_reads_closed,
    read_running,
    read_standing,
    runs,
)
from titans_seq.ops.chunked.updates import LayerGradients, merged, outer, per_sequence, rows_times, summed_to


@dataclass(frozen=True)
class ChunkGradients:
    """Gradients of what went into one chunk.

    Attributes:
        q: of the queries.
        written: of keys, values and thresholds.
        slots: of each layer's slots.
        anchor: of each learning layer's anchor; empty if it was what the slots say.
    """

    q: Tensor
    written: list[Tensor]
    slots: list[Tensor]
    anchor: list[Tensor]


@dataclass(frozen=True)
class _Sums:
    """Gradients under way, added up in place.

    Attributes:
        coefficients: of each set.
        anchor: of each layer's anchor that has got any yet, by layer.
    """

    coefficients: list[Coefficients]
    anchor: dict[int, Tensor]

    def add_anchor(self, layer: int, gradient: Tensor) -> None:
        """Add to the gradient of a layer's anchor a tensor that nobody else holds."""
        self.anchor[layer] = self.anchor[layer].add_(gradient) if layer in self.anchor else gradient

    def add_outer(self, layer: int, x: Tensor, d_z: Tensor, lead: int) -> None:
        """Add the gradient of a layer's anchor `[lead, in, out]` in a product of rows x with it."""
        if layer in self.anchor:
            self.anchor[layer].baddbmm_(merged(x, lead).mT, merged(d_z, lead))
        else:
            self.anchor[layer] = outer(x, d_z, lead)


def chunk_backward(
    rule: MemoryRule,
    chunk: Chunk,
    found: Found,
    d_output: Tensor,
    d_after: list[Tensor] | None,
    d_coefficients: list[Coefficients],
    own_anchor: bool,
) -> ChunkGradients:
    """Pull the gradients of a chunk's outputs and of the slots after it back to what went in.

    Args:
        rule: the memory.
        chunk: what went in.
        found: what its forward found.
        d_output: `[G, C, V]`.
        d_after: per layer `[G, n, in, out]`; None if those slots were not computed.
        d_coefficients: zeros, to which the gradients of each set of coefficients are added.
        own_anchor: whether the anchor was given, and not what the slots say.
    """
    first = rule.architecture.first_learning
    slots, anchor, w = found.slots, found.anchor, found.writes
    d = _Sums(d_coefficients, {})
    d_read, d_last = d_output, None
    if chunk.closes and not rule.linear:
        d_read, d_after, d_last = _close_backward(rule, chunk, slots, anchor, w, d_output, d_after, d)
    if runs(rule):
        # Not named, so that they are gone when the rest is computed.
        d_q, layers = _running_backward(
            rule, chunk, slots, w, found.reads or read_running(rule, chunk, w, slots), d_read, d
        )
    else:
        d_q, layers = _standing_backward(rule, chunk, slots, anchor, w, d_read, d)
    if d_last is not None:
        d_q[:, -1:].add_(d_last)
    if d_after is not None:
        for i, d_layer in enumerate(layers):
            d_c, update = d.coefficients[chunk.shared(i)], chunk.updates(i)
            update.carry_backward(slots[first + i], w.layer(i, first), d_after[first + i], d_layer, d_c)
    d_written = _writes_backward(rule, chunk, anchor, w, layers, d)
    d_slots = [d.anchor[layer].unsqueeze(1) for layer in range(first)]
    if d_after is not None:
        d_slots = [x + y for x, y in zip(d_slots, d_after, strict=False)]
    for i, d_layer in enumerate(layers):
        if not own_anchor:  # then the slots said what it was
            accumulated = slots[first + i][:, 0]
            d_layer.slots[:, 0].add_(_weights_backward(rule, first + i, accumulated, d.anchor[first + i]))
        d_slots.append(d_layer.slots)
    d_anchor = [d.anchor[first + i] for i in range(len(layers))] if own_anchor else []
    d_q = d_q + d_output if rule.architecture.residual else d_q
    return ChunkGradients(d_q, d_written, d_slots, d_anchor)


def _running_backward(
    rule: MemoryRule, chunk: Chunk, slots: list[Tensor], w: Writes, reads: Reads, d_output: Tensor, d: _Sums
) -> tuple[Tensor, list[LayerGradients]]:
    """Return the gradients of the queries and of the learning layers."""
    first, passed, layers = rule.architecture.first_learning, reads.passed, []

    def pull(layer: int, x: Tensor, d_z: Tensor) -> Tensor:
        if layer < first:
            d.add_outer(layer, x, d_z, slots[layer].shape[0])
            return rows_times(d_z, slots[layer][:, 0].mT)
        i = layer - first
        d_c, update = d.coefficients[chunk.shared(i)], chunk.updates(i)
        d_x, d_layer = update.read_backward(x, slots[layer], w.layer(i, first), reads.seen[i], d_z, d_c)
        layers.append(d_layer)
        return d_x

    d_z = d_output if passed.norm is None else passed.norm.backward(d_output)
    return network.backward(rule.architecture, passed, d_z, pull), layers[::-1]


def _standing_backward(
    rule: MemoryRule,
    chunk: Chunk,
    slots: list[Tensor],
    anchor: list[Tensor],
    w: Writes,
    d_output: Tensor,
    d: _Sums,
) -> tuple[Tensor, list[LayerGradients]]:
    """Return the gradients of the queries and, still zero, of the learning layers; add those of the anchor."""
    first, ages = rule.architecture.first_learning, ages_of(rule, chunk)
    passed = read_standing(rule, chunk.q, anchor, ages)

    def pull(layer: int, x: Tensor, d_z: Tensor) -> Tensor:
        if ages and layer >= first:
            i = layer - first
            chunk.updates(i).age_backward(d_z * rows_times(x, anchor[layer]), d.coefficients[chunk.shared(i)])
            d_z = d_z * ages[i]
        d.add_outer(layer, x, d_z, anchor[layer].shape[0])
        return rows_times(d_z, anchor[layer].mT)

    d_z = d_output if passed.norm is None else passed.norm.backward(d_output)
    parts = zip(w.keys.inputs[first:], w.errors, slots[first:], strict=True)
    layers = [LayerGradients(*map(torch.zeros_like, part)) for part in parts]
    return network.backward(rule.architecture, passed, d_z, pull), layers


def _close_backward(
    rule: MemoryRule,
    chunk: Chunk,
    slots: list[Tensor],
    anchor: list[Tensor],
    w: Writes,
    d_output: Tensor,
    d_after: list[Tensor] | None,
    d: _Sums,
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Walk back over a chunk's end.

    Returns:
        The gradients of the outputs and of the slots as they were before it, and of the query that read it.
    """
    first = rule.architecture.first_learning
    carried, starts = carry_over(rule, chunk, w, slots), aged_anchor(rule, chunk, anchor)
    closings = [
        _Closing(rule, first + i, slot, chunk.coefficients[chunk.shared(i)].closing_lr, start)
        for i, (slot, start) in enumerate(zip(carried[first:], starts, strict=True))
    ]
    after = [*carried[:first], *(closing.after for closing in closings)]
    d_after = [torch.zeros_like(x) for x in after] if d_after is None else [x.clone() for x in d_after]
    d_last = torch.zeros_like(chunk.q[:, -1:])
    if last_reads_closed(rule, chunk):
        d_last = _last_backward(rule, chunk, after, d_output[:, -1:], d_after, d)
        d_output = torch.cat([d_output[:, :-1], torch.zeros_like(d_output[:, -1:])], 1)
    ages = ages_of(rule, chunk)
    for i, closing in enumerate(closings):
        d_after[first + i], d_start, d_lr = closing.pull(d_after[first + i])
        if d_lr is not None:
            d_closing_lr = d.coefficients[chunk.shared(i)].closing_lr
            assert d_closing_lr is not None
            d_closing_lr.add_(d_lr)
        if ages:
            d_age = torch.zeros_like(w.errors[i])
            d_age[:, -1] = (d_start * per_sequence(anchor[first + i], d_start.shape[0])).sum(-2)
            chunk.updates(i).age_backward(d_age, d.coefficients[chunk.shared(i)])
            d_start = d_start * ages[i][:, -1:]
        d.add_anchor(first + i, summed_to(d_start, anchor[first + i].shape[0]).clone())
    return d_output, d_after, d_last


class _Closing:
    """The end of a chunk in one layer, and its derivative."""

    def __init__(self, rule: MemoryRule, layer: int, slot: Tensor, lr: Tensor | None, start: Tensor) -> None:
        if lr is None:
            found = torch.func.vjp(lambda s, w: close_layer(rule, layer, s, None, w), slot, start)
        else:
            found = torch.func.vjp(lambda s, w, size: close_layer(rule, layer, s, size, w), slot, start, lr)
        self.after, self._pull = found[0], found[1]

    def pull(self, d_after: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the gradients of the slots, of the anchor and of the step size, if there is one."""
        d_slot, d_start, *d_lr = self._pull(d_after)
        return d_slot, d_start, d_lr[0] if d_lr else None


def _last_backward(
    rule: MemoryRule, chunk: Chunk, after: list[Tensor], d_output: Tensor, d_after: list[Tensor], d: _Sums
) -> Tensor:
    """Return the gradient of the last query, which read the closed memory, and add the memory's to `d_after`."""
    first = rule.architecture.first_learning
    weights, q = anchor_of(rule, after), chunk.q[:, -1:]
    passed = read_standing(rule, q, weights, [])

    def pull(layer: int, x: Tensor, d_z: Tensor) -> Tensor:
        d_weights = outer(x, d_z, weights[layer].shape[0])
        if layer < first:
            d.add_anchor(layer, d_weights)
        else:
            d_after[layer][:, 0].add_(_weights_backward(rule, layer, after[layer][:, 0], d_weights))
        return rows_times(d_z, weights[layer].mT)

    d_z = d_output if passed.norm is None else passed.norm.backward(d_output)
    return network.backward(rule.architecture, passed, d_z, pull)


def _weights_backward(rule: MemoryRule, layer: int, accumulated: Tensor, d_weights: Tensor) -> Tensor:
    """Pull a gradient of a layer's weights `[G, in, out]` back to what it has accumulated."""
    if rule.retention.linear:
        return d_weights
    return torch.func.vjp(lambda x: rule.weights(layer, x.mT).mT, accumulated)[1](d_weights)[0]


def _writes_backward(
    rule: MemoryRule, chunk: Chunk, anchor: list[Tensor], w: Writes, layers: list[LayerGradients], d: _Sums
) -> list[Tensor]:
    """Return the gradients of keys, values and thresholds, and add those of the anchor and its ages."""
    architecture, first = rule.architecture, rule.architecture.first_learning
    activation, last = ACTIVATIONS[architecture.activation], len(w.errors) - 1
    ages = ages_of(rule, chunk)
    bends: list[Tensor | None] = [None] * (architecture.depth - 1)
    for i in range(last):  # error_i = spread((error_{i+1} W_{i+1}^T)) * slope_i
        matrix, d_error = anchor[first + i + 1], layers[i].errors
        d_raw = activation.collect(d_error * w.slopes[i])
        bends[first + i] = activation.bend(d_error, w.raw_errors[i], w.keys.hidden[first + i])
        d_above, above = rows_times(d_raw, matrix), w.errors[i + 1]
        if ages:
            chunk.updates(i + 1).age_backward(d_above * above, d.coefficients[chunk.shared(i + 1)])
            d_above, above = d_above * ages[i + 1], above * ages[i + 1]
        layers[i + 1].errors.add_(d_above)
        d.add_outer(first + i + 1, d_raw, above, matrix.shape[0])
    norm, d_error = w.keys.norm, layers[last].errors
    d_signal = d_error if norm is None else norm.backward(d_error)
    gradients = rule.bias.error_backward(w.prediction, chunk.written[1], chunk.threshold, d_signal)
    d_prediction, *d_read = (x for x in gradients if x is not None)

    def pull(layer: int, x: Tensor, d_z: Tensor) -> Tensor:
        i = layer - first
        if ages and i >= 0:
            chunk.updates(i).age_backward(d_z * w.unaged[i], d.coefficients[chunk.shared(i)])
            d_z = d_z * ages[i]
        d.add_outer(layer, x, d_z, anchor[layer].shape[0])
        d_x = rows_times(d_z, anchor[layer].mT)
        return d_x if i < 0 else d_x.add_(layers[i].inputs)

    d_z = d_prediction
    if norm is not None:
        d_z = norm.backward(d_prediction) + norm.second(w.output_error, d_error)
    d_k = network.backward(architecture, w.keys, d_z, pull, bends, w.slopes)
    return [d_k + d_prediction if architecture.residual else d_k, *d_read]
