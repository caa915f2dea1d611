import math

import pytest
import torch

from forecasting.network.losses import frequency_loss, masked_mean, pinball


def test_masked_mean_counts_observed_entries_only():
    x = torch.tensor([1.0, 2.0, math.nan, math.inf], requires_grad=True)
    mean = masked_mean(x, torch.tensor([True, True, False, False]))
    assert mean.item() == 1.5
    (gradient,) = torch.autograd.grad(mean, x)
    assert gradient.tolist() == [0.5, 0.5, 0.0, 0.0]
    assert masked_mean(x, torch.zeros(4, dtype=torch.bool)).item() == 0.0


@pytest.mark.parametrize("horizon", [1, 2, 7, 8])
def test_frequency_loss_is_the_mean_modulus_of_an_explicit_transform(horizon):
    error = torch.randn(3, horizon, 2, dtype=torch.float64)
    steps = torch.arange(horizon, dtype=torch.float64)
    total, count = 0.0, 0
    for k in range(horizon // 2 + 1):
        angle = (2 * math.pi * k / horizon * steps)[None, :, None]
        real, imaginary = (error * angle.cos()).sum(1), (error * angle.sin()).sum(1)
        total += (real.square() + imaginary.square()).sqrt().sum().item() / math.sqrt(horizon)
        count += real.numel()
    assert frequency_loss(error, error.isfinite()).item() == pytest.approx(total / count, rel=1e-12)


def test_frequency_loss_ignores_unobserved_steps_and_channels():
    error = torch.randn(2, 8, 3)
    observed = torch.ones_like(error, dtype=torch.bool)
    observed[:, 5:, 0] = False
    observed[:, :, 1] = False
    noisy = torch.where(observed, error, 1e9)
    expected = frequency_loss(error[..., [0, 2]] * observed[..., [0, 2]], observed[..., [2, 2]])
    torch.testing.assert_close(frequency_loss(noisy, observed), expected)


def test_frequency_loss_of_a_perfect_forecast_has_a_finite_gradient():
    error = torch.zeros(1, 8, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(frequency_loss(error, error == 0), error)
    assert gradient.isfinite().all()


def test_pinball_is_minimal_at_the_quantile():
    target = torch.randn(10_001, generator=torch.Generator().manual_seed(0))
    levels = torch.tensor([0.1, 0.5, 0.9])
    best = torch.quantile(target, levels)

    def loss(forecast: torch.Tensor) -> torch.Tensor:
        return pinball(forecast.expand(len(target), 3), target, levels).mean(0)

    for shift in (-0.05, 0.05):
        assert (loss(best) < loss(best + shift)).all()
