import pytest
import torch

from forecasting.network.normalise import InstanceNormalise, NormaliseConfig, last_observed


@pytest.fixture
def window():
    generator = torch.Generator().manual_seed(0)
    past = 5 + 3 * torch.randn(4, 20, 3, generator=generator)
    observed = torch.rand(4, 20, 3, generator=generator) > 0.3
    return past.masked_fill(~observed, 0.0), observed


@pytest.mark.parametrize("kind", ["mean_std", "last_value", "none"])
@pytest.mark.parametrize("affine", [False, True])
def test_level_undoes_the_normalisation_and_gaps_are_zero(window, kind, affine):
    past, observed = window
    layer = InstanceNormalise(NormaliseConfig(kind, affine=affine), channels=3)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    normalised, level = layer(past, observed)
    restored = normalised * level.scale + level.loc
    torch.testing.assert_close(restored[observed], past[observed], atol=1e-5, rtol=1e-5)
    assert (normalised[~observed] == 0).all()


def test_mean_and_deviation_are_those_of_the_observed_values(window):
    past, observed = window
    normalised, level = InstanceNormalise(NormaliseConfig(epsilon=0.0), channels=3)(past, observed)
    for b in range(4):
        for v in range(3):
            seen = past[b, observed[b, :, v], v]
            assert level.loc[b, 0, v] == pytest.approx(seen.mean().item(), rel=1e-5)
            assert level.scale[b, 0, v] == pytest.approx(seen.std(correction=0).item(), rel=1e-5)


def test_unobserved_values_do_not_matter(window):
    past, observed = window
    layer = InstanceNormalise(NormaliseConfig(), channels=3)
    noisy = torch.where(observed, past, torch.full_like(past, 1e6))
    for a, b in zip(layer(past, observed)[1], layer(noisy, observed)[1], strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", ["mean_std", "last_value", "none"])
def test_empty_and_constant_windows_stay_finite(kind):
    layer = InstanceNormalise(NormaliseConfig(kind), channels=1)
    nothing, level = layer(torch.zeros(1, 8, 1), torch.zeros(1, 8, 1, dtype=torch.bool))
    assert (nothing == 0).all()
    assert (level.loc.item(), level.scale.item()) == (0.0, 1.0)
    constant, level = layer(torch.full((1, 8, 1), 7.0), torch.ones(1, 8, 1, dtype=torch.bool))
    assert constant.isfinite().all()
    assert level.scale.item() > 0


def test_a_single_value_does_not_set_the_scale():
    observed = torch.zeros(1, 8, 1, dtype=torch.bool)
    observed[0, 3] = True
    _, level = InstanceNormalise(NormaliseConfig(), channels=1)(torch.full((1, 8, 1), 7.0), observed)
    assert (level.loc.item(), level.scale.item()) == (7.0, 1.0)


def test_last_observed_looks_behind_gaps(window):
    past, observed = window
    expected = torch.stack([torch.stack([past[b, observed[b, :, v], v][-1] for v in range(3)]) for b in range(4)])
    torch.testing.assert_close(last_observed(past, observed)[:, 0], expected)
