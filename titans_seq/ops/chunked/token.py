"""One token of a linear rule without a backward pass, as decoding takes them: the state's matrices as they lie.

The closed form of a chunk of one token, with as few passes over the state as there can be: each slot is scaled and gets
its outer product, and the weights that this leaves are read. Shapes as in `updates`, but that groups are batch x heads.
"""

from dataclasses import replace

import torch
from torch import Tensor

from titans_seq.autodiff import transformed
from titans_seq.memory import Coefficients, MemoryState
from titans_seq.ops.chunked.forward import Chunk, output_of, read_standing, runs, writes
from titans_seq.ops.inputs import Scan


def is_token(scan: Scan) -> bool:
    """Whether a call is of one token that `run_token` can take."""
    rule = scan.rule
    if scan.k.shape[1] > 1 or scan.state.is_new or torch.is_grad_enabled():
        return False
    if torch.compiler.is_compiling() or transformed():
        return False
    per_token = not (rule.algorithm.lookback or rule.retention.per_channel or rule.retention.before_gradient)
    return runs(rule) and per_token and rule.architecture.first_learning == 0


def run_token(scan: Scan, return_state: bool) -> tuple[Tensor, MemoryState | None]:
    """Write and read one token.

    Args:
        scan: a call that `is_token`.
        return_state: whether the state is wanted.
    """
    rule, state, dtype = scan.rule, scan.state, scan.dtype
    groups = scan.k.shape[0] * scan.k.shape[2]
    closes = scan.position + 1 == scan.chunk_size

    def flat(x: Tensor) -> Tensor:
        return x.to(dtype).reshape(groups, 1, -1)

    with torch.autocast(scan.k.device.type, enabled=False):
        gates = [each.map(lambda gate: gate.reshape(groups, 1)) for each in scan.gates(dtype)]
        found = [rule.algorithm.coefficients(each) for each in gates]
        chunk = Chunk(flat(scan.q), [flat(x) for x in scan.written(dtype)], found, closes)
        begun = state.anchor if scan.position else state.weights
        done = writes(rule, chunk, [w.flatten(0, 1).mT for w in begun])
        weights, momentum = [], []
        for i, (w, s) in enumerate(zip(state.weights, state.momentum, strict=True)):
            written = done.layer(i, 0)
            after = _next_slots(found[chunk.shared(i)], w, s, written.inputs, written.errors.mT)
            weights.append(after[0])
            momentum.append(after[1])
        passed = read_standing(rule, chunk.q, [w.flatten(0, 1).mT for w in weights], [])
        y = output_of(rule, passed, chunk.q).reshape(scan.v.shape).to(scan.q.dtype)
    if not return_state:
        return y, None
    anchor = tuple(weights) if closes else begun
    position = (scan.position + 1) % scan.chunk_size
    return y, replace(state, weights=tuple(weights), momentum=tuple(momentum), anchor=anchor, position=position)


def _next_slots(c: Coefficients, weight: Tensor, momentum: Tensor, a: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights and momentum `[B, H, out, in]` after a token with inputs a `[G, 1, in]`, errors `[G, out, 1]`."""
    w, s = weight.flatten(0, 1), momentum.flatten(0, 1)
    carry, write = c.carry.unsqueeze(-1), c.write.unsqueeze(-1)  # [G, n, n, 1], [G, n, 1, 1]
    after = w * carry[:, 0, :1]
    if c.carry.shape[-1] > 1:
        after.addcmul_(s, carry[:, 0, 1:])
        # Nothing of the weights goes into the momentum, in any rule.
        momentum = (s * carry[:, 1, 1:]).addcmul_(error * write[:, 1], a, value=-1).view_as(momentum)
    return after.addcmul_(error * write[:, 0], a, value=-1).view_as(weight), momentum
