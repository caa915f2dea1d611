"""How much of a chunk one program holds, by width, chunk length and dtype; imports no triton.

Chosen by compiling for sm_90, so that little is spilled: `tests/ops/triton/test_ahead_of_time.py` holds the budget. No
choice has been timed on a GPU yet.
"""

import functools
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch


@dataclass(frozen=True)
class Tiles:
    """Shapes of a program, per kind of kernel.

    Attributes:
        tokens: rows that a chunk is padded to, a power of two.
        carried: columns of the values in a sequential program, which holds all rows of the slots.
        carried_warps: warps of such a program, forward and backward.
        carried_stages: chunks that it has in flight.
        keys: columns of the keys in a chunk-parallel program.
        values: columns of the values there.
        warps: warps of such a program.
        columns: tokens whose column of a table of gates a program holds at a time.
        column_warps: warps of such a program.
    """

    tokens: int
    carried: int
    carried_warps: tuple[int, int]
    carried_stages: int
    keys: int
    values: int
    warps: int
    columns: int
    column_warps: int


# Programs that a large GPU runs at a time, if each fills a multiprocessor; and the fewest columns of a product.
_MULTIPROCESSORS, _NARROWEST = 132, 16


def tiles_for(key_dim: int, value_dim: int, chunk_size: int, dtype: torch.dtype, groups: int) -> Tiles:
    """Choose the tiles for a call of so many groups, sequences times heads."""
    tokens = 1 << (chunk_size - 1).bit_length()
    float32 = dtype == torch.float32
    # Registers hold the slots' columns, and shared memory the keys of the chunks in flight.
    carried = min((32 if float32 else 64) // (1 if key_dim <= 128 else 2), value_dim)
    # A sequential program walks all chunks by itself: of few groups each is cut into more of them.
    while carried > _NARROWEST and groups * (value_dim // carried) < _MULTIPROCESSORS:
        carried //= 2
    slice_width = 32 if float32 or tokens > 64 else 64
    warps = 4 if tokens <= 64 else 8
    return Tiles(
        tokens=tokens,
        carried=carried,
        carried_warps=(4 if key_dim <= 64 and tokens <= 64 else 8, 8),
        carried_stages=1 if float32 or key_dim * tokens > 16384 else 2,
        keys=min(slice_width, key_dim),
        values=min(slice_width, value_dim),
        warps=warps,
        columns=min(32, tokens),
        column_warps=warps,
    )


@dataclass(frozen=True)
class DeepTiles:
    """Shapes of a sequential program of a memory of two layers, which holds all of its slots.

    Attributes:
        warps: of such a program.
        stages: chunks that it has in flight, forward and backward.
    """

    warps: int
    stages: tuple[int, int]


@functools.cache
def _pipelines_long_chunks() -> bool:
    """Whether triton can have two chunks of 64 in flight in the backward pass; before 3.7 it fails to compile that."""
    try:
        return tuple(map(int, version("triton").split(".")[:2])) >= (3, 7)
    except PackageNotFoundError:
        return True


def deep_tiles_for(hidden: int, chunk_size: int, dtype: torch.dtype) -> DeepTiles:
    """Choose the tiles for a call; those of single layers are `tiles_for`'s."""
    if dtype == torch.float32:
        return DeepTiles(warps=8, stages=(1, 1))
    if hidden > 64:
        return DeepTiles(warps=16 if chunk_size > 32 else 8, stages=(1, 1))
    return DeepTiles(warps=8, stages=(2, 2 if chunk_size <= 32 or _pipelines_long_chunks() else 1))


def precision_for(dtype: torch.dtype) -> str:
    """Return how operands are multiplied: float32 ones in three products of halves, as exact as float32 sums are.

    Exact products ("ieee") would leave the tensor cores, and their operands would not fit into registers. Shorter
    operands are exact whatever this says.
    """
    return "tf32x3" if dtype == torch.float32 else "tf32"
