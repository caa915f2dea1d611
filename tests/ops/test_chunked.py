"""The chunked implementation against the definition: outputs, final state and every gradient, in float64."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import ABLATIONS, ARCHITECTURES, Case, draw_inputs, draw_state, run
from tests.tolerances import assert_all_close
from titans_seq.memory import LinearMemory, MemoryRule
from titans_seq.ops import memory_scan
from titans_seq.ops.chunked import matrix
from titans_seq.ops.chunked import scan as chunked

POSITIONS = pytest.mark.parametrize("position", [None, 0, 3], ids=["new", "border", "open"])


def assert_agrees(case: Case, position: int | None) -> None:
    inputs, state = draw_inputs(case), draw_state(case, position)
    assert_all_close(run(case, inputs, state, "chunked"), run(case, inputs, state, "reference"))


@POSITIONS
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(architecture: str, position: int | None) -> None:
    assert_agrees(Case(MemoryRule(ARCHITECTURES[architecture]), length=10), position)


@POSITIONS
@pytest.mark.parametrize("rule", ABLATIONS)
def test_every_algorithm_and_retention(rule: str, position: int | None) -> None:
    assert_agrees(Case(ABLATIONS[rule], length=10), position)


@pytest.mark.parametrize(
    ("chunk_size", "length", "position"),
    [
        (1, 1, None),
        (1, 5, 0),
        (4, 1, None),  # one token of a chunk
        (4, 1, 2),  # one token inside an open chunk
        (4, 1, 3),  # one token that closes it
        (4, 3, None),
        (4, 4, None),
        (4, 23, 1),  # rest, whole chunks, tail
        (16, 37, None),
        (16, 13, 3),  # only the open chunk's rest
        (16, 9, 3),  # stays inside the open chunk
        (64, 41, None),
        (64, 67, 60),
        (64, 129, None),
    ],
)
@pytest.mark.parametrize("architecture", ["linear", "depth2_gelu"])
def test_every_chunk_and_length(architecture: str, chunk_size: int, length: int, position: int | None) -> None:
    rule = MemoryRule(ARCHITECTURES[architecture])
    assert_agrees(Case(rule, batch=1, length=length, chunk_size=chunk_size), position)


@POSITIONS
@pytest.mark.parametrize(("batch", "heads"), [(1, 1), (1, 3), (3, 1)])
def test_one_sequence_or_one_head(batch: int, heads: int, position: int | None) -> None:
    assert_agrees(Case(batch=batch, heads=heads), position)


@POSITIONS
@pytest.mark.parametrize(("key_dim", "value_dim"), [(3, 5), (6, 1), (1, 4)])
@pytest.mark.parametrize("architecture", ["linear", "depth2_relu_bare", "depth2_silu_norm"])
def test_keys_and_values_of_different_widths(
    architecture: str, key_dim: int, value_dim: int, position: int | None
) -> None:
    if architecture == "depth2_silu_norm" and (key_dim, value_dim) == (6, 1):
        value_dim = 2  # one value alone has nothing to be normalised against
    rule = MemoryRule(ARCHITECTURES[architecture])
    assert_agrees(Case(rule, length=6, key_dim=key_dim, value_dim=value_dim), position)


@settings(max_examples=25)
@given(
    architecture=st.sampled_from(sorted(ARCHITECTURES)),
    ablation=st.sampled_from(sorted(ABLATIONS)),
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    length=st.integers(1, 14),
    chunk_size=st.integers(1, 9),
    open_tokens=st.none() | st.integers(0, 8),
    width=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_any_case(
    architecture: str,
    ablation: str,
    batch: int,
    heads: int,
    length: int,
    chunk_size: int,
    open_tokens: int | None,
    width: int,
    seed: int,
) -> None:
    rule = replace(ABLATIONS[ablation], architecture=ARCHITECTURES[architecture])
    case = Case(rule, batch, length, heads, width, width, chunk_size, seed=seed)
    assert_agrees(case, None if open_tokens is None else open_tokens % chunk_size)


@POSITIONS
@pytest.mark.parametrize("loss_reads", [["y"], ["weights"], ["momentum"], ["anchor"]])
def test_losses_that_use_one_result_only(loss_reads: list[str], position: int | None) -> None:
    case = Case(length=10)
    inputs, state = draw_inputs(case), draw_state(case, position)
    chunk, reference = (
        run(case, inputs, state, backend, loss_reads=loss_reads) for backend in ("chunked", "reference")
    )
    assert_all_close(chunk, reference)


@POSITIONS
@pytest.mark.parametrize("length", [2, 9, 12])
def test_skipping_the_final_state_changes_nothing_else(length: int, position: int | None) -> None:
    case = Case(length=length)
    inputs, state = draw_inputs(case), draw_state(case, position)
    full = run(case, inputs, state, "chunked", loss_reads=["y"])
    short = run(case, inputs, state, "chunked", loss_reads=["y"], return_state=False)
    assert set(full) - set(short) == {f"{n}.{i}" for n in ("weights", "momentum", "anchor") for i in (0, 1)}
    assert_all_close(short, {name: full[name] for name in short}, relative=1e-14)
    reference = run(case, inputs, state, "reference", loss_reads=["y"], return_state=False)
    assert_all_close(short, reference)


@POSITIONS
@pytest.mark.parametrize("tokens_per_call", [1, 4, 8, 13])
def test_calls_longer_than_one_operator_call(
    monkeypatch: pytest.MonkeyPatch, tokens_per_call: int, position: int | None
) -> None:
    monkeypatch.setattr(chunked, "TOKENS_PER_CALL", tokens_per_call)
    assert_agrees(Case(length=23), position)


@POSITIONS
def test_a_matrix_of_wide_heads_walks_from_chunk_to_chunk(
    monkeypatch: pytest.MonkeyPatch, position: int | None
) -> None:
    monkeypatch.setattr(matrix, "MOST_ROWS", 0)
    monkeypatch.setattr(matrix, "MOST_ROWS_A_TOKEN", 0)
    assert_agrees(Case(MemoryRule(LinearMemory()), length=11), position)


@POSITIONS
@pytest.mark.parametrize("length", [4, 27])
def test_recomputation_changes_no_gradient(monkeypatch: pytest.MonkeyPatch, length: int, position: int | None) -> None:
    case = Case(length=length)
    inputs, state = draw_inputs(case), draw_state(case, position)
    kept = run(case, inputs, state, "chunked")
    monkeypatch.setattr(chunked, "MOST_KEPT", 0)
    monkeypatch.setattr(chunked, "RECOMPUTE_EVERY", 1)
    nothing_recomputed = run(case, inputs, state, "chunked")
    assert all(torch.equal(x, nothing_recomputed[name]) for name, x in kept.items())
    for every in (2, 3, 4, 100):
        monkeypatch.setattr(chunked, "RECOMPUTE_EVERY", every)
        recomputed = run(case, inputs, state, "chunked")
        assert all(torch.equal(x, nothing_recomputed[name]) for name, x in recomputed.items())


def test_gradcheck() -> None:
    case = Case(batch=1, length=5, heads=1, key_dim=2, value_dim=2, chunk_size=2)
    inputs, state = draw_inputs(case), draw_state(case, 1)
    inputs = {name: x for name, x in inputs.items() if x is not None}
    names = list(inputs)
    depth = len(state.weights)

    def flat(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given: dict[str, Any] = dict(zip(names, tensors, strict=False))
        rest = tensors[len(names) :]
        parts = (rest[:depth], rest[depth : 2 * depth], rest[2 * depth :])
        start = replace(state, weights=parts[0], momentum=parts[1], anchor=parts[2])
        y, after = memory_scan(**given, state=start, rule=case.rule, chunk_size=2, backend="chunked")
        assert after is not None
        return y, *after.weights, *after.momentum, *after.anchor

    leaves = [*inputs.values(), *state.weights, *state.momentum, *state.anchor]
    assert torch.autograd.gradcheck(flat, [x.clone().requires_grad_() for x in leaves], fast_mode=True)
