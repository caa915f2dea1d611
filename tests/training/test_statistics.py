from dataclasses import replace

import pytest
import torch

from titans_seq.blocks import AttentionBlockConfig, LMMConfig, MACConfig
from titans_seq.experiment.throughput import Throughput, training_flops
from titans_seq.layers import AttentionConfig, NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import GradientDescent, Huber, LinearMemory, MemoryRule, NoRetention, read_memory
from titans_seq.models import CausalLM, CausalLMConfig
from titans_seq.planning import count_training
from titans_seq.training.statistics import memory_statistics


def test_surprise_is_the_inner_loss_at_the_chunk_s_first_weights():
    config = NeuralMemoryConfig(heads=2, chunk_size=4, persistent_tokens=3, convolution=0)
    layer = NeuralMemory(config, 16).double()
    x = torch.randn(2, 9, 16, dtype=torch.float64)
    surprise = layer.inspect(x)["surprise"]
    # Three persistent tokens open the first chunk, so that tokens 1 to 4 are a chunk of their own.
    _, state = layer(x[:, :1])
    told = layer.scan(x[:, 1:5], state)
    read = read_memory(config.rule.architecture, config.rule.current_weights(state.memory), told.k.transpose(1, 2))
    expected = 0.5 * (read.transpose(1, 2) - told.v).square().sum(-1)
    torch.testing.assert_close(surprise[:, 1:5], expected)
    torch.testing.assert_close(layer.inspect(x[:, 1:], state)["surprise"], surprise[:, 1:])


def test_a_repeated_text_surprises_less():
    torch.manual_seed(0)
    model = CausalLM(CausalLMConfig(30, 16, (LMMConfig(NeuralMemoryConfig(heads=2, chunk_size=4)),), 1))
    words = torch.randint(30, (1, 16))
    once = memory_statistics(model, lambda: model(words))["surprise"][0]
    _, state = model(words.repeat(1, 20))
    again = memory_statistics(model, lambda: model(words, state))["surprise"][0]
    assert again < once


def test_there_is_one_value_a_memory_and_only_gates_that_are_read():
    rule = MemoryRule(LinearMemory(), bias=Huber(), retention=NoRetention(), algorithm=GradientDescent())
    plain = NeuralMemoryConfig(heads=2, chunk_size=4)
    blocks = (MACConfig(plain, 2, segment=8), LMMConfig(replace(plain, rule=rule)), AttentionBlockConfig())
    model = CausalLM(CausalLMConfig(10, 16, blocks, 3))
    found = memory_statistics(model, lambda: model(torch.randint(10, (2, 20))))
    assert {name: len(values) for name, values in found.items()} == {
        "lr": 2,
        "momentum": 1,
        "decay": 1,
        "threshold": 1,
        "surprise": 2,
    }
    assert not any(module._forward_pre_hooks for module in model.modules())
    transformer = CausalLM(CausalLMConfig(10, 16, blocks[2:], 1))
    assert memory_statistics(transformer, lambda: transformer(torch.zeros(1, 4, dtype=torch.long))) == {}


def test_the_arithmetic_of_a_transformer_is_what_pytorch_counts():
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    model = CausalLM(CausalLMConfig(50, 32, (AttentionBlockConfig(AttentionConfig(2, None)),), 2))
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(torch.zeros(1, 24, dtype=torch.long), return_state=False)
    assert 3 * counter.get_total_flops() / 24 == pytest.approx(training_flops(model, length=24))


def test_the_arithmetic_of_macs_context_is_what_is_counted():
    memory = NeuralMemoryConfig(heads=2, chunk_size=8, convolution=0, rule=MemoryRule(LinearMemory()))
    config = CausalLMConfig(50, 32, (MACConfig(memory, 2, segment=8),), 1)
    counted = count_training(config, 8, carried=False).forward
    attention, written_and_read = 4 * 16 * 32, (8 + 2) * 2 * 16 * 16
    expected = counted.matrices / 8 + attention + written_and_read
    assert training_flops(CausalLM(config), 8) / 3 == pytest.approx(expected)


def test_a_longer_segment_costs_a_windowed_model_no_more():
    block = AttentionBlockConfig(AttentionConfig(2, window=16))
    model = CausalLM(CausalLMConfig(50, 32, (block,), 2))
    assert training_flops(model, 8) < training_flops(model, 16) == training_flops(model, 4096)


def test_without_a_peak_there_is_no_utilisation():
    seconds = iter([0.0, 1.0, 3.0])
    throughput = Throughput(1e6, clock=lambda: next(seconds))
    throughput.start()
    assert throughput.look(10) == (10.0, None)
    assert throughput.look(10) == (5.0, None)


def test_packed_documents_are_refused():
    model = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4), 8)
    x = torch.randn(1, 10, 8)
    with pytest.raises(ValueError, match="memory 0 reads packed or padded documents"):
        memory_statistics(model, lambda: model(x, cu_seqlens=torch.tensor([0, 4, 10])))


def test_batches_of_unlike_sizes_count_by_their_tokens():
    layer = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4), 8)
    x = torch.randn(3, 8, 8)
    whole = memory_statistics(layer, lambda: layer(x))["surprise"][0]
    parts = memory_statistics(layer, lambda: [layer(x[:2]), layer(x[2:])])["surprise"][0]
    assert parts == pytest.approx(whole, rel=1e-5)
