# type: ignore
"""LayerNorm of a memory's output: rows x to n = (x - mean) / deviation, without affine parameters.

Its Jacobian is symmetric: with s = 1 / deviation, J g = s (g - mean(g) - n mean(g n)).
"""

import triton
import triton.language as tl

from titans_seq.ops.triton.kernels.rows import chunk_bounds, row_offsets

_EPS = tl.constexpr(1e-5)


@triton.jit
def mean(x, WIDTH: tl.constexpr):
    """Return the mean of each row, `[rows, 1]`."""
    return (tl.sum(x, 1) / WIDTH)[:, None]


@triton.jit
def normalised(x, WIDTH: tl.constexpr):
    """Return normalised rows and, `[rows, 1]`, one over their deviation."""
    x -= mean(x, WIDTH)
    scale = 1.0 / tl.sqrt(mean(x * x, WIDTH) + _EPS)
    return x * scale, scale


@triton.jit
def jacobian(n, scale, g, WIDTH: tl.constexpr):
    """Return J g at rows whose normalised form is n."""
    return scale * (g - mean(g, WIDTH) - n * mean(g * n, WIDTH))


@triton.jit
def jacobian_backward(n, scale, along, r, g, WIDTH: tl.constexpr):
    """Pull the gradient g of r = J e back to e, and to the rows behind the norm if e is a constant less n.

    Args:
        n: normalised rows.
        scale: one over their deviations.
        along: mean(e n), `[rows, 1]`.
        r: J e.
        g: gradient of r.
        WIDTH: columns.

    Returns:
        d_e = J g, and d_x = the derivative of g . J e by the rows at a fixed e, less J d_e. With b = mean(g n) and
        q = mean(g r) the former is -s (q n + b r + along d_e); and as d_e has no mean and mean(n^2) is 1 - eps s^2,
        J d_e = s (d_e - eps s^3 b n).
    """
    b = mean(g * n, WIDTH)
    q = mean(g * r, WIDTH) - _EPS * scale * scale * scale * b
    d_e = scale * (g - mean(g, WIDTH) - n * b)
    return d_e, -scale * (q * n + b * r + (1.0 + along) * d_e)


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def finish(
    Q,
    LAST,
    Y,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    V: tl.constexpr,
    NORM: tl.constexpr,
    RESIDUAL: tl.constexpr,
    TOKENS: tl.constexpr,
):
    """Write a chunk's outputs, given what its last layer made: `y = [q +] [LN](last)`."""
    program = tl.program_id(0).to(tl.int64)
    g, c = program // chunks, program % chunks
    start, count = chunk_bounds(c, length, chunk_size, position)
    here = (tl.arange(0, TOKENS) < count)[:, None]
    rows = row_offsets(g, start, length, heads, V, TOKENS)[:, None] + tl.arange(0, V)[None, :]
    y = tl.load(LAST + rows, mask=here, other=0.0).to(tl.float32)
    if NORM:
        y, _ = normalised(y, V)
    if RESIDUAL:
        y += tl.load(Q + rows, mask=here, other=0.0).to(tl.float32)
    tl.store(Y + rows, y.to(Y.dtype.element_ty), mask=here)


@triton.jit(do_not_specialize=["length", "chunk_size", "position", "chunks"])
def norm_backward(
    LAST,
    D_Y,
    D_LAST,
    length,
    heads,
    chunks,
    chunk_size,
    position,
    V: tl.constexpr,
    TOKENS: tl.constexpr,
):
    """Write the gradient of what the last layer made of a chunk's queries."""
    program = tl.program_id(0).to(tl.int64)
    g, c = program // chunks, program % chunks
    start, count = chunk_bounds(c, length, chunk_size, position)
    here = (tl.arange(0, TOKENS) < count)[:, None]
    rows = row_offsets(g, start, length, heads, V, TOKENS)[:, None] + tl.arange(0, V)[None, :]
    n, scale = normalised(tl.load(LAST + rows, mask=here, other=0.0).to(tl.float32), V)
    d_y = tl.load(D_Y + rows, mask=here, other=0.0).to(tl.float32)
    tl.store(D_LAST + rows, jacobian(n, scale, d_y, V).to(D_LAST.dtype.element_ty), mask=here)
