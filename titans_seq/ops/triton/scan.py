"""`memory_scan` by fused kernels: the state in the kernels' layout and back."""

import torch
from torch import Tensor

from titans_seq.autodiff import full_precision
from titans_seq.memory import MemoryState
from titans_seq.ops.inputs import Scan
from titans_seq.ops.triton.operator import fused_memory


def memory_scan_triton(scan: Scan, return_state: bool = True) -> tuple[Tensor, MemoryState | None]:
    """Run `memory_scan` by fused kernels, for what `refused_by_triton` does not refuse.

    Reference: arXiv 2501.00663, section 3.2, with momentum and decay.
    """
    q, k, state, rule, chunk_size = scan.q, scan.k, scan.state, scan.rule, scan.chunk_size
    batch, _, heads, _ = k.shape
    dtype, position = scan.operand_dtype, scan.position

    def matrices(weight: Tensor) -> Tensor:
        """`[B, H, V, K]`, or `[H, V, K]` for the whole batch, to `[B * H, K, V]`."""
        return weight.mT.expand(batch, heads, *weight.mT.shape[-2:]).flatten(0, 1).contiguous()

    def back(matrix: Tensor) -> Tensor:
        return matrix.unflatten(0, (batch, heads)).mT

    network = rule.architecture
    depth = network.depth
    with full_precision(k.device.type):
        gates = scan.gates(torch.float32)[0]
        carries = rule.algorithm.slots == 2
        y, *rest = fused_memory(
            *(x.to(dtype).contiguous() for x in (q, k, scan.v)),
            gates.lr.contiguous(),
            None if gates.momentum is None or not carries else gates.momentum.contiguous(),
            gates.keep.contiguous(),
            [matrices(x) for x in state.weights],
            [matrices(x) for x in state.momentum] if carries else [],
            [matrices(x) for x in state.anchor] if position else [],
            network.activation if depth > 1 else "none",
            network.residual,
            network.norm,
            chunk_size,
            position,
            torch.is_grad_enabled(),
        )
        y = y.to(q.dtype)
        if not return_state:
            return y, None
        reached = position + k.shape[1]
        stands = 0 < position and reached < chunk_size  # the chunk that was open still is
        opens = reached % chunk_size > 0 and not stands
        slots = [back(x) for x in rest[: depth * (1 + carries + opens)]]
        weights = tuple(slots[:depth])
        past = tuple(slots[depth : 2 * depth]) if carries else state.momentum
        past = tuple(m.expand_as(w) for m, w in zip(past, weights, strict=True))
        anchor = tuple(slots[-depth:]) if opens else state.anchor if stands else weights
        return y, MemoryState(weights, past, anchor, reached % chunk_size)
