"""Which implementation runs a memory, and why."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from titans_seq.memory import MemoryRule, MemoryState
from titans_seq.ops.chunked import memory_scan_chunked
from titans_seq.ops.inputs import Scan, Traits
from titans_seq.ops.packed import documents_of, memory_scan_packed, memory_scan_token
from titans_seq.ops.reference import memory_scan_reference
from titans_seq.ops.triton import memory_scan_triton, refused_by_triton

Backend = Literal["auto", "triton", "chunked", "reference"]


@dataclass(frozen=True)
class Implementation:
    """One way to run a memory.

    Attributes:
        name: by which it is asked for.
        about: what it is.
        refuses: says why it cannot run a call of these traits; None if it can.
        run: runs a call; the second argument is `return_state`.
    """

    name: str
    about: str
    refuses: Callable[[Traits], str | None]
    run: Callable[[Scan, bool], tuple[Tensor, MemoryState | None]]


def _runs_all(traits: Traits) -> None:
    """Refuse nothing."""


# In order of preference: `auto` takes the first that can run the call.
BACKENDS = (
    Implementation(
        "triton",
        "fused kernels; they run memories of one or two layers, of some sizes, and what else there is runs chunked",
        refused_by_triton,
        memory_scan_triton,
    ),
    Implementation(
        "chunked", "closed form per chunk in PyTorch; runs every rule, on any device", _runs_all, memory_scan_chunked
    ),
    Implementation(
        "reference",
        "the definition, token by token; for tests, never picked by itself",
        _runs_all,
        memory_scan_reference,
    ),
)

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
    traits = Traits(torch.device(device), rule, key_dim, value_dim, chunk_size, dtype)
    refusals = [(backend, backend.refuses(traits)) for backend in BACKENDS]
    return [(backend.name, refused is None, refused or backend.about) for backend, refused in refusals]


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
    return_state: bool | Sequence[int] = True,
    cu_seqlens: Int[Tensor, "D"] | None = None,
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
        return_state: pass False to skip the last chunk's update when only outputs are wanted. With `cu_seqlens` also
            the documents after which the state is wanted, counted from 0.
        cu_seqlens: borders of documents that lie end to end in one row, `[1, N, H, .]`: whole numbers from 0 to N. Each
            document is computed as if it were alone: the memory, its momentum, chunks and window begin with its first
            token as `state` says, which is new, or has a row for each document. They are read on the host.

    Returns:
        Outputs, and the state after the last token (None without `return_state`); with `cu_seqlens` a row for each
        document asked for. Documents of unlike lengths end at different tokens of their chunks: the state's `position`
        then has a number for each, and it may go into further calls like any other.

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
    sequences = None if cu_seqlens is None else torch.as_tensor(cu_seqlens).numel() - 1
    scan = Scan(q, k, v, lr, momentum, decay, threshold, state, rule, chunk_size, sequences)
    run = _backend(backend, scan).run
    if cu_seqlens is None and isinstance(state.position, int):
        return run(scan, bool(return_state))
    if k.shape[1] == 1 and cu_seqlens is None and rule.linear and backend != "triton":
        quick = memory_scan_reference if backend == "reference" else memory_scan_chunked
        return memory_scan_token(quick, scan, bool(return_state))
    return memory_scan_packed(run, scan, documents_of(scan, cu_seqlens), return_state)


def _backend(name: str, scan: Scan) -> Implementation:
    """Return the implementation asked for, or the one that `auto` picks."""
    if name == "auto":
        return _pick(scan)
    known = {backend.name: backend for backend in BACKENDS}
    if name not in known:
        raise ValueError(f"unknown backend {name!r}: choose one of auto, {', '.join(known)}")
    if refused := known[name].refuses(scan.traits):
        raise ValueError(f"backend {name!r} cannot run this call: {refused}; use backend='auto'")
    return known[name]


def _pick(scan: Scan) -> Implementation:
    """Choose what `auto` runs and, once for each choice and reason, log it."""
    fused, chunked, _ = BACKENDS
    kind = scan.k.device.type
    # The interpreter would run kernels on a CPU too, but nobody wants it to by itself.
    refused = fused.refuses(scan.traits) if kind == "cuda" else "not on cuda"
    picked = chunked if refused else fused
    if not torch.compiler.is_compiling() and (kind, picked.name, refused) not in _announced:
        _announced.add((kind, picked.name, refused))
        instead = f"; {refused}" if refused and kind == "cuda" else ""
        _log.info("memory backend on %s: %s (%s%s)", kind, picked.name, picked.about, instead)
    return picked
