import dataclasses

import pytest
import torch

from tests.cases import ABLATIONS, Case, draw_inputs, draw_state, scan, state_tensors
from titans_seq.memory import LinearMemory, MemoryRule, MemoryState, MLPMemory, preset
from titans_seq.ops.dispatch import Backend

# Rules that carry more than weights and momentum, or something else, or little.
RULES = ABLATIONS | {name: preset(name) for name in ("yaad", "memora", "atlas", "lact")}

W = torch.randn(2, 3, 4, 5)


def test_initial() -> None:
    shared = MemoryState.initial([W[0]])
    assert shared.is_new
    assert shared.position == 0
    assert torch.equal(shared.weights[0], W[0])
    assert shared.momentum[0].shape == W[0].shape
    assert not shared.momentum[0].any()
    own = MemoryState.initial([W])
    assert not own.is_new
    assert not own.momentum[0].any()


def test_it_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MemoryState.initial([W]).position = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ((W,), (W[:1],), (W,), 0),
            r"momentum must have the weights' shapes \[\(2, 3, 4, 5\)\], got \[\(1, 3, 4, 5\)\]",
        ),
        (((W,), (W, W), (W,), 0), r"momentum must have the weights' shapes"),
        (((W,), (W,), (), 0), r"anchor must have the weights' shapes"),
        (
            ((W[0, 0],), (W[0, 0],), (W[0, 0],), 0),
            r"must be \[B, H, out, in\] or \[H, out, in\] per layer, got \[\(4, 5\)\]",
        ),
        (((W,), (W,), (W,), -1), "cannot be negative, got -1"),
        (((W[0],), (W[0],), (W[0],), 0), "without batch dimension is a new memory, with no momentum"),
        (((W[0],), (torch.zeros(()).expand(3, 4, 5),), (W[0],), 2), "no open chunk"),
        (((W[0],), (torch.zeros(()).expand(3, 4, 5),), (W[0],), 0, (W,)), "is a new memory"),
    ],
)
def test_messages(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MemoryState(*arguments)


@pytest.mark.parametrize("momentum", [torch.ones(1, 1, 1), torch.full((), 5.0).expand(1, 1, 1)])
def test_a_new_memory_with_momentum_is_refused_or_used(momentum: torch.Tensor) -> None:
    """Momentum that is not zero must not be dropped in silence, whatever its strides are."""
    weight = torch.zeros(1, 1, 1)
    with pytest.raises(ValueError, match="no momentum"):
        MemoryState((weight,), (momentum,), (weight,), 0)


@pytest.mark.parametrize("rule", ["momentum_decay", "atlas"])
@pytest.mark.parametrize("position", [None, 0, 2])
def test_map_reaches_every_tensor(position: int | None, rule: str) -> None:
    state = draw_state(Case(RULES[rule]), position)
    assert bool(state.recent) == (rule == "atlas" and position is not None)
    halved = state.map(lambda x: x.float() / 2)
    assert halved.position == state.position
    assert halved.is_new == state.is_new
    for name, tensor in state_tensors(state).items():
        assert torch.equal(state_tensors(halved)[name], tensor.float() / 2)


@pytest.mark.parametrize("rule", ["momentum_decay", "atlas"])
@pytest.mark.parametrize("position", [None, 2])
def test_detach_cuts_the_graph_and_changes_no_value(position: int | None, rule: str) -> None:
    state = draw_state(Case(RULES[rule]), position).map(lambda x: x.clone().requires_grad_())
    cut = state.detach()
    assert not any(x.requires_grad for x in state_tensors(cut).values())
    assert all(torch.equal(x, state_tensors(state)[name]) for name, x in state_tensors(cut).items())


@pytest.mark.parametrize("backend", ["reference", "chunked"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("position", [None, 0, 3])
def test_a_call_changes_none_of_its_inputs(position: int | None, rule: str, backend: Backend) -> None:
    case = Case(RULES[rule], length=14)
    inputs, state = draw_inputs(case), draw_state(case, position)
    named = {**{n: x for n, x in inputs.items() if x is not None}, **state_tensors(state)}
    before = {name: x.clone() for name, x in named.items()}
    versions = {name: x._version for name, x in named.items()}
    _, after = scan(inputs, state, case.rule, case.chunk_size, backend)
    middle = {name: x.clone() for name, x in state_tensors(after).items()}
    scan(inputs, after, case.rule, case.chunk_size, backend)
    assert all(torch.equal(x, before[name]) and x._version == versions[name] for name, x in named.items())
    assert all(torch.equal(x, middle[name]) for name, x in state_tensors(after).items())


def test_rule_defaults_are_titans() -> None:
    rule = MemoryRule()
    assert rule.architecture == MLPMemory(depth=2, expansion=4, activation="gelu", residual=True, norm=True)
    assert [type(x).__name__ for x in (rule.bias, rule.retention, rule.algorithm)] == [
        "L2",
        "WeightDecay",
        "Momentum",
    ]
    assert MemoryRule(LinearMemory()) == MemoryRule(architecture=LinearMemory())
    assert len({MemoryRule(), MemoryRule(LinearMemory()), MemoryRule()}) == 2


@pytest.mark.parametrize("index", [[1, 2], [5], [-1], [0, 3]])
def test_rows_that_are_not_there_are_refused(index: list[int]) -> None:
    state = MemoryState.initial([torch.zeros(2, 1, 3, 3)])
    with pytest.raises(ValueError, match=r"rows must be of 0 \.\. 1, got"):
        state.rows(index)
