"""Measures of a memory over a sequence, from their definitions; a sequence is a `Scan`, one call of the memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from titans_seq.autodiff import full_precision
from titans_seq.memory import ACTIVATIONS, MemoryRule, MemoryState
from titans_seq.memory.architecture import layer_norm, read_memory
from titans_seq.ops import memory_scan
from titans_seq.ops.inputs import Scan

GATES = ("lr", "momentum", "decay", "threshold")


def joined(scans: Sequence[Scan]) -> Scan:
    """Return one scan of pieces that follow each other."""

    def cat(name: str) -> Tensor | None:
        parts = [getattr(scan, name) for scan in scans]
        return None if parts[0] is None else torch.cat(parts, 1).detach().clone()

    state = scans[0].state.map(lambda x: x.detach().clone())
    return replace(scans[0], state=state, **{name: cat(name) for name in ("q", "k", "v", *GATES)})


def run(scan: Scan, return_state: bool = True) -> tuple[Tensor, MemoryState | None]:
    """Run a scan."""
    gates = {name: getattr(scan, name) for name in GATES}
    return memory_scan(
        scan.q,
        scan.k,
        scan.v,
        **gates,
        state=scan.state,
        rule=scan.rule,
        chunk_size=scan.chunk_size,
        return_state=return_state,
    )


def effective_rank(keys: Tensor) -> Tensor:
    """Return how many directions vectors take up: the exponential of the entropy of their singular values' shares.

    1 for vectors that are all alike, the number of dimensions for vectors spread evenly over them; 0 for zeros.
    Reference: Roy and Vetterli, The effective rank, EUSIPCO 2007.

    Args:
        keys: `[..., T, D]`.

    Returns:
        `[...]`, between 1 and min(T, D), or 0 for zeros.

    Example:
        >>> effective_rank(torch.eye(3)[[0, 1, 0, 1]]).item()
        2.0
    """
    values = torch.linalg.svdvals(keys.double())
    shares = values / values.sum(-1, keepdim=True).clamp(min=1e-300)
    rank = torch.special.entr(shares).sum(-1).exp()
    return torch.where(values.sum(-1) > 0, rank, 0.0)


@dataclass(frozen=True, eq=False)
class Walk:
    """What a walk over the chunks of a scan saw.

    Attributes:
        loss: inner loss of each token, `[B, T, H]`.
        surprise: norm of its gradient, `[B, T, H]`.
        ends: tokens read at the end of each chunk, the first 0, `[N]`.
        norm: of the weights there, `[B, N, H]`.
        moved: how far they are from the first, `[B, N, H]`.
    """

    loss: Tensor
    surprise: Tensor
    ends: Tensor
    norm: Tensor
    moved: Tensor


@torch.no_grad()
def walk(scan: Scan) -> Walk:
    """Walk over a sequence chunk by chunk, and look at every token's gradient and at the weights between chunks."""
    rule, batch, state = scan.rule, scan.k.shape[0], scan.state
    first = _learning(rule, rule.current_weights(state))
    seen, ends, norms, moves = [], [0], [_norm(first, batch)], [torch.zeros_like(_norm(first, batch))]
    for part in _chunks(scan):
        part = replace(part, state=state)
        seen.append(inner_gradients(part))
        state = run(part)[1]
        assert state is not None
        now = _learning(rule, rule.current_weights(state))
        ends.append(ends[-1] + part.k.shape[1])
        norms.append(_norm(now, batch))
        moves.append(_norm([a - b for a, b in zip(now, first, strict=True)], batch))
    loss, surprise = (torch.cat(parts, 1) for parts in zip(*seen, strict=True))
    return Walk(loss, surprise, torch.tensor(ends), torch.stack(norms, 1), torch.stack(moves, 1))


