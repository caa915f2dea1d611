"""Documents end to end in a row: each as if it were alone, in outputs, states and gradients."""

import itertools
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.cases import Case, Inputs, draw_inputs, draw_state, state_tensors
from tests.tolerances import assert_all_close, assert_close
from titans_seq.memory import ChannelDecay, LinearMemory, MemoryRule, MemoryState, MLPMemory, preset
from titans_seq.ops import memory_scan
from titans_seq.ops.dispatch import Backend

# Shorter than a chunk, whole chunks, both, nothing, one token.
LENGTHS = (3, 8, 0, 11, 1, 4, 14)
BORDERS = [0, *itertools.accumulate(LENGTHS)]
SMALL = MLPMemory(expansion=1.5)
RULES = {
    "linear": MemoryRule(LinearMemory()),
    "titans": MemoryRule(SMALL),
    "channels": MemoryRule(SMALL, retention=ChannelDecay()),
    "last_layer": MemoryRule(replace(SMALL, learns="last")),
    "gated_deltanet": preset("gated_deltanet"),
    **{name: replace(preset(name), architecture=SMALL) for name in ("moneta", "yaad", "memora", "atlas")},
    "lact": preset("lact"),
}


def mixed_states(case: Case, positions: list[int | None]) -> list[MemoryState]:
    """A state for each document; None for one that begins, with initial weights that all share."""
    new = draw_state(case, None).map(lambda x: x.requires_grad_())
    first = case.rule.architecture.first_learning

    def state(seed: int, position: int) -> MemoryState:
        drawn = draw_state(replace(case, seed=seed), position).map(lambda x: x.requires_grad_())
        frozen = {name: getattr(new, name)[:first] for name in ("weights", "momentum", "anchor")}
        return replace(drawn, **{name: (*kept, *getattr(drawn, name)[first:]) for name, kept in frozen.items()})

    return [new if position is None else state(seed, position) for seed, position in enumerate(positions)]


def scan(case: Case, inputs: Inputs, state: MemoryState, backend: Backend, **options: Any) -> Any:
    given: dict[str, Any] = inputs | {"state": state, "rule": case.rule, "chunk_size": case.chunk_size}
    return memory_scan(**given, backend=backend, **options)


def one_by_one(case: Case, inputs: Inputs, states: list[MemoryState], backend: Backend) -> tuple[Tensor, list]:
    """Every document in a call of its own."""
    outputs, after = [], list(states)
    for i, (start, stop) in enumerate(itertools.pairwise(BORDERS)):
        if stop > start:
            piece = {name: x if x is None else x[:, start:stop] for name, x in inputs.items()}
            y, after[i] = scan(case, piece, states[i], backend)
            outputs.append(y)
    return torch.cat(outputs, 1), after


