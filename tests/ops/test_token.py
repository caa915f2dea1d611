"""One token without a graph, as decoding takes them, against the definition."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from tests.cases import ABLATIONS, ARCHITECTURES, Case, draw_inputs, draw_state, scan, state_tensors
from tests.tolerances import assert_all_close
from titans_seq.config import register
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import (
    ChannelDecay,
    Coefficients,
    GatedMLPMemory,
    Gates,
    GradientDescent,
    Huber,
    ImplicitGradientDescent,
    LinearMemory,
    MemoryRule,
    Momentum,
    Nesterov,
    NoRetention,
)
from titans_seq.ops.chunked import scan as chunked


@register("test_averaged")
@dataclass(frozen=True)
class Averaged(Momentum):
    """One's own algorithm, derived from one that decoding has a shorter form of."""

    def coefficients(self, gates: Gates) -> Coefficients:
        return super().coefficients(replace(gates, lr=(1 - gates.fade) * gates.lr))

    def step(self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: Gates) -> tuple[Tensor, Tensor]:
        return super().step(weight, momentum, gradient, replace(gates, lr=(1 - gates.fade) * gates.lr))


RULES = ABLATIONS | {
    "matrix": MemoryRule(LinearMemory()),
    "nesterov": MemoryRule(ARCHITECTURES["depth3_silu"], algorithm=Nesterov()),
    "huber": MemoryRule(ARCHITECTURES["depth2_relu_bare"], bias=Huber("coordinate", delta=0.7), algorithm=Momentum()),
    "depth1_norm": MemoryRule(ARCHITECTURES["depth1_norm"]),
    "averaged": MemoryRule(LinearMemory(), algorithm=Averaged()),
    "gated": MemoryRule(GatedMLPMemory(expansion=1.5), algorithm=GradientDescent()),
    "channels": MemoryRule(ARCHITECTURES["depth2_gelu"], retention=ChannelDecay()),
    "implicit": MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=ImplicitGradientDescent()),
}


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("position", [0, 3], ids=["border", "open"])
@pytest.mark.parametrize("rule", RULES)
def test_tokens_one_by_one(
    rule: str, position: int, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(RULES[rule], length=6, key_dim=3 if rule == "matrix" else 4, dtype=dtype)
    inputs, state = draw_inputs(case), draw_state(case, position)
    expected, after = scan(inputs, state, case.rule, 4, "reference")
    taken, run_token = [], chunked.run_token
    monkeypatch.setattr(chunked, "run_token", lambda *call: taken.append(1) or run_token(*call))
    outputs = []
    for token in range(case.length):
        y, state = scan(inputs, state, case.rule, 4, "chunked", slice(token, token + 1))
        outputs.append(y)
    assert len(taken) == case.length
    results = {"y": torch.cat(outputs, 1), **state_tensors(state)}
    assert state.position == after.position
    assert_all_close(results, {"y": expected, **state_tensors(after)}, tolerance)


@torch.no_grad()
def test_a_layer_with_gates_per_layer_decodes_as_it_reads() -> None:
    config = NeuralMemoryConfig(heads=2, chunk_size=4, rule=ABLATIONS["momentum_decay"])
    config = replace(config, gates=replace(config.gates, per_layer=True))
    torch.manual_seed(0)
    layer, x = NeuralMemory(config, 8).double(), torch.randn(2, 9, 8, dtype=torch.float64)
    whole, _ = layer(x)
    state, outputs = None, []
    for token in x.split(1, 1):
        y, state = layer(token, state)
        outputs.append(y)
    assert_all_close({"y": torch.cat(outputs, 1)}, {"y": whole}, 1e-10)
