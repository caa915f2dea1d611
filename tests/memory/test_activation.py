import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.tolerances import assert_close
from titans_seq.memory import ACTIVATIONS

# No 0: ReLU has no derivative there.
POINTS = torch.cat([torch.linspace(-9, 9, 60, dtype=torch.float64), torch.tensor([-1e-9, 1e-9, -40.0, 40.0])])


def units(name: str) -> Tensor:
    """Pre-activations of many units, `[units, width]`: of all pairs of some points if a unit has two."""
    width = ACTIVATIONS[name].width
    return POINTS.unsqueeze(-1) if width == 1 else torch.cartesian_prod(*[POINTS[::3]] * width)


def stacked(z: Tensor) -> Tensor:
    """`[units, width]` as an activation takes them, `[width * units]`."""
    return z.mT.flatten()


def usual(name: str, z: Tensor) -> Tensor:
    """The usual function, of `[units, width]`."""
    first, *second = (x.contiguous() for x in z.unbind(1))
    return F.silu(first) * second[0] if name == "swiglu" else getattr(F, name)(first)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_is_the_usual_function(name: str) -> None:
    z = units(name)
    assert torch.equal(ACTIVATIONS[name].value(stacked(z)), usual(name, z))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_and_pull_are_the_first_derivative(name: str) -> None:
    activation, z = ACTIVATIONS[name], units(name).requires_grad_()
    g = torch.linspace(-2, 3, len(z), dtype=torch.float64)
    (first,) = torch.autograd.grad(usual(name, z).sum(), z)
    z = stacked(z.detach())
    assert_close(activation.slope(z), stacked(first), 1e-14)
    assert_close(activation.pull(g, z), stacked(first * g.unsqueeze(-1)), 1e-14)
    assert_close(activation.spread(g) * activation.slope(z), activation.pull(g, z), 1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_bend_is_the_derivative_of_pull(name: str) -> None:
    activation, z = ACTIVATIONS[name], units(name).requires_grad_()
    g, d = torch.linspace(-2, 3, len(z), dtype=torch.float64), torch.linspace(4, -3, z.numel(), dtype=torch.float64)
    (pulled,) = torch.autograd.grad((usual(name, z) * g).sum(), z, create_graph=True)
    # ReLU's slope does not change anywhere, which autograd says by leaving z out.
    (second,) = torch.autograd.grad((stacked(pulled) * d).sum(), z, allow_unused=True, materialize_grads=True)
    assert_close(activation.bend(d, g, stacked(z.detach())), stacked(second), 1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_collect_is_the_transpose_of_spread(name: str) -> None:
    activation = ACTIVATIONS[name]
    generator = torch.Generator().manual_seed(0)
    g, d = (torch.randn(size, generator=generator, dtype=torch.float64) for size in (5, 5 * activation.width))
    assert activation.spread(g).shape == d.shape
    assert torch.isclose((activation.spread(g) * d).sum(), (g * activation.collect(d)).sum())


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_inputs_stay_finite(name: str, dtype: torch.dtype) -> None:
    activation = ACTIVATIONS[name]
    huge = torch.tensor([-1e30, -1e4, 0.0, 1e4, 1e30], dtype=dtype)
    ones = torch.ones_like(huge)
    # One pre-activation of a unit at a time: the product of two huge ones is more than a float can hold.
    for place in range(activation.width):
        z = torch.cat([huge if place == i else ones for i in range(activation.width)])
        results = (
            activation.value(z),
            activation.slope(z),
            activation.pull(ones, z),
            activation.bend(torch.ones_like(z), ones, z),
        )
        assert all(x.isfinite().all() and x.dtype == dtype for x in results)
