"""A kernel's launch: grid, arguments, warps.

Planned apart from running, so that a test can compile what a call would launch, on a machine without a GPU, from
tensors without memory.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from titans_seq.ops.triton.buffers import Inputs
from titans_seq.ops.triton.tiles import precision_for


@dataclass(frozen=True)
class Launch:
    """One kernel's launch.

    Attributes:
        kernel: a `triton.jit` function.
        grid: programs along each axis.
        arguments: every argument by name.
        warps: warps of a program.
        stages: how many iterations of a loop are in flight, one's loads while another computes.
    """

    kernel: Any
    grid: tuple[int, ...]
    arguments: dict[str, Any]
    warps: int
    stages: int = 2


def run(launches: Sequence[Launch], device: torch.device) -> None:
    """Launch kernels in order, on a device that may not be the current one."""
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        for launch in launches:
            launch.kernel[launch.grid](**launch.arguments, num_warps=launch.warps, num_stages=launch.stages)


def tokens_of(x: Inputs) -> dict[str, int]:
    """Return the arguments that say where a chunk's tokens are."""
    return {
        "length": x.q.shape[1],
        "heads": x.q.shape[2],
        "chunks": x.chunks,
        "chunk_size": x.chunk_size,
        "position": x.position,
        "TOKENS": x.tokens,
    }


def precision_of(x: Inputs) -> dict[str, str]:
    """Return the argument that says how operands are multiplied."""
    return {"PRECISION": precision_for(x.q.dtype)}
