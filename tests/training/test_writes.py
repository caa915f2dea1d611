import pytest
import torch

from titans_seq.blocks import AttentionBlockConfig, LMMConfig
from titans_seq.layers import AttentionConfig, GateConfig, NeuralMemoryConfig
from titans_seq.memory import GradientDescent, LinearMemory, MemoryRule, NoRetention
from titans_seq.models import CausalLM, CausalLMConfig
from titans_seq.training.writes import counted_writes, write_cost

BARE = MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent())


def model(rule: MemoryRule, gates: GateConfig) -> CausalLM:
    memory = NeuralMemoryConfig(heads=2, chunk_size=4, rule=rule, gates=gates)
    blocks = (LMMConfig(memory), AttentionBlockConfig(AttentionConfig(2, None)))
    return CausalLM(CausalLMConfig(10, 16, blocks, 2))


@pytest.mark.parametrize(
    ("rule", "bias", "written"),
    [(BARE, 40.0, 1.0), (BARE, -40.0, 0.0), (MemoryRule(), -40.0, 0.0)],
)
def test_what_is_written_is_a_share_of_the_most(rule: MemoryRule, bias: float, written: float) -> None:
    with counted_writes(model(rule, GateConfig(lr_bias=bias, decay_bias=bias))) as writes:
        pass
    assert writes == []
    reader = model(rule, GateConfig(lr_bias=bias, decay_bias=bias))
    with counted_writes(reader) as writes:
        reader(torch.randint(10, (2, 9)))
    assert [value.item() for value in writes] == pytest.approx([written], abs=1e-6)


def test_a_cost_shuts_the_gates_and_the_model_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    reader = model(MemoryRule(), GateConfig(form="hard", lr_bias=0.0, decay_bias=0.0))
    optimiser = torch.optim.SGD(reader.parameters(), 1.0)
    ids, costs = torch.randint(10, (2, 20)), []
    for _ in range(200):
        with counted_writes(reader) as writes:
            reader(ids)
        cost = torch.stack(writes).sum()
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
        costs.append(cost.item())
        if costs[-1] < 1e-4:
            break
    assert costs[0] > 0.5
    assert costs[-1] < 1e-4
    assert not any(module._forward_hooks for module in reader.modules())


def test_the_cost_is_the_weighted_mean_of_what_the_memories_write() -> None:
    reader = model(MemoryRule(), GateConfig(decay_bias=0.0))
    ids = torch.randint(10, (2, 9))
    with counted_writes(reader) as writes, write_cost(reader, 0.3) as cost:
        reader(ids)
    torch.testing.assert_close(cost(), 0.3 * torch.stack(writes).mean())


def test_nothing_is_hooked_where_writing_is_free() -> None:
    reader = model(MemoryRule(), GateConfig())
    with write_cost(reader, 0.0) as cost:
        assert not any(module._forward_hooks for module in reader.modules())
        reader(torch.randint(10, (2, 9)))
    assert cost().item() == 0.0


def test_a_model_without_memory_pays_nothing() -> None:
    attention = CausalLM(CausalLMConfig(10, 16, (AttentionBlockConfig(AttentionConfig(2, None)),), 1))
    with write_cost(attention, 0.3) as cost:
        attention(torch.randint(10, (2, 9)))
    assert cost().item() == 0.0
