import pytest
import torch
import torch.nn.functional as F

from tests.tolerances import assert_close
from titans_seq.blocks import LMMConfig
from titans_seq.config import from_dict, from_yaml, to_dict, to_yaml
from titans_seq.errors import UserError
from titans_seq.layers import GateConfig, NeuralMemoryConfig, SwiGLU
from titans_seq.memory import GradientDescent, LinearMemory, MemoryRule, MLPMemory, NoRetention

CONFIG = LMMConfig(NeuralMemoryConfig(heads=2, chunk_size=4), hidden=24)


def test_the_block_is_pre_norm_with_residuals() -> None:
    torch.manual_seed(0)
    block, x = CONFIG.build(8), torch.randn(2, 5, 8)
    y, _ = block(x)
    mixed, _ = block.mixer(F.rms_norm(x, [8], eps=1e-6))
    middle = x + mixed
    gate, value = (F.rms_norm(middle, [8], eps=1e-6) @ block.feedforward.gate_and_input.weight.T).split(24, -1)
    assert_close(y, middle + (F.silu(gate) * value) @ block.feedforward.output.weight.T)


def test_hidden_width_default() -> None:
    assert SwiGLU(24).output.in_features == 64
    assert SwiGLU(10).output.in_features == 32  # 26.7, rounded up to a multiple of 8
    assert SwiGLU(10, 5).output.in_features == 5
    with pytest.raises(ValueError, match="hidden must be at least 1, or None for 8/3 of the width, got 0"):
        SwiGLU(10, 0)


@pytest.mark.parametrize(
    "config",
    [
        LMMConfig(),
        CONFIG,
        LMMConfig(
            NeuralMemoryConfig(
                heads=3,
                head_dim=5,
                chunk_size=7,
                rule=MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent()),
                gates=GateConfig(max_step=0.5, decay_bias=-4),
                convolution=0,
                persistent_tokens=2,
                backend="reference",
            )
        ),
        LMMConfig(
            NeuralMemoryConfig(rule=MemoryRule(MLPMemory(3, 1.5, activation="relu", residual=False, norm=False)))
        ),
    ],
)
def test_configurations_survive_a_file(config: LMMConfig) -> None:
    assert from_dict(to_dict(config)) == config
    assert from_yaml(to_yaml(config)) == config
    memory = config.memory
    assert from_dict(to_dict(memory), NeuralMemoryConfig) == memory
    assert from_yaml(to_yaml(memory), NeuralMemoryConfig) == memory
    assert to_dict(config)["memory"]["rule"]["architecture"]["kind"] in ("linear", "mlp")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("heads: 0", "heads must be at least 1, got 0"),
        ("chunk: 4", "chunk: unknown field"),
        (
            "rule: {architecture: {kind: mlp, depth: 0}}",
            "rule.architecture: depth must be at least 1, got 0",
        ),
        ("rule: {architecture: {kind: mpl}}", "rule.architecture.kind: unknown kind 'mpl'"),
        ("gates: {max_step: -1}", "gates: max_step must be above 0 and finite, got -1"),
        ("rule: {retention: {kind: momentum}}", "rule.retention"),
        ("backend: fast", "backend"),
    ],
)
def test_a_wrong_file_is_refused_where_it_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        from_yaml(text, NeuralMemoryConfig)
    assert message in str(caught.value)
