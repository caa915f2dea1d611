import math

import pytest
import torch

from titans_seq.layers import GateConfig, MemoryGates, largest_lr
from titans_seq.memory import GradientDescent, LinearMemory, MemoryRule, MLPMemory, NoRetention, preset

FULL = MemoryRule()
BARE = MemoryRule(retention=NoRetention(), algorithm=GradientDescent())


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (FULL, {"lr", "momentum", "decay"}),
        (preset("yaad"), {"lr", "decay", "threshold"}),
        (MemoryRule(retention=NoRetention()), {"lr", "momentum"}),
        (MemoryRule(algorithm=GradientDescent()), {"lr", "decay"}),
        (BARE, {"lr"}),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_only_gates_that_are_read_and_all_in_range(rule: MemoryRule, names: set[str], scale: float) -> None:
    torch.manual_seed(0)
    gates = MemoryGates(GateConfig(), 8, 3, rule, [8], max_lr=0.1)(scale * torch.randn(2, 50, 8))
    assert {name for name, gate in gates.items() if gate is not None} == names
    for gate in gates.values():
        if gate is not None:
            assert gate.shape == (2, 50, 3)
            assert (gate >= 0).all()
    assert all((gate <= 1).all() for name, gate in gates.items() if gate is not None and name != "threshold")
    lr, momentum = gates["lr"], gates["momentum"]
    assert lr is not None
    cap = 0.1 if momentum is None else 0.1 * (1 - momentum)
    assert (lr <= cap).all()


def test_biases_are_where_gates_start() -> None:
    config = GateConfig(lr_bias=1.0, momentum_bias=-1.0, decay_bias=-3.0)
    gates = MemoryGates(config, 8, 2, FULL, [8], max_lr=0.5)(torch.zeros(1, 1, 8))
    lr, momentum, decay = (torch.sigmoid(torch.tensor(b)) for b in (1.0, -1.0, -3.0))
    for name, expected in (("lr", 0.5 * lr * (1 - momentum)), ("momentum", momentum), ("decay", decay)):
        gate = gates[name]
        assert gate is not None
        assert torch.allclose(gate, expected.expand(1, 1, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_gates_are_float32_whatever_the_input(dtype: torch.dtype) -> None:
    gates = MemoryGates(GateConfig(), 8, 2, FULL, [8], max_lr=0.5)
    x = torch.randn(1, 4, 8).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = gates(x)
    assert [gate.dtype for gate in found.values() if gate is not None] == [torch.float32] * 3


def test_gates_of_a_layer_in_half_precision_are_float32() -> None:
    """Near 0 and 1 a gate needs more digits than half precision has, so its docstring promises float32."""
    gates = MemoryGates(GateConfig(), 8, 2, FULL, [8], max_lr=0.5).to(torch.bfloat16)
    found = gates(torch.randn(1, 4, 8, dtype=torch.bfloat16))
    assert [gate.dtype for gate in found.values() if gate is not None] == [torch.float32] * 3


@pytest.mark.parametrize(
    ("architecture", "chunk_size", "expected"),
    [
        (LinearMemory(), 1, 1.0),
        (LinearMemory(), 16, 1 / 16),
        (MLPMemory(), 16, 1 / 16),
        (MLPMemory(norm=False), 16, 1 / (16 * 32)),
        (MLPMemory(depth=1, norm=False), 4, 1 / 4),
    ],
)
def test_the_cap_on_the_step(architecture: LinearMemory | MLPMemory, chunk_size: int, expected: float) -> None:
    cap = largest_lr(GateConfig(max_step=1.0), MemoryRule(architecture), chunk_size, 8, 8)
    assert cap == pytest.approx(expected)
    halved = largest_lr(GateConfig(max_step=0.5), MemoryRule(architecture), chunk_size, 8, 8)
    assert halved == pytest.approx(expected / 2)


def test_messages() -> None:
    for value in (0, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"max_step must be above 0 and finite, got {value}"):
            GateConfig(max_step=value)
    with pytest.raises(ValueError, match="decay_bias must be finite, got nan"):
        GateConfig(decay_bias=math.nan)


def test_a_hard_gate_shuts_and_opens_completely_and_has_a_slope_between() -> None:
    gates = MemoryGates(GateConfig(lr_bias=0.0, decay_bias=0.0, form="hard"), 1, 1, FULL, [8], max_lr=0.5)
    with torch.no_grad():
        gates.project.weight.copy_(torch.tensor([[1.0], [0.0], [1.0]]))
    x = torch.tensor([-4.0, -1.5, 1.5, 4.0]).view(1, 4, 1)
    found = gates(x)
    lr, momentum, decay = found["lr"], found["momentum"], found["decay"]
    assert lr is not None
    assert momentum is not None
    assert decay is not None
    assert decay.flatten().tolist() == [0.0, 0.25, 0.75, 1.0]
    assert torch.allclose(lr, 0.5 * decay * (1 - momentum))
    (slope,) = torch.autograd.grad(decay[0, 1, 0], gates.project.weight)
    assert slope[2].item() == pytest.approx(-1.5 / 6)


@pytest.mark.parametrize(("field", "value"), [("form", "soft"), ("source", "output")])
def test_an_unknown_form_or_source_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must be one of .*, got '{value}'"):
        GateConfig(**{field: value})  # type: ignore[arg-type]
