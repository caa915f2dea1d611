import pytest
import torch

from forecasting.network.einfft import EinFFT, EinFFTConfig
from forecasting.network.mixers import GRUMixer, IdentityMixer
from forecasting.network.simba import MLPConfig, SimbaBlock, build_channel_mixer


@pytest.mark.parametrize("channel_mixer", [EinFFTConfig(), MLPConfig()])
def test_the_two_halves_are_residual_and_normalised_first(channel_mixer):
    torch.manual_seed(0)
    block = SimbaBlock(GRUMixer(), channel_mixer, width=8, dropout=0.0)
    x = torch.randn(2, 5, 8)
    half = x + block.mixer(torch.nn.functional.layer_norm(x, (8,)))
    expected = half + block.channel_mixer(torch.nn.functional.layer_norm(half, (8,)))
    torch.testing.assert_close(block(x), expected)


def test_with_the_identity_mixer_tokens_stay_apart():
    torch.manual_seed(0)
    block = SimbaBlock(IdentityMixer(), EinFFTConfig(), width=8, dropout=0.0)
    x = torch.randn(1, 5, 8)
    torch.testing.assert_close(block(x)[:, 2:3], block(x[:, 2:3]))


def test_dropout_acts_in_training_only():
    block = SimbaBlock(GRUMixer(), MLPConfig(), width=8, dropout=0.5)
    x = torch.randn(2, 5, 8)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


def test_channel_mixers():
    assert isinstance(build_channel_mixer(EinFFTConfig(), 8), EinFFT)
    assert build_channel_mixer(MLPConfig(expansion=3), 8).get_parameter("0.weight").shape == (24, 8)
