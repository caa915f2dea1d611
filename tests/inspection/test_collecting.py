from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from titans_seq.blocks import AttentionBlockConfig, LMMConfig, MACConfig
from titans_seq.inspection import Inspection, inspect_memories, verdict, verdict_of_all
from titans_seq.layers import GateConfig, NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import ConstantDecay, LinearMemory, MemoryRule, preset
from titans_seq.models import CausalLM, CausalLMConfig

MEMORY = NeuralMemoryConfig(heads=2, chunk_size=4, rule=MemoryRule(LinearMemory()))
IDS = torch.arange(24).remainder(7).unsqueeze(0)


def model_of(*blocks: LMMConfig | MACConfig | AttentionBlockConfig) -> CausalLM:
    torch.manual_seed(0)
    return CausalLM(CausalLMConfig(10, 16, blocks, len(blocks))).double().eval()


def seen_in(model: CausalLM, ids: Tensor = IDS) -> Inspection:
    return inspect_memories(model, lambda: model(ids)[0])


@pytest.fixture(scope="module")
def model() -> CausalLM:
    return model_of(LMMConfig(replace(MEMORY, persistent_tokens=3)), MACConfig(MEMORY, 2, segment=6))


@pytest.fixture(scope="module")
def seen(model: CausalLM) -> Inspection:
    return seen_in(model)


def test_every_memory_and_every_token_is_there_and_the_persistent_ones_are_not(seen: Inspection) -> None:
    assert [memory.name for memory in seen.memories] == ["backbone.blocks.0.mixer", "backbone.blocks.1.mixer.memory"]
    for memory in seen.memories:
        assert {tuple(x.shape) for x in vars(memory.trace).values()} == {(1, 24, 2)}
        assert memory.retrieval.shares.shape == (24, 24, 2)
        assert memory.growth.tokens[-1] == 24
    assert seen.memories[0].growth.norm.shape == (1, 8, 2)  # 27 tokens in chunks of 4


def test_nothing_of_the_model_is_changed(model: CausalLM) -> None:
    before = model(IDS)[0]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    seen_in(model)
    assert torch.equal(model(IDS)[0], before)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


def test_pieces_that_follow_each_other_are_one_input(model: CausalLM, seen: Inspection) -> None:
    def read() -> Tensor:
        first, state = model(IDS[:, :7])
        return torch.cat([first, model(IDS[:, 7:], state)[0]], 1)

    pieces = inspect_memories(model, read)
    for one, whole in zip(pieces.memories, seen.memories, strict=True):
        torch.testing.assert_close(one.trace.surprise, whole.trace.surprise)
        torch.testing.assert_close(one.retrieval.shares, whole.retrieval.shares)
        assert one.use.off == pytest.approx(whole.use.off)


def test_gates_are_what_the_layer_says() -> None:
    shut = model_of(LMMConfig(replace(MEMORY, gates=GateConfig(lr_bias=-50.0, decay_bias=-50.0))))
    (memory,) = seen_in(shut).memories
    assert memory.trace.open.max() < 1e-9
    assert (memory.tiny_writes, memory.use.frozen) == (1.0, pytest.approx(0, abs=1e-9))
    assert memory.half_life > 1e9
    assert "WHAT IT WRITES IS NOT USED" in verdict(memory)
    assert "100% of its writes are tiny" in verdict(memory)


def test_a_memory_that_says_nothing_is_unused() -> None:
    silent = model_of(LMMConfig(replace(MEMORY, zero_output=True)), LMMConfig(MEMORY))
    first, second = seen_in(silent).memories
    assert (first.use.off, first.use.frozen) == (0, 0)
    assert verdict(first).startswith("UNUSED")
    assert second.use.off > 0.1
    assert verdict(second).startswith("used")


def test_use_is_what_the_output_changes_by() -> None:
    model = model_of(LMMConfig(MEMORY))
    (memory,) = seen_in(model).memories
    output = model(IDS)[0]
    layer = model.backbone.blocks[0].mixer
    assert isinstance(layer, NeuralMemory)
    with torch.no_grad():
        layer.output.weight.zero_()
        silent = model(IDS)[0]
    expected = (silent - output).norm() / (output - output.mean()).norm()
    assert memory.use.off == pytest.approx(expected.item())


def test_losses_are_differences(model: CausalLM) -> None:
    targets = IDS.roll(-1, 1)

    def loss(logits: Tensor) -> float:
        return nn.functional.cross_entropy(logits.mT, targets).item()

    seen = inspect_memories(model, lambda: model(IDS)[0], loss=loss)
    assert seen.together.loss_off is not None
    assert "(loss " in verdict_of_all(seen.together, 2)
    silent = model_of(LMMConfig(replace(MEMORY, zero_output=True)))
    (memory,) = inspect_memories(silent, lambda: silent(IDS)[0], loss=loss).memories
    assert (memory.use.loss_off, memory.use.loss_frozen) == (0, 0)


def test_keys_that_are_all_alike_collide() -> None:
    model = model_of(LMMConfig(replace(MEMORY, convolution=0)))
    (memory,) = seen_in(model, torch.zeros(1, 24, dtype=torch.long)).memories
    assert memory.key_rank.max().item() == pytest.approx(1)
    (varied,) = seen_in(model).memories
    assert varied.key_rank.min() > 2
    assert varied.key_limit == 8


def test_what_cannot_be_inspected_is_refused(model: CausalLM) -> None:
    attention = model_of(AttentionBlockConfig())
    with pytest.raises(ValueError, match="the model has no neural memory"):
        seen_in(attention)
    with pytest.raises(ValueError, match="reads several sequences one after the other"):
        inspect_memories(model, lambda: model(IDS)[0] + model(IDS)[0])
    with pytest.raises(ValueError, match="packed or padded"):
        inspect_memories(model, lambda: model(IDS, cu_seqlens=torch.tensor([0, 9, 24]))[0])
    with pytest.raises(ValueError, match="read nothing"):
        inspect_memories(model, lambda: torch.zeros(1))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_what_a_rule_forgets_without_a_gate_is_seen() -> None:
    torch.manual_seed(0)
    layer = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4, rule=preset("retnet")), 8)
    x = torch.randn(1, 12, 8)
    seen = inspect_memories(layer, lambda: layer(x)[0]).memories[0]
    kept = ConstantDecay().keep(None, torch.zeros(1, 1, 2))[0, 0]
    assert seen.trace.decay is not None
    torch.testing.assert_close(seen.trace.decay[0, 0], 1 - kept)
    assert seen.half_life < float("inf")
