"""The definition: token by token, each inner gradient by automatic differentiation, a weight matrix per token.

Slow and plain on purpose; every other implementation is tested against it. Names here and in the papers:

| here | Titans (arXiv 2501.00663) | meaning, range |
|---|---|---|
| `lr` | theta_t, eq. 10 and 14 | inner step size, >= 0 |
| `momentum` | eta_t, eq. 10 and 14 | share of past surprise kept, in [0, 1] |
| `decay` | alpha_t, eq. 13 | share of the memory forgotten, in [0, 1] |
| `threshold` | delta_t, MIRAS eq. 26 | where a robust loss changes, > 0 |
| `state.weights`, `state.momentum` | M_t, S_t | |
| `state.anchor` | M_t' , eq. 16 | weights at which the gradients of the token's chunk are taken |
"""

import torch
from torch import Tensor

from titans_seq.autodiff import full_precision
from titans_seq.memory import Gates, MemoryRule, MemoryState, apply_memory
from titans_seq.ops.inputs import Scan

Matrices = tuple[Tensor, ...]


def memory_scan_reference(scan: Scan, return_state: bool = True) -> tuple[Tensor, MemoryState | None]:
    """Run `memory_scan` by its definition.

    Reference: arXiv 2501.00663, eq. 13-15, with the gradient of eq. 16-18 (at the first weights of the chunk).
    """
    with full_precision(scan.k.device.type):
        dtype = scan.dtype
        gates, written = scan.gates(dtype), scan.written(dtype)
        y, state = _scan(scan.q.to(dtype), written, gates, scan)
    return y.to(scan.q.dtype), state if return_state else None


def _inner_gradients(rule: MemoryRule, weights: Matrices, token: list[Tensor]) -> Matrices:
    """Return d loss / d weights for what one token writes; every sequence and head has weights of its own."""
    k, v, *threshold = token

    def loss(weights: Matrices) -> Tensor:
        return rule.bias.loss(apply_memory(rule.architecture, weights, k), v, *(threshold or [None])).sum()

    # torch.func works under no_grad and inference_mode, where torch.autograd.grad would raise.
    return torch.func.grad(loss)(weights)


def _at(gates: Gates, t: int) -> Gates:
    """One token's gates, broadcastable to the weights `[B, H, out, in]`."""

    def spread(gate: Tensor) -> Tensor:
        now = gate[:, t]
        return now.unsqueeze(-1) if now.dim() == 3 else now[..., None, None]

    return gates.map(spread)


def _scan(q: Tensor, written: list[Tensor], gates: list[Gates], scan: Scan) -> tuple[Tensor, MemoryState]:
    state, rule, chunk_size = scan.state, scan.rule, scan.chunk_size
    batch, length = q.shape[:2]
    first, depth = rule.architecture.first_learning, rule.architecture.depth
    frozen, still = state.weights[:first], state.momentum[:first]
    if state.is_new:
        state = MemoryState.initial([w.expand(batch, *w.shape) for w in state.weights])
    fixed = tuple(w.expand(batch, *w.shape[-3:]) for w in state.weights[:first])
    weights, past, anchor = (part[first:] for part in (state.weights, state.momentum, state.anchor))
    position = scan.position
    lookback = rule.algorithm.lookback
    outputs = []
    for t in range(length):
        now = [_at(gates[layer % len(gates)], t) for layer in range(depth - first)]
        if position == 0:
            anchor = tuple(rule.weights(layer, w) for layer, w in enumerate(weights, first))
        if rule.retention.before_gradient:
            anchor = tuple(gate.keep * w for gate, w in zip(now, anchor, strict=True))
        window = [
            _inner_gradients(rule, (*fixed, *anchor), [x[:, s] for x in written]) for s in range(t, t + lookback + 1)
        ]
        gradients = [torch.stack(layer).sum(0) for layer in zip(*window, strict=True)][first:]
        steps = [rule.algorithm.step(*parts) for parts in zip(weights, past, gradients, now, strict=True)]
        weights, past = tuple(w for w, _ in steps), tuple(s for _, s in steps)
        position = (position + 1) % chunk_size
        closed = position == 0
        if closed:
            ends = zip(range(first, depth), weights, past, now, anchor, strict=True)
            done = [rule.close(layer, w, s, gate.lr[..., 0, 0], start) for layer, w, s, gate, start in ends]
            weights, past = tuple(w for w, _ in done), tuple(s for _, s in done)
        read = anchor
        if rule.read == "after_write" and (rule.linear or closed):
            read = tuple(rule.weights(layer, w) for layer, w in enumerate(weights, first)) if closed else weights
        outputs.append(apply_memory(rule.architecture, (*fixed, *read), q[:, t]))
    if position == 0:
        anchor = weights
    after = MemoryState(
        (*frozen, *weights),
        (*still, *past),
        (*frozen, *anchor),
        position,
        tuple(x[:, x.shape[1] - lookback :] for x in written) if lookback else (),
    )
    return torch.stack(outputs, 1), after
