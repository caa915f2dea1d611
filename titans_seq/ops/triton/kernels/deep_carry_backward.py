# type: ignore
"""Gradients of two layers' slots from chunk to chunk, last chunk first: the backward's only sequential kernel.

With the names of `deep_state`, dW' and dS' the gradients after the chunk, and what the chunk's own queries made of
error1, error2 and a already in their gradients:

    d_error1 += diag(write[0]) k dW1' + diag(write[1]) k dS1'
    d_error2 += diag(write[0]) a dW2' + diag(write[1]) a dS2' + (d_error1 o f'(h)) A2
    d_v       = J d_error2
    d_z       = the derivative of d_error2 . J (v - n) by z, see `norm.jacobian_backward`
    d_a      += diag(write[0]) error2 dW2'^T + diag(write[1]) error2 dS2'^T + d_z A2^T
    d_h       = d_error1 o raw o f''(h) + d_a o f'(h)
    dA1       = k^T d_h;  dA2 = a^T d_z + (d_error1 o f'(h))^T error2

and of the slots, with x the queries' input of a layer, as in `carry_backward`:

    dW  = kept dW' + x^T diag(read[0]) d_y + dA
    dS  = moved dW' + faded dS' + x^T diag(read[1]) d_y

For the branches see `kernels`.
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.norm import jacobian_backward
from titans_seq.ops.triton.kernels.rows import chunk_bounds, row_offsets, tile


@triton.jit
def _pulled(
    d_errors, inputs, d_w, d_s, WRITE, program,
    SLOTS: tl.constexpr, TOKENS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Add to the gradient of a layer's errors what the slots after the chunk make of them."""
    write = WRITE + program * SLOTS * TOKENS + tl.arange(0, TOKENS)
    kind = inputs.dtype
    d_errors += tl.load(write)[:, None] * tl.dot(inputs, d_w.to(kind), input_precision=PRECISION)
    if SLOTS == 2:
        d_errors += tl.load(write + TOKENS)[:, None] * tl.dot(inputs, d_s.to(kind), input_precision=PRECISION)
    return d_errors


@triton.jit
def _read(d_slot, x, d_y, read, TOKENS: tl.constexpr, PRECISION: tl.constexpr):
    """Add to the gradient of a layer's slot before the chunk what the chunk's queries x make of it."""
    weighed = (d_y.to(tl.float32) * tl.load(read + tl.arange(0, TOKENS))[:, None]).to(x.dtype)
    return tl.dot(tl.trans(x), weighed, d_slot, input_precision=PRECISION)


