"""The definition: token by token, each inner gradient by automatic differentiation, a weight matrix per token.

Slow and plain on purpose; every other implementation is tested against it. Names here and in the papers:

| here | Titans (arXiv 2501.00663) | meaning, range |
|---|---|---|
| `lr` | theta_t, eq. 10 and 14 | inner step size, >= 0 |
| `momentum` | eta_t, eq. 10 and 14 | share of past surprise kept, in [0, 1] |
| `decay` | alpha_t, eq. 13 | share of the memory forgotten, in [0, 1] |
| `state.weights`, `state.momentum` | M_t, S_t | |
| `state.anchor` | M_t' , eq. 16 | weights at the start of the token's chunk |
"""

import torch
from torch import Tensor

from titans_seq.memory import MemoryRule, MemoryState, apply_memory


def _inner_gradients(rule: MemoryRule, weights: tuple[Tensor, ...], k: Tensor, v: Tensor) -> tuple[Tensor, ...]:
    """Return d loss / d weights for one token; every sequence and head has weights of its own."""

    def loss(weights: tuple[Tensor, ...]) -> Tensor:
        return rule.bias.loss(apply_memory(rule.architecture, weights, k), v).sum()

    # torch.func works under no_grad and inference_mode, where torch.autograd.grad would raise.
    return torch.func.grad(loss)(weights)


def memory_scan_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    lr: Tensor,
    momentum: Tensor | None,
    decay: Tensor | None,
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
) -> tuple[Tensor, MemoryState]:
    """Run `memory_scan` by its definition; see there for arguments and shapes.

    Reference: arXiv 2501.00663, eq. 13-15, with the gradient of eq. 16-18 (at the first weights of the chunk).
    """
    with torch.autocast(k.device.type, enabled=False):
        dtype = state.weights[0].dtype
        fade = None if momentum is None else momentum.to(dtype)
        keep = rule.retention.keep(None if decay is None else decay.to(dtype), like=lr.to(dtype))
        gates = (lr.to(dtype), fade, keep)
        y, state = _scan(q.to(dtype), k.to(dtype), v.to(dtype), gates, state, rule, chunk_size)
    return y.to(q.dtype), state


def _scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gates: tuple[Tensor, Tensor | None, Tensor],
    state: MemoryState,
    rule: MemoryRule,
    chunk_size: int,
) -> tuple[Tensor, MemoryState]:
    batch, length = k.shape[:2]
    if state.is_new:
        state = MemoryState.initial([w.expand(batch, *w.shape) for w in state.weights])
    weights, past, anchor, position = state.weights, state.momentum, state.anchor, state.position
    lr, momentum, keep = gates
    outputs = []
    for t in range(length):
        if position == 0:
            anchor = weights
        gradients = _inner_gradients(rule, anchor, k[:, t], v[:, t])
        fade = None if momentum is None else momentum[:, t, :, None, None]
        now = (lr[:, t, :, None, None], fade, keep[:, t, :, None, None])
        steps = [rule.algorithm.step(*parts, now) for parts in zip(weights, past, gradients, strict=True)]
        weights, past = tuple(w for w, _ in steps), tuple(s for _, s in steps)
        outputs.append(apply_memory(rule.architecture, weights, q[:, t]))
        position = (position + 1) % chunk_size
    return torch.stack(outputs, 1), MemoryState(weights, past, weights if position == 0 else anchor, position)
