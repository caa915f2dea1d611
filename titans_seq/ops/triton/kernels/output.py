# type: ignore
"""What the queries read, a program for each chunk and slice of values.

    y = diag(read[0]) q W + diag(read[1]) q S + ((q k^T) o mix) errors

W and S are the slots at the chunk's start. Of a deep memory's layer but the last, f(y) is what the next layer reads.
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.activation import activate
from titans_seq.ops.triton.kernels.rows import chunk_bounds, row_offsets, tile


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def output(
    Q,
    K_,
    READ,
    MIX,
    WEIGHTS_AT,
    PAST_AT,
    ERRORS,
    Y,
    SLOPE,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    ACTIVATION: tl.constexpr,
    SAVES: tl.constexpr,
    SLOTS: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    KEYS: tl.constexpr,
    VALUES: tl.constexpr,
    TOKENS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write a slice of a chunk's outputs, or, if there is an ACTIVATION, f(y) and, with SAVES, f'(y)."""
    program, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * VALUES
    g, c = program // chunks, program % chunks
    start, count = chunk_bounds(c, length, chunk_size, position)
    r = tl.arange(0, TOKENS)
    here = (r < count)[:, None]
    rows = row_offsets(g, start, length, heads, K, TOKENS)[:, None]
    scores = tl.zeros((TOKENS, TOKENS), tl.float32)
    y = tl.zeros((TOKENS, VALUES), tl.float32)
    y_past = tl.zeros((TOKENS, VALUES), tl.float32)
    for i in range(K // KEYS):
        columns = i * KEYS + tl.arange(0, KEYS)[None, :]
        q = tl.load(Q + rows + columns, mask=here, other=0.0)
        k = tl.load(K_ + rows + columns, mask=here, other=0.0)
        scores = tl.dot(q, tl.trans(k), scores, input_precision=PRECISION)
        slot = tile(program * K + i * KEYS, KEYS, column, VALUES, V)
        y = tl.dot(q, tl.load(WEIGHTS_AT + slot), y, input_precision=PRECISION)
        if SLOTS == 2:
            y_past = tl.dot(q, tl.load(PAST_AT + slot), y_past, input_precision=PRECISION)
    vectors = program * SLOTS * TOKENS + r
    y *= tl.load(READ + vectors)[:, None]
    if SLOTS == 2:
        y += y_past * tl.load(READ + vectors + TOKENS)[:, None]
    mixed = scores * tl.load(MIX + tile(program * TOKENS, TOKENS, 0, TOKENS, TOKENS)).to(tl.float32)
    errors = tl.load(ERRORS + tile(program * TOKENS, TOKENS, column, VALUES, V))
    y = tl.dot(mixed.to(errors.dtype), errors, y, input_precision=PRECISION)
    values = row_offsets(g, start, length, heads, V, TOKENS)[:, None] + column + tl.arange(0, VALUES)[None, :]
    if ACTIVATION != "none":
        y, slope = activate(y, ACTIVATION)
        if SAVES:
            tl.store(SLOPE + values, slope.to(SLOPE.dtype.element_ty), mask=here)
    tl.store(Y + values, y.to(Y.dtype.element_ty), mask=here)
