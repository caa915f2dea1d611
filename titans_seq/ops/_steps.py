"""The steps of a chunk that the operator takes, as they stand or made by torch.compile."""

import functools
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from titans_seq.ops._chunk import Writes, chunk_forward, next_slots, writes
from titans_seq.ops._chunk_backward import ChunkGradients, chunk_backward


@dataclass(frozen=True)
class Steps:
    """What a chunk takes forward and backward; see the functions of the same names in `_chunk` and `_chunk_backward`.

    Attributes:
        forward: `chunk_forward`.
        writes: `writes`, which the backward computes anew.
        next_slots: `next_slots`, likewise.
        backward: `chunk_backward`.
    """

    forward: Callable[..., tuple[Tensor, list[Tensor]]]
    writes: Callable[..., Writes]
    next_slots: Callable[..., list[Tensor]]
    backward: Callable[..., ChunkGradients]


_PLAIN = Steps(chunk_forward, writes, next_slots, chunk_backward)


@functools.cache
def _compiled() -> Steps:
    def compiled(step: Callable[..., Any]) -> Callable[..., Any]:
        # One shape, one compilation: chunks are all of one length, and a step for any length would be slower.
        return torch.compile(step, dynamic=False)

    return Steps(compiled(chunk_forward), compiled(writes), compiled(next_slots), compiled(chunk_backward))


def steps(compiled: bool) -> Steps:
    """Return the steps; those of torch.compile are made when they are first taken, for each rule, shape and dtype."""
    return _compiled() if compiled else _PLAIN


@functools.cache
def _has_compiler() -> bool:
    known = (os.environ.get("CXX"), "g++", "clang++", "c++")
    return any(name and shutil.which(name) for name in known)


def refused_by_compiler(device: torch.device) -> str | None:
    """Say why torch.compile cannot make steps for a device; None if it can."""
    if device.type == "cpu" and not _has_compiler():
        return "torch.compile needs a C++ compiler on a CPU, and there is none: install g++, or name one in CXX"
    return None
