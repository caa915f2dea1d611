"""Cases for the memory operator: rules, inputs with gates in the stable range, and states to go on from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.memory import (
    GradientDescent,
    LinearMemory,
    MemoryRule,
    MemoryState,
    MLPMemory,
    NoRetention,
)
from titans_seq.ops import memory_scan
from titans_seq.ops.dispatch import Backend

Inputs = dict[str, Tensor | None]

ARCHITECTURES = {
    "linear": LinearMemory(),
    "depth1_norm": MLPMemory(depth=1),
    "depth2_gelu": MLPMemory(depth=2, expansion=1.5),
    "depth2_relu_bare": MLPMemory(depth=2, expansion=2, activation="relu", residual=False, norm=False),
    "depth2_silu_norm": MLPMemory(depth=2, expansion=1.5, activation="silu", residual=False),
    "depth3_silu": MLPMemory(depth=3, expansion=1, activation="silu"),
    "depth3_gelu_residual": MLPMemory(depth=3, expansion=1.5, norm=False),
    "depth3_relu": MLPMemory(depth=3, expansion=2, activation="relu"),
}

# The paper's ablation: without momentum, without decay, without both.
ABLATIONS = {
    "momentum_decay": MemoryRule(ARCHITECTURES["depth2_gelu"]),
    "momentum": MemoryRule(ARCHITECTURES["depth2_gelu"], retention=NoRetention()),
    "decay": MemoryRule(ARCHITECTURES["depth2_gelu"], algorithm=GradientDescent()),
    "neither": MemoryRule(ARCHITECTURES["depth2_gelu"], retention=NoRetention(), algorithm=GradientDescent()),
}

DELTA_RULE = MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent())


@dataclass(frozen=True)
class Case:
    """Sizes and rule of one call of `memory_scan`."""

    rule: MemoryRule = field(default_factory=lambda: ABLATIONS["momentum_decay"])
    batch: int = 2
    length: int = 9
    heads: int = 2
    key_dim: int = 4
    value_dim: int = 4
    chunk_size: int = 4
    dtype: torch.dtype = torch.float64
    seed: int = 0


def random_weights(case: Case, generator: torch.Generator, lead: Sequence[int]) -> list[Tensor]:
    """Draw one tensor `[*lead, out, in]` per layer with entries of variance 1 / in."""
    shapes = case.rule.architecture.shapes(case.key_dim, case.value_dim)
    return [torch.randn(*lead, *shape, dtype=case.dtype, generator=generator) / shape[1] ** 0.5 for shape in shapes]


def draw_inputs(case: Case) -> Inputs:
    """Draw q, k (unit length), v and the gates that the rule reads; the others are None.

    The step size is at most what the curvature of a chunk of equal keys allows, so that no case diverges.
    """
    generator = torch.Generator().manual_seed(case.seed)
    lead = (case.batch, case.length, case.heads)

    def normal(width: int) -> Tensor:
        return torch.randn(*lead, width, dtype=case.dtype, generator=generator)

    def uniform() -> Tensor:
        return torch.rand(lead, dtype=case.dtype, generator=generator)

    momentum, decay = uniform(), 0.5 * uniform()
    shapes = case.rule.architecture.shapes(case.key_dim, case.value_dim)
    if case.rule.retention.per_channel:
        rows = sum(out for out, _ in shapes[case.rule.architecture.first_learning :])
        decay = 0.5 * torch.rand(*lead, rows, dtype=case.dtype, generator=generator)
    features = shapes[-1][1]
    return {
        "q": F.normalize(normal(case.key_dim), dim=-1),
        "k": F.normalize(normal(case.key_dim), dim=-1),
        "v": normal(case.value_dim),
        "lr": uniform() * (1 - momentum) / (case.chunk_size * features),
        "momentum": momentum if case.rule.algorithm.gated else None,
        "decay": decay if case.rule.retention.gated else None,
        "threshold": 0.5 + uniform() if case.rule.bias.gated else None,
    }


def draw_state(case: Case, position: int | None) -> MemoryState:
    """Draw a state.

    Args:
        case: sizes and rule.
        position: tokens in the open chunk; None for a new memory, whose weights the batch shares.
    """
    generator = torch.Generator().manual_seed(case.seed + 1)
    if position is None:
        return MemoryState.initial(random_weights(case, generator, [case.heads]))
    lead = [case.batch, case.heads]
    weights, momentum, anchor = (tuple(random_weights(case, generator, lead)) for _ in range(3))
    momentum = tuple(0.1 * m for m in momentum)
    lookback, widths = case.rule.algorithm.lookback, [case.key_dim, case.value_dim, *[1] * case.rule.bias.gated]
    recent = [
        torch.rand(case.batch, lookback, case.heads, width, dtype=case.dtype, generator=generator) for width in widths
    ]
    return MemoryState(weights, momentum, anchor if position else weights, position, tuple(recent) if lookback else ())


def state_tensors(state: MemoryState) -> dict[str, Tensor]:
    """Name every tensor of a state."""
    parts = {"weights": state.weights, "momentum": state.momentum, "anchor": state.anchor, "recent": state.recent}
    return {f"{name}.{layer}": tensor for name, part in parts.items() for layer, tensor in enumerate(part)}


def run(
    case: Case,
    inputs: Inputs,
    state: MemoryState,
    backend: Backend,
    *,
    loss_reads: Sequence[str] = ("y", "weights", "momentum", "anchor", "recent"),
    return_state: bool = True,
) -> dict[str, Tensor]:
    """Run forward and backward; name outputs, final state and the gradient of every input.

    The loss is a fixed random combination of the results named in `loss_reads`.
    """
    leaves = {n: None if x is None else x.detach().clone().requires_grad_() for n, x in inputs.items()}
    # A new memory has weights only; elsewhere each tensor is an input of its own.
    start = {n: x.detach().clone().requires_grad_() for n, x in state_tensors(state).items()}
    depth = len(state.weights)
    if state.is_new:
        start = {name: x for name, x in start.items() if name.startswith("weights")}
        leaf_state = MemoryState.initial(list(start.values()))
    else:
        parts = list(start.values())
        leaf_state = MemoryState(
            tuple(parts[:depth]),
            tuple(parts[depth : 2 * depth]),
            tuple(parts[2 * depth : 3 * depth]),
            state.position,
            tuple(parts[3 * depth :]),
        )
    y, after = memory_scan(
        **leaves,  # type: ignore[arg-type]
        state=leaf_state,
        rule=case.rule,
        chunk_size=case.chunk_size,
        backend=backend,
        return_state=return_state,
    )
    results = {"y": y}
    if after is not None:
        assert isinstance(state.position, int)
        assert after.position == (state.position + case.length) % case.chunk_size
        results |= state_tensors(after)
    generator = torch.Generator().manual_seed(case.seed + 2)
    loss = torch.zeros((), dtype=case.dtype)
    for name, tensor in results.items():
        weight = torch.randn(tensor.shape, dtype=tensor.dtype, generator=generator)
        if name.split(".")[0] in loss_reads:
            loss = loss + (tensor * weight).sum()
    wanted = {name: x for name, x in (leaves | start).items() if x is not None}
    gradients = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True, materialize_grads=True)
    named = {f"d {name}": g for name, g in zip(wanted, gradients, strict=True)}
    return {name: x.detach() for name, x in results.items()} | named


def scan(
    inputs: Inputs,
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
    backend: Backend = "auto",
    tokens: slice = slice(None),
) -> tuple[Tensor, MemoryState]:
    """Call `memory_scan` on some of the tokens and return the output and the state after them."""
    piece = {name: None if x is None else x[:, tokens] for name, x in inputs.items()}
    y, after = memory_scan(**piece, state=state, rule=rule, chunk_size=chunk_size, backend=backend)  # type: ignore[arg-type]
    assert after is not None
    return y, after
