"""Which implementation runs a memory, and why."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from titans_seq.memory import MemoryRule, MemoryState
from titans_seq.ops._steps import refused_by_compiler
from titans_seq.ops.chunked import memory_scan_chunked
from titans_seq.ops.reference import memory_scan_reference
from titans_seq.ops.triton import (
    memory_scan_triton,
    operand_dtype,
    refused_by_machine,
    refused_gates,
    refused_rule,
    refused_sizes,
)

Backend = Literal["auto", "triton", "chunked", "compiled", "reference"]

_log = logging.getLogger(__name__)
_announced: set[tuple[str, str, str | None]] = set()


def explain_backend(
    device: torch.device | str = "cpu",
    *,
    rule: MemoryRule | None = None,
    key_dim: int | None = None,
    value_dim: int | None = None,
    chunk_size: int | None = None,
    dtype: torch.dtype | None = None,
) -> list[tuple[str, bool, str]]:
    """Say which implementations there are, in order of preference, and whether and why each would run.

    Args:
        device: where the tensors would be.
        rule: the memory; what is not given is taken to fit.
        key_dim: width of a head's queries and keys.
        value_dim: width of a head's values.
        chunk_size: tokens of a chunk.
        dtype: of queries, keys and values.

    Returns:
        (name, available, reason) per implementation; `auto` takes the first available.

    Example:
        >>> next(name for name, available, _ in explain_backend("cpu") if available)
        'chunked'
        >>> explain_backend("cpu")[0]
        ('triton', False, 'fused kernels need an NVIDIA GPU, got cpu')
    """
    device = torch.device(device)
    refused = refused_by_machine(device)
    if refused is None and rule is not None:
        refused = refused_rule(rule)
    architecture = None if rule is None else rule.architecture
    refused = refused or refused_sizes(key_dim, value_dim, chunk_size, dtype, architecture=architecture)
    fused = "fused kernels; they run memories of one or two layers, of some sizes, and what else there is runs chunked"
    not_compiled = refused_by_compiler(device)
    compiled = (
        "as chunked, with the steps of whole chunks made by torch.compile, which takes up to a minute for each rule "
        "and shape: for large chunks, where it saves up to a tenth on a CPU; never picked by itself"
    )
    return [
        ("triton", refused is None, refused or fused),
        ("chunked", True, f"closed form per chunk in PyTorch; runs every rule, on {device.type} as on any device"),
        ("compiled", not_compiled is None, not_compiled or compiled),
        ("reference", True, "the definition, token by token; for tests, never picked by itself"),
    ]


def memory_scan(
    q: Float[Tensor, "B T H K"],
    k: Float[Tensor, "B T H K"],
    v: Float[Tensor, "B T H V"],
    *,
    lr: Float[Tensor, "B T H *L"],
    momentum: Float[Tensor, "B T H *L"] | None = None,
    decay: Float[Tensor, "B T H *R"] | None = None,
    threshold: Float[Tensor, "B T H"] | None = None,
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
    backend: Backend = "auto",
    return_state: bool = True,
) -> tuple[Float[Tensor, "B T H V"], MemoryState | None]:
    """Write a sequence into a memory, token by token, and read it after each write.

    Per head, with u_t the gradient of the rule's inner loss at the weights that stood when the token's chunk began, the
    default rule is

        S_t = momentum_t S_{t-1} - lr_t u_t;   W_t = (1 - decay_t) W_{t-1} + S_t;   y_t = M_{W_t}(q_t)

    `chunk_size` is part of the model: another chunk length is another function. Long chunks with strong momentum
    diverge unless lr * chunk_size / (1 - momentum) stays below about 2 (for keys of unit length).

    Splitting a sequence anywhere and passing the state on gives the same outputs as one call.

    The layers of a memory share their gates, `[B, T, H]`, or have each its own, `[B, T, H, L]` with L the layers that
    learn.

    Args:
        q: queries.
        k: keys.
        v: values.
        lr: inner step sizes, >= 0.
        momentum: share of the past surprise kept, in [0, 1]; None if and only if the rule's algorithm has none.
        decay: share of the memory forgotten, in [0, 1]; None if and only if the rule's retention has none. For a
            retention per channel `[B, T, H, R]`, with R the rows of all learning layers, first layer first.
        threshold: where a robust loss changes, > 0; None if and only if the rule's bias reads none.
        state: where to start; `MemoryState.initial(rule.accumulated(weights))` starts a memory. Computation runs in its
            dtype (float32 or wider), outputs come in q's. Fused kernels take operands of products in the dtype of q, k
            and v, or autocast's where that is on, and add up in float32. float16 loses digits below 6e-5: weights that
            have nearly faded are read inaccurately, which a norm behind them shows; bfloat16 has float32's range.
        rule: the memory's four choices.
        chunk_size: tokens whose gradients are taken at the same weights, at least 1; 1 is the exact recurrence.
        backend: an implementation by name, or "auto" for the first of `explain_backend` that can run the call.
        return_state: pass False to skip the last chunk's update when only outputs are wanted.

    Returns:
        Outputs, and the state after the last token (None without `return_state`).

    Raises:
        ValueError: if shapes, gates, widths or names do not fit, or the backend asked for cannot run the call; the
            message says which, and why.

    Reference: arXiv 2501.00663, eq. 13-18.

    Example:
        >>> from titans_seq.memory import LinearMemory, MemoryRule, MemoryState
        >>> x, gate = torch.ones(1, 5, 1, 2), torch.full((1, 5, 1), 0.5)
        >>> y, state = memory_scan(x, x, x, lr=gate / 8, momentum=gate, decay=gate, chunk_size=4,
        ...     state=MemoryState.initial([torch.zeros(1, 2, 2)]), rule=MemoryRule(LinearMemory()))
        >>> y.shape, state.position
        (torch.Size([1, 5, 1, 2]), 1)
    """
    gates = {"lr": lr, "momentum": momentum, "decay": decay, "threshold": threshold}
    _check(q, k, v, gates, state, rule, chunk_size)
    arguments: dict[str, Any] = {
        **gates,
        "state": state,
        "rule": rule,
        "chunk_size": chunk_size,
    }
    if backend == "reference":
        y, new = memory_scan_reference(q, k, v, **arguments)
        return y, new if return_state else None
    if backend not in ("auto", "triton", "chunked", "compiled"):
        known = ", ".join(sorted(name for name, _, _ in explain_backend(k.device)))
        raise ValueError(f"unknown backend {backend!r}: choose one of auto, {known}")
    if backend == "auto":
        backend = _pick(q, k, v, gates, state, rule, chunk_size)
    elif backend == "triton" and (refused := _refused(q, k, v, gates, state, rule, chunk_size)):
        raise ValueError(f"backend 'triton' cannot run this call: {refused}; use backend='auto'")
    elif backend == "compiled" and (refused := refused_by_compiler(k.device)):
        raise ValueError(f"backend 'compiled' cannot run this call: {refused}; or use backend='auto'")
    if backend == "triton":
        return memory_scan_triton(q, k, v, **arguments, return_state=return_state)
    return memory_scan_chunked(q, k, v, **arguments, compiled=backend == "compiled", return_state=return_state)


def _refused(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gates: Mapping[str, Tensor | None],
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
) -> str | None:
    """Say why the fused kernels cannot run a call; None if they can."""
    dtype = operand_dtype(q, k, v)
    return (
        refused_by_machine(k.device)
        or refused_rule(rule)
        or refused_gates(rule, *gates.values())
        or refused_sizes(k.shape[-1], v.shape[-1], chunk_size, dtype, state.weights[0].dtype, rule.architecture)
    )


def _pick(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gates: Mapping[str, Tensor | None],
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
) -> Literal["triton", "chunked"]:
    """Choose what `auto` runs and, once for each choice and reason, log it."""
    kind = k.device.type
    # The interpreter would run kernels on a CPU too, but nobody wants it to by itself.
    refused = _refused(q, k, v, gates, state, rule, chunk_size) if kind == "cuda" else "not on cuda"
    name = "chunked" if refused else "triton"
    if not torch.compiler.is_compiling() and (kind, name, refused) not in _announced:
        _announced.add((kind, name, refused))
        reason = next(reason for known, _, reason in explain_backend(k.device) if known == name)
        instead = f"; {refused}" if refused and kind == "cuda" else ""
        _log.info("memory backend on %s: %s (%s%s)", kind, name, reason, instead)
    return name


def _check(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gates: Mapping[str, Tensor | None],
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
) -> None:
    if k.dim() != 4 or q.shape != k.shape or v.shape[:3] != k.shape[:3] or v.dim() != 4:
        raise ValueError(
            f"q and k must be [B, T, H, K] and v [B, T, H, V], got q {tuple(q.shape)}, k {tuple(k.shape)}, "
            f"v {tuple(v.shape)}"
        )
    if k.shape[1] == 0:
        raise ValueError("the sequence is empty: memory_scan needs at least one token")
    if chunk_size < 1 or state.position >= chunk_size:
        raise ValueError(
            f"chunk_size must be at least 1 and above the state's position, got chunk_size {chunk_size}, "
            f"position {state.position}; a state continues with the chunk_size it was made with"
        )
    shapes = rule.architecture.shapes(k.shape[-1], v.shape[-1])
    _check_gates(gates, rule, tuple(k.shape[:3]), [out for out, _ in shapes[rule.architecture.first_learning :]])
    _check_state(state, rule, k, shapes)


def _check_gates(
    gates: Mapping[str, Tensor | None], rule: MemoryRule, lead: tuple[int, ...], rows: Sequence[int]
) -> None:
    wanted = {
        "lr": (True, rule.algorithm),
        "momentum": (rule.algorithm.gated, rule.algorithm),
        "decay": (rule.retention.gated, rule.retention),
        "threshold": (rule.bias.gated, rule.bias),
    }
    shared, apart = f"[B, T, H] = {lead}", f"[B, T, H, L] = {(*lead, len(rows))}"
    for name, gate in gates.items():
        needed, owner = wanted[name]
        if needed != (gate is not None):
            raise ValueError(f"{owner} {'needs' if needed else 'has no'} gate {name!r}, got {type(gate).__name__}")
        admitted = {shared: lead} if name == "threshold" else {shared: lead, apart: (*lead, len(rows))}
        if name == "decay" and rule.retention.per_channel:
            admitted = {f"[B, T, H, R] = {(*lead, sum(rows))}": (*lead, sum(rows))}
        if gate is not None and tuple(gate.shape) not in admitted.values():
            raise ValueError(f"{name} must be {' or '.join(admitted)}, got {tuple(gate.shape)}")


def _check_state(state: MemoryState, rule: MemoryRule, k: Tensor, layers: Sequence[tuple[int, int]]) -> None:
    shapes = [tuple(w.shape) for w in state.weights]
    shared, own = (k.shape[2],), (k.shape[0], k.shape[2])
    expected = [(*(shared if state.is_new else own), *layer) for layer in layers]
    first = rule.architecture.first_learning
    still = [(*shared, *layer) for layer in layers[:first]]  # layers that do not learn may be shared at all times
    if shapes[first:] != expected[first:] or shapes[:first] not in (expected[:first], still):
        raise ValueError(f"state weights must have shapes {expected} for {rule.architecture}, got {shapes}")
    if any(w.dtype not in (torch.float32, torch.float64) for w in state.weights):
        raise ValueError(f"state weights must be float32 or float64, got {state.weights[0].dtype}")
