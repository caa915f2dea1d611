"""Long runs on hostile inputs: everything stays finite, and the memory stays bounded."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.blocks import LMMConfig
from titans_seq.layers import GateConfig, NeuralMemory, NeuralMemoryConfig, largest_lr
from titans_seq.memory import (
    GradientDescent,
    LinearMemory,
    MemoryRule,
    MemoryState,
    MLPMemory,
    NoRetention,
    initial_weights,
)
from titans_seq.ops import memory_scan

DIM = 8
RULES = {
    "titans": MemoryRule(MLPMemory(expansion=2)),
    "linear": MemoryRule(LinearMemory()),
    "deep_without_decay": MemoryRule(MLPMemory(depth=3, expansion=1), retention=NoRetention()),
    "delta_rule": MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent()),
}
# Without a norm nothing bounds a deep memory's curvature, as `MLPMemory` says: it needs the block's normalised input.
BARE_MLP = MemoryRule(MLPMemory(expansion=2, residual=False, norm=False))


def hostile(kind: str, start: int, length: int) -> Tensor:
    """Draw `[1, length, DIM]` hostile tokens; `start` tells the pieces of one run apart."""
    generator = torch.Generator().manual_seed(start)
    noise = torch.randn(1, length, DIM, generator=generator)
    spikes = (torch.rand(1, length, 1, generator=generator) < 0.01) * 1e4
    if kind == "constant":
        return torch.linspace(-2, 3, DIM).expand(1, length, DIM)
    if kind == "silence":
        return torch.zeros(1, length, DIM)
    if kind == "spikes":
        return noise * (1 + spikes)
    parts = [noise, noise * spikes, 0 * noise, torch.ones_like(noise)]  # mix: a stretch of each
    which = (torch.arange(start, start + length) // 700) % 4
    return torch.where(which[None, :, None] == 0, parts[0], torch.stack(parts)[which, 0, torch.arange(length)][None])


def run_long(module: nn.Module, tokens: int, piece: int) -> dict[str, float]:
    """Run every kind in inference, as the rows of a batch; return the largest weight that each row's memory ever had.

    Weights are looked at between pieces.
    """
    state, largest = None, torch.zeros(len(BOUND))
    with torch.inference_mode():
        for start in range(0, tokens, piece):
            y, state = module(torch.cat([hostile(kind, start, piece) for kind in BOUND]), state)
            for row, kind in zip(y, BOUND, strict=True):
                assert row.isfinite().all(), f"{kind}: not finite within tokens {start} to {start + piece}"
            assert all(w.isfinite().all() for w in (*state.memory.weights, *state.memory.momentum))
            for w in state.memory.weights:
                largest = largest.maximum(w.abs().reshape(len(BOUND), -1).amax(1))
    return dict(zip(BOUND, largest.tolist(), strict=True))


def layer(rule: str) -> NeuralMemory:
    torch.manual_seed(0)
    return NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=16, rule=RULES[rule]), DIM)


# Values reach 1e4 times the layer's scale: a memory that stores them holds weights of that size, not its square.
BOUND = {"constant": 1e2, "silence": 1e2, "spikes": 1e6, "mix": 1e6}


def assert_bounded(largest: dict[str, float]) -> None:
    assert {kind: bound for kind, bound in BOUND.items() if not largest[kind] < bound} == {}, largest


@pytest.mark.parametrize("rule", RULES)
def test_a_layer_over_10_000_hostile_tokens(rule: str) -> None:
    assert_bounded(run_long(layer(rule), 10_000, 5_000))


@pytest.mark.parametrize("rule", [RULES["titans"], BARE_MLP], ids=["titans", "bare_mlp"])
def test_a_block_over_10_000_hostile_tokens(rule: MemoryRule) -> None:
    torch.manual_seed(0)
    block = LMMConfig(NeuralMemoryConfig(heads=2, rule=rule)).build(DIM)
    largest = run_long(block, 10_000, 5_000)
    assert max(largest.values()) < 1e3, largest  # the block normalises its input: no spike reaches the memory


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_a_layer_over_200_000_hostile_tokens(rule: str) -> None:
    assert_bounded(run_long(layer(rule), 200_000, 10_000))


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("chunk_size", [16, 64, 256])
def test_equal_keys_at_the_largest_step_do_not_diverge(chunk_size: int, momentum: float) -> None:
    """The worst case the cap on the step is for: every key of every chunk the same, every gate at its end."""
    rule = RULES["linear"]
    cap = largest_lr(GateConfig(), rule, chunk_size, DIM, DIM)
    ones = torch.ones(1, max(16 * chunk_size, 2048), 1, dtype=torch.float64)
    k = F.normalize(torch.linspace(-1, 2, DIM, dtype=torch.float64), dim=0).expand(1, len(ones[0]), 1, DIM)
    v = torch.linspace(-3, 3, DIM, dtype=torch.float64).expand_as(k)
    weights = [w.double() for w in initial_weights(rule.architecture, 1, DIM, DIM, torch.Generator().manual_seed(0))]
    y, state = memory_scan(
        k,
        k,
        v,
        lr=cap * (1 - momentum) * ones,
        momentum=momentum * ones,
        decay=0 * ones,
        state=MemoryState.initial(weights),
        rule=rule,
        chunk_size=chunk_size,
    )
    assert state is not None
    wrong = (y - v)[0, :, 0].norm(dim=-1)
    start = (weights[0][0] @ k[0, 0, 0] - v[0, 0, 0]).norm()
    assert wrong.max() < 3 * start, "the error overshoots"
    assert wrong[-chunk_size:].max() < 0.2 * start, "the memory does not learn one association"
    assert all(w.abs().max() < 20 for w in state.weights)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("chunk_size", [16, 64, 256])
def test_correlated_keys_with_gates_wide_open(chunk_size: int, rule: str) -> None:
    """Slowly turning inputs, the largest steps and the strongest momentum that the gates can take."""
    torch.manual_seed(0)
    gates = GateConfig(lr_bias=8.0, momentum_bias=3.0)
    config = NeuralMemoryConfig(heads=2, chunk_size=chunk_size, rule=RULES[rule], gates=gates)
    module = NeuralMemory(config, DIM)
    angle = torch.arange(4096)[:, None] * 1e-3 * torch.arange(1, DIM + 1)
    with torch.no_grad():
        y, state = module(3 * torch.sin(angle)[None])
    assert y.isfinite().all()
    assert all(w.abs().max() < 1e2 for w in state.memory.weights)


def correlated(start: int, length: int) -> Tensor:
    """Draw `[1, length, DIM]`: a common direction, a slow turn and some noise; their keys' mean cosine is about 0.7."""
    noise = torch.randn(1, length, DIM, generator=torch.Generator().manual_seed(start))
    angle = torch.arange(start, start + length)[:, None] * 1e-3 * torch.arange(1, DIM + 1)
    return 1 + 1.5 * torch.sin(angle) + 0.5 * noise


