# type: ignore
"""Activations between the layers of a deep memory, with the two derivatives that learning to learn needs."""

import triton
import triton.language as tl

_SQRT_HALF = tl.constexpr(0.7071067811865476)
_DENSITY = tl.constexpr(0.3989422804014327)


@triton.jit
def activate(z, NAME: tl.constexpr):
    """Return f(z) and f'(z)."""
    if NAME == "gelu":
        below = 0.5 * (1.0 + tl.erf(z * _SQRT_HALF))
        value, slope = z * below, below + z * (_DENSITY * tl.exp(-0.5 * z * z))
    elif NAME == "silu":
        share = tl.sigmoid(z)
        value, slope = z * share, share * (1.0 + z * (1.0 - share))
    else:
        tl.static_assert(NAME == "relu")
        value, slope = tl.maximum(z, 0.0), tl.where(z > 0.0, 1.0, 0.0)
    return value, slope


@triton.jit
def curvature(z, NAME: tl.constexpr):
    """Return f''(z)."""
    if NAME == "gelu":
        # Where the exponential has long vanished the square could still overflow.
        z = tl.minimum(tl.maximum(z, -40.0), 40.0)
        second = _DENSITY * tl.exp(-0.5 * z * z) * (2.0 - z * z)
    elif NAME == "silu":
        share = tl.sigmoid(z)
        second = share * (1.0 - share) * (2.0 + z * (1.0 - 2.0 * share))
    else:
        tl.static_assert(NAME == "relu")
        second = tl.zeros_like(z)
    return second
