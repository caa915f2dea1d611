"""One chunk of the memory in closed form, without a weight matrix per token; shapes as in `updates`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.memory import ACTIVATIONS, Coefficients, MemoryRule
from titans_seq.ops.chunked import network
from titans_seq.ops.chunked.updates import Updates, Written, per_sequence, rows_times, updates


@dataclass(frozen=True)
class Chunk:
    """What goes into one chunk besides the memory.

    Attributes:
        q: queries `[G, C, K]`.
        written: keys `[G, S, K]`, values `[G, S, V]` and, if the bias reads them, thresholds `[G, S, 1]`.
        coefficients: of each learning layer, or one for all of them.
        closes: whether its last token is the last of a chunk.
    """

    q: Tensor
    written: list[Tensor]
    coefficients: list[Coefficients]
    closes: bool

    @property
    def threshold(self) -> Tensor | None:
        """What the bias reads per token."""
        return self.written[2] if len(self.written) > 2 else None

    def shared(self, learning: int) -> int:
        """Return which of the coefficients a learning layer, counted from 0, has."""
        return learning % len(self.coefficients)

    def updates(self, learning: int) -> Updates:
        """Return what the coefficients of a learning layer, counted from 0, do."""
        return updates(self.coefficients[self.shared(learning)])


@dataclass(frozen=True)
class Writes:
    """The inner gradients of a chunk's tokens; lists of errors start at the first learning layer.

    Attributes:
        keys: the pass of the keys through the anchor.
        unaged: each layer's product before its decay, if gradients are taken after it; else empty.
        prediction: the memory's value for each key.
        output_error: the bias's error there.
        errors: gradient at each learning layer's output, `[G, S, out]`.
        raw_errors: gradient at the activations below each learning layer but the first.
        slopes: the activation's slopes there.
    """

    keys: network.Pass
    unaged: list[Tensor]
    prediction: Tensor
    output_error: Tensor
    errors: list[Tensor]
    raw_errors: list[Tensor]
    slopes: list[Tensor]

    def layer(self, learning: int, first: int) -> Written:
        """Return what is written into a learning layer, counted from 0, the first of which is layer `first`."""
        return Written(self.keys.inputs[first + learning], self.errors[learning])


@dataclass(frozen=True)
class Reads:
    """What queries read through the weights as they stand after their own token's write.

    Attributes:
        passed: the pass of the queries.
        seen: what each learning layer's `Updates.read_backward` wants to see of it.
    """

    passed: network.Pass
    seen: list[tuple[Tensor, ...]]


@dataclass(frozen=True)
class Found:
    """What a chunk found and made of it: what its backward pass starts from.

    Attributes:
        slots: before the chunk, per layer.
        anchor: where its gradients were taken, per layer.
        writes: the gradients.
        reads: None if they are not kept, or the weights stood still.
    """

    slots: list[Tensor]
    anchor: list[Tensor]
    writes: Writes
    reads: Reads | None = None


def anchor_of(rule: MemoryRule, slots: list[Tensor]) -> list[Tensor]:
    """Return the weights that stand when a chunk begins, `[G | H, in, out]` per layer."""
    first = rule.architecture.first_learning
    accumulated = [slot[:, 0] for slot in slots]
    if rule.retention.linear:
        return accumulated
    return [x if layer < first else rule.weights(layer, x.mT).mT for layer, x in enumerate(accumulated)]


def writes(rule: MemoryRule, chunk: Chunk, anchor: list[Tensor]) -> Writes:
    """Compute the inner gradients of a chunk's tokens at the anchor."""
    architecture, first = rule.architecture, rule.architecture.first_learning
    activation = ACTIVATIONS[architecture.activation]
    ages = ages_of(rule, chunk)
    unaged = []

    def product(layer: int, x: Tensor) -> Tensor:
        z = rows_times(x, anchor[layer])
        if layer < first or not ages:
            return z
        unaged.append(z)
        return z * ages[layer - first]

    k, v = chunk.written[:2]
    keys = network.forward(architecture, k, product)
    prediction = keys.output + k if architecture.residual else keys.output
    output_error = rule.bias.error(prediction, v, chunk.threshold)
    errors, raw = [output_error if keys.norm is None else keys.norm.backward(output_error)], []
    slopes = [activation.slope(z) for z in keys.hidden[first:]]
    for layer in reversed(range(first + 1, architecture.depth)):
        error = errors[-1] * ages[layer - first] if ages else errors[-1]
        raw.append(rows_times(error, anchor[layer].mT))
        errors.append(activation.spread(raw[-1]) * slopes[layer - 1 - first])
    return Writes(keys, unaged, prediction, output_error, errors[::-1], raw[::-1], slopes)


def ages_of(rule: MemoryRule, chunk: Chunk) -> list[Tensor]:
    """Return by how much each learning layer's anchor has decayed at each token; nothing if it stands still."""
    if not rule.retention.before_gradient:
        return []
    learning = rule.architecture.depth - rule.architecture.first_learning
    return [chunk.updates(i).age() for i in range(learning)]


