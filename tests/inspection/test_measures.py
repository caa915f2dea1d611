"""Measures against their definitions: an explicit memory, token by token, differentiated automatically."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from titans_seq.inspection.measures import effective_rank, inner_gradients, joined, retrieved, run, walk
from titans_seq.memory import LinearMemory, MemoryRule, MemoryState, MLPMemory, WeightDecay, apply_memory
from titans_seq.memory.architecture import initial_weights
from titans_seq.ops.inputs import Scan

RULES = {
    "matrix": MemoryRule(LinearMemory()),
    "deep": MemoryRule(MLPMemory(depth=2, expansion=2)),
    "last layer alone": MemoryRule(MLPMemory(depth=2, expansion=2, learns="last")),
    "decay first": MemoryRule(LinearMemory(), retention=WeightDecay(before_gradient=True)),
}
B, T, H, D, CHUNK = 2, 10, 2, 4, 4


def scan_of(rule: MemoryRule, length: int = T, seed: int = 0) -> Scan:
    torch.manual_seed(seed)
    q, k, v = (torch.nn.functional.normalize(torch.randn(B, length, H, D).double(), dim=-1) for _ in range(3))
    lr, momentum, decay = (torch.rand(B, length, H).double() * size for size in (0.3, 0.9, 0.2))
    generator = torch.Generator().manual_seed(seed)
    weights = [w.double() for w in initial_weights(rule.architecture, H, D, D, generator)]
    return Scan(q, k, v, lr, momentum, decay, None, MemoryState.initial(weights), rule, CHUNK)


def explicit(scan: Scan) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Loss and gradient norm of each token, and the learning weights' lengths after each, row by row, head by head."""
    rule, first = scan.rule, scan.rule.architecture.first_learning
    assert scan.decay is not None
    assert scan.momentum is not None
    losses, norms = torch.zeros(B, T, H).double(), torch.zeros(B, T, H).double()
    lengths = [torch.zeros(B, H).double() for _ in range(T + 1)]
    for b in range(B):
        for h in range(H):
            weights = [w[h].clone() for w in scan.state.weights]
            past, anchor = [torch.zeros_like(w) for w in weights], weights
            lengths[0][b, h] = math.sqrt(sum(float(w.square().sum()) for w in weights[first:]))
            for t in range(T):
                if t % CHUNK == 0:
                    anchor = [w.clone() for w in weights]
                keep = 1 - scan.decay[b, t, h]
                if rule.retention.before_gradient:
                    anchor = [keep * w for w in anchor]
                leaves = [w.clone().requires_grad_(layer >= first) for layer, w in enumerate(anchor)]
                read = apply_memory(rule.architecture, leaves, scan.k[b, t, h])
                loss = 0.5 * (read - scan.v[b, t, h]).square().sum()
                steps = torch.autograd.grad(loss, leaves[first:])
                losses[b, t, h] = loss.detach()
                norms[b, t, h] = math.sqrt(sum(float(step.square().sum()) for step in steps))
                for layer, step in enumerate(steps, first):
                    past[layer] = scan.momentum[b, t, h] * past[layer] - scan.lr[b, t, h] * step
                    weights[layer] = keep * weights[layer] + past[layer]
                lengths[t + 1][b, h] = math.sqrt(sum(float(w.square().sum()) for w in weights[first:]))
    return losses, norms, lengths


@pytest.mark.parametrize("name", RULES)
def test_surprise_is_the_gradients_norm_and_growth_the_weights_length(name: str) -> None:
    scan = scan_of(RULES[name])
    losses, norms, lengths = explicit(scan)
    found = walk(scan)
    torch.testing.assert_close(found.loss, losses)
    torch.testing.assert_close(found.surprise, norms)
    assert found.ends.tolist() == [0, 4, 8, 10]
    torch.testing.assert_close(found.norm, torch.stack([lengths[at] for at in found.ends.tolist()], 1))
    assert found.moved[:, 0].abs().max() == 0 < found.moved[:, -1].min()


def test_a_walk_may_begin_within_a_chunk() -> None:
    whole = scan_of(RULES["deep"])
    cut = {name: getattr(whole, name) for name in ("q", "k", "v", "lr", "momentum", "decay")}
    before = replace(whole, **{name: x[:, :3] for name, x in cut.items()})
    state = run(before)[1]
    assert state is not None
    after = replace(whole, state=state, **{name: x[:, 3:] for name, x in cut.items()})
    torch.testing.assert_close(walk(after).surprise, walk(whole).surprise[:, 3:])
    torch.testing.assert_close(walk(joined([before, after])).surprise, walk(whole).surprise)


def test_the_rank_of_planted_directions() -> None:
    directions = torch.eye(8)[:3].repeat(5, 1)
    assert effective_rank(directions).item() == pytest.approx(3)
    assert effective_rank(torch.ones(20, 8)).item() == pytest.approx(1)
    assert effective_rank(torch.zeros(20, 8)).item() == 0
    # Shares 2/3 and 1/3 of the singular values.
    expected = math.exp(-(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3))
    assert effective_rank(torch.diag(torch.tensor([2.0, 1.0]))).item() == pytest.approx(expected)


def test_shares_of_a_matrix_memory_are_its_attention_and_add_up_to_one() -> None:
    scan = scan_of(RULES["matrix"], length=CHUNK)
    empty = MemoryState.initial([torch.zeros(H, D, D).double()])
    scan = replace(scan, state=empty, momentum=torch.zeros_like(scan.lr), decay=torch.zeros_like(scan.lr))
    shares = retrieved(scan, [CHUNK - 1], row=1)[0]
    torch.testing.assert_close(shares.sum(0), torch.ones(H).double())
    found = torch.einsum("sh,shd,hd,she->hse", scan.lr[1], scan.k[1], scan.q[1, -1], scan.v[1])
    read = found.sum(1)
    torch.testing.assert_close(
        shares.mT, (found @ read.unsqueeze(-1)).squeeze(-1) / read.square().sum(-1, keepdim=True)
    )


@pytest.mark.parametrize("name", ["deep", "decay first"])
def test_shares_are_the_derivative_by_the_logarithm_of_a_step(name: str) -> None:
    scan, at, asked, small = scan_of(RULES[name]), 2, 9, 1e-6

    def read(scale: float) -> Tensor:
        lr = scan.lr.clone()
        lr[:, at] *= scale
        return run(replace(scan, lr=lr), return_state=False)[0][0, asked]

    first = torch.stack(
        [
            apply_memory(scan.rule.architecture, [w[h] for w in scan.state.weights], scan.q[0, asked, h])
            for h in range(H)
        ]
    )
    learnt = read(1) - first
    slope = (read(math.exp(small)) - read(math.exp(-small))) / (2 * small)
    expected = (slope * learnt).sum(-1) / learnt.square().sum(-1)
    torch.testing.assert_close(retrieved(scan, [asked])[0, at], expected, rtol=1e-5, atol=1e-8)


def test_a_query_finds_nothing_of_the_future() -> None:
    shares = retrieved(scan_of(RULES["deep"]), [5])[0]
    assert shares[6:].abs().max() == 0 < shares[:6].abs().min()


def test_a_gradient_is_zero_where_nothing_surprises() -> None:
    scan = scan_of(RULES["matrix"], length=CHUNK)
    known = replace(scan, v=torch.einsum("hoi,bthi->btho", scan.state.weights[0], scan.k))
    loss, surprise = inner_gradients(known)
    assert max(loss.max(), surprise.max()) < 1e-12
