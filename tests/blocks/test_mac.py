"""MAC against its equations (Titans eq. 21-25), one token at a time."""

import re
from dataclasses import replace

import pytest
import torch

from tests.tolerances import assert_close
from titans_seq.blocks import MACConfig, MAGConfig, MemoryAsContext
from titans_seq.layers import Fusion, NeuralMemoryConfig
from titans_seq.layers.heads import rotated
from titans_seq.memory import MemoryRule, MLPMemory, NoRetention, preset

CONFIG = MACConfig(
    NeuralMemoryConfig(heads=2, chunk_size=4, rule=MemoryRule(MLPMemory(expansion=2))), 2, 6, persistent_tokens=2
)


def mac_by_definition(mixer: MemoryAsContext, x: torch.Tensor) -> torch.Tensor:
    """Token by token, with lists of keys and values instead of a cache and a mask."""
    segment, rule = mixer.config.segment, mixer.config.memory.rule
    prefix_k, prefix_v = mixer.heads.prefix(mixer.heads(x)[1])
    context, keys, values = rule.current_weights(mixer.memory.initial_state()), [], []
    stored, outputs = None, []
    for t in range(x.shape[1]):
        place, token = t % segment, x[:, t : t + 1]
        if place == 0 and stored is not None:
            context, keys, values = rule.current_weights(stored.memory), [], []
        h = mixer.memory.retrieve(token, context)
        for seen in (h, token):
            k, v = mixer.heads.keys_and_values(seen)
            keys.append(rotated(k, place, mixer.config.rope_base))
            values.append(v)
        q, _, _ = mixer.heads(token)
        near = rotated(q, place, mixer.config.rope_base) @ torch.cat(keys, 2).mT
        scores = torch.cat([q @ prefix_k.mT, near], -1) / q.shape[-1] ** 0.5
        y = mixer.heads.joined(scores.softmax(-1) @ torch.cat([prefix_v, *values], 2))
        m, stored = mixer.memory(mixer.memory_input_norm(y), stored)
        outputs.append(mixer.fusion(y, m))
    return torch.cat(outputs, 1)


@pytest.mark.parametrize("length", [1, 5, 6, 7, 20])
@pytest.mark.parametrize("fusion", ["mix", "product", "sum"])
def test_mac_is_its_equations(fusion, length: int) -> None:
    torch.manual_seed(0)
    mixer = MemoryAsContext(replace(CONFIG, fusion=fusion), 8).double()
    x = torch.randn(2, length, 8, dtype=torch.float64)
    assert_close(mixer(x)[0], mac_by_definition(mixer, x), 1e-11)


@pytest.mark.parametrize("name", ["moneta", "lact", "gated_deltanet"])
def test_mac_takes_any_rule(name: str) -> None:
    torch.manual_seed(0)
    rule = preset(name)
    mixer = MemoryAsContext(replace(CONFIG, memory=replace(CONFIG.memory, rule=rule)), 8).double()
    x = torch.randn(1, 11, 8, dtype=torch.float64)
    assert_close(mixer(x)[0], mac_by_definition(mixer, x), 1e-9)


def test_the_first_segment_reaches_the_third_through_the_memory_alone() -> None:
    torch.manual_seed(0)
    keeps = replace(CONFIG, memory=replace(CONFIG.memory, rule=replace(CONFIG.memory.rule, retention=NoRetention())))
    mixer, x = MemoryAsContext(keeps, 8).double(), torch.randn(1, 18, 8, dtype=torch.float64)
    y, _ = mixer(x)
    other = torch.cat([torch.randn(1, 6, 8, dtype=torch.float64), x[:, 6:]], 1)
    assert ((mixer(other)[0] - y)[:, 12:].abs().amax(-1) > 0).all()
    # With writes of nothing and nothing forgotten, only the convolution's last tokens know of the segment before.
    mixer.memory.gates.max_lr = 0.0
    still, _ = mixer(x)
    assert torch.equal(mixer(other)[0][:, 12:], still[:, 12:])


def test_the_cache_never_holds_more_than_a_segment() -> None:
    mixer = MemoryAsContext(CONFIG, 8)
    state = None
    for t in range(14):
        _, state = mixer(torch.randn(1, 1, 8), state)
        assert state is not None
        assert state.keys.shape == (1, 2, 2, (t + 1) % 6, 4)


def test_messages() -> None:
    with pytest.raises(ValueError, match="segment must be at least 1, got 0"):
        MACConfig(segment=0)
    for config in (MACConfig, MAGConfig):
        with pytest.raises(ValueError, match="fusion must be one of product, mix, sum, got 'mixed'"):
            config(fusion="mixed")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="form must be one of product, mix, sum, got 'mixed'"):
        Fusion("mixed", 8)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("shape", [(2, 0, 8), (0, 2, 8), (2, 3, 7), (3, 8)])
def test_input_messages(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"expected [B >= 1, T >= 1, 8], got {shape}")):
        MemoryAsContext(replace(CONFIG, heads=2), 8)(torch.zeros(shape))
