"""`torch.compile` and the contracts of the two operators underneath."""

import itertools

import pytest
import torch
from torch import Tensor

from tests.cases import ABLATIONS, Case, draw_inputs, draw_state, scan, state_tensors
from tests.tolerances import assert_close
from titans_seq.memory import (
    Algorithm,
    ChannelDecay,
    Gates,
    GradientDescent,
    MemoryRule,
    Momentum,
    Muon,
    Nesterov,
    preset,
)
from titans_seq.ops.chunked import operator


def operator_arguments(rule: MemoryRule, *, fresh: bool, anchored: bool, gradient: bool, carry_out: bool) -> tuple:
    """Arguments of one operator call over three chunks of two tokens: two heads, two sequences."""
    count, groups, chunk, width, n = 3, 4, 2, 4, rule.algorithm.slots
    torch.manual_seed(0)
    q, k, v = (0.5 * torch.randn(count, groups, chunk, width, dtype=torch.float64) for _ in range(3))
    gates = torch.rand(3, count, groups, chunk, dtype=torch.float64)
    c = rule.algorithm.coefficients(Gates(0.1 * gates[0], gates[1], gates[2]))
    lead = (2, 1) if fresh else (groups, n)
    shapes = [shape[::-1] for shape in rule.architecture.shapes(width, width)]
    slots = [torch.randn(*lead, *s, dtype=torch.float64) for s in shapes]
    anchor = [torch.randn(groups, *s, dtype=torch.float64) for s in shapes] if anchored else []
    coefficients = c.tensors()
    for x in (q, k, v, *coefficients, *slots, *anchor):
        x.requires_grad_(gradient)
    encoded = operator.encode_rule(rule)
    return q, [k, v], coefficients, slots, anchor, encoded, 1, 2 if gradient else 0, True, carry_out


@pytest.mark.parametrize(
    ("algorithm", "fresh", "anchored", "carry_out", "gradient"),
    [
        (Momentum(), True, False, True, True),
        (Momentum(), False, False, False, False),
        pytest.param(GradientDescent(), False, True, True, False, marks=pytest.mark.slow),
        (Muon("token"), False, True, True, True),
        pytest.param(Momentum(), False, True, True, True, marks=pytest.mark.slow),
        pytest.param(Momentum(), False, False, False, True, marks=pytest.mark.slow),
        pytest.param(GradientDescent(), True, False, False, True, marks=pytest.mark.slow),
        pytest.param(Muon(), True, False, False, True, marks=pytest.mark.slow),
    ],
)
def test_opcheck_forward(algorithm: Algorithm, fresh: bool, anchored: bool, carry_out: bool, gradient: bool) -> None:
    rule = MemoryRule(ABLATIONS["momentum_decay"].architecture, algorithm=algorithm)
    arguments = operator_arguments(rule, fresh=fresh, anchored=anchored, gradient=gradient, carry_out=carry_out)
    torch.library.opcheck(operator.chunked_memory, arguments)


@pytest.mark.parametrize(
    ("fresh", "anchored", "carry_out"),
    [
        (True, False, True),
        (False, False, False),
        pytest.param(False, True, True, marks=pytest.mark.slow),
        pytest.param(False, False, True, marks=pytest.mark.slow),
    ],
)
def test_opcheck_backward(fresh: bool, anchored: bool, carry_out: bool) -> None:
    rule = ABLATIONS["momentum_decay"]
    arguments = operator_arguments(rule, fresh=fresh, anchored=anchored, gradient=False, carry_out=carry_out)
    tensors = arguments[:5]
    y, *rest = operator.chunked_memory(*tensors, arguments[5], 1, 2, True, carry_out)
    carried, saved = (rest[:2], rest[2:]) if carry_out else ([], rest)
    assert len(saved) == 2
    torch.library.opcheck(
        operator.chunked_memory_backward,
        (*tensors, saved, torch.ones_like(y), carried, arguments[5], 1, 2, True),
    )


# One rule for every path through an operator: running reads, none, chunk ends, gates per channel, windows, thresholds.
COMPILED = ABLATIONS | {
    "gated_deltanet": preset("gated_deltanet"),
    "channels": MemoryRule(ABLATIONS["neither"].architecture, retention=ChannelDecay(), algorithm=Nesterov()),
    "moneta": preset("moneta"),
    "yaad": preset("yaad"),
    "atlas": preset("atlas"),
    "lact": preset("lact"),
}


# By default a closed form; the plain rule is compiled below, and with gradients in
# tests/layers. The other paths take long to trace. A new memory and one within a chunk take the same path but for their
# first chunk.
QUICK = [("gated_deltanet", None)]
STARTS = [
    pytest.param(rule, position, marks=[] if (rule, position) in QUICK else pytest.mark.slow)
    for rule, position in itertools.product(COMPILED, (3, None))
]


@pytest.mark.parametrize(("rule", "position"), STARTS)
def test_memory_scan_compiles_without_a_graph_break(rule: str, position: int | None) -> None:
    case = Case(COMPILED[rule], length=7)
    start = draw_state(case, position)

    def outputs(*tensors: Tensor) -> tuple[Tensor, ...]:
        inputs = dict(zip(("q", "k", "v", "lr", "momentum", "decay", "threshold"), tensors, strict=True))
        y, after = scan({**inputs}, start, case.rule, case.chunk_size)
        return y, *state_tensors(after).values()

    def results(function) -> list[Tensor]:
        leaves = [None if x is None else x.clone().requires_grad_() for x in draw_inputs(case).values()]
        found = function(*leaves)
        loss = torch.stack([x.square().sum() for x in found]).sum()
        gradients = torch.autograd.grad(loss, [x for x in leaves if x is not None])
        return [*(x.detach() for x in found), *gradients]

    torch.compiler.reset()
    # aot_eager traces forward and backward as inductor does, without its C++ compiler.
    compiled = torch.compile(outputs, fullgraph=True, backend="aot_eager")
    for mine, eager in zip(results(compiled), results(outputs), strict=True):
        assert_close(mine, eager, 1e-13)


def test_a_compiled_call_goes_on_from_its_own_state() -> None:
    case = Case(length=7)
    inputs, state = draw_inputs(case), draw_state(case, None)
    torch.compiler.reset()
    compiled = torch.compile(scan, fullgraph=True, backend="aot_eager", dynamic=False)
    y, _ = scan(inputs, state, case.rule, case.chunk_size)
    first, after = compiled(inputs, state, case.rule, case.chunk_size, tokens=slice(0, 3))
    assert after.position == 3
    second, _ = compiled(inputs, after, case.rule, case.chunk_size, tokens=slice(3, 7))
    assert_close(torch.cat([first, second], 1), y, 1e-13)