def results(y: Tensor, states: list[MemoryState], leaves: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs, states, and the gradients of a fixed combination of them."""
    found = {"y": y}
    for i, state in enumerate(states):  # the anchor means nothing at a chunk's border
        tensors = {name: x for name, x in state_tensors(state).items() if state.position or "anchor" not in name}
        found |= {f"{i} {name}": x if x.dim() == 4 else x[None] for name, x in tensors.items()}
    generator = torch.Generator().manual_seed(5)
    terms = [(x * torch.randn(x.shape, dtype=x.dtype, generator=generator)).sum() for x in found.values()]
    gradients = torch.autograd.grad(
        torch.stack(terms).sum(), list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    named = {f"d {name}": x for name, x in zip(leaves, gradients, strict=True)}
    return {name: x.detach() for name, x in found.items()} | named


def assert_packed_agrees(rule: str, positions: list[int | None], wanted: list[int], backend: Backend) -> None:
    case = Case(RULES[rule], batch=1, length=BORDERS[-1])
    inputs = {name: x if x is None else x.requires_grad_() for name, x in draw_inputs(case).items()}
    states = mixed_states(case, positions)
    leaves = {name: x for name, x in inputs.items() if x is not None}
    leaves |= {
        f"{i} {name}": x for i, s in enumerate(states) for name, x in state_tensors(s).items() if x.requires_grad
    }
    y, alone = one_by_one(case, inputs, states, backend)
    expected = results(y, [alone[i] for i in wanted], leaves)
    new = states[0] if set(positions) == {None} else None
    start = new or MemoryState.joined([state.spread(1) for state in states])
    y, after = scan(case, inputs, start, backend, cu_seqlens=torch.tensor(BORDERS), return_state=wanted)
    found = [after.rows([row]) for row in range(len(wanted))]
    assert [state.position for state in found] == [alone[i].position for i in wanted]
    assert_all_close(results(y, found, leaves), expected)


NEW: list[int | None] = [None] * len(LENGTHS)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("positions", "wanted"),
    [
        (NEW, [i for i, length in enumerate(LENGTHS) if length]),
        (NEW, []),
        ([0, None, 3, 2, 3, 1, None], [6, 3, 1, 2]),
    ],
    ids=["new", "outputs_alone", "carried"],
)
def test_packed_documents_are_as_they_are_alone(rule: str, positions: list[int | None], wanted: list[int]) -> None:
    assert_packed_agrees(rule, positions, wanted, "chunked")


def test_the_reference_packs_too() -> None:
    assert_packed_agrees("titans", [0, None, 3, 2, 3, 1, None], [6, 3, 1, 2], "reference")


@pytest.mark.parametrize("rule", ["titans", "atlas", "gated_deltanet"])
def test_rows_that_stand_at_different_tokens_go_on_as_alone(rule: str) -> None:
    """Decoding, and a piece that closes chunks at different tokens, after documents of unlike lengths."""
    case = Case(RULES[rule], batch=1, length=BORDERS[-1])
    new = draw_state(case, None)
    _, alone = one_by_one(case, draw_inputs(case), [new] * len(LENGTHS), "chunked")
    _, state = scan(case, draw_inputs(case), new, "chunked", cu_seqlens=torch.tensor(BORDERS))
    state, alone = state.rows([3, 0, 6]), [alone[i] for i in (3, 0, 6)]
    for step, length in enumerate((1, 1, 6, 1)):
        inputs = draw_inputs(replace(case, batch=3, length=length, seed=step + 3))
        y, state = scan(case, inputs, state, "chunked")
        for row in range(3):
            piece = {name: x if x is None else x[row : row + 1] for name, x in inputs.items()}
            expected, alone[row] = scan(case, piece, alone[row], "chunked")
            assert_close(y[row : row + 1], expected)
            one = state.rows([row])
            assert one.position == alone[row].position
            pairs = zip(case.rule.current_weights(one), case.rule.current_weights(alone[row]), strict=True)
            assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in pairs)


def test_a_document_without_tokens_keeps_its_state() -> None:
    case = Case(batch=1, length=BORDERS[-1])
    states = mixed_states(case, [2] * len(LENGTHS))
    start = MemoryState.joined(states)
    _, after = scan(case, draw_inputs(case), start, "auto", cu_seqlens=torch.tensor(BORDERS), return_state=[2])
    assert after.position == 2
    assert all(torch.equal(x, state_tensors(start.rows([2]))[name]) for name, x in state_tensors(after).items())


def test_rows_of_a_state_with_unlike_positions_are_reordered() -> None:
    case = Case(batch=1, length=BORDERS[-1])
    _, state = scan(case, draw_inputs(case), draw_state(case, None), "auto", cu_seqlens=torch.tensor(BORDERS))
    assert state.position == tuple(n % 4 for n in LENGTHS)
    turned = state.rows(range(len(LENGTHS))[::-1]).map(Tensor.float)
    assert turned.position == state.position[::-1]
    assert torch.equal(case.rule.current_weights(turned)[0].flip(0), case.rule.current_weights(state)[0].float())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cu_seqlens": torch.tensor([0, 4, 3, 9])},
            "must be [documents + 1] and rise from 0 to the 9 tokens, got [0, 4",
        ),
        ({"cu_seqlens": torch.tensor([0, 4, 8])}, "rise from 0 to the 9 tokens, got [0, 4, 8]"),
        ({"cu_seqlens": torch.tensor([0])}, "rise from 0 to the 9 tokens, got [0]"),
        (
            {"cu_seqlens": torch.tensor([0, 9]), "return_state": [1]},
            "must name documents of 0 .. 0, each once, got [1]",
        ),
        (
            {"cu_seqlens": torch.tensor([0, 2, 9]), "state": draw_state(Case(batch=1), 0)},
            "state weights must have shapes [(2, 2, 6, 4), (2, 2, 4, 6)]",
        ),
    ],
)
def test_messages(changes: dict[str, Any], message: str) -> None:
    case = Case(batch=1)
    given: dict[str, Any] = {"state": draw_state(case, None)} | changes
    with pytest.raises(ValueError, match=re.escape(message)):
        scan(case, draw_inputs(case), backend="auto", **given)


def test_several_rows_cannot_be_packed() -> None:
    case = Case()
    with pytest.raises(ValueError, match="got 2 rows: lay them end to end"):
        scan(case, draw_inputs(case), draw_state(case, None), "auto", cu_seqlens=torch.tensor([0, 9]))


@pytest.mark.parametrize("twice", [False, True])
def test_a_matrix_trains_on_documents_shorter_than_a_chunk_and_is_differentiated_twice(twice: bool) -> None:
    lengths = [3, 2, 9] if twice else [3, 2, 4]
    case = Case(RULES["linear"], batch=1, length=sum(lengths))
    inputs, new = draw_inputs(case), draw_state(case, None)
    given: Inputs = {name: x if x is None else x.requires_grad_() for name, x in inputs.items()}
    leaves = [x for x in given.values() if x is not None]
    borders = [0, *itertools.accumulate(lengths)]

    def gradients(y: Tensor) -> tuple[Tensor, ...]:
        found = torch.autograd.grad(y.square().sum(), leaves, create_graph=twice)
        return torch.autograd.grad(torch.stack([x.square().sum() for x in found]).sum(), leaves) if twice else found

    def alone(start: int, stop: int) -> Tensor:
        piece = {name: x if x is None else x[:, start:stop] for name, x in given.items()}
        return scan(case, piece, new, "reference")[0]

    packed, _ = scan(case, given, new, "chunked", cu_seqlens=torch.tensor(borders), return_state=False)
    expected = torch.cat([alone(*pair) for pair in itertools.pairwise(borders)], 1)
    assert_close(packed, expected)
    for found, right in zip(gradients(packed), gradients(expected), strict=True):
        assert_close(found, right)


def test_no_state_is_given_for_one_token_where_none_is_wanted() -> None:
    x, gate = torch.randn(2, 1, 2, 4), torch.full((2, 1, 2), 0.2)
    state = replace(MemoryState.initial([torch.zeros(2, 2, 4, 4)]), position=(0, 1))
    options: dict[str, Any] = {"rule": MemoryRule(LinearMemory()), "chunk_size": 4, "state": state}
    gates = {"lr": gate, "momentum": gate, "decay": gate}
    kept = memory_scan(x, x, x, **gates, **options)
    left = memory_scan(x, x, x, **gates, **options, return_state=False)
    assert kept[1] is not None
    assert left[1] is None
    assert torch.equal(kept[0], left[0])
