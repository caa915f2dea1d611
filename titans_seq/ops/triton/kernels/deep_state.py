# type: ignore
"""A memory of two layers from chunk to chunk: the forward pass's only sequential kernel.

    h      = k A1;  a = f(h);  z = a A2;  n = LN(z);  prediction = [k +] n
    error2 = J (v - prediction);  raw = error2 A2^T;  error1 = raw o f'(h)
    Wl'    = kept Wl + moved Sl + input_l^T diag(write[0]) error_l
    Sl'    = faded Sl + input_l^T diag(write[1]) error_l

J is the Jacobian of LN at z; without the norm n = z and J = 1. The inputs are k and a. A1 and A2 are the weights at
the chunk's start, or the anchor of a chunk that was open when the call began. For the branches see `kernels`.
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.activation import activate, curvature
from titans_seq.ops.triton.kernels.norm import jacobian, normalised
from titans_seq.ops.triton.kernels.rows import chunk_bounds, row_offsets, tile


@triton.jit
def _advanced(
    w, s, across, errors, READ, WRITE, FADE, program, count,
    SLOTS: tl.constexpr, TOKENS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Return a layer's slots after a chunk; `across` is its input, transposed."""
    vectors = program * SLOTS * TOKENS
    r = tl.arange(0, TOKENS)
    write = tl.load(WRITE + vectors + r)[:, None]
    w = tl.load(READ + vectors + count - 1) * w
    if SLOTS == 2:
        w += tl.load(READ + vectors + TOKENS + count - 1) * s
        s = tl.load(FADE + program) * s
        write_momentum = tl.load(WRITE + vectors + TOKENS + r)[:, None]
        s = tl.dot(across, (errors * write_momentum).to(across.dtype), s, input_precision=PRECISION)
    w = tl.dot(across, (errors * write).to(across.dtype), w, input_precision=PRECISION)
    return w, s


