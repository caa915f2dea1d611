"""Whole chunks as two opaque operators, forward and backward, that PyTorch differentiates and compiles around.

The forward keeps the carried slots of every `every`-th chunk only; the backward recomputes the chunks between. Shapes
are `_chunk`'s, with the chunks in front: q, k, v are `[N, G, C, .]`, coefficients `[N, G, ...]`.
"""

import functools
import json
from collections.abc import Sequence

import torch
from torch import Tensor

from titans_seq.config import from_dict, to_dict
from titans_seq.memory import Architecture, Bias, Coefficients
from titans_seq.ops._chunk import carry_over, reads, writes
from titans_seq.ops._chunk_backward import Chunk, chunk_backward


@functools.lru_cache(maxsize=64)
def _encode_once(architecture: Architecture, bias: Bias) -> str:
    return json.dumps([to_dict(architecture), to_dict(bias)])


@torch.compiler.assume_constant_result
def encode_rule(architecture: Architecture, bias: Bias) -> str:
    """Write a rule as the string that an operator can take; torch.compile cannot trace the cache behind it."""
    return _encode_once(architecture, bias)


@functools.lru_cache(maxsize=64)
def _decode(rule: str) -> tuple[Architecture, Bias]:
    architecture, bias = json.loads(rule)
    return from_dict(architecture), from_dict(bias)


def anchors_of(slots: list[Tensor]) -> list[Tensor]:
    """Return the weights, slot 0, of each layer's slots `[G, n, in, out]`."""
    return [slot[:, 0] for slot in slots]


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """Stack fresh tensors; a single one is not copied."""
    return tensors[0].unsqueeze(0) if len(tensors) == 1 else torch.stack(tuple(tensors))


@torch.library.custom_op("titans_seq::chunked_memory", mutates_args=())
def chunked_memory(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    coefficients: list[Tensor],
    slots: list[Tensor],
    anchor: list[Tensor],
    rule: str,
    every: int,
    carry_out: bool,
) -> list[Tensor]:
    """Run whole chunks; q, k, v are `[N, G, C, .]`.

    Returns:
        The output `[N, G, C, V]`; with `carry_out` the slots after the last chunk; with `every` the slots at the start
        of chunks every, 2 every, ..., each layer's `[M, G, n, in, out]`.
    """
    architecture, bias = _decode(rule)
    outputs, saved = [], []
    for chunk in range(k.shape[0]):
        if every and chunk and chunk % every == 0:
            saved.append(slots)
        c = Coefficients(*(x[chunk] for x in coefficients))
        w = writes(architecture, bias, k[chunk], v[chunk], anchor if anchor and not chunk else anchors_of(slots))
        outputs.append(reads(architecture, q[chunk], w, slots, c).output)
        if carry_out or chunk < k.shape[0] - 1:
            slots = carry_over(w, slots, c)
    # An operator's outputs must be tensors of their own: slots that no chunk changed do not occur, as N >= 1.
    carried = slots if carry_out else []
    return [_stack(outputs), *carried, *(_stack(layer) for layer in zip(*saved, strict=True))]


@chunked_memory.register_fake
def _(q, k, v, coefficients, slots, anchor, rule, every, carry_out):
    groups, n = k.shape[1], coefficients[2].shape[-1]
    shapes = [(groups, n, *slot.shape[2:]) for slot in slots]
    kept = (k.shape[0] - 1) // every if every else 0
    carried = [v.new_empty(s) for s in shapes] if carry_out else []
    return [torch.empty_like(v), *carried, *([v.new_empty(kept, *s) for s in shapes] if kept else [])]


@torch.library.custom_op("titans_seq::chunked_memory_backward", mutates_args=())
def chunked_memory_backward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    coefficients: list[Tensor],
    slots: list[Tensor],
    anchor: list[Tensor],
    saved: list[Tensor],
    d_output: Tensor,
    d_carried: list[Tensor],
    rule: str,
    every: int,
) -> list[Tensor]:
    """Return the gradients of q, k, v, the four coefficients, the slots and, if given, the anchor."""
    architecture, bias = _decode(rule)
    d_inputs: list[tuple[Tensor, ...]] = []  # of q, k, v and the coefficients; last chunk first
    d_slots, d_anchor = list(d_carried) or None, []
    count = k.shape[0]
    for first in range((count - 1) // every * every, -1, -every):
        chunks = range(first, min(count, first + every))
        current = [layer[first // every - 1] for layer in saved] if first else slots
        states, written = [], []
        for chunk in chunks:
            c = Coefficients(*(x[chunk] for x in coefficients))
            states.append(current)
            taken = anchor if anchor and not chunk else anchors_of(current)
            written.append(writes(architecture, bias, k[chunk], v[chunk], taken))
            if chunk < chunks[-1]:
                current = carry_over(written[-1], current, c)
        for chunk in reversed(chunks):
            c = Coefficients(*(x[chunk] for x in coefficients))
            state, w = states.pop(), written.pop()
            own_anchor = bool(anchor) and chunk == 0
            taken = anchor if own_anchor else anchors_of(state)
            passed = Chunk(v[chunk], c, state, taken, w, reads(architecture, q[chunk], w, state, c))
            g = chunk_backward(architecture, bias, passed, d_output[chunk], d_slots, own_anchor)
            d = g.coefficients
            d_inputs.append((g.q, g.k, g.v, d.read, d.mix, d.carry, d.write))
            d_slots, d_anchor = g.slots, g.anchor
    return [*map(_stack, zip(*reversed(d_inputs), strict=True)), *(d_slots or []), *d_anchor]


@chunked_memory_backward.register_fake
def _(q, k, v, coefficients, slots, anchor, saved, d_output, d_carried, rule, every):
    return [torch.empty_like(x) for x in (q, k, v, *coefficients, *slots, *anchor)]


def _setup_context(ctx, inputs, output) -> None:
    q, k, v, coefficients, slots, anchor, rule, every, carry_out = inputs
    kept = output[1 + len(slots) * carry_out :]
    ctx.save_for_backward(q, k, v, *coefficients, *slots, *anchor, *kept)
    ctx.layers, ctx.anchored = len(slots), len(anchor)
    ctx.rule, ctx.every, ctx.carry_out = rule, every, carry_out
    ctx.set_materialize_grads(True)


def _differentiate(ctx, gradients):
    tensors = list(ctx.saved_tensors)
    q, k, v = tensors[:3]
    coefficients, rest = tensors[3:7], tensors[7:]
    slots, rest = rest[: ctx.layers], rest[ctx.layers :]
    anchor, saved = rest[: ctx.anchored], rest[ctx.anchored :]
    d_output = gradients[0].contiguous()
    d_carried = [g.contiguous() for g in gradients[1 : 1 + ctx.layers]] if ctx.carry_out else []
    result = chunked_memory_backward(
        q, k, v, coefficients, slots, anchor, saved, d_output, d_carried, ctx.rule, ctx.every
    )
    d_slots, d_anchor = result[7 : 7 + ctx.layers], result[7 + ctx.layers :]
    return *result[:3], result[3:7], d_slots, d_anchor, None, None, None


chunked_memory.register_autograd(_differentiate, setup_context=_setup_context)
