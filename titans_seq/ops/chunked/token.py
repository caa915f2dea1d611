"""One token of a linear rule without a backward pass, as decoding takes them: the rule's own step, once.

The matrices stay as they lie in the state: keys meet the anchor, `Algorithm.step` makes new weights and momentum, and
the query reads those. Rows are `[G, 1, .]` with G = batch x heads.
"""

import torch
from torch import Tensor

from titans_seq.autodiff import full_precision, transformed
from titans_seq.memory import ACTIVATIONS, Algorithm, Gates, MemoryRule, MemoryState, Momentum
from titans_seq.ops.chunked import network
from titans_seq.ops.chunked.forward import runs
from titans_seq.ops.inputs import Scan, cast


def is_token(scan: Scan) -> bool:
    """Say whether a call is of one token that `run_token` can take."""
    rule = scan.rule
    if scan.k.shape[1] > 1 or scan.state.is_new or torch.is_grad_enabled():
        return False
    if torch.compiler.is_compiling() or transformed():
        return False
    per_token = not (rule.algorithm.lookback or rule.retention.before_gradient)
    return runs(rule) and per_token and rule.architecture.first_learning == 0


def run_token(scan: Scan, return_state: bool) -> tuple[Tensor, MemoryState | None]:
    """Write and read one token.

    Args:
        scan: a call that `is_token`.
        return_state: whether the state is wanted.
    """
    rule, state, dtype = scan.rule, scan.state, scan.dtype
    batch, _, heads, _ = scan.k.shape
    rows = (batch * heads, 1, -1)
    with full_precision(scan.k.device.type):
        # A number for each matrix, or for each of its rows.
        gates = [each.map(lambda gate: gate.reshape(batch, heads, -1, 1)) for each in scan.gates(dtype)]
        q, k, v = (cast(x, dtype).reshape(rows) for x in (scan.q, scan.k, scan.v))
        threshold = None if scan.threshold is None else cast(scan.threshold, dtype).reshape(rows)
        begun = state.anchor if scan.position else state.weights
        inputs, errors = _writes(rule, k, v, threshold, begun)
        column, row = (batch, heads, -1, 1), (batch, heads, 1, -1)
        steps = [
            _step(rule.algorithm, w, s, error.view(column), a.view(row), gates[i % len(gates)])
            for i, (w, s, error, a) in enumerate(zip(state.weights, state.momentum, errors, inputs, strict=True))
        ]
        weights, momentum = (tuple(part) for part in zip(*steps, strict=True))
        read = _read(rule, q, weights).output
        y = cast((read + q if rule.architecture.residual else read).view(scan.v.shape), scan.q.dtype)
    if not return_state:
        return y, None
    position = (scan.position + 1) % scan.chunk_size
    return y, MemoryState(weights, momentum, begun if position else weights, position, state.recent)


def _read(rule: MemoryRule, x: Tensor, weights: tuple[Tensor, ...]) -> network.Pass:
    """Read rows `[G, 1, in]` through weights `[B, H, out, in]` that stand still."""
    return network.forward(rule.architecture, x, lambda layer, x: torch.bmm(x, weights[layer].flatten(0, 1).mT))


def _writes(
    rule: MemoryRule, k: Tensor, v: Tensor, threshold: Tensor | None, weights: tuple[Tensor, ...]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return each layer's input, and the inner loss's gradient at its output, at these weights."""
    architecture, activation = rule.architecture, ACTIVATIONS[rule.architecture.activation]
    keys = _read(rule, k, weights)
    error = rule.bias.error(keys.output + k if architecture.residual else keys.output, v, threshold)
    errors = [error if keys.norm is None else keys.norm.backward(error)]
    for layer in reversed(range(1, architecture.depth)):
        raw = torch.bmm(errors[-1], weights[layer].flatten(0, 1))
        errors.append(activation.pull(raw, keys.hidden[layer - 1]))
    return keys.inputs, errors[::-1]


def _step(
    algorithm: Algorithm, weight: Tensor, momentum: Tensor, error: Tensor, inputs: Tensor, gates: Gates
) -> tuple[Tensor, Tensor]:
    """Return weights and momentum `[B, H, out, in]` after a token with `[B, H, out, 1]` and `[B, H, 1, in]`."""
    if type(algorithm) is not Momentum:  # nor one derived from it, which may step otherwise
        return algorithm.step(weight, momentum, error * inputs, gates)
    # The same in as few passes over the matrices as there can be.
    momentum = (momentum * gates.fade).addcmul_(error * gates.lr, inputs, value=-1)
    return torch.addcmul(momentum, weight, gates.keep), momentum
