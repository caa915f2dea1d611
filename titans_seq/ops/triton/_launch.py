"""Grids, arguments and the order of the kernels; the one module outside `_kernels` that imports triton, through them.

A plan makes buffers and says what to launch, and nothing runs: so a test can compile what a call would launch, on a
machine without a GPU, from tensors without memory.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from titans_seq.ops.triton._buffers import Inputs, Saved, empty_gradients, empty_results, empty_saved
from titans_seq.ops.triton._kernels._carry_backward import carry_backward
from titans_seq.ops.triton._kernels._coefficients import gates_backward, prepare
from titans_seq.ops.triton._kernels._keys_backward import keys_backward
from titans_seq.ops.triton._kernels._output import output
from titans_seq.ops.triton._kernels._queries_backward import mixed_backward, queries_backward
from titans_seq.ops.triton._kernels._state import state
from titans_seq.ops.triton._tiles import precision_for


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


def _shared(x: Inputs, *, slots: bool = True, products: bool = True) -> dict[str, Any]:
    """Return the arguments that most kernels have."""
    arguments: dict[str, Any] = {
        "length": x.q.shape[1],
        "heads": x.q.shape[2],
        "chunks": x.chunks,
        "chunk_size": x.chunk_size,
        "position": x.position,
        "TOKENS": x.tiles.tokens,
    }
    if slots:
        arguments["SLOTS"] = x.slots
    if products:
        arguments |= {"K": x.q.shape[-1], "V": x.v.shape[-1], "PRECISION": precision_for(x.q.dtype)}
    return arguments


def _slices(x: Inputs) -> dict[str, int]:
    return {"KEYS": x.tiles.keys, "VALUES": x.tiles.values}


def plan_forward(x: Inputs) -> tuple[list[Launch], list[Tensor], Saved]:
    """Return what to launch, the results that it fills, and what it leaves for the backward pass."""
    groups, key_dim, value_dim = x.weights.shape
    programs, tiles = groups * x.chunks, x.tiles
    saved, results = empty_saved(x), empty_results(x)
    y, weights, *rest = results
    # A kernel that has no use for an argument gets the weights in its place.
    past_after = rest[0] if x.slots == 2 else weights
    anchor_after = rest[-1] if x.stays_open else weights
    prepared = {"READ": saved.read, "WRITE": saved.write, "FADE": _or(saved.fade, saved.write)}
    stored = {"WEIGHTS_AT": saved.weights_at, "ERRORS": saved.errors, "PAST_AT": _or(saved.past_at, weights)}
    launches = [
        Launch(
            prepare,
            (programs,),
            {
                "LR": x.lr,
                "MOMENTUM": _or(x.momentum, x.lr),
                "KEEP": x.keep,
                "MIX": saved.mix,
                "COLUMNS": tiles.columns,
                **prepared,
                **_shared(x, products=False),
            },
            tiles.column_warps,
        ),
        Launch(
            state,
            (groups, value_dim // tiles.carried),
            {
                "K_": x.k,
                "V_": x.v,
                "WEIGHTS": x.weights,
                "PAST": _or(x.past, x.weights),
                "ANCHOR": _or(x.rounded_anchor, x.weights),
                "WEIGHTS_AFTER": weights,
                "PAST_AFTER": past_after,
                "ANCHOR_AFTER": anchor_after,
                "OPEN": x.anchor is not None,
                "STAYS_OPEN": x.stays_open,
                "VALUES": tiles.carried,
                **prepared,
                **stored,
                **_shared(x),
            },
            tiles.carried_warps[0],
            tiles.carried_stages,
        ),
        Launch(
            output,
            (programs, value_dim // tiles.values),
            {"Q": x.q, "K_": x.k, "READ": saved.read, "MIX": saved.mix, "Y": y, **stored, **_shared(x), **_slices(x)},
            tiles.warps,
        ),
    ]
    return launches, results, saved


def plan_backward(x: Inputs, saved: Saved, d_results: Sequence[Tensor]) -> tuple[list[Launch], list[Tensor]]:
    """Return what to launch, and the gradients that it fills, in the order of `Inputs`.

    Args:
        x: what went in.
        saved: what the forward pass left.
        d_results: gradients of its results.
    """
    groups, key_dim, value_dim = x.weights.shape
    programs, tiles = groups * x.chunks, x.tiles
    d = empty_gradients(x)
    d_y, d_weights_after, *rest = d_results
    d_past_after = rest[0] if x.slots == 2 else d_weights_after
    d_anchor_after = rest[-1] if x.stays_open else d_weights_after
    d_errors, d_mix = torch.empty_like(saved.errors), torch.empty_like(saved.mix)
    d_weights_at = torch.empty_like(saved.weights_at)
    d_past_at = d_weights_at if saved.past_at is None else torch.empty_like(saved.past_at)
    parts = key_dim // tiles.keys
    d_read, d_write = (x.lr.new_empty(programs, parts, x.slots, tiles.tokens) for _ in range(2))
    d_carry = x.lr.new_empty(programs, parts, 3)
    tokens = {"Q": x.q, "K_": x.k, "D_Y": d_y}
    stored = {"WEIGHTS_AT": saved.weights_at, "ERRORS": saved.errors, "PAST_AT": _or(saved.past_at, saved.weights_at)}
    d_carried = {"D_WEIGHTS_AT": d_weights_at, "D_PAST_AT": d_past_at, "D_V": d["v"]}
    launches = [
        Launch(
            queries_backward,
            (programs, parts),
            {
                "READ": saved.read,
                "MIX": saved.mix,
                "D_Q": d["q"],
                "D_READ": d_read,
                **tokens,
                **stored,
                **_shared(x),
                **_slices(x),
            },
            tiles.warps,
        ),
        Launch(
            mixed_backward,
            (programs,),
            {
                "MIX": saved.mix,
                "ERRORS": saved.errors,
                "D_ERRORS": d_errors,
                "D_MIX": d_mix,
                **tokens,
                **_shared(x, slots=False),
                **_slices(x),
            },
            tiles.warps,
        ),
        Launch(
            carry_backward,
            (groups, value_dim // tiles.carried),
            {
                "READ": saved.read,
                "WRITE": saved.write,
                "FADE": _or(saved.fade, saved.write),
                "D_ERRORS": d_errors,
                "D_WEIGHTS_AFTER": d_weights_after,
                "D_PAST_AFTER": d_past_after,
                "D_ANCHOR_AFTER": d_anchor_after,
                "D_WEIGHTS": d["weights"],
                "D_PAST": d.get("past", d["weights"]),
                "D_ANCHOR": d.get("anchor", d["weights"]),
                "OPEN": x.anchor is not None,
                "STAYS_OPEN": x.stays_open,
                "VALUES": tiles.carried,
                **tokens,
                **d_carried,
                **_shared(x),
            },
            tiles.carried_warps[1],
            tiles.carried_stages,
        ),
        Launch(
            keys_backward,
            (programs, parts),
            {
                "WRITE": saved.write,
                "MIX": saved.mix,
                "ANCHOR": _or(x.rounded_anchor, saved.weights_at),
                "D_K": d["k"],
                "D_WRITE": d_write,
                "D_CARRY": d_carry,
                "OPEN": x.anchor is not None,
                **tokens,
                **stored,
                **d_carried,
                **_shared(x),
                **_slices(x),
            },
            tiles.warps,
        ),
        Launch(
            gates_backward,
            (programs,),
            {
                "LR": x.lr,
                "MOMENTUM": _or(x.momentum, x.lr),
                "KEEP": x.keep,
                "D_MIX": d_mix,
                "D_READ": d_read,
                "D_WRITE": d_write,
                "D_CARRY": d_carry,
                "D_LR": d["lr"],
                "D_MOMENTUM": d.get("momentum", d["lr"]),
                "D_KEEP": d["keep"],
                "SLICES": parts,
                "COLUMNS": tiles.columns,
                **_shared(x, products=False),
            },
            tiles.column_warps,
        ),
    ]
    return launches, list(d.values())


def run(launches: Sequence[Launch], device: torch.device) -> None:
    """Launch kernels in order, on a device that may not be the current one."""
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        for launch in launches:
            launch.kernel[launch.grid](**launch.arguments, num_warps=launch.warps, num_stages=launch.stages)


def _or(tensor: Tensor | None, instead: Tensor) -> Tensor:
    return instead if tensor is None else tensor
