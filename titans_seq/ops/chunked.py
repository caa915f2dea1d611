"""The memory chunk by chunk in PyTorch, on any device: exact, and without a weight matrix per token.

A call is cut into the rest of an open chunk, whole chunks, and a tail, each an operator call with a chunk length of its
own, so that no chunk is ever padded.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from titans_seq.memory import MemoryRule, MemoryState
from titans_seq.ops._operator import anchors_of, chunked_memory, encode_rule

# The forward keeps every so many chunks' carried slots for the backward, which recomputes the chunks between. Chosen by
# measurement (benchmarks.ops --suite recompute): 4 is as fast as any and the leanest, on a CPU.
RECOMPUTE_EVERY = 4

# Tokens a single operator call covers: it bounds the coefficient tables, so that inference needs constant memory.
TOKENS_PER_CALL = 4096


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
        slots, encoded = _to_slots(state, n), encode_rule(rule.architecture, rule.bias)
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
                opened = anchors_of(slots)
            tensors = (piece(q), piece(k), piece(v), coefficients, slots, anchor)
            result = chunked_memory(*tensors, encoded, every, carry_out)
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
