"""Dtypes, autocast, and the modes of PyTorch that record no graph."""

import pytest
import torch

from tests.cases import ABLATIONS, DELTA_RULE, Case, Inputs, draw_inputs, draw_state, scan, state_tensors
from tests.tolerances import RELATIVE, assert_all_close, assert_close
from titans_seq.memory import LinearMemory, MemoryRule, MemoryState
from titans_seq.ops.dispatch import Backend

BACKENDS = pytest.mark.parametrize("backend", ["reference", "chunked"])
STATES = pytest.mark.parametrize("position", [None, 2], ids=["new", "open"])


def cast(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    return {name: None if x is None else x.to(dtype) for name, x in inputs.items()}


@BACKENDS
@STATES
@pytest.mark.parametrize("rule", ["momentum_decay", "neither"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_lower_precision_follows_double(dtype: torch.dtype, rule: str, position: int | None, backend: Backend) -> None:
    case = Case(ABLATIONS[rule], length=21, chunk_size=8, dtype=torch.float64)
    inputs, state = draw_inputs(case), draw_state(case, position)
    exact, exact_after = scan(inputs, state, case.rule, 8, backend)
    tokens = {n: x if n in ("lr", "momentum", "decay") else x.to(dtype) for n, x in inputs.items() if x is not None}
    small = {"lr": None, "momentum": None, "decay": None} | {
        n: x if x.dtype == dtype else x.float() for n, x in tokens.items()
    }
    y, after = scan(small, state.map(torch.Tensor.float), case.rule, 8, backend)
    assert_close(y, exact.to(dtype), RELATIVE[dtype], "y")
    assert all(x.dtype == torch.float32 for x in state_tensors(after).values())
    double = {name: x.double() for name, x in state_tensors(after).items()}
    assert_all_close(double, state_tensors(exact_after), RELATIVE[dtype])


@STATES
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_computes_in_float32(dtype: torch.dtype, position: int | None) -> None:
    """Only inputs and outputs are rounded: the state is bit for bit that of the rounded inputs in float32."""
    case = Case(length=13, dtype=torch.float32)
    inputs, state = cast(draw_inputs(case), dtype), draw_state(case, position)
    y, after = scan(inputs, state, case.rule, 4, "chunked")
    y32, after32 = scan(cast(inputs, torch.float32), state, case.rule, 4, "chunked")
    assert torch.equal(y, y32.to(dtype))
    assert all(torch.equal(x, state_tensors(after32)[n]) for n, x in state_tensors(after).items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_come_in_the_dtype_of_the_inputs(dtype: torch.dtype) -> None:
    case = Case(length=9, dtype=torch.float32)
    inputs = {n: x.to(dtype).requires_grad_() for n, x in draw_inputs(case).items() if x is not None}
    weights = [w.requires_grad_() for w in draw_state(case, None).weights]
    y, _ = scan({**inputs}, MemoryState.initial(weights), case.rule, 4, "chunked")
    y.float().square().sum().backward()
    assert all(x.grad is not None and x.grad.dtype == dtype and x.grad.isfinite().all() for x in inputs.values())
    assert all(w.grad is not None and w.grad.dtype == torch.float32 for w in weights)


@BACKENDS
def test_autocast_does_not_reach_the_memory(backend: Backend) -> None:
    case = Case(length=9, dtype=torch.float32)
    inputs, state = draw_inputs(case), draw_state(case, 1)
    plain, after = scan(inputs, state, case.rule, 4, backend)
    with torch.autocast("cpu", torch.bfloat16):
        y, cast_after = scan(inputs, state, case.rule, 4, backend)
    assert_close(y, plain, name="y")
    assert_all_close(state_tensors(cast_after), state_tensors(after))


@pytest.mark.parametrize("position", [None, 1])
@pytest.mark.parametrize("rule", [ABLATIONS["momentum_decay"], MemoryRule(LinearMemory()), DELTA_RULE])
def test_a_backward_pass_within_autocast_is_the_same(rule: MemoryRule, position: int | None) -> None:
    case = Case(rule, length=11, dtype=torch.float32)
    named = {name: x.requires_grad_() for name, x in draw_inputs(case).items() if x is not None}
    inputs = {"momentum": None, "decay": None, **named}
    found = []
    for inside in (False, True):
        y, _ = scan(inputs, draw_state(case, position), case.rule, 4, "chunked")
        loss = (y * torch.arange(y.numel()).cos().view_as(y)).sum()
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            found.append(torch.autograd.grad(loss, list(named.values())))
    for name, *pair in zip(named, *found, strict=True):
        assert_close(pair[0], pair[1], 1e-6, name)


@pytest.mark.parametrize("rule", [ABLATIONS["momentum_decay"], MemoryRule(LinearMemory())])
def test_differentiating_twice_within_autocast_works(rule: MemoryRule) -> None:
    """PyTorch's own second pass casts its products, as it would without our operators: close, not equal."""
    case = Case(rule, length=11, dtype=torch.float32)
    inputs, found = {"momentum": None, "decay": None, **draw_inputs(case)}, []
    k = inputs["k"].requires_grad_()  # type: ignore[union-attr]
    for inside in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            y, _ = scan(inputs, draw_state(case, 1), case.rule, 4, "chunked")
            (first,) = torch.autograd.grad(y.square().sum(), k, create_graph=True)
            found += torch.autograd.grad(first.square().sum(), k)
    assert_close(found[1], found[0], 3e-2)


@BACKENDS
@STATES
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_no_graph_same_numbers(mode: type, position: int | None, backend: Backend) -> None:
    case = Case(length=11)
    inputs, state = draw_inputs(case), draw_state(case, position)
    inputs["k"].requires_grad_()  # type: ignore[union-attr]
    y, after = scan(inputs, state, case.rule, 4, backend)
    with mode():
        free, free_after = scan(inputs, state, case.rule, 4, backend)
        again, _ = scan(inputs, free_after, case.rule, 4, backend)
    assert torch.equal(free, y)
    assert not free.requires_grad
    assert not any(x.requires_grad for x in state_tensors(free_after).values())
    assert_all_close(state_tensors(free_after), state_tensors(after), 0)
    expected, _ = scan(inputs, after, case.rule, 4, backend)
    assert_close(again, expected, 0, "a second piece")


def test_a_state_from_no_grad_goes_on_into_training() -> None:
    """Warm up without a graph, then train: gradients are those of a start from detached values."""
    case = Case(length=7)
    inputs, state = draw_inputs(case), draw_state(case, None)
    with torch.no_grad():
        _, warm = scan(inputs, state, case.rule, 4, "chunked")
    gradients = []
    for start in (warm, warm.map(torch.clone)):
        k = inputs["k"].clone().requires_grad_()  # type: ignore[union-attr]
        y, _ = scan({**inputs, "k": k}, start, case.rule, 4, "chunked")
        gradients.append(torch.autograd.grad(y.square().sum(), k)[0])
    assert torch.equal(*gradients)
