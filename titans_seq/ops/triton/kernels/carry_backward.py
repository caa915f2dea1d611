# type: ignore
"""Gradients of the slots from chunk to chunk, last chunk first: the backward pass's only sequential kernel.

    d_v = d_errors + diag(write[0]) k dW' + diag(write[1]) k dS'
    dW  = kept dW' + q^T diag(read[0]) d_y - k^T d_v
    dS  = moved dW' + faded dS' + q^T diag(read[1]) d_y

d_v is the whole gradient of the errors, and so that of the values; d_errors what their own chunk's queries made of it.
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.rows import chunk_bounds, row_offsets, tile


@triton.jit
def _step(
    c, d_w, d_s, Q, K_, READ, WRITE, FADE, D_Y, D_ERRORS, D_V, D_WEIGHTS_AT, D_PAST_AT, D_ANCHOR,
    g, column, length, heads, chunks, chunk_size, position,
    OPEN: tl.constexpr, SLOTS: tl.constexpr, K: tl.constexpr, V: tl.constexpr, VALUES: tl.constexpr,
    TOKENS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Go back through a chunk; OPEN says that its gradients were taken at an anchor apart from the weights."""
    start, count = chunk_bounds(c, length, chunk_size, position)
    program = g * chunks + c
    r = tl.arange(0, TOKENS)
    here = (r < count)[:, None]
    there = tile(program * K, K, column, VALUES, V)
    keys = row_offsets(g, start, length, heads, K, TOKENS)[:, None] + tl.arange(0, K)[None, :]
    values = row_offsets(g, start, length, heads, V, TOKENS)[:, None] + column + tl.arange(0, VALUES)[None, :]
    k = tl.load(K_ + keys, mask=here, other=0.0)
    vectors = program * SLOTS * TOKENS
    pulled = d_w.to(k.dtype)
    tl.store(D_WEIGHTS_AT + there, pulled)
    d_v = tl.load(D_ERRORS + tile(program * TOKENS, TOKENS, column, VALUES, V)).to(tl.float32)
    d_v += tl.load(WRITE + vectors + r)[:, None] * tl.dot(k, pulled, input_precision=PRECISION)
    d_y = tl.load(D_Y + values, mask=here, other=0.0).to(tl.float32)
    kept = tl.load(READ + vectors + count - 1)
    across = tl.trans(tl.load(Q + keys, mask=here, other=0.0))
    if SLOTS == 2:
        pulled = d_s.to(k.dtype)
        tl.store(D_PAST_AT + there, pulled)
        write = tl.load(WRITE + vectors + TOKENS + r)[:, None]
        d_v += write * tl.dot(k, pulled, input_precision=PRECISION)
        d_s = tl.load(FADE + program) * d_s + tl.load(READ + vectors + TOKENS + count - 1) * d_w
        read = tl.load(READ + vectors + TOKENS + r)[:, None]
        d_s = tl.dot(across, (d_y * read).to(k.dtype), d_s, input_precision=PRECISION)
    tl.store(D_V + values, d_v.to(D_V.dtype.element_ty), mask=here)
    read = tl.load(READ + vectors + r)[:, None]
    d_w = tl.dot(across, (d_y * read).to(k.dtype), kept * d_w, input_precision=PRECISION)
    if OPEN:
        d_anchor = tl.dot(tl.trans(k), (-d_v).to(k.dtype), input_precision=PRECISION)
        tl.store(D_ANCHOR + tile(g * K, K, column, VALUES, V), d_anchor)
    else:
        d_w = tl.dot(tl.trans(k), (-d_v).to(k.dtype), d_w, input_precision=PRECISION)
    return d_w, d_s


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def carry_backward(
    Q,
    K_,
    READ,
    WRITE,
    FADE,
    D_Y,
    D_ERRORS,
    D_WEIGHTS_AFTER,
    D_PAST_AFTER,
    D_ANCHOR_AFTER,
    D_V,
    D_WEIGHTS_AT,
    D_PAST_AT,
    D_WEIGHTS,
    D_PAST,
    D_ANCHOR,
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
    """Walk the chunks back; write the gradients of the values, of the slots at each chunk's end and at the start."""
    g, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * VALUES
    here = tile(g * K, K, column, VALUES, V)
    d_w = tl.load(D_WEIGHTS_AFTER + here)
    d_s = tl.load(D_PAST_AFTER + here) if SLOTS == 2 else d_w
    first = 1 if OPEN else 0
    for i in range(first, chunks):
        c = chunks - 1 - i + first
        d_w, d_s = _step(
            c, d_w, d_s, Q, K_, READ, WRITE, FADE, D_Y, D_ERRORS, D_V, D_WEIGHTS_AT, D_PAST_AT, D_ANCHOR,
            g, column, length, heads, chunks, chunk_size, position,
            False, SLOTS, K, V, VALUES, TOKENS, PRECISION,
        )  # fmt: skip
        if STAYS_OPEN:
            d_w += tl.load(D_ANCHOR_AFTER + here, mask=c == chunks - 1, other=0.0)
    if OPEN:
        d_w, d_s = _step(
            0, d_w, d_s, Q, K_, READ, WRITE, FADE, D_Y, D_ERRORS, D_V, D_WEIGHTS_AT, D_PAST_AT, D_ANCHOR,
            g, column, length, heads, chunks, chunk_size, position,
            True, SLOTS, K, V, VALUES, TOKENS, PRECISION,
        )  # fmt: skip
    tl.store(D_WEIGHTS + here, d_w)
    if SLOTS == 2:
        tl.store(D_PAST + here, d_s)
