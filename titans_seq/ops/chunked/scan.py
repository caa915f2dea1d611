"""The memory chunk by chunk in PyTorch, on any device: exact, and without a weight matrix per token.

A call is cut into the rest of an open chunk, whole chunks, and a tail, each an operator call with a chunk length of its
own, so that no chunk is ever padded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.autodiff import full_precision, transformed
from titans_seq.memory import Algorithm, Coefficients, Gates, MemoryState
from titans_seq.ops.chunked.forward import anchor_of
from titans_seq.ops.chunked.matrix import Walk, is_matrix, run_matrix
from titans_seq.ops.chunked.operator import chunked_memory, encode_rule, keep_chunks, numbers_found, run_chunks
from titans_seq.ops.chunked.token import is_token, run_token
from titans_seq.ops.chunked.updates import per_sequence
from titans_seq.ops.inputs import Scan

# The forward keeps the carried slots of every such chunk; the backward pass recomputes the chunks in between. Chosen by
# measurement (benchmarks.ops --suite recompute): 8 is as fast as any and the leanest, on a CPU.
RECOMPUTE_EVERY = 8

# Numbers that a call may keep of what its forward found, 32 MB in float32; of such chunks nothing is recomputed, which
# is a tenth faster. A call that goes on from another keeps none, lest a sequence read in pieces keep all of them.
MOST_KEPT = 2**23

# Tokens a single operator call covers: it bounds the coefficient tables, so that inference needs constant memory.
TOKENS_PER_CALL = 4096

# Gates per channel need a table of tokens x tokens for every row of the weights. A chunk that is longer than this is
# done in pieces whose tables are, together, smaller by as much as the chunk is longer; all see the chunk's own anchor.
TOKENS_PER_PIECE_BY_CHANNEL = 16


def _segments(length: int, position: int, chunk_size: int, piece: int) -> Iterator[tuple[int, int, int]]:
    """Cut `length` tokens into (first token, tokens of a chunk, chunks).

    Several chunks are always whole ones; what is open before or after them, or longer than `piece`, comes one by one.
    """
    start = 0
    while start < length:
        left = length - start
        if position or chunk_size > min(piece, left):
            tokens, chunks = min(chunk_size - position, piece, left), 1
        else:
            tokens, chunks = chunk_size, min(left, max(chunk_size, TOKENS_PER_CALL)) // chunk_size
        yield start, tokens, chunks
        start += tokens * chunks
        position = (position + tokens * chunks) % chunk_size


def _heads_first(x: Tensor, chunk: int) -> Tensor:
    """`[B, N * C, H, ...]` to contiguous `[N, H * B, C, ...]`."""
    x = x.unflatten(1, (-1, chunk))
    return x.permute(1, 3, 0, 2, *range(4, x.dim())).flatten(1, 2).contiguous()


def _windows(x: Tensor, chunk: int, lookback: int) -> Tensor:
    """`[B, lookback + N * C, H, D]` to contiguous `[N, H * B, lookback + C, D]`: chunks with the tokens before them."""
    if not lookback:
        return _heads_first(x, chunk)
    x = x.unfold(1, lookback + chunk, chunk)  # [B, N, H, D, lookback + C]
    return x.permute(1, 2, 0, 4, 3).flatten(1, 2).contiguous()


def _to_slots(weights: Tensor, momentum: Tensor, count: int) -> Tensor:
    """One layer's state `[B, H, out, in]` to `[H * B, n, in, out]`; one that the batch shares to `[H, 1, in, out]`."""
    if weights.dim() == 3:
        return weights.mT.unsqueeze(1).contiguous()
    parts = (weights, momentum)[:count]
    return torch.stack([x.transpose(0, 1).mT for x in parts], 2).flatten(0, 1)


