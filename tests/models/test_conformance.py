"""Every layer, block and model keeps the laws of `tests.conformance`."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.conformance import (
    assert_causal,
    assert_every_parameter_learns,
    assert_sequences_independent,
    assert_split_invariant,
    assert_state_optional_and_untouched,
    in_pieces,
    tensors_of,
)
from tests.tolerances import assert_all_close
from titans_seq.blocks import (
    AttentionBlockConfig,
    LMMConfig,
    MACConfig,
    MAGConfig,
    MALConfig,
    MemoryAsContext,
    MemoryAsGate,
)
from titans_seq.layers import (
    AttentionConfig,
    CausalAttention,
    CausalConvolution,
    GateConfig,
    NeuralMemory,
    NeuralMemoryConfig,
)
from titans_seq.memory import (
    ChannelDecay,
    GradientDescent,
    Huber,
    LinearMemory,
    Lp,
    LqNormalisation,
    MemoryRule,
    MLPMemory,
    Muon,
    NoRetention,
    SlidingWindow,
    SoftmaxRetention,
    WeightDecay,
    preset,
)
from titans_seq.models import Backbone

DIM = 8
PLAIN = NeuralMemoryConfig(heads=2, chunk_size=4, rule=MemoryRule(MLPMemory(expansion=2)))
WITHOUT_MOMENTUM = replace(PLAIN, rule=replace(PLAIN.rule, algorithm=GradientDescent()))
WITHOUT_DECAY = replace(PLAIN, rule=replace(PLAIN.rule, retention=NoRetention()))
BARE = replace(
    PLAIN,
    convolution=0,
    rule=MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent()),
)


def layer(config: NeuralMemoryConfig) -> Callable[[], nn.Module]:
    return lambda: NeuralMemory(config, DIM)


def block(config: NeuralMemoryConfig) -> nn.Module:
    return LMMConfig(config).build(DIM)


def opened(mixer: MemoryAsGate) -> MemoryAsGate:
    """As after some training: at first the memory has no part in a sum."""
    assert mixer.fusion.scale is not None
    mixer.fusion.scale.data.fill_(0.5)
    return mixer


MODULES: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: CausalConvolution(DIM),
    "convolution_width_2": lambda: CausalConvolution(DIM, 2),
    "memory": layer(PLAIN),
    "memory_without_convolution": layer(replace(PLAIN, convolution=0)),
    "memory_without_momentum": layer(WITHOUT_MOMENTUM),
    "memory_without_decay": layer(WITHOUT_DECAY),
    "memory_bare": layer(BARE),
    "memory_persistent": layer(replace(PLAIN, persistent_tokens=3)),
    "memory_persistent_without_convolution": layer(replace(PLAIN, persistent_tokens=5, convolution=0)),
    "memory_values_ahead": layer(
        replace(PLAIN, values_ahead=True, convolves="context", slow_weights=True, persistent_tokens=3)
    ),
    "memory_slow_weights": layer(replace(PLAIN, slow_weights=True, persistent_tokens=3)),
    "memory_slow_weights_bare": layer(replace(BARE, slow_weights=True)),
    "memory_head_dim": layer(replace(PLAIN, heads=3, head_dim=4, convolution=3)),
    "memory_exact": layer(replace(PLAIN, chunk_size=1)),
    "memory_reference": layer(replace(PLAIN, backend="reference")),
    "lmm": lambda: block(PLAIN),
    "backbone": lambda: Backbone([block(PLAIN), block(replace(PLAIN, persistent_tokens=2))], DIM),
    "backbone_hybrid": lambda: Backbone([block(BARE), block(replace(PLAIN, chunk_size=7))], DIM),
}

# One rule for every path through the operator; the product of the axes is walked in tests/ops/test_design_space.py.
RULES = {
    "linear_attention": preset("linear_attention"),
    "gated_deltanet": preset("gated_deltanet"),
    "moneta": MemoryRule(MLPMemory(expansion=2), Lp(3), LqNormalisation(), GradientDescent()),
    "yaad": MemoryRule(MLPMemory(expansion=2), Huber("switch"), WeightDecay(), GradientDescent()),
    "memora": MemoryRule(MLPMemory(expansion=2), retention=SoftmaxRetention(), algorithm=GradientDescent()),
    "atlas": MemoryRule(MLPMemory(expansion=2), algorithm=SlidingWindow(Muon(), 6)),
    "lact": preset("lact"),
    "channels": MemoryRule(MLPMemory(expansion=2), retention=ChannelDecay()),
    "last_layer": MemoryRule(MLPMemory(expansion=2, learns="last")),
}
MODULES |= {f"rule_{name}": layer(replace(PLAIN, rule=rule)) for name, rule in RULES.items()}
SEEN = AttentionConfig(heads=2, window=5, persistent_tokens=2)
MODULES |= {
    "attention": lambda: CausalAttention(AttentionConfig(heads=2, window=None), DIM),
    "attention_window": lambda: CausalAttention(SEEN, DIM),
    "attention_window_1": lambda: CausalAttention(replace(SEEN, window=1, rope_base=0), DIM),
    "mag": lambda: MemoryAsGate(MAGConfig(SEEN, replace(PLAIN, persistent_tokens=2)), DIM),
    "mag_product": lambda: MemoryAsGate(MAGConfig(SEEN, PLAIN, fusion="product"), DIM),
    "mag_sum": lambda: opened(MemoryAsGate(MAGConfig(SEEN, PLAIN, fusion="sum"), DIM)),
    "mal": lambda: MALConfig(PLAIN, SEEN).build(DIM),
    "mac": lambda: MemoryAsContext(MACConfig(PLAIN, heads=2, segment=6, persistent_tokens=2), DIM),
    "mac_slow_weights": lambda: MemoryAsContext(MACConfig(replace(PLAIN, slow_weights=True), 2, segment=6), DIM),
    "mac_segment_1": lambda: MemoryAsContext(MACConfig(PLAIN, heads=2, segment=1), DIM),
    "mac_memora": lambda: MemoryAsContext(MACConfig(replace(PLAIN, rule=RULES["memora"]), heads=2, segment=5), DIM),
    "mac_block": lambda: MACConfig(PLAIN, heads=2, segment=3, fusion="product").build(DIM),
    "hybrid": lambda: Backbone(
        [LMMConfig(PLAIN).build(DIM), AttentionBlockConfig(SEEN).build(DIM), MACConfig(PLAIN, 2, 6).build(DIM)], DIM
    ),
}
MODULES["gates_per_layer"] = layer(replace(PLAIN, gates=GateConfig(per_layer=True)))

EVERY = pytest.mark.parametrize("name", MODULES)
WITH_OPTIONS = pytest.mark.parametrize(
    "name", [name for name in MODULES if "convolution_w" not in name and name != "convolution"]
)

# Of the memory alone the plain one stands for its variants and rules, which are slow.
BLOCKS_QUICKLY = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name.startswith(("memory_", "rule_")) else [])
        for name in MODULES
        if not name.startswith("convolution")
    ],
)


# Float32's rounding as these rules return it: five iterations of Newton-Schulz multiply the smallest directions by up
# to 3.44^5 = 480, and a LayerNorm what is left of nearly uniform weights; three blocks in a row amplify each other's.
AMPLIFIED = {"rule_atlas": 1e-3, "rule_lact": 1e-3, "rule_memora": 1e-4, "mac_memora": 1e-4, "hybrid": 5e-5}


def memories_in(state: object) -> list[torch.Tensor]:
    """The tensors of every `MemoryState`; convolutions' and attention's caches are not among them."""
    names = (".weights.", ".momentum.", ".anchor.", ".context.")
    return [tensor for name, tensor in tensors_of(state).items() if any(part in name for part in names)]


def build(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return MODULES[name]().to(dtype)


def tokens(length: int, dtype: torch.dtype = torch.float64, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, length, DIM, dtype=dtype, generator=torch.Generator().manual_seed(length))


@EVERY
@pytest.mark.parametrize(
    ("length", "cuts", "dtype"), [(22, (1, 3, 10, 20), torch.float64), (13, (5, 12), torch.float32)]
)
def test_split_invariance(name: str, length: int, cuts: tuple[int, ...], dtype: torch.dtype) -> None:
    rounding = 1e-11 if dtype == torch.float64 else AMPLIFIED.get(name, 1e-5)
    # What is kept for a backward pass is another way through the operator: one of both.
    with torch.set_grad_enabled(dtype == torch.float64):
        assert_split_invariant(build(name, dtype), tokens(length, dtype), cuts, rounding)


@EVERY
def test_token_by_token_equals_the_whole(name: str) -> None:
    with torch.inference_mode():
        assert_split_invariant(build(name), tokens(14), range(14), 1e-11)


@EVERY
def test_causality(name: str) -> None:
    with torch.no_grad():
        assert_causal(build(name), tokens(11))


@EVERY
def test_sequences_are_independent(name: str) -> None:
    with torch.no_grad():
        assert_sequences_independent(build(name), tokens(7), 1e-11)


@WITH_OPTIONS
def test_the_state_is_optional_and_immutable(name: str) -> None:
    with torch.no_grad():
        assert_state_optional_and_untouched(build(name), tokens(9), 1e-13)


@EVERY
@pytest.mark.parametrize("length", [3, 4, 6, 7])  # below, at and above a chunk and a segment
def test_a_state_shares_no_storage_with_the_model_or_its_input(name: str, length: int) -> None:
    module, x = build(name), tokens(length)
    with torch.no_grad():
        _, state = module(x)
    held = {tensor.untyped_storage().data_ptr() for tensor in (x, *module.parameters(), *module.buffers())}
    shared = [name for name, tensor in tensors_of(state).items() if tensor.untyped_storage().data_ptr() in held]
    # Layers that do not learn are the model's: a state has them, and they are taken anew from the model.
    assert shared == (["state.memory.weights.0", "state.memory.anchor.0"] if name == "rule_last_layer" else [])


@EVERY
def test_every_parameter_learns(name: str) -> None:
    assert_every_parameter_learns(build(name), tokens(7))


@EVERY
def test_gradients_flow_through_a_cut(name: str) -> None:
    x, gradients = tokens(8), []
    for cuts in ([], [5]):
        module = build(name)
        y = in_pieces(module, x, cuts)["y"]
        (y * torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)).sum().backward()
        gradients.append({n: p.grad for n, p in module.named_parameters() if p.grad is not None})
    assert_all_close(gradients[1], gradients[0], 1e-10)


@EVERY
@torch.no_grad()
def test_copies_and_saved_weights_give_the_same(name: str) -> None:
    module, x = build(name), tokens(7)
    expected, _ = module(x)
    torch.manual_seed(99)
    other = MODULES[name]().double()
    other.load_state_dict(module.state_dict())
    for same in (copy.deepcopy(module), other):
        assert torch.equal(same(x)[0], expected)


@BLOCKS_QUICKLY
@pytest.mark.parametrize("optimiser", [torch.optim.SGD, pytest.param(torch.optim.AdamW, marks=pytest.mark.slow)])
def test_a_few_optimiser_steps_lower_a_loss(name: str, optimiser: type[torch.optim.Optimizer]) -> None:
    module, x = build(name, torch.float32), tokens(7, torch.float32)
    target = 0.3 * x.roll(1, 1)
    steps = optimiser(module.parameters(), lr=0.02)  # type: ignore[call-arg]
    losses = []
    for _ in range(3):
        steps.zero_grad()
        loss = (module(x)[0] - target).square().mean()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@WITH_OPTIONS
def test_autocast_keeps_the_memory_in_float32(name: str) -> None:
    module, x = build(name, torch.float32), tokens(17, torch.float32)
    with torch.no_grad():
        plain, _ = module(x)
    with torch.autocast("cpu", torch.bfloat16):
        y, state = module(x[:, :9])
        rest, state = module(x[:, 9:], state)
    memories = memories_in(state)
    assert all(t.dtype == torch.float32 for t in memories)
    cast = torch.cat([y, rest], 1).float()
    # Rounding the weights alone to bfloat16 moves the exact memory (chunk 1) by 7%.
    assert (cast - plain).norm() < 0.15 * plain.norm()
    cast.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@WITH_OPTIONS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_a_layer_cast_to_half_precision_keeps_a_float32_memory(name: str, dtype: torch.dtype) -> None:
    module, x = build(name, dtype), tokens(12, dtype)
    y, state = module(x)
    assert y.dtype == dtype
    assert y.isfinite().all()
    memories = memories_in(state)
    assert all(t.dtype == torch.float32 for t in memories)
