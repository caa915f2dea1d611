"""`memory_scan` by fused kernels: the state in the kernels' layout and back."""

import torch
from torch import Tensor

from titans_seq.memory import MemoryRule, MemoryState
from titans_seq.ops._inputs import gates_of_layers
from titans_seq.ops.triton._operator import fused_memory


def operand_dtype(q: Tensor, k: Tensor, v: Tensor) -> torch.dtype:
    """Return the dtype in which products take their operands: the inputs', or autocast's where that is on."""
    kind = k.device.type
    if torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return torch.promote_types(torch.promote_types(q.dtype, k.dtype), v.dtype)


def memory_scan_triton(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    lr: Tensor,
    momentum: Tensor | None,
    decay: Tensor | None,
    threshold: Tensor | None,
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
    return_state: bool = True,
) -> tuple[Tensor, MemoryState | None]:
    """Run `memory_scan` by fused kernels, for what `_support` does not refuse; see there for arguments and shapes.

    Reference: arXiv 2501.00663, section 3.2, with momentum and decay.
    """
    batch, _, heads, _ = k.shape
    dtype, accumulated = operand_dtype(q, k, v), torch.float32

    def matrices(weight: Tensor) -> Tensor:
        """`[B, H, V, K]`, or `[H, V, K]` for the whole batch, to `[B * H, K, V]`."""
        return weight.mT.expand(batch, heads, *weight.mT.shape[-2:]).flatten(0, 1).contiguous()

    def back(matrix: Tensor) -> Tensor:
        return matrix.unflatten(0, (batch, heads)).mT

    network = rule.architecture
    depth = network.depth
    with torch.autocast(k.device.type, enabled=False):
        rows = [out for out, _ in network.shapes(k.shape[-1], v.shape[-1])]
        gates = gates_of_layers(rule, lr, momentum, decay, k, rows, accumulated)[0]
        carries = rule.algorithm.slots == 2
        y, *rest = fused_memory(
            *(x.to(dtype).contiguous() for x in (q, k, v)),
            gates.lr.contiguous(),
            None if gates.momentum is None or not carries else gates.momentum.contiguous(),
            gates.keep.contiguous(),
            [matrices(x) for x in state.weights],
            [matrices(x) for x in state.momentum] if carries else [],
            [matrices(x) for x in state.anchor] if state.position else [],
            network.activation if depth > 1 else "none",
            network.residual,
            network.norm,
            chunk_size,
            state.position,
            torch.is_grad_enabled(),
        )
        y = y.to(q.dtype)
        if not return_state:
            return y, None
        reached = state.position + k.shape[1]
        stands = 0 < state.position and reached < chunk_size  # the chunk that was open still is
        opens = reached % chunk_size > 0 and not stands
        slots = [back(x) for x in rest[: depth * (1 + carries + opens)]]
        weights = tuple(slots[:depth])
        past = tuple(slots[depth : 2 * depth]) if carries else state.momentum
        past = tuple(m.expand_as(w) for m, w in zip(past, weights, strict=True))
        anchor = tuple(slots[-depth:]) if opens else state.anchor if stands else weights
        return y, MemoryState(weights, past, anchor, reached % chunk_size)
