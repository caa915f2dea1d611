# type: ignore
"""Gradients of the keys and of what the chunk's end does to the slots, a program for each chunk and slice of keys.

    d_k = ((d_y errors^T) o mix)^T q + diag(write[0]) errors dW'^T + diag(write[1]) errors dS'^T - d_v A^T

dW', dS' are those of the slots after the chunk, A the weights that its gradients were taken at. A residual adds -d_v of
the memory's values.
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.rows import chunk_bounds, row_offsets, tile


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def keys_backward(
    Q,
    K_,
    WRITE,
    MIX,
    ANCHOR,
    WEIGHTS_AT,
    PAST_AT,
    ERRORS,
    D_Y,
    D_V,
    D_OUT,
    D_WEIGHTS_AT,
    D_PAST_AT,
    D_K,
    D_WRITE,
    D_CARRY,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    OPEN: tl.constexpr,
    KEYED: tl.constexpr,
    RESIDUAL: tl.constexpr,
    PARTS: tl.constexpr,
    FIRST: tl.constexpr,
    SLOTS: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    KEYS: tl.constexpr,
    VALUES: tl.constexpr,
    TOKENS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write a slice of the keys' gradients, and part FIRST + i of what `coefficients.gates_backward` adds up.

    Not KEYED, it leaves the keys' gradients out: a deep memory's carry has found them. D_OUT are, where there is a
    RESIDUAL, the gradients of the memory's values; D_V those of what stands for values in this layer.
    """
    program, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    g, c = program // chunks, program % chunks
    start, count = chunk_bounds(c, length, chunk_size, position)
    r = tl.arange(0, TOKENS)
    here = (r < count)[:, None]
    agreed = tl.zeros((TOKENS, TOKENS), tl.float32)
    d_k = tl.zeros((TOKENS, KEYS), tl.float32)
    by_weights = tl.zeros((TOKENS, KEYS), tl.float32)
    by_past = tl.zeros((TOKENS, KEYS), tl.float32)
    d_kept, d_moved, d_faded = 0.0, 0.0, 0.0
    rows = row_offsets(g, start, length, heads, V, TOKENS)[:, None]
    for i in range(V // VALUES):
        values = rows + i * VALUES + tl.arange(0, VALUES)[None, :]
        errors = tl.load(ERRORS + tile(program * TOKENS, TOKENS, i * VALUES, VALUES, V))
        slot = tile(program * K + part * KEYS, KEYS, i * VALUES, VALUES, V)
        weights, d_weights = tl.load(WEIGHTS_AT + slot), tl.load(D_WEIGHTS_AT + slot)
        by_weights = tl.dot(errors, tl.trans(d_weights), by_weights, input_precision=PRECISION)
        d_kept += tl.sum(tl.sum(weights.to(tl.float32) * d_weights.to(tl.float32), 1), 0)
        if SLOTS == 2:
            past, d_past = tl.load(PAST_AT + slot), tl.load(D_PAST_AT + slot)
            by_past = tl.dot(errors, tl.trans(d_past), by_past, input_precision=PRECISION)
            d_moved += tl.sum(tl.sum(past.to(tl.float32) * d_weights.to(tl.float32), 1), 0)
            d_faded += tl.sum(tl.sum(past.to(tl.float32) * d_past.to(tl.float32), 1), 0)
        if KEYED:
            d_y = tl.load(D_Y + values, mask=here, other=0.0)
            d_v = tl.load(D_V + values, mask=here, other=0.0)
            agreed = tl.dot(d_y, tl.trans(errors), agreed, input_precision=PRECISION)
            if OPEN:
                given = tile(g * K + part * KEYS, KEYS, i * VALUES, VALUES, V)
                weights = tl.where(c == 0, tl.load(ANCHOR + given), weights)
            d_k = tl.dot(d_v, tl.trans(weights), d_k, input_precision=PRECISION)
    columns = row_offsets(g, start, length, heads, K, TOKENS)[:, None] + part * KEYS + tl.arange(0, KEYS)[None, :]
    k = tl.load(K_ + columns, mask=here, other=0.0).to(tl.float32)
    vectors = program * SLOTS * TOKENS + r
    piece = program * PARTS + FIRST + part
    tl.store(D_WRITE + piece * SLOTS * TOKENS + r, tl.sum(by_weights * k, 1))
    tl.store(D_CARRY + piece * 3, d_kept)
    d_k = by_weights * tl.load(WRITE + vectors)[:, None] - d_k
    if SLOTS == 2:
        tl.store(D_WRITE + (piece * SLOTS + 1) * TOKENS + r, tl.sum(by_past * k, 1))
        tl.store(D_CARRY + piece * 3 + 1, d_moved)
        tl.store(D_CARRY + piece * 3 + 2, d_faded)
        d_k += by_past * tl.load(WRITE + vectors + TOKENS)[:, None]
    if KEYED:
        q = tl.load(Q + columns, mask=here, other=0.0)
        mixed = agreed * tl.load(MIX + tile(program * TOKENS, TOKENS, 0, TOKENS, TOKENS)).to(tl.float32)
        d_k = tl.dot(tl.trans(mixed.to(q.dtype)), q, d_k, input_precision=PRECISION)
        if RESIDUAL:
            d_k -= tl.load(D_OUT + columns, mask=here, other=0.0).to(tl.float32)
        tl.store(D_K + columns, d_k.to(D_K.dtype.element_ty), mask=here)
