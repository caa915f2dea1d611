"""The linear memory's kernels in triton's interpreter, on a CPU, against the chunked operator in float64.

Not collected by itself: `test_interpreted.py` runs this file in a process of its own, because triton reads
TRITON_INTERPRET when it is imported, and because a load out of bounds ends the process.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from triton import language
from triton.runtime import interpreter

from tests.cases import Case, draw_inputs, draw_state, scan, state_tensors
from tests.ops.triton.agreement import (
    SLOW,
    agree,
    assert_causal,
    assert_cuts_change_nothing,
    check,
    slow_but,
    with_constant_gates,
    with_zeros_and_ones,
)
from tests.ops.triton.comparison import RULES
from tests.tolerances import assert_all_close, assert_close
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.ops import memory_scan
from titans_seq.ops.dispatch import Backend
from titans_seq.ops.triton.kernels import coefficients
from titans_seq.ops.triton.operator import fused_memory, fused_memory_backward

pytestmark = pytest.mark.usefixtures("empty_tensors_hold_nan", "own_scan")
CASE = Case(RULES["momentum_decay"], batch=1, length=19, heads=2, key_dim=32, value_dim=32, chunk_size=16)


@pytest.mark.parametrize(("shape", "axis"), [((8,), 0), ((8, 4), 0), ((4, 8), 1)])
def test_a_scan_by_rows_is_the_interpreters_own(own_scan: Callable, shape: tuple[int, ...], axis: int) -> None:
    scan_of = interpreter.ScanOps(axis, coefficients._combine, False)
    numbers = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    tensors = tuple(scan_of.to_tensor(x, language.float32) for x in numbers)
    patched = interpreter._patch_lang(coefficients._combine.fn)
    try:
        by_rows, expected = (run(scan_of, tensors) for run in (interpreter.ScanOps.generic_scan, own_scan))
    finally:
        patched.restore()
    for mine, own in zip(by_rows, expected, strict=True):
        assert mine.type == own.type
        assert np.array_equal(mine.handle.data, own.handle.data)


@pytest.mark.parametrize("rule", slow_but(["momentum", "decay", "constant_decay"], RULES))
def test_every_rule_that_fuses(rule: str) -> None:
    # One of them with heads beside each other.
    check(replace(CASE, rule=RULES[rule], length=20, heads=1 + (rule == "decay")), 5)


@pytest.mark.parametrize(
    ("length", "position"),
    [
        pytest.param(35, None, marks=SLOW),
        (19, None),  # a ragged tail
        (16, 0),
        pytest.param(32, None, marks=SLOW),  # whole chunks only
        (1, None),
        (1, 7),  # the chunk that is open stays so
        pytest.param(1, 15, marks=SLOW),  # and here closes
        (11, 5),
    ],
)
def test_every_way_to_begin_and_end(length: int, position: int | None) -> None:
    check(replace(CASE, length=length, heads=1), position)


@pytest.mark.parametrize("rule", slow_but(["momentum_decay"], ["momentum_decay", "decay"]))
def test_widths_in_slices(rule: str) -> None:
    check(replace(CASE, rule=RULES[rule], heads=1, key_dim=64, value_dim=128, length=13), 5)


def test_a_chunk_that_is_no_power_of_two() -> None:
    check(replace(CASE, chunk_size=18, length=20, heads=1))


ENDS = list(itertools.product([0.0, 1.0], repeat=3))


@SLOW  # the zeros and ones below stand for them
@pytest.mark.parametrize(("lr", "momentum", "decay"), ENDS)
def test_gates_at_their_ends(lr: float, momentum: float, decay: float) -> None:
    case = replace(CASE, length=13, heads=1)
    agree(case, with_constant_gates(case, lr=lr / 16, momentum=momentum, decay=decay), draw_state(case, 5))


@pytest.mark.parametrize("rule", slow_but(["momentum_decay"], ["momentum_decay", "decay", "momentum"]))
def test_zeros_and_ones_among_other_values(rule: str) -> None:
    case = replace(CASE, rule=RULES[rule], heads=1)
    agree(case, with_zeros_and_ones(case), draw_state(case, None))


@SLOW
@pytest.mark.parametrize("small", [1e-5, 1e-30])
def test_products_that_underflow(small: float) -> None:
    case = replace(CASE, length=20, heads=1)
    agree(case, with_constant_gates(case, momentum=small, decay=1 - small), draw_state(case, 3))


@pytest.mark.parametrize("reads", slow_but(["y"], ["y", "weights", "momentum", "anchor"]))
def test_a_loss_that_reads_one_result(reads: str) -> None:
    check(replace(CASE, length=20, heads=1), loss_reads=[reads])


def test_float16_operands() -> None:
    check(replace(CASE, length=12, heads=1), 5, torch.float16)


@SLOW  # the agreement above, for every way to begin and end, says as much
def test_cuts_change_nothing() -> None:
    assert_cuts_change_nothing(replace(CASE, length=20, heads=1), [3, 14])


def test_the_future_changes_no_past_output() -> None:
    assert_causal(replace(CASE, length=20, heads=1, dtype=torch.float32), [15])


def test_views_of_any_strides_and_gates_per_layer() -> None:
    case = replace(CASE, length=20, dtype=torch.float32)
    inputs, state = draw_inputs(case), draw_state(case, 5)
    views = {name: None if x is None else x.mT.contiguous().mT for name, x in inputs.items()}
    views |= {name: x.unsqueeze(-1) for name in ("lr", "momentum", "decay") if (x := views[name]) is not None}
    y, after = scan(inputs, state, case.rule, 16, "triton")
    y_views, after_views = scan(views, state.map(lambda x: x.mT.contiguous().mT), case.rule, 16, "triton")
    assert torch.equal(y, y_views)
    assert_all_close(state_tensors(after), state_tensors(after_views), 0)


@torch.no_grad()
def test_a_state_stays_the_value_that_it_was() -> None:
    case = replace(CASE, length=3, dtype=torch.float32)
    state = draw_state(case, 5)
    before = {name: x.clone() for name, x in state_tensors(state).items()}
    _, after = scan(draw_inputs(case), state, case.rule, 16, "triton")
    assert all(torch.equal(x, before[name]) for name, x in state_tensors(state).items())
    assert after.anchor[0] is state.anchor[0]


def test_a_layer() -> None:
    config = NeuralMemoryConfig(heads=2, chunk_size=16, rule=RULES["momentum_decay"])
    torch.manual_seed(0)
    fused = NeuralMemory(replace(config, backend="triton"), 64)
    plain = NeuralMemory(replace(config, backend="chunked"), 64)
    plain.load_state_dict(fused.state_dict())
    x = torch.randn(1, 20, 64)
    y, _ = fused(x)
    assert_close(y, plain(x)[0])


def operands(*, momentum: bool, opened: bool, gradient: bool) -> tuple:
    torch.manual_seed(0)
    q, k, v = (0.2 * torch.randn(1, 3, 2, 32) for _ in range(3))
    gates = [0.1 * torch.rand(1, 3, 2) for _ in range(3)]
    slots = [0.1 * torch.randn(2, 32, 32) for _ in range(3)]
    keep = 1 - gates[2]
    for x in (q, k, v, *gates, keep, *slots):
        x.requires_grad_(gradient)
    past, anchor = [slots[1]] if momentum else [], [slots[2]] if opened else []
    tensors = (q, k, v, gates[0], gates[1] if momentum else None, keep, [slots[0]], past, anchor)
    return *tensors, "none", False, False, 16, 14 if opened else 0, True


@pytest.mark.parametrize("opened", slow_but([True], [True, False]))
def test_without_a_backward_pass_only_the_results_are_kept(opened: bool) -> None:
    arguments = operands(momentum=True, opened=opened, gradient=False)
    results = fused_memory(*arguments[:-1], False)
    assert len(results) == 1 + 3 * 1
    for one, other in zip(results, fused_memory(*arguments), strict=False):
        assert torch.equal(one, other)


@SLOW
@pytest.mark.parametrize(("momentum", "opened"), [(True, True), (False, False)])
def test_opcheck(momentum: bool, opened: bool) -> None:
    torch.library.opcheck(fused_memory, operands(momentum=momentum, opened=opened, gradient=True))
    arguments = operands(momentum=momentum, opened=opened, gradient=False)
    results = fused_memory(*arguments)
    count = 3 + momentum
    saved, d_results = results[count:], [torch.ones_like(x) for x in results[:count]]
    torch.library.opcheck(fused_memory_backward, (*arguments[:9], saved, d_results, *arguments[9:14]))


def test_what_the_kernels_cannot_differentiate_is_refused() -> None:
    case = replace(CASE, length=3, dtype=torch.float32)
    inputs, state = draw_inputs(case), draw_state(case, None)
    v = inputs["v"]
    assert v is not None

    def outputs(v: torch.Tensor, backend: Backend) -> torch.Tensor:
        given: dict[str, Any] = inputs | {"v": v, "state": state, "rule": case.rule, "chunk_size": case.chunk_size}
        return memory_scan(**given, backend=backend)[0]

    with pytest.raises(ValueError, match="fused kernels know reverse mode alone"):
        torch.func.jvp(lambda v: outputs(v, "triton"), (v,), (v,))
    v.requires_grad_()
    (first,) = torch.autograd.grad(outputs(v, "triton").square().sum(), v, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative: pass backend='chunked' or backend='reference'"):
        torch.autograd.grad(first.sum(), v)


def test_packed_documents_and_unlike_positions() -> None:
    """Ordinary calls of the kernels, cut by documents."""
    case = replace(CASE, length=21, heads=1, dtype=torch.float32)
    borders = torch.tensor([0, 3, 21])
    given: dict[str, Any] = draw_inputs(case) | {"state": draw_state(case, None), "rule": case.rule, "chunk_size": 16}
    (y, after), (expected, same) = (
        memory_scan(**given, cu_seqlens=borders, backend=name) for name in ("triton", "chunked")
    )
    assert after is not None
    assert same is not None
    assert_close(y, expected, 1e-5)
    assert_all_close(state_tensors(after), state_tensors(same), 1e-5)
