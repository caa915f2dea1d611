"""Whole chunks as two opaque operators, forward and backward, that PyTorch differentiates and compiles around.

The forward keeps the carried slots of every `every`-th chunk only; the backward recomputes the chunks between. Shapes
are those of `updates`, with the chunks in front: queries `[N, G, C, K]`, keys `[N, G, S, K]`, coefficients
`[N, G, ...]`.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from titans_seq.autodiff import differentiable_gradients, full_precision
from titans_seq.config import from_dict, to_dict
from titans_seq.memory import Algorithm, Architecture, Bias, Coefficients, MemoryRule, Retention
from titans_seq.ops.chunked.backward import chunk_backward
from titans_seq.ops.chunked.forward import Chunk, Found, Reads, Writes, anchor_of, chunk_forward, next_slots, writes
from titans_seq.ops.chunked.network import Norm, Pass
from titans_seq.registry import kind_of

T = TypeVar("T")

# Queries, what is written, coefficients, slots and anchor.
_Inputs = tuple[Tensor, list[Tensor], list[Tensor], list[Tensor], list[Tensor]]

# Rules by their text. Encoding a rule puts it here, so that an operator gets the very rule that it was called with, in
# a notebook too that has defined a class anew under its old kind.
_RULES: dict[str, MemoryRule] = {}


def _text(rule: MemoryRule) -> str:
    nameless = next(_nameless(rule), None)
    if nameless is not None:
        raise ValueError(
            f"{nameless.__name__} has no kind by which the operator, and a saved model, could know it: put "
            f'@register("a-name") from titans_seq.config above its @dataclass(frozen=True), or pass backend="reference"'
        )
    return json.dumps(to_dict(rule))


def _nameless(value: object) -> Iterator[type]:
    """Yield the classes of members without a kind, of those within others too: `ElasticNet(MyDecay())`."""
    if isinstance(value, Architecture | Bias | Retention | Algorithm) and kind_of(type(value)) is None:
        yield type(value)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _nameless(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _nameless(part)


_text_once = functools.lru_cache(maxsize=256)(_text)


@torch.compiler.assume_constant_result
def encode_rule(rule: MemoryRule) -> str:
    """Write a rule as the string that an operator can take; torch.compile cannot trace what is behind it.

    Raises:
        ValueError: if the class of one of its choices is not registered.
    """
    text = _text_once(rule)
    _RULES[text] = rule
    return text


def _decode(text: str) -> MemoryRule:
    if text not in _RULES:  # a compiled graph may come from another process
        _RULES[text] = from_dict(json.loads(text), MemoryRule)
    return _RULES[text]


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """Stack fresh tensors; a single one is not copied."""
    return tensors[0].unsqueeze(0) if len(tensors) == 1 else torch.stack(tuple(tensors))


def _chunks(q: Tensor, written: list[Tensor], coefficients: list[Tensor], sets: int, closes: bool) -> list[Chunk]:
    """Cut what an operator takes into chunks."""
    size = len(coefficients) // sets
    # A token's shares in the slots stand side by side: its inputs are scaled by them, row by row.
    coefficients = [x.mT.contiguous().mT if j % size == 3 and x.dim() == 4 else x for j, x in enumerate(coefficients)]
    return [
        Chunk(
            q[i],
            [x[i] for x in written],
            _sets([x[i] for x in coefficients], sets),
            closes,
        )
        for i in range(q.shape[0])
    ]


def _sets(tensors: list[Tensor], count: int) -> list[Coefficients]:
    """Return so many sets of coefficients, whose tensors lie one set after the other."""
    size = len(tensors) // count
    return [Coefficients(*tensors[j : j + size]) for j in range(0, len(tensors), size)]


def _anchor(rule: MemoryRule, slots: list[Tensor], given: list[Tensor]) -> list[Tensor]:
    """Return the anchor of every layer: the learning layers' may be given."""
    return [*(slot[:, 0] for slot in slots[: len(slots) - len(given)]), *given] if given else anchor_of(rule, slots)


