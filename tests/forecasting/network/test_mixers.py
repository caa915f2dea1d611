import pytest
import torch

from forecasting.network.mixers import (
    BUILDERS,
    AttentionMixer,
    GRUMixer,
    IdentityMixer,
    MemoryMixer,
    build_mixer,
)
from titans_seq.layers import NeuralMemoryConfig

MEMORY = NeuralMemoryConfig(heads=2)
MIXERS = [
    IdentityMixer(),
    GRUMixer(),
    GRUMixer(direction="both"),
    AttentionMixer(heads=2),
    AttentionMixer(heads=2, causal=True),
    MemoryMixer(MEMORY),
    MemoryMixer(MEMORY, direction="both"),
]


@pytest.mark.parametrize("config", MIXERS, ids=str)
@pytest.mark.parametrize("tokens", [1, 5])
def test_keeps_the_shape_and_treats_sequences_apart(config, tokens):
    mixer = build_mixer(config, 8)
    x = torch.randn(3, tokens, 8)
    y = mixer(x)
    assert y.shape == x.shape
    torch.testing.assert_close(mixer(x[1:2]), y[1:2])


@pytest.mark.parametrize(
    ("config", "causal"),
    [
        (MIXERS[1], True),
        (MIXERS[2], False),
        (MIXERS[3], False),
        (MIXERS[4], True),
        (MIXERS[5], True),
        (MIXERS[6], False),
    ],
)
def test_causality(config, causal):
    torch.manual_seed(0)
    mixer = build_mixer(config, 8)
    x = torch.randn(1, 6, 8)
    changed = x.clone()
    changed[0, 5] += 1.0
    same = torch.allclose(mixer(x)[0, :5], mixer(changed)[0, :5], atol=1e-6)
    assert same is causal
    assert not torch.allclose(mixer(x)[0, 5], mixer(changed)[0, 5], atol=1e-4)


def test_bidirectional_sums_both_readings():
    mixer = build_mixer(GRUMixer(direction="both"), 8)
    x = torch.randn(2, 5, 8)
    there, back = mixer.get_submodule("mixers.0"), mixer.get_submodule("mixers.1.mixer")
    torch.testing.assert_close(mixer(x), there(x) + back(x.flip(1)).flip(1))


def test_alternating_layers_turn_around():
    torch.manual_seed(0)
    mixers = [build_mixer(MemoryMixer(MEMORY, direction="alternating"), 8, layer) for layer in range(2)]
    x = torch.randn(1, 6, 8)
    for end, mixer in ((5, mixers[0]), (0, mixers[1])):
        changed = x.clone()
        changed[0, end] += 1.0
        kept = [t for t in range(6) if t != end]
        assert torch.equal(mixer(x)[0, kept], mixer(changed)[0, kept])


def test_the_memory_forgets_between_sequences():
    torch.manual_seed(0)
    mixer = build_mixer(MemoryMixer(MEMORY), 8)
    x = torch.randn(1, 20, 8)
    assert torch.equal(mixer(x), mixer(x))


def test_attention_is_the_textbook_one():
    torch.manual_seed(0)
    mixer = build_mixer(AttentionMixer(heads=2), 8)
    x = torch.randn(1, 5, 8)
    q, k, v = mixer.get_submodule("qkv")(x)[0].reshape(5, 3, 2, 4).unbind(1)
    heads = [torch.softmax(q[:, h] @ k[:, h].T / 2, -1) @ v[:, h] for h in range(2)]
    expected = mixer.get_submodule("project")(torch.cat(heads, -1))
    torch.testing.assert_close(mixer(x)[0], expected)


def test_unknown_config_names_the_known_ones():
    with pytest.raises(TypeError, match="no sequence mixer is registered for int: use one of AttentionMixer"):
        build_mixer(3, 8)


def test_every_builder_is_reached_by_its_config():
    for kind in BUILDERS:
        assert build_mixer(kind(), 8)(torch.zeros(1, 3, 8)).shape == (1, 3, 8)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="got width 10 and 4 heads"):
        build_mixer(AttentionMixer(heads=4), 10)
