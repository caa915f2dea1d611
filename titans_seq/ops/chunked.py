"""The memory chunk by chunk in PyTorch, on any device: exact, and without a weight matrix per token.

Two opaque operators, forward and backward, walk over whole chunks. The forward keeps the carried slots of every
`RECOMPUTE_EVERY`-th chunk only; the backward recomputes the chunks between. Around them, `memory_scan_chunked` cuts a
call into the rest of an open chunk, whole chunks, and a tail, so that no chunk is ever padded.
"""

import functools
import json
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from titans_seq.config import from_dict, to_dict
from titans_seq.memory import Architecture, Bias, Coefficients, MemoryRule, MemoryState
from titans_seq.ops._chunk import carry_over, reads, writes
from titans_seq.ops._chunk_backward import Chunk, chunk_backward

# Carried slots kept for the backward pass: every chunk's, every second chunk's, ... Chosen by measurement, see
# benchmarks/ops.py: 4 is both the fastest and the leanest on a CPU.
RECOMPUTE_EVERY = 4

# Tokens a single operator call covers: it bounds the coefficient tables, so that inference needs constant memory.
TOKENS_PER_CALL = 4096


@functools.lru_cache(maxsize=64)
def _encode_once(architecture: Architecture, bias: Bias) -> str:
    return json.dumps([to_dict(architecture), to_dict(bias)])


@torch.compiler.assume_constant_result
def _encode(architecture: Architecture, bias: Bias) -> str:
    """Write a rule as the string that an operator can take; torch.compile cannot trace the cache behind it."""
    return _encode_once(architecture, bias)


@functools.lru_cache(maxsize=64)
def _decode(rule: str) -> tuple[Architecture, Bias]:
    architecture, bias = json.loads(rule)
    return from_dict(architecture), from_dict(bias)


def _anchors(slots: list[Tensor]) -> list[Tensor]:
    return [slot[:, 0] for slot in slots]


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """Stack fresh tensors; a single one is not copied."""
    return tensors[0].unsqueeze(0) if len(tensors) == 1 else torch.stack(tuple(tensors))


