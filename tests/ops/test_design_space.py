"""Every combination of the axes' members runs and keeps the core's laws, or is refused with the reason."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
import torch

from tests.cases import Case, draw_inputs, draw_state, run, scan, state_tensors
from tests.tolerances import assert_all_close, assert_close
from titans_seq.layers import GateConfig, NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import (
    L2,
    Algorithm,
    Architecture,
    ChannelDecay,
    ConstantDecay,
    DotProduct,
    ElasticNet,
    GatedMLPMemory,
    GradientDescent,
    Huber,
    ImplicitGradientDescent,
    LinearMemory,
    Lp,
    LqNormalisation,
    MemoryRule,
    MLPMemory,
    Momentum,
    Muon,
    Nesterov,
    NoRetention,
    RowNormalisation,
    SlidingWindow,
    SoftmaxRetention,
    WeightDecay,
)
from titans_seq.ops.chunked import scan as chunked

ARCHITECTURES = {
    "linear": LinearMemory(),
    "mlp": MLPMemory(expansion=1),
    "mlp_last": MLPMemory(expansion=1, learns="last"),
    "gated": GatedMLPMemory(residual=True),
}
ALGORITHMS = {
    "gradient_descent": GradientDescent(),
    "implicit": ImplicitGradientDescent(),
    "momentum": Momentum(),
    "nesterov": Nesterov(),
    "muon": Muon(),
    "muon_tokens": Muon("token", momentum=False),
    "window": SlidingWindow(Momentum(), 3),
}
BIASES = [L2(), DotProduct(), Lp(3), Huber("coordinate", delta=0.7), Huber("switch")]
RETENTIONS = [
    NoRetention(),
    WeightDecay(),
    WeightDecay(before_gradient=True),
    ChannelDecay(),
    ConstantDecay(),
    LqNormalisation(),
    SoftmaxRetention(),
    ElasticNet(shrink=0.01),
    RowNormalisation(),
]
READS: list[Literal["after_write", "chunk_start"]] = ["after_write", "chunk_start"]

# What the rest of the members add: the other forms, decays under other retentions, deeper and barer networks.
MORE_ARCHITECTURES = {
    "depth3": MLPMemory(depth=3, expansion=1, activation="silu"),
    "depth3_bare": MLPMemory(depth=3, expansion=1, residual=False, norm=False),
    "depth3_last": MLPMemory(depth=3, expansion=1, residual=False, learns="last"),
    "gated_norm": GatedMLPMemory(residual=True, norm=True),
    "gated_last": GatedMLPMemory(learns="last"),
}
MORE_ALGORITHMS = {"window_of_muon": SlidingWindow(Muon(), 6), "muon_weighed": Muon("token")}
MORE_BIASES = [Lp(1, eps=1e-2), Huber("norm")]
MORE_RETENTIONS = [
    ChannelDecay(before_gradient=True),
    ConstantDecay(before_gradient=True),
    LqNormalisation(ChannelDecay(), q=3, over="row"),
    SoftmaxRetention(NoRetention(), over="matrix"),
    SoftmaxRetention(ChannelDecay()),
    ElasticNet(WeightDecay(before_gradient=True), shrink=0.01),
    RowNormalisation(WeightDecay(before_gradient=True)),
]

EVERY_ARCHITECTURE, EVERY_ALGORITHM = ARCHITECTURES | MORE_ARCHITECTURES, ALGORITHMS | MORE_ALGORITHMS
EVERY_BIAS, EVERY_RETENTION = BIASES + MORE_BIASES, RETENTIONS + MORE_RETENTIONS

WHY_REFUSED = (
    "an implicit step has a closed form only",
    "an implicit step solves for the memory it starts from",
    "an implicit step is over one token",
    "decay before the gradient would give a token another gradient at every step of its window",
)


def keeps_the_laws(rule: MemoryRule, position: int | None) -> None:
    """Forward, state and every gradient against the definition; splits; causality."""
    case = Case(rule, batch=1, length=3, heads=1, key_dim=4, value_dim=4, chunk_size=2)
    inputs, state = draw_inputs(case), draw_state(case, position)
    results = run(case, inputs, state, "chunked")
    # Narrow LayerNorms and Newton-Schulz amplify rounding: the largest gradients here are in the thousands.
    assert_all_close(results, run(case, inputs, state, "reference"), 1e-8)
    with torch.no_grad():
        first, middle = scan(inputs, state, rule, 2, tokens=slice(0, 1))
        second, end = scan(inputs, middle, rule, 2, tokens=slice(1, 3))
        pieces = {"y": torch.cat([first, second], 1), **state_tensors(end)}
        assert_all_close(pieces, {name: results[name] for name in pieces}, 1e-9)
        future = {name: None if x is None else torch.cat([x[:, :2], 0.9 * x[:, 2:]], 1) for name, x in inputs.items()}
        changed, y = scan(future, state, rule, 2)[0], scan(inputs, state, rule, 2)[0]
        assert torch.equal(changed[:, :2], y[:, :2]), "the future changes the past"


def survives_a_state_dict(rule: MemoryRule) -> None:
    config = NeuralMemoryConfig(heads=2, chunk_size=2, rule=rule, gates=GateConfig(per_layer=True, rank=2))
    layer, other = NeuralMemory(config, 8).double(), NeuralMemory(config, 8).double()
    other.load_state_dict(layer.state_dict())
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    assert torch.equal(layer(x)[0], other(x)[0])


def walk(
    architecture: Architecture,
    algorithm: Algorithm,
    biases: Sequence,
    retentions: Sequence,
    first: int = 0,
    every: int = 1,
) -> tuple[int, int]:
    """Try every (or every so many-th) combination from one on; return how many ran and how many were refused.

    They start in turn as new memories and within an open chunk; a layer of every third goes through a state dict.
    """
    torch.manual_seed(0)
    ran = refused = 0
    for bias, retention, read in list(itertools.product(biases, retentions, READS))[first::every]:
        try:
            rule = MemoryRule(architecture, bias, retention, algorithm, read=read)
        except ValueError as error:
            if not str(error).startswith(WHY_REFUSED):
                raise
            refused += 1
            continue
        try:
            keeps_the_laws(rule, 1 if (ran // 2) % 2 else None)
            if ran % 3 == 0:
                survives_a_state_dict(rule)
        except AssertionError as error:
            raise AssertionError(f"{rule}: {error}") from error
        ran += 1
    return ran, refused


def refusals(architecture: str, algorithm: str) -> int:
    """How many of the product's combinations have no meaning."""
    total = len(BIASES) * len(RETENTIONS) * len(READS)
    if algorithm == "implicit":
        # A linear memory with the L2 bias that forgets nothing, or before the gradient, has one; any read.
        return total - 4 if architecture == "linear" else total
    return len(BIASES) * len(READS) if algorithm == "window" else 0


