"""What a memory must compute and move, per token and head, and what a card could therefore do at best.

The counts are of a memory with momentum in closed form, of 16-bit operands with the carried weights and momentum kept
in 16 bits once a chunk.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A memory's sizes.

    Attributes:
        width: of a head's keys and values.
        chunk: tokens of a chunk.
        expansion: hidden width over width of a memory of two layers; None for a matrix.
    """

    width: int
    chunk: int
    expansion: int | None = None


@dataclass(frozen=True)
class Work:
    """Per token and head.

    Attributes:
        flops: operations, a multiplication and an addition being two.
        bytes: that must be read and written.
    """

    flops: float
    bytes: float


@dataclass(frozen=True)
class Ceilings:
    """What a card reached.

    Attributes:
        flops: operations a second, of a large product of bf16 matrices.
        bytes: bytes a second, read and written by a large copy.
    """

    flops: float
    bytes: float


def work(shape: Shape) -> Work:
    """Count forward and backward.

    Example:
        >>> work(Shape(64, 64))
        Work(flops=221184.0, bytes=1956.0)
    """
    d, c = shape.width, shape.chunk
    if shape.expansion is None:
        flops = 32 * d * d + 14 * c * d + 8 * c * c
        carried = 4 * d * d / c
    else:
        h = shape.expansion * d
        flops = 76 * d * h + c * (14 * d + 16 * h) + 8 * c * c
        carried = 8 * d * h / c
    # q, k, v and three gates in, the output out; then the first seven and its gradient in, six gradients out.
    moved = (8 * d + 12) + (14 * d + 24) + 2 * carried
    return Work(float(flops), float(moved))


def bound(needed: Work, ceilings: Ceilings) -> float:
    """Return the tokens times heads a second that neither ceiling lets a card exceed.

    Example:
        >>> round(bound(work(Shape(64, 64)), Ceilings(790e12, 4.3e12)) / 1e6)
        2198
    """
    return min(ceilings.flops / needed.flops, ceilings.bytes / needed.bytes)