@torch.library.custom_op("titans_seq::chunked_memory", mutates_args=())
def _forward(
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
        w = writes(architecture, bias, k[chunk], v[chunk], anchor if anchor and not chunk else _anchors(slots))
        outputs.append(reads(architecture, q[chunk], w, slots, c).output)
        if carry_out or chunk < k.shape[0] - 1:
            slots = carry_over(w, slots, c)
    # An operator's outputs must be tensors of their own: slots that no chunk changed do not occur, as N >= 1.
    carried = slots if carry_out else []
    return [_stack(outputs), *carried, *(_stack(layer) for layer in zip(*saved, strict=True))]


@_forward.register_fake
def _(q, k, v, coefficients, slots, anchor, rule, every, carry_out):
    groups, n = k.shape[1], coefficients[2].shape[-1]
    shapes = [(groups, n, *slot.shape[2:]) for slot in slots]
    kept = (k.shape[0] - 1) // every if every else 0
    carried = [v.new_empty(s) for s in shapes] if carry_out else []
    return [torch.empty_like(v), *carried, *([v.new_empty(kept, *s) for s in shapes] if kept else [])]


@torch.library.custom_op("titans_seq::chunked_memory_backward", mutates_args=())
def _backward(
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
            written.append(
                writes(
                    architecture,
                    bias,
                    k[chunk],
                    v[chunk],
                    anchor if anchor and not chunk else _anchors(current),
                )
            )
            if chunk < chunks[-1]:
                current = carry_over(written[-1], current, c)
        for chunk in reversed(chunks):
            c = Coefficients(*(x[chunk] for x in coefficients))
            state, w = states.pop(), written.pop()
            own_anchor = bool(anchor) and chunk == 0
            taken = anchor if own_anchor else _anchors(state)
            passed = Chunk(v[chunk], c, state, taken, w, reads(architecture, q[chunk], w, state, c))
            g = chunk_backward(architecture, bias, passed, d_output[chunk], d_slots, own_anchor)
            d = g.coefficients
            d_inputs.append((g.q, g.k, g.v, d.read, d.mix, d.carry, d.write))
            d_slots, d_anchor = g.slots, g.anchor
    return [*map(_stack, zip(*reversed(d_inputs), strict=True)), *(d_slots or []), *d_anchor]


@_backward.register_fake
def _(q, k, v, coefficients, slots, anchor, saved, d_output, d_carried, rule, every):
    return [torch.empty_like(x) for x in (q, k, v, *coefficients, *slots, *anchor)]


def _setup_context(ctx, inputs, output) -> None:
    q, k, v, coefficients, slots, anchor, rule, every, carry_out = inputs
    kept = output[1 + len(slots) * carry_out :]
    ctx.save_for_backward(q, k, v, *coefficients, *slots, *anchor, *kept)
    ctx.layers, ctx.anchored, ctx.rule, ctx.every, ctx.carry_out = (
        len(slots),
        len(anchor),
        rule,
        every,
        carry_out,
    )
    ctx.set_materialize_grads(True)


def _differentiate(ctx, gradients):
    tensors = list(ctx.saved_tensors)
    q, k, v = tensors[:3]
    coefficients, rest = tensors[3:7], tensors[7:]
    slots, rest = rest[: ctx.layers], rest[ctx.layers :]
    anchor, saved = rest[: ctx.anchored], rest[ctx.anchored :]
    d_output = gradients[0].contiguous()
    d_carried = [g.contiguous() for g in gradients[1 : 1 + ctx.layers]] if ctx.carry_out else []
    result = _backward(q, k, v, coefficients, slots, anchor, saved, d_output, d_carried, ctx.rule, ctx.every)
    d_slots, d_anchor = result[7 : 7 + ctx.layers], result[7 + ctx.layers :]
    return *result[:3], result[3:7], d_slots, d_anchor, None, None, None


_forward.register_autograd(_differentiate, setup_context=_setup_context)


def _segments(length: int, position: int, chunk_size: int) -> Iterator[tuple[int, int, int]]:
    """Cut `length` tokens into (first token, chunk length, chunks): the open chunk's rest, whole chunks, a tail."""
    start = min((chunk_size - position) % chunk_size, length) if position else 0
    if start:
        yield 0, start, 1
    per_call = max(1, TOKENS_PER_CALL // chunk_size)
    while length - start >= chunk_size:
        chunks = min(per_call, (length - start) // chunk_size)
        yield start, chunk_size, chunks
        start += chunks * chunk_size
    if start < length:
        yield start, length - start, 1


def _heads_first(x: Tensor, chunk: int) -> Tensor:
    """`[B, N * C, H, ...]` to contiguous `[N, H * B, C, ...]`."""
    x = x.unflatten(1, (-1, chunk))
    return x.permute(1, 3, 0, 2, *range(4, x.dim())).flatten(1, 2).contiguous()


def _to_slots(state: MemoryState, count: int) -> list[Tensor]:
    """State tensors `[B, H, out, in]` to `[H * B, n, in, out]`, or a new memory's to `[H, 1, in, out]`."""
    if state.is_new:
        return [w.mT.unsqueeze(1).contiguous() for w in state.weights]
    parts = (state.weights, state.momentum)[:count]
    return [torch.stack([x.transpose(0, 1).mT for x in layer], 2).flatten(0, 1) for layer in zip(*parts, strict=True)]


def _from_slot(slot: Tensor, batch: int) -> Tensor:
    """One slot `[G | H, in, out]` to `[B, H, out, in]`, a view; a new memory's weights are repeated for the batch."""
    if batch and slot.dim() == 3:
        slot = slot.unflatten(0, (-1, batch))
    return slot.transpose(0, 1).mT


def memory_scan_chunked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    lr: Tensor,
    momentum: Tensor | None,
    decay: Tensor | None,
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
    return_state: bool = True,
) -> tuple[Tensor, MemoryState | None]:
    """Run `memory_scan` in closed form, chunk by chunk; see there for arguments and shapes.

    Reference: arXiv 2501.00663, section 3.2, with momentum, decay and depth.
    """
    batch, length = k.shape[:2]
    dtype, n = state.weights[0].dtype, rule.algorithm.slots
    with torch.autocast(k.device.type, enabled=False):
        lr = lr.to(dtype)
        keep = rule.retention.keep(None if decay is None else decay.to(dtype), like=lr)
        slots, encoded = _to_slots(state, n), _encode(rule.architecture, rule.bias)
        anchor = [] if state.position == 0 else [a.transpose(0, 1).mT.flatten(0, 1) for a in state.anchor]
        every = RECOMPUTE_EVERY if torch.is_grad_enabled() else 0
        outputs, opened = [], anchor
        for start, chunk, count in _segments(length, state.position, chunk_size):
            stop = start + chunk * count

            def piece(x: Tensor, start: int = start, stop: int = stop, chunk: int = chunk) -> Tensor:
                return _heads_first(x[:, start:stop].to(dtype), chunk)

            c = rule.algorithm.coefficients(piece(lr), None if momentum is None else piece(momentum), piece(keep))
            coefficients = [c.read, c.mix, c.carry, c.write]
            carry_out = return_state or stop < length
            if not anchor and chunk < chunk_size:  # a tail opens a chunk
                opened = _anchors(slots)
            result = _forward(piece(q), piece(k), piece(v), coefficients, slots, anchor, encoded, every, carry_out)
            outputs.append(result[0].unflatten(1, (-1, batch)).permute(2, 0, 3, 1, 4).flatten(1, 2))
            slots, anchor = result[1 : 1 + len(slots)] if carry_out else slots, []
        y = (outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)).to(q.dtype)
        if not return_state:
            return y, None
        weights = tuple(_from_slot(slot[:, 0], batch) for slot in slots)
        if n > 1:
            past = tuple(_from_slot(slot[:, 1], batch) for slot in slots)
        else:
            past = tuple(s.expand_as(w) for s, w in zip(state.momentum, weights, strict=True))
        position = (state.position + length) % chunk_size
        opened = weights if position == 0 else tuple(_opened(a, batch, w) for a, w in zip(opened, weights, strict=True))
        return y, MemoryState(weights, past, opened, position)


def _opened(matrix: Tensor, batch: int, like: Tensor) -> Tensor:
    """Anchor `[G | H, in, out]` of the open chunk as a state tensor `[B, H, out, in]`."""
    heads = like.shape[1]
    return matrix.view(heads, -1, *matrix.shape[1:]).expand(-1, batch, -1, -1).transpose(0, 1).mT
