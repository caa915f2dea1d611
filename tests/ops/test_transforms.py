"""PyTorch's other derivatives: forward mode, torch.func, twice; the definition says what is right."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacrev, jvp, vmap

from tests.cases import Case, draw_inputs, draw_state
from tests.ops.test_packed import RULES
from tests.tolerances import assert_close
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule, MemoryState
from titans_seq.ops import memory_scan
from titans_seq.ops.dispatch import Backend

# torch.func says so where it has no fast path.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")

Function = Callable[[Tensor], Tensor]


def weights_like(like: Tensor) -> Tensor:
    # No random numbers: vmap would refuse to draw them.
    return torch.arange(like.numel(), dtype=like.dtype).sin().view(like.shape)


def inputs_of(case: Case) -> dict[str, Tensor]:
    state = draw_state(case, 3)
    named = {name: x for name, x in draw_inputs(case).items() if x is not None}
    return named | {"weights": state.weights[-1], "momentum of the state": state.momentum[-1]}


def function_of(case: Case, name: str, backend: Backend) -> Function:
    """The outputs and the state after them as a function of one input."""
    inputs, state = draw_inputs(case), draw_state(case, 3)

    def function(x: Tensor) -> Tensor:
        given: dict[str, Any] = inputs | ({name: x} if name in inputs else {})
        weights = (*state.weights[:-1], x) if name == "weights" else state.weights
        momentum = (*state.momentum[:-1], x) if name == "momentum of the state" else state.momentum
        start = MemoryState(weights, momentum, state.anchor, 3, state.recent)
        options: dict[str, Any] = {"rule": case.rule, "chunk_size": case.chunk_size, "backend": backend}
        y, after = memory_scan(**given, state=start, **options)
        assert after is not None
        return torch.cat([y.flatten(), *(w.flatten() for w in after.weights)])

    return function


def loss_of(function: Function) -> Function:
    def loss(x: Tensor) -> Tensor:
        y = function(x)
        return (y.square() * weights_like(y)).sum()

    return loss


def forward_mode(function: Function) -> Function:
    def tangent(x: Tensor) -> Tensor:
        with forward_ad.dual_level():
            found = forward_ad.unpack_dual(function(forward_ad.make_dual(x, weights_like(x)))).tangent
            return torch.zeros(()) if found is None else found

    return tangent


def twice(function: Function) -> Function:
    def second(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        (first,) = torch.autograd.grad(loss_of(function)(x), x, create_graph=True)
        return torch.autograd.grad((first * weights_like(first)).sum(), x, materialize_grads=True, allow_unused=True)[0]

    return second


TRANSFORMS: dict[str, Callable[[Function], Function]] = {
    "jvp": lambda function: lambda x: jvp(function, (x,), (weights_like(x),))[1],
    "forward_mode": forward_mode,
    "grad": lambda function: grad(loss_of(function)),
    "jacrev": jacrev,
    "vmap": lambda function: lambda x: vmap(function)(torch.stack([x, 0.5 * x])),
    "vmap_of_grad": lambda function: lambda x: vmap(grad(loss_of(function)))(torch.stack([x, 0.5 * x])),
    "twice": twice,
}


def by_differences(function: Function, step: float = 1e-6) -> Function:
    """What `twice` should give, from first derivatives alone: PyTorch's own second ones are not always right."""

    def first(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(loss_of(function)(x), x)[0]

    return lambda x: (first(x + step * weights_like(x)) - first(x - step * weights_like(x))) / (2 * step)


def assert_right(rule: str, name: str, transform: Callable[[Function], Function]) -> None:
    case = Case(RULES[rule], batch=1, length=6, heads=1)
    x = inputs_of(case)[name]
    plain, closed = (function_of(case, name, backend) for backend in ("reference", "chunked"))
    expected = transform(plain)(x)
    assert_close(transform(closed)(x), expected, 1e-9)
    if transform is twice:
        assert_close(expected, by_differences(closed)(x), 2e-5)


INPUTS = ("q", "k", "v", "lr", "momentum", "decay", "weights", "momentum of the state")


@pytest.mark.parametrize(
    ("name", "transform"),
    [*((name, "jvp") for name in INPUTS), *(("k", name) for name in TRANSFORMS), *((name, "twice") for name in INPUTS)],
)
def test_every_transform_by_every_input(name: str, transform: str) -> None:
    assert_right("titans", name, TRANSFORMS[transform])


OF_EVERY_RULE = itertools.product(
    enumerate(rule for rule in RULES if rule != "titans"),
    enumerate(["jvp", "vmap_of_grad", "twice"]),
    enumerate(["k", "lr"]),
)


# Every rule by every transform, every other one by the keys and the rest by the steps; the other halves are slow.
@pytest.mark.parametrize(
    ("rule", "transform", "name"),
    [
        pytest.param(rule, transform, name, marks=pytest.mark.slow if (i + j + k) % 2 else [])
        for (i, rule), (j, transform), (k, name) in OF_EVERY_RULE
    ],
)
def test_transforms_of_every_rule(rule: str, transform: str, name: str) -> None:
    assert_right(rule, name, TRANSFORMS[transform])


def test_a_hessian_by_the_gates() -> None:
    assert_right("linear", "momentum", lambda function: hessian(loss_of(function)))


def test_transforms_of_a_layer() -> None:
    """Forward mode against reverse mode, and both twice: what is beside the memory has derivatives by hand too."""
    torch.manual_seed(0)
    layer = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4), dim=8).double()
    x, along = torch.randn(2, 1, 9, 8, dtype=torch.float64)
    y, tangent = jvp(lambda x: layer(x)[0], (x,), (along,))  # pyright: ignore[reportAssignmentType]
    loss = loss_of(lambda x: layer(x)[0])
    first = grad(loss)
    assert_close((tangent * weights_like(y) * 2 * y).sum(), (first(x) * along).sum(), 1e-9)
    second = jvp(first, (x,), (weights_like(x),))[1]
    assert_close(twice(lambda x: layer(x)[0])(x), second, 1e-9)
    assert_close(second, by_differences(lambda x: layer(x)[0])(x), 2e-5)
    assert_close(vmap(first)(torch.stack([x, along]))[1], first(along), 1e-9)


@pytest.mark.parametrize("name", ["momentum", "decay"])
def test_gates_of_zero_and_one_have_their_derivative(name: str) -> None:
    case = Case(MemoryRule(LinearMemory()), length=6, chunk_size=6)
    inputs: dict[str, Any] = {**draw_inputs(case)}
    state = draw_state(case, 0)
    closed = {"momentum": (0.0, [1, 4]), "decay": (1.0, [2])}
    for gate, (value, tokens) in closed.items():
        inputs[gate][:, tokens] = value

    def loss(x: Tensor, backend: Backend) -> Tensor:
        options: dict[str, Any] = {"rule": case.rule, "chunk_size": case.chunk_size, "backend": backend}
        return memory_scan(**inputs | {name: x}, state=state, **options)[0].square().sum()

    x = inputs[name].requires_grad_()
    (expected,) = torch.autograd.grad(loss(x, "reference"), x)
    assert expected[:, closed[name][1]].abs().min() > 0
    (differentiable,) = torch.autograd.grad(loss(x, "chunked"), x, create_graph=True)
    assert_close(differentiable.detach(), expected)
    assert_close(grad(loss)(x.detach(), "chunked"), expected)
    along = torch.ones_like(x)
    moved = jvp(lambda x: loss(x, "chunked"), (x.detach(),), (along,))
    assert_close(moved[1], expected.sum())