@triton.jit
def _step(
    c, d_w1, d_s1, d_w2, d_s2, anchor2, Q, K_, X, D_Y1, D_Y2, READ, WRITE, FADE, ERRORS2, ACTIVE, SLOPE, BEND, NORMED,
    SCALE, ALONG, D_ERRORS1, D_ERRORS2, D_ACTIVE, D_V, D_TARGET, D_WEIGHTS_AT1, D_WEIGHTS_AT2, D_PAST_AT1, D_PAST_AT2,
    D_ANCHOR1, D_ANCHOR2, g, length, heads, chunks, chunk_size, position,
    NORM: tl.constexpr, OPEN: tl.constexpr, SLOTS: tl.constexpr,
    K: tl.constexpr, HIDDEN: tl.constexpr, V: tl.constexpr, TOKENS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Go back through a chunk; OPEN says that its gradients were taken at an anchor apart from the weights."""
    start, count = chunk_bounds(c, length, chunk_size, position)
    program = g * chunks + c
    r = tl.arange(0, TOKENS)
    here = (r < count)[:, None]
    there1, there2 = tile(program * K, K, 0, HIDDEN, HIDDEN), tile(program * HIDDEN, HIDDEN, 0, V, V)
    keys = row_offsets(g, start, length, heads, K, TOKENS)[:, None] + tl.arange(0, K)[None, :]
    hidden = row_offsets(g, start, length, heads, HIDDEN, TOKENS)[:, None] + tl.arange(0, HIDDEN)[None, :]
    values = row_offsets(g, start, length, heads, V, TOKENS)[:, None] + tl.arange(0, V)[None, :]
    kind = D_WEIGHTS_AT1.dtype.element_ty
    tl.store(D_WEIGHTS_AT1 + there1, d_w1.to(kind))
    tl.store(D_WEIGHTS_AT2 + there2, d_w2.to(kind))
    if SLOTS == 2:
        tl.store(D_PAST_AT1 + there1, d_s1.to(kind))
        tl.store(D_PAST_AT2 + there2, d_s2.to(kind))
    always = count > 0
    read = READ + program * SLOTS * TOKENS
    kept = tl.load(read + count - 1)
    if SLOTS == 2:
        moved, faded = tl.load(read + TOKENS + count - 1), tl.load(FADE + program)
    # The first layer's errors, and the slots that made them.
    k = tl.load(K_ + keys, mask=here, other=0.0)
    d_errors1 = tl.load(D_ERRORS1 + tile(program * TOKENS, TOKENS, 0, HIDDEN, HIDDEN)).to(tl.float32)
    d_errors1 = _pulled(d_errors1, k, d_w1, d_s1, WRITE, program, SLOTS, TOKENS, PRECISION)
    slope = tl.load(SLOPE + hidden, mask=here, other=0.0)
    d_hidden = d_errors1
    d_raw = d_errors1
    if always:
        d_raw = d_errors1 * slope.to(tl.float32)
        d_hidden = d_errors1 * tl.load(BEND + hidden, mask=here, other=0.0).to(tl.float32)
    d_raw = d_raw.to(kind)
    q = tl.load(Q + keys, mask=here, other=0.0)
    d_y = tl.load(D_Y1 + hidden, mask=here, other=0.0)
    if SLOTS == 2:
        d_s1 = _read(faded * d_s1 + moved * d_w1, q, d_y, read + TOKENS, TOKENS, PRECISION)
    if always:
        d_w1 = _read(kept * d_w1, q, d_y, read, TOKENS, PRECISION)
    # The second layer's errors, through the norm; without it d_z is minus d_v.
    a = tl.load(ACTIVE + hidden, mask=here, other=0.0)
    own = tile(program * TOKENS, TOKENS, 0, V, V)
    errors2 = tl.load(ERRORS2 + own)
    d_errors2 = tl.load(D_ERRORS2 + own).to(tl.float32)
    if always:
        d_errors2 = _pulled(d_errors2, a, d_w2, d_s2, WRITE, program, SLOTS, TOKENS, PRECISION)
    d_errors2 += tl.dot(d_raw, anchor2, input_precision=PRECISION)
    d_z = d_errors2
    if always:
        d_v, d_z = d_errors2, -d_errors2
        if NORM:
            n = tl.load(NORMED + values, mask=here, other=0.0).to(tl.float32)
            scale = tl.load(SCALE + program * TOKENS + r)[:, None]
            along = tl.load(ALONG + program * TOKENS + r)[:, None]
            d_v, d_z = jacobian_backward(n, scale, along, errors2.to(tl.float32), d_errors2, V)
        tl.store(D_V + values, d_v.to(D_V.dtype.element_ty), mask=here)
    # Its input.
    d_a = tl.load(D_ACTIVE + hidden, mask=here, other=0.0).to(tl.float32)
    if always:
        d_a = _pulled(d_a, errors2, tl.trans(d_w2), tl.trans(d_s2), WRITE, program, SLOTS, TOKENS, PRECISION)
    x = tl.load(X + hidden, mask=here, other=0.0)
    d_y = tl.load(D_Y2 + values, mask=here, other=0.0)
    if SLOTS == 2:
        d_s2 = _read(faded * d_s2 + moved * d_w2, x, d_y, read + TOKENS, TOKENS, PRECISION)
    if always:
        d_w2 = _read(kept * d_w2, x, d_y, read, TOKENS, PRECISION)
    d_z = d_z.to(kind)
    d_a += tl.dot(d_z, tl.trans(anchor2), input_precision=PRECISION)
    if always:
        d_hidden += d_a * slope.to(tl.float32)
        # The first layer is a linear memory whose values have this gradient.
        tl.store(D_TARGET + hidden, (-d_hidden).to(kind), mask=here)
    d_hidden = d_hidden.to(kind)
    if OPEN:
        d_anchor = tl.dot(tl.trans(d_raw), errors2, input_precision=PRECISION)
        d_anchor += tl.dot(tl.trans(a), d_z, input_precision=PRECISION)
        tl.store(D_ANCHOR2 + tile(g * HIDDEN, HIDDEN, 0, V, V), d_anchor)
        d_anchor = tl.dot(tl.trans(k), d_hidden, input_precision=PRECISION)
        tl.store(D_ANCHOR1 + tile(g * K, K, 0, HIDDEN, HIDDEN), d_anchor)
    else:
        if always:
            d_w2 = tl.dot(tl.trans(d_raw), errors2, d_w2, input_precision=PRECISION)
        d_w2 = tl.dot(tl.trans(a), d_z, d_w2, input_precision=PRECISION)
        d_w1 = tl.dot(tl.trans(k), d_hidden, d_w1, input_precision=PRECISION)
    return d_w1, d_s1, d_w2, d_s2


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def deep_carry_backward(
    Q,
    K_,
    X,
    D_Y1,
    D_Y2,
    READ,
    WRITE,
    FADE,
    WEIGHTS_AT2,
    ANCHOR2,
    ERRORS2,
    ACTIVE,
    SLOPE,
    BEND,
    NORMED,
    SCALE,
    ALONG,
    D_ERRORS1,
    D_ERRORS2,
    D_ACTIVE,
    D_WEIGHTS_AFTER1,
    D_WEIGHTS_AFTER2,
    D_PAST_AFTER1,
    D_PAST_AFTER2,
    D_ANCHOR_AFTER1,
    D_ANCHOR_AFTER2,
    D_V,
    D_TARGET,
    D_WEIGHTS_AT1,
    D_WEIGHTS_AT2,
    D_PAST_AT1,
    D_PAST_AT2,
    D_WEIGHTS1,
    D_WEIGHTS2,
    D_PAST1,
    D_PAST2,
    D_ANCHOR1,
    D_ANCHOR2,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    NORM: tl.constexpr,
    OPEN: tl.constexpr,
    STAYS_OPEN: tl.constexpr,
    SLOTS: tl.constexpr,
    K: tl.constexpr,
    HIDDEN: tl.constexpr,
    V: tl.constexpr,
    TOKENS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Walk the chunks back; write the gradients of the values, of h (negated), and of the slots as `carry_backward`.

    D_ERRORS and D_ACTIVE hold what the queries of their own chunk made of the errors and of a.
    """
    g = tl.program_id(0).to(tl.int64)
    here1, here2 = tile(g * K, K, 0, HIDDEN, HIDDEN), tile(g * HIDDEN, HIDDEN, 0, V, V)
    d_w1, d_w2 = tl.load(D_WEIGHTS_AFTER1 + here1), tl.load(D_WEIGHTS_AFTER2 + here2)
    d_s1, d_s2 = d_w1, d_w2
    if SLOTS == 2:
        d_s1, d_s2 = tl.load(D_PAST_AFTER1 + here1), tl.load(D_PAST_AFTER2 + here2)
    first = 1 if OPEN else 0
    for i in range(first, chunks):
        c = chunks - 1 - i + first
        anchor2 = tl.load(WEIGHTS_AT2 + tile((g * chunks + c) * HIDDEN, HIDDEN, 0, V, V))
        d_w1, d_s1, d_w2, d_s2 = _step(
            c, d_w1, d_s1, d_w2, d_s2, anchor2, Q, K_, X, D_Y1, D_Y2, READ, WRITE, FADE, ERRORS2, ACTIVE, SLOPE,
            BEND, NORMED, SCALE, ALONG, D_ERRORS1, D_ERRORS2, D_ACTIVE, D_V, D_TARGET, D_WEIGHTS_AT1, D_WEIGHTS_AT2,
            D_PAST_AT1, D_PAST_AT2, D_ANCHOR1, D_ANCHOR2, g, length, heads, chunks, chunk_size, position,
            NORM, False, SLOTS, K, HIDDEN, V, TOKENS, PRECISION,
        )  # fmt: skip
        if STAYS_OPEN:
            if c == chunks - 1:
                d_w1 += tl.load(D_ANCHOR_AFTER1 + here1)
                d_w2 += tl.load(D_ANCHOR_AFTER2 + here2)
    if OPEN:
        d_w1, d_s1, d_w2, d_s2 = _step(
            0, d_w1, d_s1, d_w2, d_s2, tl.load(ANCHOR2 + here2), Q, K_, X, D_Y1, D_Y2, READ, WRITE, FADE, ERRORS2,
            ACTIVE, SLOPE, BEND, NORMED, SCALE, ALONG, D_ERRORS1, D_ERRORS2, D_ACTIVE, D_V, D_TARGET, D_WEIGHTS_AT1,
            D_WEIGHTS_AT2, D_PAST_AT1, D_PAST_AT2, D_ANCHOR1, D_ANCHOR2, g, length, heads, chunks, chunk_size, position,
            NORM, True, SLOTS, K, HIDDEN, V, TOKENS, PRECISION,
        )  # fmt: skip
    tl.store(D_WEIGHTS1 + here1, d_w1)
    tl.store(D_WEIGHTS2 + here2, d_w2)
    if SLOTS == 2:
        tl.store(D_PAST1 + here1, d_s1)
        tl.store(D_PAST2 + here2, d_s2)
