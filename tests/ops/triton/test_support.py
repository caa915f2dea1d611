"""What the fused kernels refuse, and how; runs with and without triton and a GPU."""

import logging
import re
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from tests.cases import Case, draw_inputs, draw_state
from titans_seq.config import register
from titans_seq.memory import (
    ChannelDecay,
    DotProduct,
    GatedMLPMemory,
    LinearMemory,
    MemoryRule,
    MLPMemory,
    Momentum,
    Nesterov,
    WeightDecay,
)
from titans_seq.ops import dispatch, explain_backend, memory_scan
from titans_seq.ops.inputs import Scan, Traits
from titans_seq.ops.triton import support

LINEAR = MemoryRule(LinearMemory())
DEEP = MemoryRule(MLPMemory(expansion=1))
CUDA = torch.device("cuda")


def card(name: str, shared_memory: int) -> SimpleNamespace:
    return SimpleNamespace(name=name, shared_memory_per_block_optin=shared_memory)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has all that the kernels need."""
    monkeypatch.setattr(support, "_installed", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card("NVIDIA H200", 232448))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


def reason(**choices: Any) -> str:
    name, available, reason = explain_backend("cuda", **choices)[0]
    assert name == "triton"
    assert available == reason.startswith("fused kernels; they run")
    return reason


def test_a_cpu_needs_a_gpu_or_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "_installed", lambda: True)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert explain_backend("cpu")[0] == ("triton", False, "fused kernels need an NVIDIA GPU, got cpu")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert explain_backend("cpu")[0][1]
    assert explain_backend("cpu", dtype=torch.float16)[0][1]
    _, available, why = explain_backend("cpu", dtype=torch.bfloat16)[0]
    assert not available
    assert why.startswith("Triton's interpreter computes wrong numbers in bfloat16")


@pytest.mark.usefixtures("gpu")
def test_a_machine_without_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reason().startswith("fused kernels; they run memories of one or two layers")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card("NVIDIA A100", 166912))
    assert reason() == (
        "fused kernels need 232,448 bytes of shared memory a program, as an H100 or H200 has; NVIDIA A100 has 166,912"
    )
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert reason() == "fused kernels are made for NVIDIA GPUs, and this torch is built for AMD's"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert reason() == "fused kernels need an NVIDIA GPU, and torch finds none"
    monkeypatch.setattr(support, "_installed", lambda: False)
    assert reason() == "triton is not installed: pip install 'titans-seq[kernels]'"


@dataclass(frozen=True)
class Wider(LinearMemory):
    """A memory derived from one that fuses."""


@register("test-faster")
@dataclass(frozen=True)
class Faster(Momentum):
    """An algorithm derived from one that fuses."""


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"rule": MemoryRule(GatedMLPMemory())}, "only LinearMemory() and MLPMemory() are fused, got GatedMLPMemory("),
        ({"rule": replace(LINEAR, architecture=Wider())}, "only LinearMemory() and MLPMemory() are fused, got Wider()"),
        ({"rule": MemoryRule(MLPMemory(depth=1))}, "of deep memories only those of two layers are fused, got depth=1"),
        ({"rule": MemoryRule(MLPMemory(learns="last"))}, "all of whose layers learn are fused, got learns='last'"),
        (
            {"rule": MemoryRule(), "key_dim": 64},
            "the hidden width of a deep memory must be one of 64, 128, as a program holds all of the memory in "
            "registers: got 256, which is expansion 4 of width 64",
        ),
        ({"rule": DEEP, "key_dim": 128}, "the width of keys of a deep memory must be one of 32, 64, got 128"),
        ({"rule": DEEP, "value_dim": 128}, "the width of values of a deep memory must be one of 32, 64, got 128"),
        ({"rule": DEEP, "chunk_size": 65}, "chunk_size of a deep memory must lie between 16 and 64, got 65"),
        ({"rule": replace(LINEAR, bias=DotProduct())}, "only the bias L2() is fused, got DotProduct()"),
        (
            {"rule": replace(LINEAR, algorithm=Nesterov())},
            "only gradient descent and Momentum() are fused, got Nesterov()",
        ),
        ({"rule": replace(LINEAR, algorithm=Faster())}, "are fused, got Faster()"),
        ({"rule": replace(LINEAR, retention=ChannelDecay())}, "only decay per token and head, after the gradient, is"),
        (
            {"rule": replace(LINEAR, retention=WeightDecay(before_gradient=True))},
            "after the gradient, is fused, got WeightDecay(before_gradient=True)",
        ),
        (
            {"rule": replace(LINEAR, read="chunk_start")},
            "only reads after the write are fused, got read='chunk_start'",
        ),
        ({"key_dim": 48}, "the width of keys must be one of 32, 64, 128, 256, got 48"),
        ({"value_dim": 512}, "the width of values must be one of 32, 64, 128, 256, got 512"),
        ({"chunk_size": 8}, "chunk_size must lie between 16 and 128, got 8"),
        ({"chunk_size": 129}, "chunk_size must lie between 16 and 128, got 129"),
        ({"dtype": torch.float64}, "queries, keys and values must be float32, float16 or bfloat16, got torch.float64"),
    ],
)
def test_what_does_not_fuse(choices: dict[str, Any], message: str) -> None:
    assert message in reason(**choices)


@pytest.mark.usefixtures("gpu")
def test_what_fuses() -> None:
    reason(rule=LINEAR, key_dim=64, value_dim=128, chunk_size=100, dtype=torch.bfloat16)
    reason(rule=DEEP, key_dim=64, value_dim=64, chunk_size=64, dtype=torch.bfloat16)
    reason(rule=MemoryRule(), key_dim=32, value_dim=32, chunk_size=64)
    refused = support.refused_by_triton(Traits(CUDA, state_dtype=torch.float64))
    assert refused == "the state must be float32, got torch.float64"


@pytest.mark.usefixtures("gpu")
def test_gates_per_layer() -> None:
    assert support.refused_by_triton(Traits(CUDA, DEEP)) is None
    assert support.refused_by_triton(Traits(CUDA, LINEAR, gates_per_layer=True)) is None
    message = "only gates that the layers of a deep memory share are fused, got gates per layer"
    assert support.refused_by_triton(Traits(CUDA, DEEP, gates_per_layer=True)) == message


CASE = Case(LINEAR, key_dim=32, value_dim=32, chunk_size=16, dtype=torch.float32)


def call(case: Case, backend: dispatch.Backend) -> torch.Tensor:
    inputs, state = draw_inputs(case), draw_state(case, None)
    return memory_scan(**inputs, state=state, rule=case.rule, chunk_size=case.chunk_size, backend=backend)[0]  # type: ignore[arg-type]


def test_asked_for_by_name_it_runs_or_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    message = "backend 'triton' cannot run this call: fused kernels need an NVIDIA GPU, got cpu; use backend='auto'"
    with pytest.raises(ValueError, match=re.escape(message)):
        call(CASE, "triton")
    monkeypatch.setattr(support, "refused_by_machine", lambda device: None)
    with pytest.raises(ValueError, match=re.escape("float16 or bfloat16, got torch.float64; use")):
        call(replace(CASE, dtype=torch.float64), "triton")


def test_auto_never_picks_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(support, "_installed", lambda: True)
    assert torch.equal(call(CASE, "auto"), call(CASE, "chunked"))


def test_auto_says_why_a_rule_runs_chunked_on_a_gpu(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_announced", set())
    monkeypatch.setattr(support, "refused_by_machine", lambda device: None)

    with caplog.at_level(logging.INFO, logger="titans_seq"):
        traits = [Traits(CUDA, LINEAR, 32, 32, size, torch.bfloat16, torch.float32) for size in (16, 16, 256, 256, 300)]
        calls = [cast(Scan, SimpleNamespace(k=SimpleNamespace(device=CUDA), traits=each)) for each in traits]
        picked = [dispatch._pick(call).name for call in calls]
    assert picked == ["triton", "triton", "chunked", "chunked", "chunked"]
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(" (")[0] for line in lines] == [
        "memory backend on cuda: triton",
        "memory backend on cuda: chunked",
        "memory backend on cuda: chunked",
    ]
    assert "; chunk_size must lie between 16 and 128, got 256)" in lines[1]


def test_operands_are_the_inputs_or_autocasts() -> None:
    inputs = draw_inputs(CASE)

    def traits(**dtypes: torch.dtype) -> Traits:
        given: dict[str, Any] = {name: x if x is None else x.to(dtypes.get(name)) for name, x in inputs.items()}
        return Scan(**given, state=draw_state(CASE, None), rule=LINEAR, chunk_size=16).traits

    half = torch.bfloat16
    assert traits(q=half, k=half, v=half).dtype == half
    assert traits(q=half, k=torch.float32, v=half).dtype == torch.float32
    with torch.autocast("cpu", half):
        assert traits(v=half).dtype == half
    assert traits(q=half).state_dtype == torch.float32


def test_the_traits_of_a_call_say_whether_layers_have_gates_of_their_own() -> None:
    case = Case(DEEP)
    inputs, state = draw_inputs(case), draw_state(case, None)
    lr = inputs["lr"]
    assert lr is not None
    given: dict[str, Any] = {**inputs, "state": state, "rule": DEEP, "chunk_size": 4}
    assert not Scan(**given).traits.gates_per_layer
    given["lr"] = torch.stack([lr, lr], -1)
    assert Scan(**given).traits.gates_per_layer
