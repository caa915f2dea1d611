"""Arguments of `memory_scan`: what is refused and how, and which implementation runs."""

import logging
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from tests.cases import ABLATIONS, Case, draw_inputs, draw_state
from tests.tolerances import assert_close
from titans_seq.config import register
from titans_seq.memory import (
    L2,
    Bias,
    ChannelDecay,
    ElasticNet,
    LinearMemory,
    MemoryRule,
    MemoryState,
    WeightDecay,
    preset,
)
from titans_seq.ops import dispatch, explain_backend, memory_scan

CASE = Case()


def call(case: Case = CASE, **changes: Any) -> Any:
    arguments = {
        **draw_inputs(case),
        "state": draw_state(case, None),
        "rule": case.rule,
        "chunk_size": case.chunk_size,
    } | changes
    return memory_scan(**arguments)


GATE = torch.zeros(2, 9, 2, dtype=torch.float64)
TOKENS = torch.zeros(2, 9, 2, 4, dtype=torch.float64)


@pytest.mark.parametrize("backend", ["auto", "chunked", "reference"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q": TOKENS[:, :8]}, "got q (2, 8, 2, 4), k (2, 9, 2, 4), v (2, 9, 2, 4)"),
        ({"v": TOKENS[:1]}, "v (1, 9, 2, 4)"),
        ({"v": TOKENS[..., 0]}, "v [B, T, H, V], got"),
        ({"q": TOKENS[0], "k": TOKENS[0], "v": TOKENS[0]}, "q and k must be [B, T, H, K]"),
        ({"q": TOKENS[:, :0], "k": TOKENS[:, :0], "v": TOKENS[:, :0]}, "the sequence is empty"),
        ({"chunk_size": 2.0}, "chunk_size must be a whole number, got 2.0"),
        ({"chunk_size": 0}, "got chunk_size 0, position 0"),
        (
            {"state": draw_state(CASE, 3), "chunk_size": 3},
            "got chunk_size 3, position 3; a state continues with",
        ),
        ({"lr": GATE[:, 1:]}, "lr must be [B, T, H] = (2, 9, 2) or [B, T, H, L] = (2, 9, 2, 2), got (2, 8, 2)"),
        (
            {"momentum": GATE[..., None]},
            "momentum must be [B, T, H] = (2, 9, 2) or [B, T, H, L] = (2, 9, 2, 2), got (2, 9, 2, 1)",
        ),
        ({"decay": GATE[:1]}, "decay must be [B, T, H] = (2, 9, 2) or [B, T, H, L] = (2, 9, 2, 2), got (1, 9, 2)"),
        ({"momentum": None}, "Momentum() needs gate 'momentum', got NoneType"),
        ({"decay": None}, "WeightDecay(before_gradient=False) needs gate 'decay', got NoneType"),
        ({"lr": None}, "Momentum() needs gate 'lr', got NoneType"),
        ({"threshold": GATE}, "L2() has no gate 'threshold', got Tensor"),
        (
            {"threshold": GATE[:, 1:], "momentum": None, "rule": preset("yaad")},
            "threshold must be [B, T, H] = (2, 9, 2), got (2, 8, 2)",
        ),
        (
            {"decay": GATE, "rule": MemoryRule(CASE.rule.architecture, retention=ChannelDecay())},
            "decay must be [B, T, H, R] = (2, 9, 2, 10), got (2, 9, 2)",
        ),
        ({"rule": ABLATIONS["decay"]}, "GradientDescent() has no gate 'momentum', got Tensor"),
        ({"rule": ABLATIONS["momentum"]}, "NoRetention() has no gate 'decay', got Tensor"),
        (
            {"rule": MemoryRule(LinearMemory())},
            "state weights must have shapes [(2, 4, 4)] for LinearMemory(), got",
        ),
        ({"state": draw_state(Case(batch=3), 0)}, "must have shapes [(2, 2, 6, 4), (2, 2, 4, 6)]"),
        (
            {"state": draw_state(CASE, None).map(torch.Tensor.half)},
            "must be float32 or float64, got torch.float16",
        ),
    ],
)
def test_messages(changes: dict[str, Any], message: str, backend: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(**changes, backend=backend)


def test_an_unknown_backend_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown backend 'triton2': choose one of auto, triton, chunked, reference"):
        call(backend="triton2")


@pytest.mark.parametrize("backend", ["auto", "chunked", "reference"])
def test_without_return_state_there_is_none(backend: str) -> None:
    y, state = call(backend=backend, return_state=False)
    assert y.shape == (2, 9, 2, 4)
    assert state is None


def test_auto_is_the_first_available_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_announced", set())
    with caplog.at_level(logging.INFO, logger="titans_seq"):
        y, _ = call()
        call()
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == ["memory backend on cpu: chunked"]
    assert torch.equal(y, call(backend="chunked")[0])


def test_explanations_name_every_backend_that_can_be_asked_for() -> None:
    names = [name for name, available, reason in explain_backend("cpu") if reason and available]
    assert names == ["chunked", "reference"]
    for name in names:
        call(backend=name)


@pytest.mark.parametrize("backend", ["chunked", "reference"])
def test_inputs_may_be_views_of_any_strides(backend: str) -> None:
    """Expanded, transposed and sliced inputs give what their contiguous copies give."""
    case = Case(length=6)
    inputs = draw_inputs(case)
    wide = torch.randn(6, 2, 4, 3, 2, dtype=torch.float64)
    views = {n: wide[..., i, :].permute(1, 0, 3, 2) for i, n in enumerate(("q", "k", "v"))}
    views = views | {n: g[:1, :, :1].expand(2, 6, 2) for n, g in inputs.items() if n not in views and g is not None}
    start = draw_state(case, 2).map(lambda x: x[:1].mT.contiguous().mT.expand(2, *x.shape[1:]))
    y, after = call(case, **views, state=start, backend=backend)
    copies = {name: x.contiguous() for name, x in views.items()}
    y_copy, after_copy = call(case, **copies, state=start.map(torch.Tensor.contiguous), backend=backend)
    assert torch.allclose(y, y_copy, rtol=0, atol=1e-13)
    assert all(torch.allclose(a, b, rtol=0, atol=1e-13) for a, b in zip(after.weights, after_copy.weights, strict=True))


def test_a_state_of_one_sequence_is_not_a_shared_state() -> None:
    state = MemoryState.initial([w[None] for w in draw_state(CASE, None).weights])
    with pytest.raises(ValueError, match="state weights must have shapes"):
        call(state=state)


def test_a_class_defined_anew_under_its_kind_is_the_one_that_runs() -> None:
    """As when a cell of a notebook is run again."""
    outputs = []
    for scale in (1.0, 2.0):

        @register("test-rescaled")
        @dataclass(frozen=True)
        class Rescaled(Bias):
            def loss(
                self, prediction: torch.Tensor, target: torch.Tensor, threshold: torch.Tensor | None
            ) -> torch.Tensor:
                return 0.5 * scale * (prediction - target).square().sum(-1)  # noqa: B023 - called within the loop

        rule = replace(CASE.rule, bias=Rescaled())
        y, _ = call(rule=rule, backend="chunked")
        assert_close(y, call(rule=rule, backend="reference")[0])
        outputs.append(y)
    assert not torch.equal(*outputs)


def test_a_class_without_a_kind_is_refused_with_what_to_do() -> None:
    @dataclass(frozen=True)
    class Nameless(L2):
        pass

    with pytest.raises(ValueError, match=re.escape("Nameless has no kind by which the operator, and a saved model")):
        call(rule=replace(CASE.rule, bias=Nameless()))
    call(rule=replace(CASE.rule, bias=Nameless()), backend="reference")  # which the message names

    @dataclass(frozen=True)
    class Within(WeightDecay):
        pass

    with pytest.raises(ValueError, match="Within has no kind"):
        call(rule=replace(CASE.rule, retention=ElasticNet(Within())), backend="chunked")
