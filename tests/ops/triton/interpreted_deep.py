"""The two-layer memory's kernels in triton's interpreter, on a CPU, against the chunked operator in float64.

Not collected by itself, as `interpreted.py`. What is common to both memories (views, steps of gates) is tested there.
"""

import itertools
from dataclasses import replace

import pytest
import torch

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
from tests.ops.triton.comparison import DEEP_RULES
from tests.tolerances import assert_close
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import MLPMemory
from titans_seq.ops.triton.operator import fused_memory, fused_memory_backward

pytestmark = pytest.mark.usefixtures("empty_tensors_hold_nan", "own_scan")
CASE = Case(DEEP_RULES["momentum_decay"], batch=1, length=20, heads=1, key_dim=32, value_dim=32, chunk_size=16)


@pytest.mark.parametrize("rule", slow_but(["decay", "silu_bare"], DEEP_RULES))
def test_every_rule_that_fuses(rule: str) -> None:
    check(replace(CASE, rule=DEEP_RULES[rule], heads=1 + (rule == "decay")), 5)


@pytest.mark.parametrize(
    ("length", "position"),
    [
        pytest.param(35, None, marks=SLOW),
        (19, None),  # a ragged tail
        pytest.param(16, 0, marks=SLOW),
        pytest.param(32, None, marks=SLOW),  # whole chunks only
        pytest.param(1, None, marks=SLOW),
        (1, 7),  # the chunk that is open stays so
        pytest.param(1, 15, marks=SLOW),  # and here closes
        (11, 5),
    ],
)
def test_every_way_to_begin_and_end(length: int, position: int | None) -> None:
    # Seed 0 draws a token whose step size gets so small a sum of large gradients that float32 has four digits of it.
    check(replace(CASE, length=length, seed=1), position)


SIZES = [(32, 64, 18), (32, 128, 16), (64, 64, 64), (64, 128, 32)]


@pytest.mark.parametrize(("width", "hidden", "chunk_size"), slow_but([(32, 64, 18)], SIZES))
@pytest.mark.parametrize("rule", slow_but(["momentum_decay"], ["momentum_decay", "decay"]))
def test_widths_and_chunks(rule: str, width: int, hidden: int, chunk_size: int) -> None:
    other = replace(DEEP_RULES[rule], architecture=MLPMemory(expansion=hidden / width))
    case = replace(CASE, rule=other, length=chunk_size + 4, chunk_size=chunk_size)
    check(replace(case, key_dim=width, value_dim=width), 5)


@SLOW
def test_values_wider_than_keys() -> None:
    check(replace(CASE, rule=DEEP_RULES["no_residual"], value_dim=64), 5)


ENDS = list(itertools.product([0.0, 1.0], repeat=3))


@SLOW  # gates become coefficients in the kernels of the linear memory
@pytest.mark.parametrize(("lr", "momentum", "decay"), ENDS)
def test_gates_at_their_ends(lr: float, momentum: float, decay: float) -> None:
    case = replace(CASE, length=13)
    agree(case, with_constant_gates(case, lr=lr / 512, momentum=momentum, decay=decay), draw_state(case, 5))


@pytest.mark.parametrize("rule", slow_but(["momentum_decay"], ["momentum_decay", "decay", "momentum"]))
def test_zeros_and_ones_among_other_values(rule: str) -> None:
    case = replace(CASE, rule=DEEP_RULES[rule])
    agree(case, with_zeros_and_ones(case), draw_state(case, None))


@pytest.mark.parametrize("reads", slow_but(["weights"], ["y", "weights", "momentum", "anchor"]))
def test_a_loss_that_reads_one_result(reads: str) -> None:
    check(CASE, loss_reads=[reads])


def test_float16_operands() -> None:
    case = replace(CASE, length=12)
    # Weights that have faded away are divided by the norm, and what is left of them has few digits in float16.
    agree(case, with_constant_gates(case, decay=0.01), draw_state(case, 5), torch.float16)


@SLOW  # the agreement above, for every way to begin and end, says as much, and that no token sees a later one
def test_cuts_change_nothing() -> None:
    assert_cuts_change_nothing(CASE, [3, 14])


@SLOW
def test_the_future_changes_no_past_output() -> None:
    assert_causal(replace(CASE, dtype=torch.float32), [4, 11, 15])


@torch.no_grad()
def test_a_state_stays_the_value_that_it_was() -> None:
    case = replace(CASE, length=3, dtype=torch.float32)
    state = draw_state(case, 5)
    before = {name: x.clone() for name, x in state_tensors(state).items()}
    _, after = scan(draw_inputs(case), state, case.rule, 16, "triton")
    assert all(torch.equal(x, before[name]) for name, x in state_tensors(state).items())
    assert after.anchor is state.anchor


@SLOW
def test_a_layer() -> None:
    config = NeuralMemoryConfig(heads=2, chunk_size=16, rule=DEEP_RULES["momentum_decay"])
    torch.manual_seed(0)
    fused = NeuralMemory(replace(config, backend="triton"), 64)
    plain = NeuralMemory(replace(config, backend="chunked"), 64)
    plain.load_state_dict(fused.state_dict())
    x = torch.randn(2, 20, 64)
    y, _ = fused(x)
    assert_close(y, plain(x)[0])


def operands(*, momentum: bool, opened: bool, gradient: bool) -> tuple:
    torch.manual_seed(0)
    q, k, v = (0.2 * torch.randn(1, 3, 2, 32) for _ in range(3))
    lr, fade, keep = (0.1 * torch.rand(1, 3, 2) for _ in range(3))
    slots = [[0.1 * torch.randn(2, *shape) for shape in ((32, 64), (64, 32))] for _ in range(3)]
    for x in (q, k, v, lr, fade, keep, *itertools.chain(*slots)):
        x.requires_grad_(gradient)
    past, anchor = slots[1] if momentum else [], slots[2] if opened else []
    tensors = (q, k, v, lr, fade if momentum else None, keep, slots[0], past, anchor)
    return *tensors, "gelu", True, momentum, 16, 14 if opened else 0, True


@pytest.mark.parametrize("opened", slow_but([True], [True, False]))
def test_without_a_backward_pass_only_the_results_are_kept(opened: bool) -> None:
    arguments = operands(momentum=True, opened=opened, gradient=False)
    results = fused_memory(*arguments[:-1], False)
    assert len(results) == 1 + 3 * 2
    for one, other in zip(results, fused_memory(*arguments), strict=False):
        assert torch.equal(one, other)


@SLOW
@pytest.mark.parametrize(("momentum", "opened"), [(True, True), (False, False)])
def test_opcheck(momentum: bool, opened: bool) -> None:
    torch.library.opcheck(fused_memory, operands(momentum=momentum, opened=opened, gradient=True))
    arguments = operands(momentum=momentum, opened=opened, gradient=False)
    results = fused_memory(*arguments)
    count = 5 + 2 * momentum
    saved, d_results = results[count:], [torch.ones_like(x) for x in results[:count]]
    torch.library.opcheck(fused_memory_backward, (*arguments[:9], saved, d_results, *arguments[9:14]))
