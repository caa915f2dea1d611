"""The operator's laws: cuts change nothing, the future changes no past, sequences and heads are independent."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.cases import ABLATIONS, ARCHITECTURES, Case, Inputs, draw_inputs, draw_state, scan, state_tensors
from tests.tolerances import RELATIVE, assert_all_close, assert_close
from titans_seq.memory import MemoryState
from titans_seq.ops.dispatch import Backend

BACKENDS = pytest.mark.parametrize("backend", ["reference", "chunked"])


def in_pieces(case: Case, inputs: Inputs, state: MemoryState, backend: Backend, cuts: list[int]) -> dict[str, Tensor]:
    borders = [0, *sorted(cuts), case.length]
    outputs = []
    for start, stop in zip(borders, borders[1:], strict=False):
        if start < stop:
            y, state = scan(inputs, state, case.rule, case.chunk_size, backend, slice(start, stop))
            outputs.append(y)
    assert state.position == (draw_position(case) + case.length) % case.chunk_size
    return {"y": torch.cat(outputs, 1), **state_tensors(state)}


def draw_position(case: Case) -> int:
    """Position that `case` starts at: a function of its seed, so that all parts of a test agree."""
    return case.seed % case.chunk_size


@BACKENDS
@settings(max_examples=25)
@given(
    architecture=st.sampled_from(sorted(ARCHITECTURES)),
    ablation=st.sampled_from(sorted(ABLATIONS)),
    length=st.integers(1, 20),
    chunk_size=st.integers(1, 8),
    cuts=st.lists(st.integers(0, 20), max_size=5),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 9),
)
def test_cuts_change_nothing(
    backend: Backend,
    architecture: str,
    ablation: str,
    length: int,
    chunk_size: int,
    cuts: list[int],
    dtype: torch.dtype,
    seed: int,
) -> None:
    rule = replace(ABLATIONS[ablation], architecture=ARCHITECTURES[architecture])
    case = Case(rule, length=length, chunk_size=chunk_size, dtype=dtype, seed=seed)
    inputs, state = draw_inputs(case), draw_state(case, draw_position(case) or None)
    whole = in_pieces(case, inputs, state, backend, [])
    pieces = in_pieces(case, inputs, state, backend, [min(cut, length) for cut in cuts])
    assert_all_close(pieces, whole, 1e-12 if dtype == torch.float64 else RELATIVE[dtype])


@BACKENDS
@pytest.mark.parametrize("rule", ABLATIONS)
def test_token_by_token_equals_the_whole(backend: Backend, rule: str) -> None:
    case = Case(ABLATIONS[rule], length=13, chunk_size=5, seed=10)
    inputs, state = draw_inputs(case), draw_state(case, None)
    whole = in_pieces(case, inputs, state, backend, [])
    assert_all_close(in_pieces(case, inputs, state, backend, list(range(13))), whole, 1e-12)


@pytest.mark.parametrize("cut", [1, 4, 6, 8])
def test_gradients_flow_through_the_state(cut: int) -> None:
    case = Case(length=11, seed=4)
    inputs, state = draw_inputs(case), draw_state(case, None)
    gradients = []
    for cuts in ([], [cut]):
        leaves = {name: x.clone().requires_grad_() for name, x in inputs.items() if x is not None}
        weights = [w.clone().requires_grad_() for w in state.weights]
        results = in_pieces(case, {**leaves}, MemoryState.initial(weights), "chunked", cuts)
        loss = sum((x * torch.linspace(-1, 2, x.numel()).view(x.shape)).sum() for x in results.values())
        wanted = [*leaves.values(), *weights]
        names = [*leaves, *(f"weights.{i}" for i in range(len(weights)))]
        gradients.append(dict(zip(names, torch.autograd.grad(loss, wanted), strict=True)))  # type: ignore[arg-type]
    assert_all_close(gradients[1], gradients[0], 1e-12)


@BACKENDS
@pytest.mark.parametrize("chunk_size", [1, 4])
def test_the_future_changes_no_past_output(backend: Backend, chunk_size: int) -> None:
    case = Case(length=9, chunk_size=chunk_size)
    inputs, state = draw_inputs(case), draw_state(case, chunk_size // 2 or None)
    y, _ = scan(inputs, state, case.rule, chunk_size, backend)
    other = draw_inputs(replace(case, seed=77))
    for t in range(1, case.length):
        changed = {
            name: None if x is None else torch.cat([x[:, :t], other[name][:, t:]], 1)  # type: ignore[index]
            for name, x in inputs.items()
        }
        changed_y, _ = scan(changed, state, case.rule, chunk_size, backend)
        assert torch.equal(changed_y[:, :t], y[:, :t])
        assert not torch.equal(changed_y[:, t], y[:, t])


def test_no_gradient_reaches_back_from_the_past() -> None:
    case = Case(length=10)
    inputs, state = draw_inputs(case), draw_state(case, 1)
    for t in range(case.length - 1):
        leaves = {name: x.clone().requires_grad_() for name, x in inputs.items() if x is not None}
        y, _ = scan({**leaves}, state, case.rule, case.chunk_size, "chunked")
        for gradient in torch.autograd.grad(y[:, t].square().sum(), list(leaves.values())):
            assert (gradient[:, t + 1 :] == 0).all()


@BACKENDS
@pytest.mark.parametrize("position", [None, 2], ids=["new", "open"])
def test_sequences_and_heads_are_independent(backend: Backend, position: int | None) -> None:
    case = Case(batch=3, heads=3)
    inputs, state = draw_inputs(case), draw_state(case, position)
    y, after = scan(inputs, state, case.rule, case.chunk_size, backend)
    for b in range(3):
        for h in range(3):
            one = {n: None if x is None else x[b : b + 1, :, h : h + 1] for n, x in inputs.items()}
            index = (slice(h, h + 1),) if state.is_new else (slice(b, b + 1), slice(h, h + 1))
            alone, alone_after = scan(one, state.map(lambda x, i=index: x[i]), case.rule, case.chunk_size, backend)
            assert_close(alone, y[b : b + 1, :, h : h + 1], 1e-13, f"y of sequence {b}, head {h}")
            together = {n: x[b : b + 1, h : h + 1] for n, x in state_tensors(after).items()}
            assert_all_close(state_tensors(alone_after), together, 1e-13)


@BACKENDS
def test_a_shared_start_is_the_same_start_for_each_sequence(backend: Backend) -> None:
    case = Case(length=11)
    inputs, shared = draw_inputs(case), draw_state(case, None)
    own = MemoryState.initial([w.expand(case.batch, *w.shape) for w in shared.weights])
    first, second = (scan(inputs, state, case.rule, case.chunk_size, backend) for state in (shared, own))
    assert_close(first[0], second[0], 1e-13, "y")
    assert_all_close(state_tensors(first[1]), state_tensors(second[1]), 1e-13)
