"""Outputs, final state and every gradient of one sequence, by any backend, from the same numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tests.cases import Inputs, state_tensors
from titans_seq.memory import (
    ConstantDecay,
    GradientDescent,
    ImplicitGradientDescent,
    LinearMemory,
    MemoryRule,
    MemoryState,
    MLPMemory,
    NoRetention,
)
from titans_seq.ops import memory_scan
from titans_seq.ops.dispatch import Backend

LINEAR = LinearMemory()
RULES = {
    "momentum_decay": MemoryRule(LINEAR),
    "momentum": MemoryRule(LINEAR, retention=NoRetention()),
    "decay": MemoryRule(LINEAR, algorithm=GradientDescent()),
    "neither": MemoryRule(LINEAR, retention=NoRetention(), algorithm=GradientDescent()),
    "implicit": MemoryRule(LINEAR, retention=NoRetention(), algorithm=ImplicitGradientDescent()),
    "constant_decay": MemoryRule(LINEAR, retention=ConstantDecay()),
}

# Two layers, with the smallest hidden width that fuses where keys have 32 numbers.
DEEP = MLPMemory(expansion=2)
DEEP_RULES = {
    "momentum_decay": MemoryRule(DEEP),
    "momentum": MemoryRule(DEEP, retention=NoRetention()),
    "decay": MemoryRule(DEEP, algorithm=GradientDescent()),
    "neither": MemoryRule(DEEP, retention=NoRetention(), algorithm=GradientDescent()),
    "constant_decay": MemoryRule(DEEP, retention=ConstantDecay()),
    "no_norm": MemoryRule(MLPMemory(expansion=2, norm=False)),
    "no_residual": MemoryRule(MLPMemory(expansion=2, residual=False)),
    "silu_bare": MemoryRule(MLPMemory(expansion=2, activation="silu", residual=False, norm=False)),
    "relu": MemoryRule(MLPMemory(expansion=2, activation="relu")),
}


def measure(
    inputs: Inputs,
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
    backend: Backend,
    dtype: torch.dtype,
    *,
    cuts: Sequence[int] = (),
    loss_reads: Sequence[str] = ("y", "weights", "momentum", "anchor"),
) -> dict[str, Tensor]:
    """Run forward and backward; the loss is a fixed random combination of the results named in `loss_reads`.

    Args:
        inputs: float64, with values that `dtype` has too.
        state: likewise; float32 unless `dtype` is float64.
        rule: the memory.
        chunk_size: as for `memory_scan`.
        backend: what runs.
        dtype: of queries, keys and values.
        cuts: tokens before which the sequence is cut into calls.
        loss_reads: parts of the results.

    Returns:
        Results and gradients by name, in float64.
    """
    wide = torch.promote_types(dtype, torch.float32)
    leaves = {
        name: None if x is None else x.detach().to(dtype if name in "qkv" else wide).requires_grad_()
        for name, x in inputs.items()
    }
    kept, depth = 1 if state.is_new else 3 if state.position else 2, len(state.weights)
    start = {
        name: x.detach().to(wide).requires_grad_() for name, x in list(state_tensors(state).items())[: kept * depth]
    }
    weights, *rest = (tuple(start.values())[i * depth : (i + 1) * depth] for i in range(kept))
    if state.is_new:
        now = MemoryState.initial(weights)
    else:
        now = MemoryState(weights, rest[0], rest[1] if state.position else weights, state.position)
    outputs = []
    length = inputs["k"].shape[1]  # type: ignore[union-attr]
    for first, last in zip([0, *cuts], [*cuts, length], strict=True):
        piece = {name: None if x is None else x[:, first:last] for name, x in leaves.items()}
        y, after = memory_scan(**piece, state=now, rule=rule, chunk_size=chunk_size, backend=backend)  # type: ignore[arg-type]
        assert after is not None
        outputs, now = [*outputs, y], after
    assert isinstance(state.position, int)
    assert now.position == (state.position + length) % chunk_size
    results = {"y": torch.cat(outputs, 1), **state_tensors(now)}
    generator = torch.Generator().manual_seed(2)
    loss = torch.zeros((), dtype=torch.float64, device=weights[0].device)
    for name, tensor in results.items():
        weight = torch.randn(tensor.shape, dtype=torch.float64, generator=generator).to(tensor.device)
        if name.split(".")[0] in loss_reads:
            loss = loss + (tensor.double() * weight).sum()
    wanted = {name: x for name, x in (leaves | start).items() if x is not None}
    gradients = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True, materialize_grads=True)
    named = {f"d {name}": g for name, g in zip(wanted, gradients, strict=True)}
    return {name: x.detach().double() for name, x in (results | named).items()}


def rounded(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    """Return float64 inputs of which `dtype` has queries, keys and values exactly, and float32 the gates."""
    kinds = {name: dtype if name in "qkv" else torch.float32 for name in inputs}
    return {name: None if x is None else x.to(kinds[name]).double() for name, x in inputs.items()}
