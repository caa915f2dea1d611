"""Kernels in triton's interpreter, on a CPU, against the chunked operator in float64."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from tests.cases import Case, Inputs, draw_inputs, draw_state, scan
from tests.ops.triton.comparison import measure, rounded
from tests.tolerances import RELATIVE, assert_all_close
from titans_seq.memory import MemoryState

SLOW = pytest.mark.slow


def agree(case: Case, inputs: Inputs, state: MemoryState, dtype: torch.dtype = torch.float32, **options) -> None:
    """Assert that results and gradients of both backends are the same; options are those of `measure`."""
    inputs, state = rounded(inputs, dtype), state.map(lambda x: x.float().double())
    arguments = (inputs, state, case.rule, case.chunk_size)
    expected = measure(*arguments, "chunked", torch.float64, **options)
    assert_all_close(measure(*arguments, "triton", dtype, **options), expected, RELATIVE[dtype])


def check(case: Case, position: int | None = None, dtype: torch.dtype = torch.float32, **options) -> None:
    """As `agree`, for inputs and a state that are drawn."""
    agree(case, draw_inputs(case), draw_state(case, position), dtype, **options)


def with_constant_gates(case: Case, **values: float) -> Inputs:
    """Draw inputs, with some of the gates the same for all tokens."""
    inputs = draw_inputs(case)
    return inputs | {name: torch.full_like(inputs["lr"], value) for name, value in values.items()}  # type: ignore[arg-type]


def with_zeros_and_ones(case: Case) -> Inputs:
    """Draw inputs with gates of which a third are 0 and a third 1 (a step size: 0.05)."""
    inputs, generator = draw_inputs(case), torch.Generator().manual_seed(0)
    for name in ("lr", "momentum", "decay"):
        gate = inputs[name]
        if gate is not None:
            dice = torch.randint(0, 3, gate.shape, generator=generator)
            one = 0.05 if name == "lr" else 1.0
            inputs[name] = torch.where(dice == 0, 0.0, torch.where(dice == 1, one, gate))
    return inputs


def assert_cuts_change_nothing(case: Case, cuts: Sequence[int]) -> None:
    """Compare one call with several that pass the state on."""
    inputs, state = rounded(draw_inputs(case), torch.float32), draw_state(case, 5).map(lambda x: x.float().double())
    arguments = (inputs, state, case.rule, case.chunk_size, "triton", torch.float32)
    assert_all_close(measure(*arguments, cuts=cuts), measure(*arguments), RELATIVE[torch.float32])


def assert_causal(case: Case, tokens: Sequence[int]) -> None:
    """Assert that what is changed from a token on changes its output, and none before."""
    inputs, other, state = draw_inputs(case), draw_inputs(replace(case, seed=77)), draw_state(case, 5)
    y, _ = scan(inputs, state, case.rule, case.chunk_size, "triton")
    for t in tokens:
        changed = {
            name: None if x is None else torch.cat([x[:, :t], other[name][:, t:]], 1)  # type: ignore[index]
            for name, x in inputs.items()
        }
        changed_y, _ = scan(changed, state, case.rule, case.chunk_size, "triton")
        assert torch.equal(changed_y[:, :t], y[:, :t])
        assert not torch.equal(changed_y[:, t], y[:, t])