@triton.jit
def _step(
    c, w1, s1, w2, s2, anchor1, anchor2, K_, V_, READ, WRITE, FADE, ERRORS1, ERRORS2, ACTIVE, SLOPE, BEND, NORMED,
    SCALE, ALONG, g, length, heads, chunks, chunk_size, position,
    ACTIVATION: tl.constexpr, RESIDUAL: tl.constexpr, NORM: tl.constexpr, SAVES: tl.constexpr, SLOTS: tl.constexpr,
    K: tl.constexpr, HIDDEN: tl.constexpr, V: tl.constexpr, TOKENS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Write a chunk into the slots, with its gradients taken at the anchors."""
    start, count = chunk_bounds(c, length, chunk_size, position)
    program = g * chunks + c
    r = tl.arange(0, TOKENS)
    here = (r < count)[:, None]
    keys = row_offsets(g, start, length, heads, K, TOKENS)[:, None] + tl.arange(0, K)[None, :]
    hidden = row_offsets(g, start, length, heads, HIDDEN, TOKENS)[:, None] + tl.arange(0, HIDDEN)[None, :]
    values = row_offsets(g, start, length, heads, V, TOKENS)[:, None] + tl.arange(0, V)[None, :]
    k = tl.load(K_ + keys, mask=here, other=0.0)
    h = tl.dot(k, anchor1, input_precision=PRECISION)
    a, slope = h, h
    always = count > 0
    if always:
        a, slope = activate(h, ACTIVATION)
    a = a.to(k.dtype)
    tl.store(ACTIVE + hidden, a, mask=here)
    if SAVES:
        tl.store(SLOPE + hidden, slope.to(k.dtype), mask=here)
    predicted = tl.dot(a, anchor2, input_precision=PRECISION)
    errors = predicted
    if always:
        if NORM:
            predicted, scale = normalised(predicted, V)
            if SAVES:
                tl.store(NORMED + values, predicted.to(k.dtype), mask=here)
                tl.store(SCALE + program * TOKENS + r, tl.sum(scale, 1))
        errors = tl.load(V_ + values, mask=here, other=0.0).to(tl.float32) - predicted
        if RESIDUAL:
            errors -= tl.load(K_ + keys, mask=here, other=0.0).to(tl.float32)
        if NORM:
            if SAVES:
                tl.store(ALONG + program * TOKENS + r, tl.sum(errors * predicted, 1) / V)
            errors = jacobian(predicted, scale, errors, V)
    rounded = errors.to(k.dtype)
    tl.store(ERRORS2 + tile(program * TOKENS, TOKENS, 0, V, V), rounded)
    raw = tl.dot(rounded, tl.trans(anchor2), input_precision=PRECISION)
    w2, s2 = _advanced(
        w2, s2, tl.trans(a), errors, READ, WRITE, FADE, program, count, SLOTS, TOKENS, PRECISION
    )  # fmt: skip
    errors = raw
    if always:
        if SAVES:
            tl.store(BEND + hidden, (raw * curvature(h, ACTIVATION)).to(k.dtype), mask=here)
        errors = raw * slope
    tl.store(ERRORS1 + tile(program * TOKENS, TOKENS, 0, HIDDEN, HIDDEN), errors.to(k.dtype))
    w1, s1 = _advanced(
        w1, s1, tl.trans(k), errors, READ, WRITE, FADE, program, count, SLOTS, TOKENS, PRECISION
    )  # fmt: skip
    return w1, s1, w2, s2


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def deep_state(
    K_,
    V_,
    READ,
    WRITE,
    FADE,
    WEIGHTS1,
    WEIGHTS2,
    PAST1,
    PAST2,
    ANCHOR1,
    ANCHOR2,
    WEIGHTS_AT1,
    WEIGHTS_AT2,
    PAST_AT1,
    PAST_AT2,
    ERRORS1,
    ERRORS2,
    ACTIVE,
    SLOPE,
    BEND,
    NORMED,
    SCALE,
    ALONG,
    WEIGHTS_AFTER1,
    WEIGHTS_AFTER2,
    PAST_AFTER1,
    PAST_AFTER2,
    ANCHOR_AFTER1,
    ANCHOR_AFTER2,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    ACTIVATION: tl.constexpr,
    RESIDUAL: tl.constexpr,
    NORM: tl.constexpr,
    SAVES: tl.constexpr,
    OPEN: tl.constexpr,
    STAYS_OPEN: tl.constexpr,
    SLOTS: tl.constexpr,
    K: tl.constexpr,
    HIDDEN: tl.constexpr,
    V: tl.constexpr,
    TOKENS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Walk the chunks; write a, of both layers what `state.state` does, and with SAVES what the backward pass needs.

    That is f'(h), raw o f''(h), n, `[B, T, H, .]` each; one over the deviations of z and mean((v - prediction) n),
    `[G, N, TOKENS]` each.
    """
    g = tl.program_id(0).to(tl.int64)
    here1, here2 = tile(g * K, K, 0, HIDDEN, HIDDEN), tile(g * HIDDEN, HIDDEN, 0, V, V)
    w1, w2 = tl.load(WEIGHTS1 + here1), tl.load(WEIGHTS2 + here2)
    s1, s2 = w1, w2
    if SLOTS == 2:
        s1, s2 = tl.load(PAST1 + here1), tl.load(PAST2 + here2)
    operand = WEIGHTS_AT1.dtype.element_ty
    first = 0
    if OPEN:
        there1, there2 = tile(g * chunks * K, K, 0, HIDDEN, HIDDEN), tile(g * chunks * HIDDEN, HIDDEN, 0, V, V)
        tl.store(WEIGHTS_AT1 + there1, w1.to(operand))
        tl.store(WEIGHTS_AT2 + there2, w2.to(operand))
        if SLOTS == 2:
            tl.store(PAST_AT1 + there1, s1.to(operand))
            tl.store(PAST_AT2 + there2, s2.to(operand))
        w1, s1, w2, s2 = _step(
            0, w1, s1, w2, s2, tl.load(ANCHOR1 + here1), tl.load(ANCHOR2 + here2), K_, V_, READ, WRITE, FADE,
            ERRORS1, ERRORS2, ACTIVE, SLOPE, BEND, NORMED, SCALE, ALONG, g, length, heads, chunks, chunk_size, position,
            ACTIVATION, RESIDUAL, NORM, SAVES, SLOTS, K, HIDDEN, V, TOKENS, PRECISION,
        )  # fmt: skip
        first = 1
    for c in range(first, chunks):
        there1 = tile((g * chunks + c) * K, K, 0, HIDDEN, HIDDEN)
        there2 = tile((g * chunks + c) * HIDDEN, HIDDEN, 0, V, V)
        anchor1, anchor2 = w1.to(operand), w2.to(operand)
        tl.store(WEIGHTS_AT1 + there1, anchor1)
        tl.store(WEIGHTS_AT2 + there2, anchor2)
        if SLOTS == 2:
            tl.store(PAST_AT1 + there1, s1.to(operand))
            tl.store(PAST_AT2 + there2, s2.to(operand))
        if STAYS_OPEN:
            if c == chunks - 1:
                tl.store(ANCHOR_AFTER1 + here1, w1)
                tl.store(ANCHOR_AFTER2 + here2, w2)
        w1, s1, w2, s2 = _step(
            c, w1, s1, w2, s2, anchor1, anchor2, K_, V_, READ, WRITE, FADE,
            ERRORS1, ERRORS2, ACTIVE, SLOPE, BEND, NORMED, SCALE, ALONG, g, length, heads, chunks, chunk_size, position,
            ACTIVATION, RESIDUAL, NORM, SAVES, SLOTS, K, HIDDEN, V, TOKENS, PRECISION,
        )  # fmt: skip
    tl.store(WEIGHTS_AFTER1 + here1, w1)
    tl.store(WEIGHTS_AFTER2 + here2, w2)
    if SLOTS == 2:
        tl.store(PAST_AFTER1 + here1, s1)
        tl.store(PAST_AFTER2 + here2, s2)