def train_on_correlated_keys(rule: str, chunk_size: int, tokens: int, max_step: float = 1.0) -> tuple[float, float]:
    """Train a layer to say each next token of one stream, its state carried from step to step.

    Returns:
        The largest norm of a matrix of the memory after any step, and the mean loss of the last ten steps.
    """
    torch.manual_seed(0)
    gates = GateConfig(lr_bias=8.0, momentum_bias=3.0, max_step=max_step)  # wide open, with the strongest momentum
    module = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=chunk_size, rule=RULES[rule], gates=gates), DIM)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.01)
    state, norms, losses, piece = None, [], [], 1_000
    for start in range(0, tokens, piece):
        x = correlated(start, piece + 1)
        y, state = module(x[:, :-1], state)
        assert state is not None
        state = state.map(Tensor.detach)
        norms += [w.norm(dim=(-2, -1)).max() for w in state.memory.weights]
        loss = F.mse_loss(y, x[:, 1:])
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.stack(norms).max().item(), sum(losses[-10:]) / len(losses[-10:])


# A norm that drifts by one every thousand tokens passes this.
LARGEST_NORM = 50.0


TRAINED = [(rule, chunk_size) for rule in RULES for chunk_size in (16, 64, 256)]
QUICK = [("titans", 64), ("linear", 256)]


@pytest.mark.parametrize(
    ("rule", "chunk_size", "tokens"),
    [*((*pair, 12_000) for pair in QUICK), *(pytest.param(*pair, 50_000, marks=pytest.mark.slow) for pair in TRAINED)],
)
def test_training_through_many_correlated_keys(rule: str, chunk_size: int, tokens: int) -> None:
    norm, loss = train_on_correlated_keys(rule, chunk_size, tokens)
    assert norm < LARGEST_NORM
    assert loss < correlated(0, tokens).square().mean().item(), "a layer that says nothing does better"


@pytest.mark.parametrize("chunk_size", [16, 64, 256])
def test_the_same_training_diverges_without_the_cap_on_the_step(chunk_size: int) -> None:
    norm, _ = train_on_correlated_keys("linear", chunk_size, tokens=3_000, max_step=16.0)
    assert not norm < LARGEST_NORM  # infinite, or no number


@pytest.mark.parametrize("kind", BOUND)
@pytest.mark.parametrize("rule", ["titans", "linear"])
def test_gradients_stay_finite(rule: str, kind: str) -> None:
    module = layer(rule)
    x = hostile(kind, 0, 500).clone().requires_grad_()
    y, _ = module(x)
    y.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in (x, *module.parameters()))


def test_a_memory_recovers_after_spikes() -> None:
    """With decay, what spikes wrote is forgotten: two histories give the same outputs in the end."""
    torch.manual_seed(0)
    gates = GateConfig(decay_bias=-3.0)
    module = NeuralMemory(replace(NeuralMemoryConfig(heads=2, rule=RULES["linear"], gates=gates), convolution=0), DIM)
    calm = torch.randn(1, 3_000, DIM)
    with torch.inference_mode():
        _, after_spikes = module(hostile("spikes", 0, 512))  # whole chunks: both go on at a border
        disturbed, _ = module(calm, after_spikes)
        undisturbed, _ = module(calm)
    assert not torch.allclose(disturbed[:, :50], undisturbed[:, :50], atol=1e-2)
    assert torch.allclose(disturbed[:, -200:], undisturbed[:, -200:], atol=1e-4)
