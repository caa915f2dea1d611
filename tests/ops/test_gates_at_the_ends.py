"""Gates of exactly 0 and exactly 1: exact, with finite gradients equal to the definition's."""

import itertools

import pytest
import torch

from tests.cases import ABLATIONS, ARCHITECTURES, Case, draw_inputs, draw_state, run
from tests.tolerances import assert_all_close
from titans_seq.memory import MemoryRule


@pytest.mark.parametrize("position", [None, 2], ids=["new", "open"])
@pytest.mark.parametrize("architecture", ["linear", "depth2_gelu"])
@pytest.mark.parametrize(("lr", "momentum", "decay"), list(itertools.product([0.0, 1.0], repeat=3)))
def test_every_combination(lr: float, momentum: float, decay: float, architecture: str, position: int | None) -> None:
    case = Case(MemoryRule(ARCHITECTURES[architecture]), length=7)
    inputs, state = draw_inputs(case), draw_state(case, position)
    for name, value in (("lr", lr), ("momentum", momentum), ("decay", decay)):
        inputs[name] = torch.full_like(inputs["lr"], value)  # type: ignore[arg-type]
    assert_all_close(run(case, inputs, state, "chunked"), run(case, inputs, state, "reference"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rule", ABLATIONS)
def test_zeros_and_ones_among_other_values(rule: str, seed: int) -> None:
    case = Case(ABLATIONS[rule], length=13, chunk_size=6, seed=seed)
    inputs, state = draw_inputs(case), draw_state(case, None if seed % 2 else 2)
    generator = torch.Generator().manual_seed(seed)
    for name in ("lr", "momentum", "decay"):
        gate = inputs[name]
        if gate is not None:
            dice = torch.randint(0, 3, gate.shape, generator=generator)
            one = 0.1 if name == "lr" else 1.0
            inputs[name] = torch.where(dice == 0, 0.0, torch.where(dice == 1, one, gate))
    assert_all_close(run(case, inputs, state, "chunked"), run(case, inputs, state, "reference"))


@pytest.mark.parametrize("small", [1e-5, 1e-30, 1e-45])
def test_products_that_underflow(small: float) -> None:
    """float32: whole chunks of gates whose product is no longer a number above zero."""
    case = Case(length=40, chunk_size=16, dtype=torch.float32)
    inputs, state = draw_inputs(case), draw_state(case, 3)
    inputs["momentum"] = torch.full_like(inputs["lr"], small)  # type: ignore[arg-type]
    inputs["decay"] = torch.full_like(inputs["lr"], 1 - small)  # type: ignore[arg-type]
    assert_all_close(run(case, inputs, state, "chunked"), run(case, inputs, state, "reference"), relative=1e-4)
