# type: ignore
"""Where a chunk's tokens and a slice of a matrix lie in memory."""

import triton
import triton.language as tl


@triton.jit
def chunk_bounds(c, length, chunk_size, position):
    """Return a chunk's first token and how many it has; the first chunk may have begun before the call."""
    start = tl.maximum(c * chunk_size - position, 0)
    return start, tl.minimum((c + 1) * chunk_size - position, length) - start


@triton.jit
def row_offsets(g, start, length, heads, width: tl.constexpr, TOKENS: tl.constexpr):
    """Return offsets of a chunk's rows, `[TOKENS]`, in a tensor `[B, T, H, width]`."""
    first = ((g // heads) * length + start) * heads + g % heads
    return (first + tl.arange(0, TOKENS) * heads) * width


@triton.jit
def tile(first, SIZE: tl.constexpr, column, WIDTH: tl.constexpr, STRIDE: tl.constexpr):
    """Return offsets of SIZE rows from `first` and WIDTH columns from `column` of a matrix with STRIDE columns."""
    return (first + tl.arange(0, SIZE))[:, None] * STRIDE + (column + tl.arange(0, WIDTH))[None, :]


@triton.jit
def load_gate(GATE, g, start, count, length, heads, shift, empty, TOKENS: tl.constexpr):
    """Load the gates `[B, T, H]` of the tokens `shift` after a chunk's rows; rows without one get `empty`."""
    token = tl.arange(0, TOKENS) + shift
    rows = row_offsets(g, start, length, heads, 1, TOKENS) + shift * heads
    return tl.load(GATE + rows, mask=(token >= 0) & (token < count), other=empty)
