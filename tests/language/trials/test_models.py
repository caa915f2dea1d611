import pytest
import torch

from language.trials import MODELS, AnswerModel, ModelOptions, trial_model
from titans_seq.blocks import AttentionBlockConfig, MACConfig, MAGConfig
from titans_seq.errors import UserError
from titans_seq.memory import preset
from titans_seq.models import count_parameters


@pytest.mark.parametrize("rule", ["titans", "titans_linear", "deltanet", "yaad"])
def test_all_models_have_about_equally_many_parameters(rule: str) -> None:
    counts = [count_parameters(trial_model(name, 17, ModelOptions(memory_rule=rule))) for name in MODELS]
    assert max(counts) / min(counts) < 1.03


def test_options_reach_the_model() -> None:
    options = ModelOptions(dim=32, depth=3, heads=4, window=8, memory_rule="deltanet", chunk_size=2, convolution=0)
    (mag,), (mac,) = (trial_model(name, 10, options).blocks for name in ("mag", "mac"))
    (transformer,) = trial_model("transformer", 10, options).blocks
    assert isinstance(mag, MAGConfig)
    assert isinstance(mac, MACConfig)
    assert isinstance(transformer, AttentionBlockConfig)
    memory = mag.memory
    assert (memory.heads, memory.chunk_size, memory.convolution, memory.rule) == (4, 2, 0, preset("deltanet"))
    assert (mag.attention.window, mac.segment, transformer.attention.window) == (8, 8, None)
    assert (trial_model("mag", 10, options).dim, trial_model("mag", 10, options).depth) == (32, 3)


@pytest.mark.parametrize("name", ["mac", "mag", "mal", "lmm"])
def test_without_memory_is_the_same_model_that_never_learns(name: str) -> None:
    options = ModelOptions(dim=16, window=4, chunk_size=2)
    torch.manual_seed(0)
    memory = AnswerModel(trial_model(name, 5, options), "position")
    torch.manual_seed(0)
    control = AnswerModel(trial_model(f"{name}-no-memory", 5, options), "position")
    assert [tuple(p.shape) for p in memory.parameters()] == [tuple(p.shape) for p in control.parameters()]
    # The second token changes: one far behind the window, the segment and two convolutions notices it only by memory.
    ids = torch.zeros(2, 40, dtype=torch.long)
    ids[1, 1] = 3
    with torch.no_grad():
        (last, other), (last_control, other_control) = (reader(ids)[0][:, -1] for reader in (memory, control))
    assert not torch.equal(last, other)
    assert torch.equal(last_control, other_control)


def test_the_steps_of_a_control_cannot_be_trained_away_from_zero() -> None:
    control = AnswerModel(trial_model("lmm-no-memory", 5, ModelOptions(dim=16, chunk_size=2)), "position")
    outputs, _ = control(torch.tensor([[1, 2, 3, 4, 1]]))
    outputs.square().sum().backward()
    for name, parameter in control.named_parameters():
        if "gates" in name:
            assert parameter.grad is None or not parameter.grad.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 0}, "dim must be at least 1, got 0"),
        ({"window": 0}, "window must be at least 1, got 0"),
        ({"dim": 24, "heads": 16}, "dim must be an even multiple of heads, got 24 and 16"),
        ({"memory_rule": "titan"}, "unknown memory 'titan'"),
        ({"chunk_size": 0}, "chunk_size must be at least 1"),
    ],
)
def test_wrong_options_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ModelOptions(**change)  # type: ignore[arg-type]


def test_unknown_models_are_refused() -> None:
    with pytest.raises(UserError, match="unknown model 'mag-no-memry': .*; did you mean 'mag-no-memory'"):
        trial_model("mag-no-memry", 5)
    with pytest.raises(UserError, match="expected one of mac, mag"):
        trial_model("zzz", 5)
