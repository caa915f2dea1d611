import pytest
import torch
from torch import Tensor

from tests.tolerances import assert_close
from titans_seq.memory import (
    Algorithm,
    Gates,
    GradientDescent,
    ImplicitGradientDescent,
    Momentum,
    Muon,
    Nesterov,
    SlidingWindow,
)
from titans_seq.memory.algorithm import cumulative_products, orthogonalised

ALGORITHMS = pytest.mark.parametrize(
    "algorithm",
    [
        GradientDescent(),
        ImplicitGradientDescent(),
        Momentum(),
        Nesterov(),
        Muon(),
        Muon("token"),
        Muon("token", momentum=False),
        SlidingWindow(window=1),
        SlidingWindow(Momentum(), window=3),
        SlidingWindow(GradientDescent(), window=9),
        SlidingWindow(Muon("step")),
    ],
    ids=repr,
)


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
    size, width, lookback = 6, 5, algorithm.lookback
    torch.manual_seed(0)
    gates = Gates(*torch.rand(3, size, dtype=torch.float64))
    slots, u = torch.randn(2, width, dtype=torch.float64), torch.randn(lookback + size, width, dtype=torch.float64)
    c = algorithm.coefficients(gates)
    n = algorithm.slots
    assert [x.shape for x in (c.read, c.mix, c.carry, c.write)] == [
        (size, n),
        (size, lookback + size),
        (n, n),
        (n, lookback + size),
    ]

    weight, past, steps = slots[0], slots[1], []
    for t in range(size):
        now = Gates(gates.lr[t], gates.fade[t], gates.keep[t])
        # A token's gradient is that of its window, whose last token it is.
        weight, past = algorithm.step(weight, past, u[t : t + lookback + 1].sum(0), now)
        steps.append(weight)
    assert_close(c.read @ slots[:n] - c.mix @ u, torch.stack(steps), 1e-13, "weights after each token")
    assert torch.equal(c.mix, c.mix.tril(lookback))
    carried = c.carry @ slots[:n] - c.write @ u
    assert_close(carried, torch.stack([weight, past][:n]), 1e-13, "slots after the chunk")


@ALGORITHMS
def test_coefficients_of_many_are_those_of_each(algorithm: Algorithm) -> None:
    gates = [with_ends(5, seed) for seed in range(3)]
    together = algorithm.coefficients(Gates(*gates)).tensors()
    for row in range(2):
        alone = algorithm.coefficients(Gates(*(gate[row] for gate in gates))).tensors()
        for x, y in zip(together, alone, strict=True):
            assert_close(x[row], y, 1e-15)


@ALGORITHMS
def test_coefficients_have_finite_exact_gradients(algorithm: Algorithm) -> None:
    gates = [with_ends(5, seed).requires_grad_() for seed in range(3)]

    def flat(*gates: Tensor) -> tuple[Tensor, ...]:
        return tuple(x for x in algorithm.coefficients(Gates(*gates)).tensors() if x.requires_grad)

    assert torch.autograd.gradcheck(flat, gates)


@pytest.mark.parametrize("algorithm", [Momentum(), Nesterov(), Muon(), SlidingWindow()], ids=repr)
def test_momentum_needs_its_gate(algorithm: Algorithm) -> None:
    gates = Gates(torch.ones(2), None, torch.ones(2))
    with pytest.raises(ValueError, match="momentum needs the gate `momentum`, got None"):
        algorithm.coefficients(gates)
    with pytest.raises(ValueError, match="momentum needs the gate `momentum`, got None"):
        algorithm.step(torch.ones(2), torch.ones(2), torch.ones(2), gates)


@pytest.mark.parametrize("algorithm", [GradientDescent(), Muon("token", momentum=False)], ids=repr)
def test_what_has_no_momentum_needs_no_gate(algorithm: Algorithm) -> None:
    algorithm.coefficients(Gates(torch.ones(2), None, torch.ones(2)))