def _to_state(matrix: Tensor, batch: int, heads: int) -> Tensor:
    """`[G | H, in, out]` to `[B, H, out, in]`, a view; what the batch shares is repeated for it."""
    return matrix.unflatten(0, (heads, matrix.shape[0] // heads)).expand(-1, batch, -1, -1).transpose(0, 1).mT


def _aged(matrix: Tensor, c: Coefficients) -> Tensor:
    """Let the anchor `[G | H, in, out]` of the chunk that stays open decay as its tokens say."""
    kept = c.read[-1, ..., -1, 0]  # [G], or [G, rows]
    return per_sequence(matrix, kept.shape[0]) * (kept[:, None, None] if kept.dim() == 1 else kept.unsqueeze(1))


def _coefficients(algorithm: Algorithm, gates: Gates, start: int, chunk: int, count: int) -> Coefficients:
    """Closed form of `count` chunks from token `start` on, for gates `[B, T, H]` or with a keep `[B, T, H, rows]`."""
    gates = gates.map(lambda gate: _heads_first(gate[:, start : start + chunk * count], chunk))
    if gates.keep.dim() == 3:
        return algorithm.coefficients(gates)
    keep = gates.keep.mT.contiguous()  # [N, G, rows, C]
    spread = replace(gates, keep=gates.lr).map(lambda gate: gate.unsqueeze(2).expand_as(keep))
    c = algorithm.coefficients(replace(spread, keep=keep))
    # Every row closes the chunk with the same step.
    return c if c.closing_lr is None else replace(c, closing_lr=c.closing_lr[..., 0])


def _matrix(
    queries: Tensor, windows: list[Tensor], c: Coefficients, slots: Tensor, rule: str, carry_out: bool
) -> tuple[Tensor, Tensor]:
    """Run whole chunks of a memory of one matrix at once, for tensors and a result as `chunked_memory` has them."""
    chunks, groups = queries.shape[:2]
    walk = Walk((groups,) * chunks, (0,) * (chunks - 1) + (groups * carry_out,))
    flat = Coefficients(*(x.flatten(0, 1) for x in c.tensors()))
    written = [x.flatten(0, 1) for x in windows]
    start = _filled(per_sequence(slots, groups), c.read.shape[-1])
    y, after = run_matrix(queries.flatten(0, 1), written, flat, start, walk, rule)
    return y.unflatten(0, (chunks, groups)), after


def _filled(slots: Tensor, count: int) -> Tensor:
    """Give slots `[G, n, in, out]` the momentum that a new memory has not."""
    return F.pad(slots, (0, 0, 0, 0, 0, count - slots.shape[1]))


def runs_documents(scan: Scan) -> bool:
    """Say whether `memory_scan_documents` can run a call, in training."""
    return is_matrix(scan.rule, scan.k.shape[-1], scan.chunk_size) and not scan.rule.algorithm.lookback


def memory_scan_documents(scan: Scan, active: Sequence[int], ended: Sequence[int]) -> tuple[Tensor, MemoryState | None]:
    """Run whole chunks of documents of unlike lengths at once, of a memory that `runs_documents`.

    Args:
        scan: a chunk a row, `[R, C, H, .]`: first the first one of each document, then the second one of those that
            have one, and so on; the documents in such an order that those that go on come first. Its state is new, or
            has a row for each document.
        active: documents that have a first, a second, ... chunk; R together.
        ended: of those that do not go on, how many are to leave their state; they come next in each step.

    Returns:
        Outputs `[R, C, H, V]`, and the states left.
    """
    heads, count = scan.k.shape[2], scan.rule.algorithm.slots

    def rows(x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(0, 1).contiguous()

    with full_precision(scan.k.device.type):
        dtype = scan.dtype
        (gates,), written = scan.gates(dtype), scan.written(dtype)
        state = scan.state.spread(active[0])
        slots = torch.stack([state.weights[0].mT, state.momentum[0].mT][:count], 2).flatten(0, 1)
        walk = Walk(tuple(n * heads for n in active), tuple(n * heads for n in ended))
        found = scan.rule.algorithm.coefficients(gates.map(rows))
        q, k, v = map(rows, (scan.q.to(dtype), *written))
        y, after = run_matrix(q, [k, v], found, slots, walk, encode_rule(scan.rule))
        y = y.unflatten(0, (-1, heads)).transpose(1, 2).to(scan.q.dtype)
        if not len(after):
            return y, None
        weights, *momentum = after.unflatten(0, (-1, heads)).mT.unbind(2)
        return y, MemoryState((weights,), (momentum[0] if momentum else torch.zeros_like(weights),), (weights,), 0)


def memory_scan_chunked(scan: Scan, return_state: bool = True) -> tuple[Tensor, MemoryState | None]:
    """Run `memory_scan` in closed form, chunk by chunk.

    Reference: arXiv 2501.00663, section 3.2, with momentum, decay and depth.
    """
    if is_token(scan):
        return run_token(scan, return_state)
    q, k, state, rule, chunk_size = scan.q, scan.k, scan.state, scan.rule, scan.chunk_size
    batch, length = k.shape[:2]
    dtype, first = scan.dtype, rule.architecture.first_learning
    lookback = rule.algorithm.lookback
    with full_precision(k.device.type):
        gates, written = scan.gates(dtype), scan.written(dtype)
        pairs = enumerate(zip(state.weights, state.momentum, strict=True))
        slots = [_to_slots(w, s, rule.algorithm.slots if layer >= first else 1) for layer, (w, s) in pairs]
        anchor = [_to_slots(a, a, 1)[:, 0] for a in state.anchor[first:]] if scan.position else []
        outputs, position, opened = [], scan.position, anchor
        run = run_chunks if transformed() else chunked_memory
        every, encoded = RECOMPUTE_EVERY if torch.is_grad_enabled() else 0, encode_rule(rule)
        left = MOST_KEPT if every and state.is_new and not (transformed() or torch.compiler.is_compiling()) else 0
        piece = TOKENS_PER_PIECE_BY_CHANNEL if rule.retention.per_channel else chunk_size
        for start, chunk, count in _segments(length, scan.position, chunk_size, piece):
            stop = start + chunk * count
            found = [_coefficients(rule.algorithm, g, start, chunk, count) for g in gates]
            position = (position + chunk * count) % chunk_size
            if position and not anchor:  # these tokens open a chunk and leave it open
                opened = anchor_of(rule, slots)[first:]
            carry_out = return_state or stop < length
            queries = _heads_first(q[:, start:stop].to(dtype), chunk)
            windows = [_windows(x[:, start : stop + lookback], chunk, lookback) for x in written]
            if not anchor and count > 1 and is_matrix(rule, q.shape[-1], chunk):
                result = _matrix(queries, windows, found[0], slots[0], encoded, carry_out)
            else:
                tables = [x for c in found for x in c.tensors()]
                given = (queries, windows, tables, slots, anchor, encoded, len(found))
                needed = numbers_found(rule, queries, slots)
                if needed <= left:
                    left -= needed
                    result = keep_chunks(*given, position == 0, carry_out)
                else:
                    result = run(*given, every, position == 0, carry_out)
            outputs.append(result[0].unflatten(1, (-1, batch)).permute(2, 0, 3, 1, 4).flatten(1, 2))
            if carry_out:
                slots = [*slots[:first], *result[1 : 1 + len(slots) - first]]
            if position and rule.retention.before_gradient:
                opened = [_aged(x, found[i % len(found)]) for i, x in enumerate(opened)]
            anchor = opened if position else []
        y = (outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)).to(q.dtype)
        if not return_state:
            return y, None
        # A copy, because a view would keep the whole piece in memory for as long as the state lives.
        recent = tuple(x[:, length:].clone() for x in written) if lookback else ()
        return y, _state_after(state, slots[first:], opened, position, recent, (batch, k.shape[2]))


def _state_after(
    before: MemoryState,
    slots: list[Tensor],
    opened: list[Tensor],
    position: int,
    recent: tuple[Tensor, ...],
    shape: tuple[int, int],
) -> MemoryState:
    """Put the learning layers' slots and open anchors, in the operator's shapes, into a state for (batch, heads)."""
    first = len(before.weights) - len(slots)
    weights = tuple(_to_state(slot[:, 0], *shape) for slot in slots)
    if slots[0].shape[1] > 1:
        momentum = tuple(_to_state(slot[:, 1], *shape) for slot in slots)
    else:
        momentum = tuple(s.expand_as(w) for s, w in zip(before.momentum[first:], weights, strict=True))
    anchor = tuple(_to_state(x, *shape) for x in opened) if position else weights
    fixed = before.weights[:first]
    return MemoryState((*fixed, *weights), (*before.momentum[:first], *momentum), (*fixed, *anchor), position, recent)
