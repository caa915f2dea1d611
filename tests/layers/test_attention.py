"""Attention by its definition, one query at a time; the laws of all layers are in tests/models/test_conformance.py."""

import re

import pytest
import torch

from tests.tolerances import assert_close
from titans_seq.layers import AttentionConfig, CausalAttention, Fusion, attention
from titans_seq.layers.heads import rotated


def attention_by_definition(layer: CausalAttention, x: torch.Tensor) -> torch.Tensor:
    """Softmax over the persistent keys, without positions, and the window's, rotated by their absolute positions."""
    config = layer.config
    q, k, v = layer.heads(x)
    prefix_k, prefix_v = layer.heads.prefix(k)
    turned_q, turned_k = rotated(q, 0, config.rope_base), rotated(k, 0, config.rope_base)
    outputs = []
    for t in range(x.shape[1]):
        first = 0 if config.window is None else max(0, t - config.window + 1)
        near = turned_q[:, :, t : t + 1] @ turned_k[:, :, first : t + 1].mT
        scores = torch.cat([q[:, :, t : t + 1] @ prefix_k.mT, near], -1) / q.shape[-1] ** 0.5
        outputs.append(scores.softmax(-1) @ torch.cat([prefix_v, v[:, :, first : t + 1]], 2))
    return layer.heads.joined(torch.cat(outputs, 2))


@pytest.mark.parametrize("persistent_tokens", [0, 2])
@pytest.mark.parametrize("window", [None, 1, 3, 5, 70])
@pytest.mark.parametrize("length", [1, 9, 140])
def test_attention_is_its_definition(window: int | None, persistent_tokens: int, length: int) -> None:
    torch.manual_seed(0)
    layer = CausalAttention(AttentionConfig(2, window, persistent_tokens), 8).double()
    x = torch.randn(2, length, 8, dtype=torch.float64)
    assert_close(layer(x)[0], attention_by_definition(layer, x), 1e-12)


def test_long_inputs_without_a_window_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_BLOCK", 64)
    torch.manual_seed(0)
    for persistent_tokens in (0, 2):
        layer = CausalAttention(AttentionConfig(2, None, persistent_tokens), 8).double()
        x = torch.randn(2, 140, 8, dtype=torch.float64)
        _, state = layer(x[:, :3])
        y = torch.cat([layer(x[:, :3])[0], layer(x[:, 3:], state)[0]], 1)
        assert_close(y, attention_by_definition(layer, x), 1e-12)


def test_a_score_depends_on_the_distance_alone() -> None:
    q, k = torch.randn(2, 1, 8, dtype=torch.float64)
    scores = [(rotated(q, 5 + far, 1e4) * rotated(k, far, 1e4)).sum() for far in (0, 1, 1000)]
    assert_close(torch.stack(scores), scores[0].expand(3), 1e-10)


def test_rotation_keeps_lengths_and_position_zero() -> None:
    x = torch.randn(3, 7, 6, dtype=torch.float64)
    assert_close(rotated(x, 3, 1e4).norm(dim=-1), x.norm(dim=-1), 1e-14)
    assert torch.equal(rotated(x, 0, 1e4)[:, :1], x[:, :1])
    assert rotated(x, 3, 0) is x


@pytest.mark.parametrize(("window", "cached"), [(None, 20), (6, 5), (1, 0), (30, 20)])
def test_the_cache_holds_what_the_next_token_can_see_and_no_more(window: int | None, cached: int) -> None:
    layer = CausalAttention(AttentionConfig(2, window), 8)
    _, state = layer(torch.randn(1, 20, 8))
    assert state is not None
    assert state.keys.shape == (1, 2, cached, 4)
    assert state.keys.untyped_storage().nbytes() == 4 * state.keys.numel()


def test_a_window_does_not_reach_beyond_itself_but_persistent_tokens_reach_everywhere() -> None:
    layer = CausalAttention(AttentionConfig(2, window=4, persistent_tokens=1), 8)
    x = torch.randn(1, 12, 8)
    y, _ = layer(x)
    other = torch.cat([torch.randn(1, 5, 8), x[:, 5:]], 1)
    changed, _ = layer(other)
    assert torch.equal(changed[:, 8:], y[:, 8:])
    assert not torch.equal(changed[:, 5:8], y[:, 5:8])
    layer.heads.persistent.data.add_(1)  # type: ignore[union-attr]
    assert (layer(x)[0] != y).any(-1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 0}, "heads must be at least 1, got 0"),
        ({"window": 0}, "window must be at least 1, or None for no limit, got 0"),
        ({"persistent_tokens": -1}, "persistent_tokens must be at least 0, got -1"),
        ({"rope_base": 0.5}, "rope_base must be above 1 and finite, or 0 for no positions, got 0.5"),
        ({"window": 2.5}, "window must be a whole number of at least 1, or None for no limit, got 2.5"),
    ],
)
def test_messages(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttentionConfig(**changes)


def test_a_width_that_does_not_fit_the_heads_is_refused() -> None:
    with pytest.raises(ValueError, match="even multiple of its heads, got 10 and 2"):
        CausalAttention(AttentionConfig(heads=2), 10)


def test_mix_lets_either_speak_and_product_multiplies() -> None:
    y, m = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    mix = Fusion("mix", 8)
    normed = (mix.attention_norm(y) + mix.memory_norm(m)) / 2
    assert_close(mix(y, m), normed)
    assert mix.gate is not None
    mix.gate.data[2] = 50.0
    assert_close(mix(y, m), mix.attention_norm(y))
    product = Fusion("product", 8)
    assert_close(product(y, m), product.attention_norm(y) * torch.nn.functional.silu(product.memory_norm(m)))


def test_a_sum_starts_as_attention_alone_and_lets_the_memory_in() -> None:
    y, m = torch.randn(2, 2, 3, 8)
    fusion = Fusion("sum", 8)
    assert torch.equal(fusion(y, m), y)
    assert fusion.scale is not None
    (gradient,) = torch.autograd.grad(fusion(y, m).sum(), fusion.scale)
    assert_close(gradient, fusion.memory_norm(m).sum((0, 1)))
    fusion.scale.data.fill_(0.5)
    assert_close(fusion(y, m), y + 0.5 * fusion.memory_norm(m))


@pytest.mark.parametrize("shape", [(2, 0, 8), (0, 2, 8), (2, 3, 7), (3, 8)])
def test_input_messages(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"expected [B >= 1, T >= 1, 8], got {shape}")):
        CausalAttention(AttentionConfig(2), 8)(torch.zeros(shape))