def run_chunks(
    q: Tensor,
    written: list[Tensor],
    coefficients: list[Tensor],
    slots: list[Tensor],
    anchor: list[Tensor],
    rule: str,
    sets: int,
    every: int,
    closes: bool,
    carry_out: bool,
) -> list[Tensor]:
    """Run whole chunks: what `chunked_memory` does, in plain PyTorch.

    Args:
        q: queries.
        written: keys, values and, if the rule reads them, thresholds.
        coefficients: the tensors of each set of coefficients, one set after the other.
        slots: per layer, before the first chunk.
        anchor: per learning layer, of the first chunk; empty if the slots say it.
        rule: from `encode_rule`.
        sets: how many sets of coefficients there are.
        every: how many chunks apart slots are kept for the backward; 0 keeps none.
        closes: whether each chunk's last token ends a chunk.
        carry_out: whether the slots after the last chunk are wanted.

    Returns:
        The output `[N, G, C, V]`; with `carry_out` the learning layers' slots after the last chunk; with `every` their
        slots at the start of chunks every, 2 every, ..., each layer's `[M, G, n, in, out]`.
    """
    memory = _decode(rule)
    first = memory.architecture.first_learning
    saved = []

    def note(i: int, found: Found) -> None:
        if every and i and i % every == 0:
            saved.append(found.slots[first:])

    chunks = _chunks(q, written, coefficients, sets, closes)
    outputs, slots = _forward(memory, chunks, slots, anchor, carry_out, note)
    # An operator's outputs must be tensors of their own: slots that no chunk changed do not occur, as N >= 1.
    carried = slots[first:] if carry_out else []
    return [_stack(outputs), *carried, *(_stack(layer) for layer in zip(*saved, strict=True))]


