import pytest
import torch

from forecasting.network.tokens import PatchConfig, PatchTokens, VariateTokens


def all_observed(past: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(past, dtype=torch.bool)


def test_patches_are_those_of_patchtst():
    tokens = PatchTokens(PatchConfig(), context=96, channels=2, covariates=0, width=4)
    past = torch.randn(3, 96, 2)
    padded = torch.cat((past, past[:, -1:].expand(3, 8, 2)), dim=1)
    out = tokens(past, all_observed(past), torch.zeros(3, 96, 0))
    assert out.shape == (3, 2, 12, 4)
    for n in range(12):
        expected = tokens.embed(padded[:, 8 * n : 8 * n + 16, 1]) + tokens.position[n]
        torch.testing.assert_close(out[:, 1, n], expected)


@pytest.mark.parametrize("context", [1, 5, 16, 17, 23, 24, 100, 103])
@pytest.mark.parametrize(("length", "stride"), [(16, 8), (8, 8), (4, 9), (1, 1)])
def test_every_step_of_any_context_is_seen(context, length, stride):
    tokens = PatchTokens(PatchConfig(length, stride), context, channels=1, covariates=0, width=4)
    past = torch.randn(1, context, 1, requires_grad=True)
    out = tokens(past, all_observed(past), torch.zeros(1, context, 0))
    assert out.shape == (1, 1, tokens.count, 4)
    (gradient,) = torch.autograd.grad(out.square().sum(), past)
    assert (gradient != 0).all()


def test_gaps_are_told_from_zeros_once_learned():
    tokens = PatchTokens(PatchConfig(), context=32, channels=1, covariates=0, width=4)
    past = torch.zeros(1, 32, 1)
    gap = all_observed(past)
    gap[0, 3] = False
    nothing = torch.zeros(1, 32, 0)
    torch.testing.assert_close(tokens(past, gap, nothing), tokens(past, all_observed(past), nothing))
    torch.nn.init.ones_(tokens.embed_gaps.weight)
    assert not torch.allclose(tokens(past, gap, nothing), tokens(past, all_observed(past), nothing))


def test_channel_embedding_tells_channels_apart():
    tokens = PatchTokens(PatchConfig(channel_embedding=True), context=32, channels=2, covariates=0, width=4)
    past = torch.ones(1, 32, 2)
    out = tokens(past, all_observed(past), torch.zeros(1, 32, 0))
    torch.testing.assert_close(out[:, 0], out[:, 1])
    assert tokens.channel is not None
    torch.nn.init.normal_(tokens.channel)
    out = tokens(past, all_observed(past), torch.zeros(1, 32, 0))
    assert not torch.allclose(out[:, 0], out[:, 1])


def test_covariates_reach_the_patches_of_their_own_time_in_every_channel():
    tokens = PatchTokens(PatchConfig(8, 8), context=32, channels=2, covariates=3, width=4)
    past, covariates = torch.zeros(1, 32, 2), torch.zeros(1, 32, 3)
    changed = covariates.clone()
    changed[0, 9, 1] = 1.0
    difference = tokens(past, all_observed(past), changed) - tokens(past, all_observed(past), covariates)
    moved = difference.abs().sum(-1) > 1e-6
    assert moved[0, 0].tolist() == moved[0, 1].tolist() == [False, True, False, False, False]


def test_variates_are_one_token_each_covariates_before_them():
    tokens = VariateTokens(context=24, channels=2, covariates=1, width=4)
    past, covariates = torch.randn(3, 24, 2), torch.randn(3, 24, 1)
    out = tokens(past, all_observed(past), covariates)
    assert out.shape == (3, 1, 3, 4)
    torch.testing.assert_close(out[:, 0, 0], tokens.embed(covariates[..., 0]) + tokens.position[0])
    torch.testing.assert_close(out[:, 0, 2], tokens.embed(past[..., 1]) + tokens.position[2])


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match="patch length and stride must be at least 1, got 16 and 0"):
        PatchTokens(PatchConfig(16, 0), 96, 1, 0, 8)
