"""The steps that torch.compile makes: the same outputs, states and gradients, and what is said where it cannot."""

import re
from dataclasses import replace

import pytest
import torch

from tests.cases import Case, draw_inputs, draw_state, run
from tests.tolerances import assert_all_close
from titans_seq.memory import LinearMemory, MemoryRule, preset
from titans_seq.ops import _steps, explain_backend, memory_scan

NEEDS_A_COMPILER = pytest.mark.skipif(
    _steps.refused_by_compiler(torch.device("cpu")) is not None, reason="there is no C++ compiler for torch.compile"
)


@NEEDS_A_COMPILER
@pytest.mark.slow
# PyTorch looks there itself, and hides the warning that it gets for it.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize(
    ("rule", "position"),
    [(MemoryRule(LinearMemory()), 3), (preset("titans"), None), (preset("yaad"), 0)],
    ids=["linear", "titans", "yaad"],
)
def test_compiled_steps_agree(rule: MemoryRule, position: int | None) -> None:
    """Five whole chunks, of which the backward computes some anew, between an open chunk and a tail."""
    torch.compiler.reset()
    case = Case(rule, length=23)
    inputs, state = draw_inputs(case), draw_state(case, position)
    assert_all_close(run(case, inputs, state, "compiled"), run(case, inputs, state, "chunked"))


@NEEDS_A_COMPILER
def test_whole_chunks_alone_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("titans_seq.ops._operator.steps", lambda compiled: asked.append(compiled) or _steps._PLAIN)
    case = Case(length=10)
    memory_scan(
        **draw_inputs(case),  # type: ignore[arg-type]
        state=draw_state(case, 3),
        rule=case.rule,
        chunk_size=case.chunk_size,
        backend="compiled",
    )
    assert asked == [False, True, False]


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_steps, "_has_compiler", lambda: False)
    case = replace(Case(), length=4)
    with pytest.raises(ValueError, match=re.escape("backend 'compiled' cannot run this call: torch.compile needs")):
        memory_scan(
            **draw_inputs(case),  # type: ignore[arg-type]
            state=draw_state(case, None),
            rule=case.rule,
            chunk_size=case.chunk_size,
            backend="compiled",
        )
    available = {name: (available, reason) for name, available, reason in explain_backend("cpu")}
    assert available["compiled"][0] is False
    assert "install g++" in available["compiled"][1]
