"""The memories' kernels in triton's interpreter, on a CPU, against the chunked operator in float64.

Not collected by itself: `test_interpreted.py` runs this file in a process of its own, because triton reads
TRITON_INTERPRET when it is imported, and because a load out of bounds ends the process.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    with_constant_gates,
    with_zeros_and_ones,
)
from tests.ops.triton.comparison import DEEP_RULES, RULES
from tests.tolerances import assert_all_close, assert_close
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import MemoryRule, MLPMemory
from titans_seq.ops import memory_scan
from titans_seq.ops.dispatch import Backend
from titans_seq.ops.triton.kernels import coefficients
from titans_seq.ops.triton.operator import fused_memory, fused_memory_backward

pytestmark = pytest.mark.usefixtures("empty_tensors_hold_nan", "own_scan")


@dataclass(frozen=True)
class Kernels:
    """The kernels of one memory, and what is drawn for them.

    Attributes:
        rules: by name.
        shapes: of each layer's slots, per head.
        network: its activation and whether it has a residual.
        largest_step: of a gate that is 1.
    """

    rules: dict[str, MemoryRule]
    shapes: Sequence[tuple[int, int]]
    network: tuple[str, bool]
    largest_step: float

    def case(self, rule: str = "momentum_decay", **changes: Any) -> Case:
        """Return a case of one head, a chunk of 16 and what is begun of another."""
        case = Case(self.rules[rule], batch=1, length=20, heads=1, key_dim=32, value_dim=32, chunk_size=16)
        return replace(case, **changes)


LINEAR = Kernels(RULES, [(32, 32)], ("none", False), 1 / 16)
DEEP = Kernels(DEEP_RULES, [(32, 64), (64, 32)], ("gelu", True), 1 / 512)


def of_both(quick: Sequence[tuple], every: Sequence[tuple] = ()) -> list:
    """Parameters that begin with the kernels; those of `every` that are not `quick` run with the slow tests."""
    names = {id(LINEAR): "linear", id(DEEP): "deep"}

    def named(values: tuple, **options: Any) -> Any:
        return pytest.param(*values, id="-".join([names[id(values[0])], *map(str, values[1:])]), **options)

    return [*map(named, quick), *(named(values, marks=SLOW) for values in every if values not in quick)]


BOTH = of_both([(LINEAR,), (DEEP,)])


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


FEW_RULES = [(LINEAR, "momentum"), (LINEAR, "decay"), (LINEAR, "constant_decay"), (DEEP, "decay"), (DEEP, "silu_bare")]


@pytest.mark.parametrize(
    ("kernels", "rule"), of_both(FEW_RULES, [(one, rule) for one in (LINEAR, DEEP) for rule in one.rules])
)
def test_every_rule_that_fuses(kernels: Kernels, rule: str) -> None:
    # One of them with heads beside each other.
    check(kernels.case(rule, heads=1 + (rule == "decay")), 5)


RAGGED, WHOLE_ONES, OPEN_STAYS, OPEN_CLOSES = (19, None), (32, None), (1, 7), (1, 15)
ENDINGS = [RAGGED, WHOLE_ONES, OPEN_STAYS, OPEN_CLOSES, (35, None), (16, 0), (1, None), (11, 5)]


@pytest.mark.parametrize(
    ("kernels", "length", "position"),
    of_both(
        [
            *((LINEAR, *ending) for ending in (RAGGED, OPEN_STAYS, (16, 0), (1, None), (11, 5))),
            *((DEEP, *ending) for ending in (RAGGED, OPEN_STAYS, (11, 5))),
        ],
        [(one, *ending) for one in (LINEAR, DEEP) for ending in ENDINGS],
    ),
)
def test_every_way_to_begin_and_end(kernels: Kernels, length: int, position: int | None) -> None:
    # Seed 0 draws, for two layers, a token whose step size gets so small a sum of large gradients that float32 has four
    # digits of it.
    check(kernels.case(length=length, seed=1), position)


@pytest.mark.parametrize("rule", ["momentum_decay", pytest.param("decay", marks=SLOW)])
def test_widths_in_slices(rule: str) -> None:
    check(LINEAR.case(rule, key_dim=64, value_dim=128, length=13), 5)


def test_a_chunk_that_is_no_power_of_two() -> None:
    check(LINEAR.case(chunk_size=18))


SIZES = itertools.product(["momentum_decay", "decay"], [(32, 64, 18), (32, 128, 16), (64, 64, 64), (64, 128, 32)])


@pytest.mark.parametrize(
    ("kernels", "rule", "size"), of_both([(DEEP, "momentum_decay", (32, 64, 18))], [(DEEP, *one) for one in SIZES])
)
def test_hidden_widths_and_chunks(kernels: Kernels, rule: str, size: tuple[int, int, int]) -> None:
    width, hidden, chunk_size = size
    other = replace(kernels.rules[rule], architecture=MLPMemory(expansion=hidden / width))
    case = kernels.case(length=chunk_size + 4, chunk_size=chunk_size, key_dim=width, value_dim=width)
    check(replace(case, rule=other), 5)


@SLOW
def test_values_wider_than_keys() -> None:
    check(DEEP.case("no_residual", value_dim=64), 5)


@SLOW  # the zeros and ones below stand for them
@pytest.mark.parametrize("kernels", BOTH)
@pytest.mark.parametrize(("lr", "momentum", "decay"), [*itertools.product([0.0, 1.0], repeat=3)])
def test_gates_at_their_ends(kernels: Kernels, lr: float, momentum: float, decay: float) -> None:
    case = kernels.case(length=13)
    gates = with_constant_gates(case, lr=lr * kernels.largest_step, momentum=momentum, decay=decay)
    agree(case, gates, draw_state(case, 5))


@pytest.mark.parametrize(
    ("kernels", "rule"),
    of_both(
        [(LINEAR, "momentum_decay"), (DEEP, "momentum_decay")],
        [(one, rule) for one in (LINEAR, DEEP) for rule in ("decay", "momentum")],
    ),
)
def test_zeros_and_ones_among_other_values(kernels: Kernels, rule: str) -> None:
    case = kernels.case(rule)
    agree(case, with_zeros_and_ones(case), draw_state(case, None))


@SLOW
@pytest.mark.parametrize("small", [1e-5, 1e-30])
def test_products_that_underflow(small: float) -> None:
    case = LINEAR.case()
    agree(case, with_constant_gates(case, momentum=small, decay=1 - small), draw_state(case, 3))


@pytest.mark.parametrize(
    ("kernels", "reads"),
    of_both(
        [(LINEAR, "y"), (DEEP, "weights")],
        [(one, result) for one in (LINEAR, DEEP) for result in ("y", "weights", "momentum", "anchor")],
    ),
)
def test_a_loss_that_reads_one_result(kernels: Kernels, reads: str) -> None:
    check(kernels.case(), loss_reads=[reads])


@pytest.mark.parametrize("kernels", BOTH)
def test_float16_operands(kernels: Kernels) -> None:
    case = kernels.case(length=12)
    # Weights that have faded away are divided by the norm, and what is left of them has few digits in float16.
    inputs = with_constant_gates(case, decay=0.01) if kernels is DEEP else draw_inputs(case)
    agree(case, inputs, draw_state(case, 5), torch.float16)


@SLOW  # the agreement above, for every way to begin and end, says as much
@pytest.mark.parametrize("kernels", BOTH)
def test_cuts_change_nothing(kernels: Kernels) -> None:
    assert_cuts_change_nothing(kernels.case(), [3, 14])


@pytest.mark.parametrize("kernels", of_both([(LINEAR,)], [(DEEP,)]))
def test_the_future_changes_no_past_output(kernels: Kernels) -> None:
    assert_causal(kernels.case(dtype=torch.float32), [4, 11, 15] if kernels is DEEP else [15])


def test_views_of_any_strides_and_gates_per_layer() -> None:
    case = LINEAR.case(heads=2, dtype=torch.float32)
    inputs, state = draw_inputs(case), draw_state(case, 5)
    views = {name: None if x is None else x.mT.contiguous().mT for name, x in inputs.items()}
    views |= {name: x.unsqueeze(-1) for name in ("lr", "momentum", "decay") if (x := views[name]) is not None}
    y, after = scan(inputs, state, case.rule, 16, "triton")
    y_views, after_views = scan(views, state.map(lambda x: x.mT.contiguous().mT), case.rule, 16, "triton")
    assert torch.equal(y, y_views)
    assert_all_close(state_tensors(after), state_tensors(after_views), 0)


@torch.no_grad()
@pytest.mark.parametrize("kernels", BOTH)
def test_a_state_stays_the_value_that_it_was(kernels: Kernels) -> None:
    case = kernels.case(length=3, dtype=torch.float32)
    state = draw_state(case, 5)
    before = {name: x.clone() for name, x in state_tensors(state).items()}
    _, after = scan(draw_inputs(case), state, case.rule, 16, "triton")
    assert all(torch.equal(x, before[name]) for name, x in state_tensors(state).items())
    assert all(new is old for new, old in zip(after.anchor, state.anchor, strict=True))


@pytest.mark.parametrize("kernels", of_both([(LINEAR,)], [(DEEP,)]))
def test_a_layer(kernels: Kernels) -> None:
    config = NeuralMemoryConfig(heads=2, chunk_size=16, rule=kernels.rules["momentum_decay"])
    torch.manual_seed(0)
    fused = NeuralMemory(replace(config, backend="triton"), 64)
    plain = NeuralMemory(replace(config, backend="chunked"), 64)
    plain.load_state_dict(fused.state_dict())
    x = torch.randn(1, 20, 64)
    y, _ = fused(x)
    assert_close(y, plain(x)[0])


def operands(kernels: Kernels, *, momentum: bool, opened: bool, gradient: bool) -> tuple:
    torch.manual_seed(0)
    q, k, v = (0.2 * torch.randn(1, 3, 2, 32) for _ in range(3))
    lr, fade, keep = (0.1 * torch.rand(1, 3, 2) for _ in range(3))
    slots, moving, begun = ([0.1 * torch.randn(2, *shape) for shape in kernels.shapes] for _ in range(3))
    for x in (q, k, v, lr, fade, keep, *slots, *moving, *begun):
        x.requires_grad_(gradient)
    tensors = (
        q,
        k,
        v,
        lr,
        fade if momentum else None,
        keep,
        slots,
        moving if momentum else [],
        begun if opened else [],
    )
    return *tensors, *kernels.network, kernels is DEEP and momentum, 16, 14 if opened else 0, True


@pytest.mark.parametrize(
    ("kernels", "opened"), of_both([(LINEAR, True), (DEEP, True)], [(LINEAR, False), (DEEP, False)])
)
def test_without_a_backward_pass_only_the_results_are_kept(kernels: Kernels, opened: bool) -> None:
    arguments = operands(kernels, momentum=True, opened=opened, gradient=False)
    results = fused_memory(*arguments[:-1], False)
    assert len(results) == 1 + 3 * len(kernels.shapes)
    for one, other in zip(results, fused_memory(*arguments), strict=False):
        assert torch.equal(one, other)


@SLOW
@pytest.mark.parametrize("kernels", BOTH)
@pytest.mark.parametrize(("momentum", "opened"), [(True, True), (False, False)])
def test_opcheck(kernels: Kernels, momentum: bool, opened: bool) -> None:
    torch.library.opcheck(fused_memory, operands(kernels, momentum=momentum, opened=opened, gradient=True))
    arguments = operands(kernels, momentum=momentum, opened=opened, gradient=False)
    results = fused_memory(*arguments)
    count = 1 + (2 + momentum) * len(kernels.shapes)
    saved, d_results = results[count:], [torch.ones_like(x) for x in results[:count]]
    torch.library.opcheck(fused_memory_backward, (*arguments[:9], saved, d_results, *arguments[9:14]))


def test_what_the_kernels_cannot_differentiate_is_refused() -> None:
    case = LINEAR.case(length=3, dtype=torch.float32)
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
    case = LINEAR.case(length=21, dtype=torch.float32)
    borders = torch.tensor([0, 3, 21])
    given: dict[str, Any] = draw_inputs(case) | {"state": draw_state(case, None), "rule": case.rule, "chunk_size": 16}
    (y, after), (expected, same) = (
        memory_scan(**given, cu_seqlens=borders, backend=name) for name in ("triton", "chunked")
    )
    assert after is not None
    assert same is not None
    assert_close(y, expected, 1e-5)
    assert_all_close(state_tensors(after), state_tensors(same), 1e-5)