def test_what_each_algorithm_reads() -> None:
    def facts(a: Algorithm) -> tuple[int, bool, int, bool]:
        return a.slots, a.gated, a.lookback, a.linear

    assert facts(GradientDescent()) == facts(ImplicitGradientDescent()) == (1, False, 0, True)
    assert facts(Momentum()) == facts(Nesterov()) == (2, True, 0, True)
    assert facts(Muon()) == (2, True, 0, False)
    assert facts(Muon(momentum=False)) == (2, False, 0, False)
    assert facts(SlidingWindow()) == (2, True, 3, True)
    assert facts(SlidingWindow(GradientDescent(), window=1)) == (1, False, 0, True)
    assert facts(SlidingWindow(Muon(momentum=False), window=7)) == (2, False, 6, False)


def test_nesterov_steps_ahead() -> None:
    """`S = 0.5 * 2 - 0.1 * 10 = 0`, `W = 4 + 0.5 * 0 - 0.1 * 10`; Momentum, which does not, stays at 4."""
    gates = Gates(*torch.tensor([0.1, 0.5, 1.0]))
    weight, past, gradient = torch.tensor([4.0, 2.0, 10.0])
    assert Nesterov().step(weight, past, gradient, gates) == (3, 0)
    assert Momentum().step(weight, past, gradient, gates) == (4, 0)


@ALGORITHMS
def test_only_an_implicit_step_depends_on_the_key(algorithm: Algorithm) -> None:
    lr, k = torch.tensor([0.5, 2.0, 1e6]), torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.6, 0.8]])
    implicit = isinstance(algorithm, ImplicitGradientDescent)
    assert_close(algorithm.rate(lr, k), torch.tensor([0.5 / 13.5, 2.0, 1.0]) if implicit else lr)


@pytest.mark.parametrize("weigh", ["step", "token"])
def test_muon_closes_a_chunk_with_one_orthogonalised_step(weigh: str) -> None:
    torch.manual_seed(0)
    weight, past = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    size = torch.rand(3, 1, 1, dtype=torch.float64)
    scale = size if weigh == "step" else 1
    for momentum in (True, False):
        muon = Muon(weigh, momentum, iterations=3)  # type: ignore[arg-type]
        for algorithm in (muon, SlidingWindow(muon)):
            stepped, left = algorithm.close(weight, past, size if weigh == "step" else None)
            assert_close(stepped, weight + scale * orthogonalised(past, 3), 1e-14)
            assert torch.equal(left, past * momentum)


@pytest.mark.parametrize("algorithm", [GradientDescent(), Momentum(), SlidingWindow(Nesterov())], ids=repr)
def test_a_linear_algorithm_has_nothing_to_close(algorithm: Algorithm) -> None:
    weight, past = torch.randn(2, 4, 4)
    stepped, left = algorithm.close(weight, past, None)
    assert stepped is weight
    assert left is past


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("shape", [(4, 16), (16, 4), (8, 8), (1, 5)])
def test_orthogonalised_brings_singular_values_near_1(shape: tuple[int, int], scale: float) -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(6, *shape, dtype=torch.float64), full_matrices=False)
    # Five steps lift what is above a hundredth of the length of all.
    values = torch.linspace(1, 0.05, min(shape), dtype=torch.float64)
    found = orthogonalised(scale * u @ values.diag() @ v)
    size = torch.linalg.svdvals(found)
    assert size.min() > 0.6
    assert size.max() < 1.3
    # The directions stay as they are.
    turned = u.mT @ found @ v.mT
    assert_close(turned, turned.diagonal(dim1=-2, dim2=-1).diag_embed(), 1e-11)


def test_orthogonalised_is_the_same_for_a_matrix_and_its_transpose() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, 7, dtype=torch.float64)
    assert_close(orthogonalised(x.mT), orthogonalised(x).mT, 1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthogonalised_zero_stays_zero_with_a_finite_gradient(dtype: torch.dtype) -> None:
    zero = torch.zeros(2, 3, 4, dtype=dtype, requires_grad=True)
    found = orthogonalised(zero)
    assert not found.any()
    (gradient,) = torch.autograd.grad(found.sum(), zero)
    assert gradient.isfinite().all()
