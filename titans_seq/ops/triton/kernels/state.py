# type: ignore
"""The memory from chunk to chunk: the forward pass's only sequential kernel, a program for each slice of values.

    errors = v - k A
    W'     = kept W + moved S + k^T diag(write[0]) errors
    S'     = faded S + k^T diag(write[1]) errors

A is W at the chunk's start, or the anchor of a chunk that was open when the call began.
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.rows import chunk_bounds, row_offsets, tile


@triton.jit
def _step(
    c, w, s, anchor, K_, V_, READ, WRITE, FADE, ERRORS, g, column, length, heads, chunks, chunk_size, position,
    SLOTS: tl.constexpr, K: tl.constexpr, V: tl.constexpr, VALUES: tl.constexpr, TOKENS: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Write a chunk into the slots, with its gradients taken at `anchor`."""
    start, count = chunk_bounds(c, length, chunk_size, position)
    program = g * chunks + c
    r = tl.arange(0, TOKENS)
    here = (r < count)[:, None]
    keys = row_offsets(g, start, length, heads, K, TOKENS)[:, None] + tl.arange(0, K)[None, :]
    values = row_offsets(g, start, length, heads, V, TOKENS)[:, None] + column + tl.arange(0, VALUES)[None, :]
    k = tl.load(K_ + keys, mask=here, other=0.0)
    v = tl.load(V_ + values, mask=here, other=0.0).to(tl.float32)
    errors = v - tl.dot(k, anchor, input_precision=PRECISION)
    tl.store(ERRORS + tile(program * TOKENS, TOKENS, column, VALUES, V), errors.to(ERRORS.dtype.element_ty))
    vectors = program * SLOTS * TOKENS
    across = tl.trans(k)
    kept = tl.load(READ + vectors + count - 1)
    write = tl.load(WRITE + vectors + r)
    # Each carry is its product's accumulator: subtracting a product from it would need registers for both.
    if SLOTS == 2:
        w = kept * w + tl.load(READ + vectors + TOKENS + count - 1) * s
        s = tl.load(FADE + program) * s
        write_momentum = tl.load(WRITE + vectors + TOKENS + r)
        s = tl.dot(across, (errors * write_momentum[:, None]).to(k.dtype), s, input_precision=PRECISION)
    else:
        w = kept * w
    w = tl.dot(across, (errors * write[:, None]).to(k.dtype), w, input_precision=PRECISION)
    return w, s


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def state(
    K_,
    V_,
    READ,
    WRITE,
    FADE,
    WEIGHTS,
    PAST,
    ANCHOR,
    WEIGHTS_AT,
    PAST_AT,
    ERRORS,
    WEIGHTS_AFTER,
    PAST_AFTER,
    ANCHOR_AFTER,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    OPEN: tl.constexpr,
    STAYS_OPEN: tl.constexpr,
    SLOTS: tl.constexpr,
    K: tl.constexpr,
    V: tl.constexpr,
    VALUES: tl.constexpr,
    TOKENS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Walk the chunks; write the slots at each chunk's start, the errors, and the slots after the last.

    ANCHOR, in the operands' dtype, is the first chunk's if it is OPEN. ANCHOR_AFTER gets the weights at the last
    chunk's start if that chunk STAYS_OPEN.
    """
    g, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * VALUES
    here = tile(g * K, K, column, VALUES, V)
    w = tl.load(WEIGHTS + here)
    s = tl.load(PAST + here) if SLOTS == 2 else w
    first = 0
    if OPEN:
        anchor = tl.load(ANCHOR + here)
        there = tile(g * chunks * K, K, column, VALUES, V)
        tl.store(WEIGHTS_AT + there, w.to(anchor.dtype))
        if SLOTS == 2:
            tl.store(PAST_AT + there, s.to(anchor.dtype))
        w, s = _step(
            0, w, s, anchor, K_, V_, READ, WRITE, FADE, ERRORS, g, column, length, heads, chunks, chunk_size, position,
            SLOTS, K, V, VALUES, TOKENS, PRECISION,
        )  # fmt: skip
        first = 1
    for c in range(first, chunks):
        there = tile((g * chunks + c) * K, K, column, VALUES, V)
        anchor = w.to(WEIGHTS_AT.dtype.element_ty)
        tl.store(WEIGHTS_AT + there, anchor)
        if SLOTS == 2:
            tl.store(PAST_AT + there, s.to(anchor.dtype))
        if STAYS_OPEN:
            tl.store(ANCHOR_AFTER + here, w, mask=c == chunks - 1)
        w, s = _step(
            c, w, s, anchor, K_, V_, READ, WRITE, FADE, ERRORS, g, column, length, heads, chunks, chunk_size, position,
            SLOTS, K, V, VALUES, TOKENS, PRECISION,
        )  # fmt: skip
    tl.store(WEIGHTS_AFTER + here, w)
    if SLOTS == 2:
        tl.store(PAST_AFTER + here, s)
