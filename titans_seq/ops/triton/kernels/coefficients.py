# type: ignore
"""Gates to coefficients, and back: the closed form of `titans_seq.memory.Coefficients`, a program for each chunk.

With faded[t, s] the product of the momentum gates of tokens s+1 .. t, and s = start before the chunk's first token:

    moved[t, s] = keep_t moved[t-1, s] + faded[t, s]        what token s adds to the weights at t (without lr)
    read[0, t]  = product of the keep gates up to t         read[1, t] = moved[t, start]
    mix         = moved diag(lr)                            write[0]   = mix[last]
    write[1]    = faded[last] lr                            fade       = faded[last, start]

Without momentum, moved[t, s] is the product of the keep gates of s+1 .. t, and the second of each is left out. All are
first-order recurrences down a column, and so are their derivatives, up it. Columns need nothing of each other: a
program holds some at a time. No logarithm is taken and nothing divided: gates of exactly 0 and 1 are exact.
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.rows import chunk_bounds, load_gate, row_offsets, tile


@triton.jit
def _combine(gate, x, next_gate, next_x):
    return gate * next_gate, next_gate * x + next_x


@triton.jit
def down(gate, x):
    """Solve y_t = gate_t y_{t-1} + x_t down the rows, from 0."""
    return tl.associative_scan((gate, x), 0, _combine)[1]


@triton.jit
def up(next_gate, x):
    """Solve y_t = gate_{t+1} y_{t+1} + x_t up the rows, from 0; row t of `next_gate` is the gate of t + 1."""
    return tl.associative_scan((next_gate, x), 0, _combine, reverse=True)[1]


@triton.jit
def products(gate, columns, TOKENS: tl.constexpr):
    """Multiply gates over the stretches s+1 .. t, `[TOKENS, columns]`; 0 where t < s."""
    t, s = tl.arange(0, TOKENS)[:, None], columns[None, :]
    return tl.where(t >= s, tl.cumprod(tl.where(t > s, gate[:, None], 1.0), 0), 0.0)


@triton.jit
def products_before(gate_before, columns, TOKENS: tl.constexpr):
    """Multiply gates over the stretches s+1 .. t-1: row t - 1 of `products`, given the gate of t - 1 in row t."""
    t, s = tl.arange(0, TOKENS)[:, None], columns[None, :]
    return tl.where(t > s, tl.cumprod(tl.where(t > s + 1, gate_before[:, None], 1.0), 0), 0.0)


@triton.jit
def _spread(gate, WIDTH: tl.constexpr):
    """Repeat a vector in so many columns."""
    return tl.broadcast_to(gate[:, None], (gate.shape[0], WIDTH))


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def prepare(
    LR,
    MOMENTUM,
    KEEP,
    READ,
    MIX,
    WRITE,
    FADE,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    SLOTS: tl.constexpr,
    COLUMNS: tl.constexpr,
    TOKENS: tl.constexpr,
):
    """Write a chunk's coefficients, COLUMNS tokens at a time."""
    program = tl.program_id(0).to(tl.int64)
    g, c = program // chunks, program % chunks
    start, count = chunk_bounds(c, length, chunk_size, position)
    r = tl.arange(0, TOKENS)
    last = r == count - 1
    keep = load_gate(KEEP, g, start, count, length, heads, 0, 1.0, TOKENS)
    momentum = keep
    vectors = program * SLOTS * TOKENS
    tl.store(READ + vectors + r, tl.cumprod(keep, 0))
    if SLOTS == 2:
        momentum = load_gate(MOMENTUM, g, start, count, length, heads, 0, 1.0, TOKENS)
        faded_start = tl.cumprod(momentum, 0)
        tl.store(READ + vectors + TOKENS + r, down(keep, faded_start))
        tl.store(FADE + program, tl.sum(tl.where(last, faded_start, 0.0), 0))
    for i in range(TOKENS // COLUMNS):
        s = i * COLUMNS + tl.arange(0, COLUMNS)
        lr = tl.load(
            LR + row_offsets(g, start, length, heads, 1, 1) + s * heads, mask=s < count, other=0.0
        )  # fmt: skip
        if SLOTS == 2:
            faded = products(momentum, s, TOKENS)
            tl.store(WRITE + vectors + TOKENS + s, tl.sum(tl.where(last[:, None], faded, 0.0), 0) * lr)
            mix = down(_spread(keep, COLUMNS), faded) * lr[None, :]
        else:
            mix = products(keep, s, TOKENS) * lr[None, :]
        tl.store(WRITE + vectors + s, tl.sum(tl.where(last[:, None], mix, 0.0), 0))
        tl.store(
            MIX + tile(program * TOKENS, TOKENS, i * COLUMNS, COLUMNS, TOKENS), mix.to(MIX.dtype.element_ty)
        )  # fmt: skip


@triton.jit
def _summed(PARTIAL, program, offset, STRIDE: tl.constexpr, SLICES: tl.constexpr, SIZE: tl.constexpr):
    """Add up the vectors at `offset` of the SLICES parts, STRIDE apart, that a program's gradient came in."""
    total = tl.zeros((SIZE,), tl.float32)
    for i in range(SLICES):
        total += tl.load(PARTIAL + (program * SLICES + i) * STRIDE + offset + tl.arange(0, SIZE))
    return total


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def gates_backward(
    LR,
    MOMENTUM,
    KEEP,
    D_MIX,
    D_READ,
    D_WRITE,
    D_CARRY,
    D_LR,
    D_MOMENTUM,
    D_KEEP,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    SLOTS: tl.constexpr,
    LAYERS: tl.constexpr,
    SLICES: tl.constexpr,
    COLUMNS: tl.constexpr,
    TOKENS: tl.constexpr,
):
    """Write the gradients of a chunk's gates, COLUMNS tokens at a time.

    The gradient of mix comes from so many LAYERS that share it, `[G, N, LAYERS, TOKENS, TOKENS]`, to be added up.
    Gradients of read and write come in SLICES parts, `[G, N, SLICES, slots, TOKENS]`, and so do those of the three
    numbers that the chunk's end multiplies the slots with, `[G, N, SLICES, 3, 1]`: read[0, last], read[1, last], fade.
    """
    program = tl.program_id(0).to(tl.int64)
    g, c = program // chunks, program % chunks
    start, count = chunk_bounds(c, length, chunk_size, position)
    r = tl.arange(0, TOKENS)
    last, here = r == count - 1, r < count
    rows = row_offsets(g, start, length, heads, 1, TOKENS)
    before = load_gate(KEEP, g, start, count, length, heads, -1, 1.0, TOKENS)
    after = load_gate(KEEP, g, start, count, length, heads, 1, 0.0, TOKENS)
    d_read = _summed(D_READ, program, 0, SLOTS * TOKENS, SLICES, TOKENS)
    d_read += tl.where(last, _summed(D_CARRY, program, 0, 3, SLICES, 1), 0.0)
    d_keep = up(after, d_read) * tl.cumprod(before, 0)
    before_momentum, after_momentum, d_momentum = before, after, d_keep
    if SLOTS == 2:
        before_momentum = load_gate(MOMENTUM, g, start, count, length, heads, -1, 1.0, TOKENS)
        after_momentum = load_gate(MOMENTUM, g, start, count, length, heads, 1, 0.0, TOKENS)
        start_before = tl.cumprod(before_momentum, 0)
        d_read = _summed(D_READ, program, TOKENS, SLOTS * TOKENS, SLICES, TOKENS)
        d_read += tl.where(last, _summed(D_CARRY, program, 1, 3, SLICES, 1), 0.0)
        d_start = up(after, d_read)
        d_keep += d_start * down(before, tl.where(r > 0, start_before, 0.0))
        d_start += tl.where(last, _summed(D_CARRY, program, 2, 3, SLICES, 1), 0.0)
        d_momentum = up(after_momentum, d_start) * start_before
    for i in range(TOKENS // COLUMNS):
        s = i * COLUMNS + tl.arange(0, COLUMNS)
        lower = r[:, None] >= s[None, :]
        own = row_offsets(g, start, length, heads, 1, 1) + s * heads
        lr = tl.load(LR + own, mask=s < count, other=0.0)[None, :]
        table = tile(program * LAYERS * TOKENS, TOKENS, i * COLUMNS, COLUMNS, TOKENS)
        d_mix = tl.load(D_MIX + table).to(tl.float32)
        for layer in range(1, LAYERS):
            d_mix += tl.load(D_MIX + table + layer * TOKENS * TOKENS).to(tl.float32)
        d_write = _summed(D_WRITE, program, i * COLUMNS, SLOTS * TOKENS, SLICES, COLUMNS)
        d_mix += tl.where(last[:, None], d_write[None, :], 0.0)
        # Of moved[t, s], by way of all rows from t on.
        d_moved = tl.where(lower, up(_spread(after, COLUMNS), d_mix), 0.0)
        if SLOTS == 2:
            d_write = _summed(D_WRITE, program, TOKENS + i * COLUMNS, SLOTS * TOKENS, SLICES, COLUMNS)
            d_faded = d_moved + tl.where(last[:, None], d_write[None, :], 0.0)
            d_faded = tl.where(lower, up(_spread(after_momentum, COLUMNS), d_faded), 0.0)
            faded = products_before(before_momentum, s, TOKENS)
            d_momentum += tl.sum(d_faded * faded * lr, 1)
            d_keep += tl.sum(d_moved * down(_spread(before, COLUMNS), faded) * lr, 1)
            d_source = d_faded
        else:
            d_keep += tl.sum(d_moved * products_before(before, s, TOKENS) * lr, 1)
            d_source = d_moved
        # A token enters where its own row and column meet.
        d_lr = tl.sum(tl.where(r[:, None] == s[None, :], d_source, 0.0), 0)
        tl.store(D_LR + own, d_lr, mask=s < count)
    tl.store(D_KEEP + rows, d_keep, mask=here)
    if SLOTS == 2:
        tl.store(D_MOMENTUM + rows, d_momentum, mask=here)
