import pytest
import torch
from torch import Tensor

from tests.tolerances import assert_close
from titans_seq.memory._activation import ACTIVATIONS

# No 0: ReLU has no derivative there.
POINTS = torch.cat([torch.linspace(-9, 9, 60, dtype=torch.float64), torch.tensor([-1e-9, 1e-9, -40.0, 40.0])])


def derivative(function, z: Tensor) -> Tensor:
    return torch.func.vmap(torch.func.grad(function))(z)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_is_the_usual_function(name: str) -> None:
    assert torch.equal(ACTIVATIONS[name].value(POINTS), getattr(torch.nn.functional, name)(POINTS))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_backward_is_the_first_derivative(name: str) -> None:
    activation = ACTIVATIONS[name]
    first = derivative(activation.value, POINTS)
    g = torch.linspace(-2, 3, len(POINTS), dtype=torch.float64)
    assert_close(activation.backward(g, POINTS), g * first, 1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_second_is_the_derivative_of_the_first(name: str) -> None:
    activation = ACTIVATIONS[name]
    second = derivative(torch.func.grad(activation.value), POINTS)
    assert_close(activation.second(POINTS), second, 1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_inputs_stay_finite(name: str, dtype: torch.dtype) -> None:
    activation = ACTIVATIONS[name]
    z = torch.tensor([-1e30, -1e4, 0.0, 1e4, 1e30], dtype=dtype)
    results = (activation.value(z), activation.backward(torch.ones_like(z), z), activation.second(z))
    assert all(x.isfinite().all() and x.dtype == dtype for x in results)