def read_running(rule: MemoryRule, chunk: Chunk, w: Writes, slots: list[Tensor]) -> Reads:
    """Read every query through the weights as they stand after its own token's write."""
    first, seen = rule.architecture.first_learning, []

    def product(layer: int, x: Tensor) -> Tensor:
        if layer < first:
            return rows_times(x, slots[layer][:, 0])
        y, kept = chunk.updates(layer - first).read(x, slots[layer], w.layer(layer - first, first))
        seen.append(kept)
        return y

    return Reads(network.forward(rule.architecture, chunk.q, product), seen)


def read_standing(rule: MemoryRule, q: Tensor, weights: list[Tensor], ages: list[Tensor]) -> network.Pass:
    """Read queries through weights that stand still, or only age."""
    first = rule.architecture.first_learning

    def product(layer: int, x: Tensor) -> Tensor:
        z = rows_times(x, weights[layer])
        return z * ages[layer - first] if ages and layer >= first else z

    return network.forward(rule.architecture, q, product)


def carry_over(rule: MemoryRule, chunk: Chunk, w: Writes, slots: list[Tensor]) -> list[Tensor]:
    """Return every layer's slots after the chunk's last token, `[G, n, in, out]`; unlearning layers' as they are."""
    first = rule.architecture.first_learning
    learning = enumerate(slots[first:])
    return [*slots[:first], *(chunk.updates(i).carry(slot, w.layer(i, first)) for i, slot in learning)]


def close_layer(rule: MemoryRule, layer: int, slot: Tensor, lr: Tensor | None, start: Tensor) -> Tensor:
    """Return one layer's slots `[G, n, in, out]` after what happens when a chunk ends."""
    count, matrices = slot.shape[1], slot.mT
    weight, momentum = rule.close(layer, matrices[:, 0], matrices[:, -1], lr, start.mT)
    return torch.stack([weight, momentum][:count], 1).mT.contiguous()


def aged_anchor(rule: MemoryRule, chunk: Chunk, anchor: list[Tensor]) -> list[Tensor]:
    """Return each learning layer's anchor as its last gradient in the chunk saw it, `[G, in, out]`."""
    first = rule.architecture.first_learning
    matrices = [per_sequence(x, chunk.q.shape[0]) for x in anchor[first:]]
    ages = ages_of(rule, chunk)
    return [x * age[:, -1:] for x, age in zip(matrices, ages, strict=True)] if ages else matrices


def output_of(rule: MemoryRule, passed: network.Pass, q: Tensor) -> Tensor:
    """Return what a query reads."""
    return passed.output + q if rule.architecture.residual else passed.output


def runs(rule: MemoryRule) -> bool:
    """Say whether every token reads the weights as its own write left them, inside the chunk too."""
    return rule.linear and rule.read == "after_write"


def last_reads_closed(rule: MemoryRule, chunk: Chunk) -> bool:
    """Say whether the last token, and it alone, reads the memory that its chunk has closed."""
    return chunk.closes and not rule.linear and rule.read == "after_write"


def chunk_forward(
    rule: MemoryRule, chunk: Chunk, slots: list[Tensor], anchor: list[Tensor], carry_out: bool
) -> tuple[Tensor, list[Tensor], Found]:
    """Return a chunk's outputs `[G, C, V]`, the slots after it if `carry_out`, and what it found."""
    w = writes(rule, chunk, anchor)
    reads = read_running(rule, chunk, w, slots) if runs(rule) else None
    passed = reads.passed if reads else read_standing(rule, chunk.q, anchor, ages_of(rule, chunk))
    y = output_of(rule, passed, chunk.q)
    found = Found(slots, anchor, w, reads)
    reads_closed = last_reads_closed(rule, chunk)
    if carry_out or reads_closed:
        slots = next_slots(rule, chunk, w, slots, anchor)
    if reads_closed:
        last = chunk.q[:, -1:]
        closed = read_standing(rule, last, anchor_of(rule, slots), [])
        y = torch.cat([y[:, :-1], output_of(rule, closed, last)], 1)
    return y, slots if carry_out else [], found


def next_slots(rule: MemoryRule, chunk: Chunk, w: Writes, slots: list[Tensor], anchor: list[Tensor]) -> list[Tensor]:
    """Return every layer's slots as the next chunk finds them."""
    slots = carry_over(rule, chunk, w, slots)
    if rule.linear or not chunk.closes:
        return slots
    first = rule.architecture.first_learning
    starts = aged_anchor(rule, chunk, anchor)
    closed = [
        close_layer(rule, first + i, slot, chunk.coefficients[chunk.shared(i)].closing_lr, start)
        for i, (slot, start) in enumerate(zip(slots[first:], starts, strict=True))
    ]
    return [*slots[:first], *closed]
