"""Memories that are shut are read, and stay what they are."""

from dataclasses import replace

import pytest
import torch

from tests.tolerances import assert_close
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.layers.shutting import shut_memories
from titans_seq.memory import ConstantDecay, ElasticNet, LinearMemory, MemoryRule, MLPMemory, preset

RULES = {
    "titans": MemoryRule(MLPMemory(expansion=2)),
    "constant decay": MemoryRule(LinearMemory(), retention=ConstantDecay((0.9, 0.8))),
    "elastic net": MemoryRule(LinearMemory(), retention=ElasticNet(shrink=0.1)),
    **{name: preset(name) for name in ("gated_deltanet", "moneta", "memora", "lact", "atlas")},
}


@pytest.mark.parametrize("name", RULES)
def test_what_is_carried_stays_and_all_is_as_before(name: str) -> None:
    torch.manual_seed(0)
    rule = RULES[name]
    layer = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4, rule=rule), 8).double()
    x, config = torch.randn(2, 1, 8, 8, dtype=torch.float64), layer.config
    _, state = layer(x[0])
    with torch.no_grad(), shut_memories(layer.modules()):
        _, after = layer(x[1], state)
        _, new = layer(x[1])
    for kept, before in ((after.memory, state.memory), (new.memory, layer.initial_state().spread(1))):
        for one, other in zip(rule.current_weights(kept), rule.current_weights(before), strict=True):
            assert_close(one, other.detach())
    assert layer.config is config
    assert_close(layer(x[1], state)[0], layer(x[1], replace(state))[0])
    assert not layer.gates._forward_hooks
