import math

import pytest
import torch
from scipy import stats

from forecasting.network.outputs import Output, Point, Quantiles, StudentT

OUTPUTS: list[Output] = [
    Point("mse"),
    Point("mae"),
    Point("huber"),
    Point("mse", frequency=0.8),
    Point("mae", frequency=1.0),
    Quantiles((0.1, 0.5, 0.9)),
    Quantiles((0.25,)),
    StudentT(),
]


@pytest.fixture
def head():
    generator = torch.Generator().manual_seed(0)
    raw = 3 * torch.randn(4, 6, 2, 9, generator=generator)
    loc = torch.randn(4, 1, 2, generator=generator)
    scale = torch.rand(4, 1, 2, generator=generator) + 0.5
    future = torch.randn(4, 6, 2, generator=generator)
    return raw, loc, scale, future


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_unobserved_targets_change_neither_loss_nor_gradient(output, head):
    raw, loc, scale, future = head
    observed = torch.rand(4, 6, 2, generator=torch.Generator().manual_seed(1)) > 0.4
    results = []
    for fill in (0.0, math.nan, math.inf):
        leaf = raw[..., : output.size].clone().requires_grad_()
        filled = torch.where(observed, future, fill)
        loss = output.loss(output.parameters(leaf, loc, scale), filled, observed)
        loss.backward()
        assert leaf.grad is not None
        results.append((loss.detach(), leaf.grad))
    assert results[0][0].isfinite()
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_nothing_observed_is_a_zero_loss(output, head):
    raw, loc, scale, future = head
    parameters = output.parameters(raw[..., : output.size], loc, scale)
    assert output.loss(parameters, future, torch.zeros_like(future, dtype=torch.bool)).item() == 0.0


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_mean_and_quantiles_move_with_the_level_of_the_window(output, head):
    raw, loc, scale, _ = head
    used = raw[..., : output.size]
    unit = output.parameters(used, torch.zeros_like(loc), torch.ones_like(scale))
    moved = output.parameters(used, loc, scale)
    levels = (0.2, 0.5, 0.8)
    torch.testing.assert_close(output.mean(moved), output.mean(unit) * scale + loc)
    if not isinstance(output, StudentT):
        expected = output.quantiles(unit, levels) * scale[..., None] + loc[..., None]
        torch.testing.assert_close(output.quantiles(moved, levels), expected)


def test_point_losses_are_the_textbook_ones(head):
    raw, _, _, future = head
    forecast, observed = raw[..., :1], future.isfinite()
    error = forecast[..., 0] - future
    spectrum = torch.fft.rfft(error, dim=1, norm="ortho").abs().mean()
    for output, expected in (
        (Point("mse"), error.square().mean()),
        (Point("mae"), error.abs().mean()),
        (Point("huber"), torch.nn.functional.huber_loss(forecast[..., 0], future)),
        (Point("mse", frequency=0.75), 0.25 * error.square().mean() + 0.75 * spectrum),
    ):
        torch.testing.assert_close(output.loss(forecast, future, observed), expected)


def test_quantiles_never_cross_however_extreme_the_head(head):
    raw, loc, scale, _ = head
    output = Quantiles()
    for factor in (1.0, 100.0):
        parameters = output.parameters(factor * raw, loc, scale)
        assert (parameters.diff(dim=-1) >= 0).all()


def test_quantiles_are_interpolated_between_and_held_beyond_the_levels():
    parameters = torch.tensor([1.0, 2.0, 6.0]).reshape(1, 1, 1, 3)
    output = Quantiles((0.1, 0.5, 0.9))
    read = output.quantiles(parameters, (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99))
    expected = torch.tensor([1.0, 1.0, 1.5, 2.0, 4.0, 6.0, 6.0])
    torch.testing.assert_close(read.flatten(), expected)
    assert output.mean(parameters).item() == 2.0


def test_a_single_quantile_is_constant():
    parameters = torch.tensor([3.0]).reshape(1, 1, 1, 1)
    assert Quantiles((0.25,)).quantiles(parameters, (0.1, 0.9)).flatten().tolist() == [3.0, 3.0]


def test_quantile_loss_at_the_median_is_the_absolute_error(head):
    raw, _, _, future = head
    output = Quantiles((0.5,))
    expected = (raw[..., 0] - future).abs().mean()
    torch.testing.assert_close(output.loss(raw[..., :1], future, future.isfinite()), expected)


def test_student_t_agrees_with_scipy(head):
    raw, loc, scale, future = head
    output = StudentT()
    parameters = output.parameters(raw[..., :3], loc, scale)
    freedom, location, spread = (p.double().numpy() for p in parameters.unbind(-1))
    log_density = stats.t.logpdf(future.double().numpy(), freedom, location, spread)
    loss = output.loss(parameters, future, future.isfinite()).item()
    assert loss == pytest.approx(-log_density.mean(), rel=1e-5)
    levels = (0.01, 0.5, 0.9)
    read = output.quantiles(parameters, levels)
    for index, level in enumerate(levels):
        expected = torch.from_numpy(stats.t.ppf(level, freedom, location, spread)).float()
        torch.testing.assert_close(read[..., index], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_student_t_stays_finite_for_extreme_heads_and_targets(size):
    output = StudentT()
    for sign in (-1.0, 1.0):
        raw = torch.full((1, 2, 1, 3), sign * size, requires_grad=True)
        parameters = output.parameters(raw, torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
        assert (parameters[..., 0] > 2).all()
        future = torch.tensor([0.0, size]).reshape(1, 2, 1)
        loss = output.loss(parameters, future, future.isfinite())
        loss.backward()
        assert loss.isfinite()
        assert raw.grad is not None
        assert raw.grad.isfinite().all()


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"frequency must lie in \[0, 1\], got 1.5"):
        Point(frequency=1.5)
    with pytest.raises(ValueError, match=r"levels must lie strictly between 0 and 1, got \(0.5, 1.0\)"):
        Quantiles((0.5, 1.0))
    with pytest.raises(ValueError, match="strictly increasing and not empty"):
        Quantiles((0.5, 0.1))
    with pytest.raises(ValueError, match="strictly increasing and not empty"):
        Quantiles(())
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        StudentT().quantiles(torch.zeros(1, 1, 1, 3), (0.0,))