def _forward(
    rule: MemoryRule,
    chunks: list[Chunk],
    slots: list[Tensor],
    anchor: list[Tensor],
    carry_out: bool,
    note: Callable[[int, Found], None],
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the outputs of each chunk, and the slots after the last one; `note` is told what each found."""
    outputs = []
    for i, chunk in enumerate(chunks):
        begun = _anchor(rule, slots, [] if i else anchor)
        y, slots, found = chunk_forward(rule, chunk, slots, begun, carry_out or i < len(chunks) - 1)
        note(i, found)
        del found  # before the next one is made
        outputs.append(y)
    return outputs, slots


chunked_memory = torch.library.custom_op("titans_seq::chunked_memory", run_chunks, mutates_args=())


@chunked_memory.register_fake
def _(q, written, coefficients, slots, anchor, rule, sets, every, closes, carry_out):
    v, n = written[1], coefficients[2].shape[-1]
    first = _decode(rule).architecture.first_learning
    shapes = [(q.shape[1], n, *slot.shape[2:]) for slot in slots[first:]]
    kept = (q.shape[0] - 1) // every if every else 0
    carried = [v.new_empty(s) for s in shapes] if carry_out else []
    output = v.new_empty(*q.shape[:-1], v.shape[-1])
    return [output, *carried, *([v.new_empty(kept, *s) for s in shapes] if kept else [])]


@torch.library.custom_op("titans_seq::chunked_memory_backward", mutates_args=())
def chunked_memory_backward(
    q: Tensor,
    written: list[Tensor],
    coefficients: list[Tensor],
    slots: list[Tensor],
    anchor: list[Tensor],
    saved: list[Tensor],
    d_output: Tensor,
    d_carried: list[Tensor],
    rule: str,
    sets: int,
    every: int,
    closes: bool,
) -> list[Tensor]:
    """Return the gradients of q, what is written, the coefficients, the slots and, if given, the anchor."""
    memory = _decode(rule)
    chunks = _chunks(q, written, coefficients, sets, closes)
    found = _found_again(memory, chunks, slots, anchor, saved, every)
    return _backward(memory, (q, written, coefficients, slots, anchor), chunks, found, d_output, d_carried)


def _found_again(
    rule: MemoryRule, chunks: list[Chunk], slots: list[Tensor], anchor: list[Tensor], saved: list[Tensor], every: int
) -> Iterator[Found]:
    """Yield what each chunk found but its reads, from the last one to the first."""
    first = rule.architecture.first_learning
    for start in range((len(chunks) - 1) // every * every, -1, -every):
        group, found = chunks[start : start + every], []
        current = [*slots[:first], *(layer[start // every - 1] for layer in saved)] if start else slots
        for i, chunk in enumerate(group):
            begun = _anchor(rule, current, [] if start + i else anchor)
            found.append(Found(current, begun, writes(rule, chunk, begun)))
            if i < len(group) - 1:
                current = next_slots(rule, chunk, found[-1].writes, current, begun)
        while found:
            yield found.pop()


def _backward(
    rule: MemoryRule,
    inputs: _Inputs,
    chunks: list[Chunk],
    found: Iterable[Found],
    d_output: Tensor,
    d_carried: list[Tensor],
) -> list[Tensor]:
    """Walk back over chunks, given what they found, from the last one to the first."""
    q, written, coefficients, slots, anchor = inputs
    d_inputs = [torch.empty_like(x) for x in (q, *written)]
    # New zeros, since the coefficients' own memory may be laid out in another order.
    d_coefficients = [x.new_zeros(x.shape) for x in coefficients]
    still = [torch.zeros_like(slot) for slot in slots[: rule.architecture.first_learning]]
    d_slots, d_anchor = [*still, *d_carried] if d_carried else None, []
    for i, each in zip(reversed(range(len(chunks))), found, strict=True):
        d_sets = _sets([x[i] for x in d_coefficients], len(chunks[i].coefficients))
        g = chunk_backward(rule, chunks[i], each, d_output[i], d_slots, d_sets, bool(anchor) and i == 0)
        for whole, part in zip(d_inputs, (g.q, *g.written), strict=True):
            whole[i] = part
        d_slots, d_anchor = g.slots, g.anchor
    return [*d_inputs, *d_coefficients, *(d_slots or []), *d_anchor]


@chunked_memory_backward.register_fake
def _(q, written, coefficients, slots, anchor, saved, d_output, d_carried, rule, sets, every, closes):
    return [torch.empty_like(x) for x in (q, *written, *coefficients, *slots, *anchor)]


def _setup_context(ctx, inputs, output) -> None:
    q, written, coefficients, slots, anchor, rule, sets, every, closes, carry_out = inputs
    learning = len(slots) - _decode(rule).architecture.first_learning
    ctx.carried = learning * carry_out
    groups = ([q], written, coefficients, slots, anchor, output[1 + ctx.carried :])
    ctx.counts = [len(group) for group in groups]
    ctx.save_for_backward(*(x for group in groups for x in group))
    ctx.options = rule, sets, every, closes
    ctx.set_materialize_grads(True)


def _differentiate(ctx, gradients):
    tensors = ctx.saved_tensors  # once: activation checkpointing gives them out a single time
    (q,), written, coefficients, slots, anchor, saved = _split(tensors, ctx.counts)
    d_output = gradients[0].contiguous()
    d_carried = [g.contiguous() for g in gradients[1 : 1 + ctx.carried]]
    with full_precision(q.device.type):  # who calls backward within autocast has it on here
        if torch.is_grad_enabled():
            result = _gradients_again(ctx, tensors, gradients)
        else:
            groups = (q, written, coefficients, slots, anchor, saved, d_output, d_carried)
            result = chunked_memory_backward(*groups, *ctx.options)
    (d_q,), d_written, d_coefficients, d_slots, d_anchor = _split(result, ctx.counts[:-1])
    return d_q, d_written, d_coefficients, d_slots, d_anchor, *[None] * 5


def _gradients_again(ctx, inputs: Sequence[Tensor], gradients) -> list[Tensor | None]:
    """Return the gradients in a form that can be differentiated again: by PyTorch, which then keeps everything."""
    rule, sets, _, closes = ctx.options
    counts = ctx.counts[:5]

    def run(*tensors: Tensor) -> list[Tensor]:
        (q,), written, coefficients, slots, anchor = _split(tensors, counts)
        return run_chunks(q, written, coefficients, slots, anchor, rule, sets, 0, closes, ctx.carried > 0)

    return differentiable_gradients(run, inputs[: sum(counts)], gradients[: 1 + ctx.carried])


def _split(tensors: Sequence[T], counts: Sequence[int]) -> list[list[T]]:
    """Split a sequence of tensors into groups of the given sizes."""
    rest = iter(tensors)
    return [[next(rest) for _ in range(count)] for count in counts]


chunked_memory.register_autograd(_differentiate, setup_context=_setup_context)


for _kind in (Found, Norm, Pass, Reads, Writes):
    pytree.register_dataclass(_kind)


def numbers_found(rule: MemoryRule, q: Tensor, slots: list[Tensor]) -> float:
    """Return about how many numbers chunks find, for queries and the slots before them; tables per channel are many.

    Example:
        >>> from titans_seq.memory import LinearMemory
        >>> numbers_found(MemoryRule(LinearMemory()), torch.zeros(8, 2, 16, 4), [torch.zeros(2, 2, 4, 4)])
        16896
    """
    if rule.retention.per_channel:
        return math.inf
    (chunks, groups, tokens), n = q.shape[:3], rule.algorithm.slots
    sizes = [slot.shape[-2:] for slot in slots]
    # Of a layer: inputs twice, and scaled for each slot; errors, what is before the activation, and slopes; scores.
    per_token = sum((2 + n) * width + 4 * out + 2 * tokens for width, out in sizes)
    return chunks * groups * (tokens * per_token + sum(n * width * out for width, out in sizes))


class _Kept(torch.autograd.Function):
    """`run_chunks` with a backward pass that computes nothing again: it is given all that the forward found."""

    @staticmethod
    def forward(ctx, counts: list[int], rule: str, sets: int, closes: bool, carry_out: bool, *tensors: Tensor):
        (q,), written, coefficients, slots, anchor = _split(tensors, counts)
        memory, chunks, found = _decode(rule), _chunks(q, written, coefficients, sets, closes), []
        outputs, after = _forward(memory, chunks, slots, anchor, carry_out, lambda _, each: found.append(each))
        carried = after[memory.architecture.first_learning :]
        tensors_found, ctx.form = pytree.tree_flatten(found)
        ctx.save_for_backward(*tensors, *tensors_found)
        ctx.counts, ctx.carried, ctx.options = counts, len(carried), (rule, sets, 0, closes)
        return torch.stack(outputs), *carried

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        tensors = ctx.saved_tensors  # once, as above
        with full_precision(gradients[0].device.type):
            if torch.is_grad_enabled():
                return *[None] * 5, *_gradients_again(ctx, tensors, gradients)
            (q,), written, coefficients, slots, anchor = _split(tensors, ctx.counts)
            rule, sets, _, closes = ctx.options
            d_output, *d_carried = (g.contiguous() for g in gradients)
            found = reversed(pytree.tree_unflatten(tensors[sum(ctx.counts) :], ctx.form))
            inputs, chunks = (q, written, coefficients, slots, anchor), _chunks(q, written, coefficients, sets, closes)
            return *[None] * 5, *_backward(_decode(rule), inputs, chunks, found, d_output, d_carried)


def keep_chunks(
    q: Tensor,
    written: list[Tensor],
    coefficients: list[Tensor],
    slots: list[Tensor],
    anchor: list[Tensor],
    rule: str,
    sets: int,
    closes: bool,
    carry_out: bool,
) -> list[Tensor]:
    """Run a few whole chunks, as `run_chunks` does, and keep all that they found for the backward pass."""
    groups = ([q], written, coefficients, slots, anchor)
    tensors = (x for group in groups for x in group)
    return list(_Kept.apply(list(map(len, groups)), rule, sets, closes, carry_out, *tensors))  # type: ignore[arg-type]