def inner_gradients(scan: Scan) -> tuple[Tensor, Tensor]:
    """Return the inner loss of tokens of one chunk, and the norm of its gradient, `[B, T, H]` each.

    A token's gradient is, in every layer, the outer product of the layer's input and the error at its output: its norm
    is the product of theirs. Both are taken at the weights that stood when the chunk began (Titans eq. 16), decayed up
    to the token where the rule decays before the gradient.
    """
    rule, dtype = scan.rule, scan.dtype
    architecture, first = rule.architecture, rule.architecture.first_learning
    k, v = (x.to(dtype).transpose(1, 2) for x in (scan.k, scan.v))
    threshold = None if scan.threshold is None else scan.threshold.to(dtype).transpose(1, 2).unsqueeze(-1)
    ages = _ages(scan)
    inputs, outputs, x = [], [], k
    with torch.enable_grad(), full_precision(k.device.type):
        for layer, weight in enumerate(_anchor(rule, scan.state)):
            inputs.append(x)
            z = x @ weight.mT
            if layer >= first:
                z = (z * ages[layer - first] if ages else z).requires_grad_()
                outputs.append(z)
            x = z if layer == architecture.depth - 1 else ACTIVATIONS[architecture.activation].value(z)
        predicted = layer_norm(x)[0] if architecture.norm else x
        loss = rule.bias.loss(k + predicted if architecture.residual else predicted, v, threshold)
        errors = torch.autograd.grad(loss.sum(), outputs)
    squared = [a.square().sum(-1) * error.square().sum(-1) for a, error in zip(inputs[first:], errors, strict=True)]
    return loss.detach().transpose(1, 2), torch.stack(squared).sum(0).detach().sqrt().transpose(1, 2)


def retrieved(scan: Scan, queries: Sequence[int], row: int = 0) -> Tensor:
    """Return which tokens' writes the reads of one row rest on; see `Retrieval.shares`.

    Args:
        scan: the sequence.
        queries: places of the tokens that ask.
        row: which.

    Returns:
        `[Q, T, H]`.
    """
    one = _row(scan, row)
    lr = one.lr.requires_grad_()
    first = [w.detach() for w in scan.rule.current_weights(one.state)]
    unlearnt = read_memory(scan.rule.architecture, first, one.q.to(lr.dtype).transpose(1, 2)).transpose(1, 2)
    with torch.enable_grad():
        learnt = run(replace(one, lr=lr), return_state=False)[0].to(lr.dtype) - unlearnt
        shares = []
        for at in queries:
            read = learnt[0, at]
            along = read.detach() / read.detach().square().sum(-1, keepdim=True).clamp(min=1e-30)
            (gradient,) = torch.autograd.grad((read * along).sum(), lr, retain_graph=True)
            effect = (gradient * lr.detach())[0]
            shares.append(effect if effect.dim() == 2 else effect.sum(-1))
    return torch.stack(shares)


def mean_gate(gate: Tensor | None) -> Tensor | None:
    """Average a gate over layers or channels: `[B, T, H]`."""
    return gate if gate is None or gate.dim() == 3 else gate.mean(-1)


def _row(scan: Scan, row: int) -> Scan:
    parts = {name: getattr(scan, name) for name in ("q", "k", "v", *GATES)}
    rows = {name: None if x is None else x[row : row + 1].detach().clone() for name, x in parts.items()}
    return replace(scan, state=scan.state.rows([row]), **rows)


def _chunks(scan: Scan) -> Iterator[Scan]:
    """A scan in pieces that end where its chunks do; the state of each is the first one's."""
    length, start = scan.k.shape[1], 0
    parts = {name: getattr(scan, name) for name in ("q", "k", "v", *GATES)}
    position = scan.position
    while start < length:
        stop = min(length, start + scan.chunk_size - position)
        yield replace(scan, **{name: None if x is None else x[:, start:stop] for name, x in parts.items()})
        start, position = stop, 0


def _anchor(rule: MemoryRule, state: MemoryState) -> list[Tensor]:
    """Weights that gradients are taken at; decay before them aside."""
    if state.position:
        return list(state.anchor)
    first = rule.architecture.first_learning
    return [w if layer < first else rule.weights(layer, w) for layer, w in enumerate(state.weights)]


def _ages(scan: Scan) -> list[Tensor]:
    """What is left of the anchor at each token, `[B, H, T, 1 | rows]` a learning layer; nothing if it stands still."""
    if not scan.rule.retention.before_gradient:
        return []
    gates = scan.gates(scan.dtype)
    kept = [gate.keep.cumprod(1).transpose(1, 2) for gate in gates]
    kept = [x.unsqueeze(-1) if x.dim() == 3 else x for x in kept]
    return [kept[layer % len(kept)] for layer in range(len(scan.rows))]


def _learning(rule: MemoryRule, weights: Sequence[Tensor]) -> list[Tensor]:
    return list(weights[rule.architecture.first_learning :])


def _norm(weights: Sequence[Tensor], batch: int) -> Tensor:
    """Frobenius norm over all layers, `[B, H]`."""
    squared = torch.stack([w.square().sum((-2, -1)) for w in weights]).sum(0)
    return squared.sqrt().expand(batch, -1)
