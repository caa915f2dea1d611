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
    with pytest.raises(ValueError, match="max_step must be above 0, got 0"):
        GateConfig(max_step=0)
