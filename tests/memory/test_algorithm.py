import pytest
import torch
from torch import Tensor

from tests.tolerances import assert_close
from titans_seq.memory import Algorithm, GradientDescent, Momentum
from titans_seq.memory._algorithm import cumulative_products

ALGORITHMS = pytest.mark.parametrize("algorithm", [GradientDescent(), Momentum()])


def with_ends(size: int, seed: int = 0) -> Tensor:
    """Gates of which a third is exactly 0 and a third exactly 1."""
    generator = torch.Generator().manual_seed(seed)
    gate = torch.rand(2, size, dtype=torch.float64, generator=generator)
    dice = torch.randint(0, 3, gate.shape, generator=generator)
    return torch.where(dice == 0, 0.0, torch.where(dice == 1, 1.0, gate))


@pytest.mark.parametrize("size", [1, 2, 7])
def test_cumulative_products_by_a_loop(size: int) -> None:
    gate = with_ends(size)
    expected = torch.zeros(2, size, size + 1, dtype=torch.float64)
    for t in range(size):
        for s in range(t + 2):
            expected[:, t, s] = gate[:, s : t + 1].prod(-1)  # gates s+1 .. t+1, counted from 1
    assert_close(cumulative_products(gate), expected, 1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_cumulative_products_gradient_at_zeros_and_ones(seed: int) -> None:
    gate = with_ends(6, seed).requires_grad_()
    assert torch.autograd.gradcheck(cumulative_products, gate)


def test_cumulative_products_of_any_values() -> None:
    """Products of negative gates are not small ones: the docstring says any values."""
    gate = torch.tensor([-0.5, 0.5, -2.0], dtype=torch.float64)
    expected = [[-0.5, 1, 0, 0], [-0.25, 0.5, 1, 0], [0.5, -1, -2, 1]]
    assert torch.equal(cumulative_products(gate), torch.tensor(expected, dtype=torch.float64))


def test_cumulative_products_of_one_are_one_and_of_zero_zero() -> None:
    ones = torch.ones(300)
    assert torch.equal(cumulative_products(ones), torch.ones(300, 301).tril(1))
    expected = torch.zeros(300, 301)
    expected.diagonal(1).fill_(1)
    assert torch.equal(cumulative_products(ones * 0), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_are_never_subnormal(dtype: torch.dtype) -> None:
    products = cumulative_products(torch.full((200,), 0.02, dtype=dtype))
    assert products[products > 0].min() >= torch.finfo(dtype).tiny
    assert products[-1, 0] == 0


@ALGORITHMS
def test_the_closed_form_is_the_recurrence(algorithm: Algorithm) -> None:
    """Coefficients, applied to random slots and gradients, give what one step a token gives."""
    size, width = 6, 5
    torch.manual_seed(0)
    lr, momentum, keep = torch.rand(3, size, dtype=torch.float64).unbind()
    slots, u = torch.randn(2, width, dtype=torch.float64), torch.randn(size, width, dtype=torch.float64)
    c = algorithm.coefficients(lr, momentum, keep)
    n = algorithm.slots
    assert [x.shape for x in (c.read, c.mix, c.carry, c.write)] == [
        (size, n),
        (size, size),
        (n, n),
        (n, size),
    ]

    weight, past, steps = slots[0], slots[1], []
    for t in range(size):
        weight, past = algorithm.step(weight, past, u[t], (lr[t], momentum[t], keep[t]))
        steps.append(weight)
    assert_close(c.read @ slots[:n] - c.mix @ u, torch.stack(steps), 1e-13, "weights after each token")
    assert torch.equal(c.mix, c.mix.tril())
    carried = c.carry @ slots[:n] - c.write @ u
    assert_close(carried, torch.stack([weight, past][:n]), 1e-13, "slots after the chunk")


@ALGORITHMS
def test_coefficients_have_finite_exact_gradients(algorithm: Algorithm) -> None:
    gates = [with_ends(5, seed).requires_grad_() for seed in range(3)]

    def flat(*gates: Tensor) -> tuple[Tensor, ...]:
        c = algorithm.coefficients(*gates)
        return c.read, c.mix, c.carry, c.write

    assert torch.autograd.gradcheck(flat, gates)


def test_momentum_needs_its_gate() -> None:
    with pytest.raises(ValueError, match="momentum needs the gate `momentum`, got None"):
        Momentum().coefficients(torch.ones(2), None, torch.ones(2))


def test_what_each_algorithm_reads() -> None:
    assert (GradientDescent().slots, GradientDescent().gated) == (1, False)
    assert (Momentum().slots, Momentum().gated) == (2, True)
