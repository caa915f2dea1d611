# type: ignore
"""Backward of the read, chunk by chunk in parallel: gradients of the queries, and of what they read of their chunk.

    d_q      = diag(read[0]) d_y W^T + diag(read[1]) d_y S^T + ((d_y errors^T) o mix) k
    d_errors = ((q k^T) o mix)^T d_y
    d_mix    = (d_y errors^T) o (q k^T)

W and S are the slots at the chunk's start. In a deep memory q and k are a layer's inputs, and d_y its output's
gradient.
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.rows import chunk_bounds, row_offsets, tile


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def queries_backward(
    Q,
    K_,
    READ,
    MIX,
    WEIGHTS_AT,
    PAST_AT,
    ERRORS,
    D_Y,
    D_OUT,
    SLOPE,
    D_Q,
    D_READ,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    RESIDUAL: tl.constexpr,
    SLOPED: tl.constexpr,
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
    """Write a slice of the queries' gradients, and part FIRST + i of read's, `[G, N, PARTS, slots, TOKENS]`.

    The first layer of a memory with a RESIDUAL adds D_OUT, the gradient of the memory's output. A layer whose queries
    are another's activations (SLOPED) goes on to the gradient of what was activated.
    """
    program, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    g, c = program // chunks, program % chunks
    start, count = chunk_bounds(c, length, chunk_size, position)
    r = tl.arange(0, TOKENS)
    here = (r < count)[:, None]
    agreed = tl.zeros((TOKENS, TOKENS), tl.float32)
    d_q = tl.zeros((TOKENS, KEYS), tl.float32)
    d_q_past = tl.zeros((TOKENS, KEYS), tl.float32)
    rows = row_offsets(g, start, length, heads, V, TOKENS)[:, None]
    for i in range(V // VALUES):
        d_y = tl.load(D_Y + rows + i * VALUES + tl.arange(0, VALUES)[None, :], mask=here, other=0.0)
        errors = tl.load(ERRORS + tile(program * TOKENS, TOKENS, i * VALUES, VALUES, V))
        agreed = tl.dot(d_y, tl.trans(errors), agreed, input_precision=PRECISION)
        slot = tile(program * K + part * KEYS, KEYS, i * VALUES, VALUES, V)
        d_q = tl.dot(d_y, tl.trans(tl.load(WEIGHTS_AT + slot)), d_q, input_precision=PRECISION)
        if SLOTS == 2:
            d_q_past = tl.dot(d_y, tl.trans(tl.load(PAST_AT + slot)), d_q_past, input_precision=PRECISION)
    columns = row_offsets(g, start, length, heads, K, TOKENS)[:, None] + part * KEYS + tl.arange(0, KEYS)[None, :]
    q = tl.load(Q + columns, mask=here, other=0.0).to(tl.float32)
    vectors = program * SLOTS * TOKENS + r
    parts = (program * PARTS + FIRST + part) * SLOTS * TOKENS + r
    tl.store(D_READ + parts, tl.sum(d_q * q, 1))
    d_q *= tl.load(READ + vectors)[:, None]
    if SLOTS == 2:
        tl.store(D_READ + parts + TOKENS, tl.sum(d_q_past * q, 1))
        d_q += d_q_past * tl.load(READ + vectors + TOKENS)[:, None]
    k = tl.load(K_ + columns, mask=here, other=0.0)
    mix = tl.load(MIX + tile(program * TOKENS, TOKENS, 0, TOKENS, TOKENS)).to(tl.float32)
    d_q = tl.dot((agreed * mix).to(k.dtype), k, d_q, input_precision=PRECISION)
    if RESIDUAL:
        d_q += tl.load(D_OUT + columns, mask=here, other=0.0).to(tl.float32)
    if SLOPED:
        d_q *= tl.load(SLOPE + columns, mask=here, other=0.0).to(tl.float32)
    tl.store(D_Q + columns, d_q.to(D_Q.dtype.element_ty), mask=here)


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def mixed_backward(
    Q,
    K_,
    MIX,
    ERRORS,
    D_Y,
    D_ERRORS,
    D_MIX,
    D_K,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    KEYED: tl.constexpr,
    LAYERS: tl.constexpr,
    LAYER: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    KEYS: tl.constexpr,
    VALUES: tl.constexpr,
    TOKENS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write the gradients of the errors, as far as queries of their own chunk read them, and table LAYER of mix's.

    If KEYED, that of the keys too: `d_k = ((d_y errors^T) o mix)^T q`, which a layer's input needs before the carry.
    """
    program = tl.program_id(0).to(tl.int64)
    g, c = program // chunks, program % chunks
    start, count = chunk_bounds(c, length, chunk_size, position)
    r = tl.arange(0, TOKENS)
    here = (r < count)[:, None]
    table = tile(program * TOKENS, TOKENS, 0, TOKENS, TOKENS)
    scores = tl.zeros((TOKENS, TOKENS), tl.float32)
    rows = row_offsets(g, start, length, heads, K, TOKENS)[:, None]
    for i in range(K // KEYS):
        columns = i * KEYS + tl.arange(0, KEYS)[None, :]
        q = tl.load(Q + rows + columns, mask=here, other=0.0)
        k = tl.load(K_ + rows + columns, mask=here, other=0.0)
        scores = tl.dot(q, tl.trans(k), scores, input_precision=PRECISION)
    mix = tl.load(MIX + table).to(tl.float32)
    mixed = tl.trans((scores * mix).to(MIX.dtype.element_ty))
    agreed = tl.zeros((TOKENS, TOKENS), tl.float32)
    rows = row_offsets(g, start, length, heads, V, TOKENS)[:, None]
    for i in range(V // VALUES):
        d_y = tl.load(D_Y + rows + i * VALUES + tl.arange(0, VALUES)[None, :], mask=here, other=0.0)
        there = tile(program * TOKENS, TOKENS, i * VALUES, VALUES, V)
        agreed = tl.dot(d_y, tl.trans(tl.load(ERRORS + there)), agreed, input_precision=PRECISION)
        d_errors = tl.dot(mixed, d_y, input_precision=PRECISION)
        tl.store(D_ERRORS + there, d_errors.to(D_ERRORS.dtype.element_ty))
    d_mix = tl.where(r[:, None] >= r[None, :], agreed * scores, 0.0)
    layer = tile((program * LAYERS + LAYER) * TOKENS, TOKENS, 0, TOKENS, TOKENS)
    tl.store(D_MIX + layer, d_mix.to(D_MIX.dtype.element_ty))
    if KEYED:
        mixed = tl.trans((agreed * mix).to(MIX.dtype.element_ty))
        rows = row_offsets(g, start, length, heads, K, TOKENS)[:, None]
        for i in range(K // KEYS):
            columns = rows + i * KEYS + tl.arange(0, KEYS)[None, :]
            q = tl.load(Q + columns, mask=here, other=0.0)
            d_k = tl.dot(mixed, q, input_precision=PRECISION)
            tl.store(D_K + columns, d_k.to(D_K.dtype.element_ty), mask=here)