PAIRS = list(itertools.product(ARCHITECTURES, ALGORITHMS))


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "algorithm"), PAIRS)
def test_the_whole_product_of_the_axes(architecture: str, algorithm: str) -> None:
    ran, refused = walk(ARCHITECTURES[architecture], ALGORITHMS[algorithm], BIASES, RETENTIONS)
    assert refused == refusals(architecture, algorithm)
    assert ran + refused == len(BIASES) * len(RETENTIONS) * len(READS)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", EVERY_ALGORITHM)
@pytest.mark.parametrize("architecture", EVERY_ARCHITECTURE)
def test_the_product_with_every_option(architecture: str, algorithm: str) -> None:
    walk(EVERY_ARCHITECTURE[architecture], EVERY_ALGORITHM[algorithm], EVERY_BIAS, EVERY_RETENTION)


def sampled(architecture: int, algorithm: int) -> tuple[int, int, int]:
    """Numbers of the bias, the retention and the read with which an architecture and an algorithm are tried."""
    both = architecture + algorithm
    retention = 5 * algorithm + 3 * architecture
    return both % len(EVERY_BIAS), retention % len(EVERY_RETENTION), (both // 2) % len(READS)


@pytest.mark.parametrize(("index", "architecture"), list(enumerate(EVERY_ARCHITECTURE)))
def test_every_option_at_least_once(index: int, architecture: str) -> None:
    """A thin sample of the product with every option, which runs whole with the slow tests.

    Each architecture meets each algorithm, bias and read, and all together meet each retention.
    """
    for number, algorithm in enumerate(EVERY_ALGORITHM.values()):
        bias, retention, read = sampled(index, number)
        first = (bias * len(EVERY_RETENTION) + retention) * len(READS) + read
        walk(EVERY_ARCHITECTURE[architecture], algorithm, EVERY_BIAS, EVERY_RETENTION, first, every=10**9)


def test_the_thin_sample_leaves_nothing_out() -> None:
    # An implicit step refuses nearly all.
    numbers = [n for n, one in enumerate(EVERY_ALGORITHM.values()) if not isinstance(one, ImplicitGradientDescent)]
    met = [[sampled(index, number) for number in numbers] for index in range(len(EVERY_ARCHITECTURE))]
    for one in met:
        assert {bias for bias, _, _ in one} == set(range(len(EVERY_BIAS)))
        assert {read for _, _, read in one} == set(range(len(READS)))
    assert {retention for one in met for _, retention, _ in one} == set(range(len(EVERY_RETENTION)))


@pytest.mark.parametrize("retention", [NoRetention(), WeightDecay(), ChannelDecay(), LqNormalisation()])
@pytest.mark.parametrize("algorithm", [Momentum(), Muon()])
def test_gates_per_layer(retention, algorithm: Algorithm) -> None:
    rule = MemoryRule(MLPMemory(depth=3, expansion=1), retention=retention, algorithm=algorithm)
    for position in (None, 1):
        case = Case(rule, length=5, chunk_size=3)
        inputs, state = draw_inputs(case), draw_state(case, position)
        for name in ("lr", "momentum", "decay"):
            gate = inputs[name]
            if gate is not None and gate.dim() == 3:
                inputs[name] = gate.unsqueeze(-1) * torch.tensor([1.0, 0.5, 0.8], dtype=gate.dtype)
        assert_all_close(run(case, inputs, state, "chunked"), run(case, inputs, state, "reference"), 1e-9)


def test_gates_per_layer_that_agree_are_gates_that_all_share() -> None:
    case = Case(length=7)
    inputs, state = draw_inputs(case), draw_state(case, None)
    apart = dict(inputs)
    for name in ("lr", "momentum", "decay"):
        gate = inputs[name]
        assert gate is not None
        apart[name] = gate.unsqueeze(-1).expand(*gate.shape, 2)
    assert_close(scan(apart, state, case.rule, 4)[0], scan(inputs, state, case.rule, 4)[0], 1e-13)


def test_decay_per_channel_that_agrees_is_decay_per_head() -> None:
    case = Case(length=7)
    channels = replace(case.rule, retention=ChannelDecay())
    inputs, state = draw_inputs(case), draw_state(case, None)
    decay = inputs["decay"]
    assert decay is not None
    wide = inputs | {"decay": decay.unsqueeze(-1).expand(*decay.shape, 6 + 4)}
    assert_close(scan(wide, state, channels, 4)[0], scan(inputs, state, case.rule, 4)[0], 1e-13)


@pytest.mark.parametrize("position", [None, 0, 5])
@pytest.mark.parametrize("retention", [ChannelDecay(), ChannelDecay(before_gradient=True)])
def test_long_chunks_with_decay_per_channel_come_in_pieces(
    retention: ChannelDecay, position: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(MemoryRule(MLPMemory(expansion=1), retention=retention), length=23, chunk_size=10)
    inputs, state = draw_inputs(case), draw_state(case, position)
    expected = run(case, inputs, state, "reference")
    for piece in (1, 3, 4, 16):
        monkeypatch.setattr(chunked, "TOKENS_PER_PIECE_BY_CHANNEL", piece)
        assert_all_close(run(case, inputs, state, "chunked"), expected, 1e-9)


def test_layers_that_do_not_learn_stay_shared_by_the_batch() -> None:
    case = Case(MemoryRule(MLPMemory(depth=3, expansion=1, learns="last")), length=7)
    state = draw_state(case, None)
    _, after = scan(draw_inputs(case), state, case.rule, 4)
    for layer in range(2):
        assert after.weights[layer] is state.weights[layer]
    assert after.weights[2].shape == (2, 2, 4, 4)


def test_a_new_memory_with_a_window_is_one_that_saw_silence() -> None:
    """A key of zero writes nothing, so tokens before the first can be zeros."""
    case = Case(MemoryRule(MLPMemory(expansion=1), algorithm=SlidingWindow(Momentum(), 3)), length=6)
    inputs, state = draw_inputs(case), draw_state(case, None)
    shape = [case.batch, 2, case.heads]
    silent = replace(
        draw_state(case, 0),
        weights=tuple(w.expand(case.batch, *w.shape) for w in state.weights),
        momentum=tuple(torch.zeros_like(w).expand(case.batch, *w.shape) for w in state.weights),
        anchor=tuple(w.expand(case.batch, *w.shape) for w in state.weights),
        recent=(torch.zeros(*shape, 4, dtype=torch.float64), torch.randn(*shape, 4, dtype=torch.float64)),
    )
    for backend in ("chunked", "reference"):
        y, _ = scan(inputs, state, case.rule, 4, backend)
        assert_close(scan(inputs, silent, case.rule, 4, backend)[0], y, 1e-12)
