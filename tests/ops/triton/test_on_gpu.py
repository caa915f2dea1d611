"""The kernels on a GPU, against the chunked operator in float64 on the same card."""

import importlib.util
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.cases import Case, Inputs, draw_inputs, draw_state, scan
from tests.ops.triton.comparison import DEEP_RULES, RULES, measure, rounded
from titans_seq.memory import MemoryState, MLPMemory
from titans_seq.ops.triton.support import refused_by_machine

REFUSED = (
    refused_by_machine(torch.device("cuda")) if torch.cuda.is_available() else "fused kernels need an NVIDIA GPU"
)  # fmt: skip
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(REFUSED is not None, reason=REFUSED or ""),
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed"),
]

# Root mean square of the difference, over that of what is expected. Operands of 16 bits are rounded once a product.
RMS = {torch.float32: 1e-5, torch.float16: 3e-3, torch.bfloat16: 1e-2}
# A deep memory's decay scales a network that its norm makes blind to scale: its gradient is what little is left of a
# sum that cancels, with all of the roundings of its terms.
RMS_OF_DEEP_DECAY = RMS | {torch.float16: 6e-3, torch.bfloat16: 4e-2}
DTYPES = pytest.mark.parametrize("dtype", list(RMS), ids=str)


def on_gpu(case: Case, position: int | None, dtype: torch.dtype) -> tuple[Inputs, MemoryState]:
    inputs = {name: None if x is None else x.cuda() for name, x in draw_inputs(case).items()}
    if case.rule.architecture.depth > 1 and inputs["decay"] is not None:
        # A memory that has forgotten all but a millionth is divided by its norm, and with it what was rounded away.
        inputs["decay"] = 0.02 * inputs["decay"]
    return rounded(inputs, dtype), draw_state(case, position).map(lambda x: x.float().double().cuda())


def assert_near(actual: dict[str, Tensor], expected: dict[str, Tensor], case: Case, dtype: torch.dtype) -> None:
    assert list(actual) == list(expected)
    for name, tensor in actual.items():
        deep_decay = name == "d decay" and case.rule.architecture.depth > 1
        allowed = (RMS_OF_DEEP_DECAY if deep_decay else RMS)[dtype]
        assert tensor.isfinite().all(), f"{name}: not finite"
        off = (tensor - expected[name]).square().mean().sqrt()
        scale = expected[name].square().mean().sqrt().clamp_min(1e-6)
        assert off <= allowed * scale, f"{name}: off by {(off / scale).item():.2e}, allowed {allowed:.0e}"


def check(case: Case, position: int | None, dtype: torch.dtype) -> None:
    arguments = (*on_gpu(case, position, dtype), case.rule, case.chunk_size)
    expected = measure(*arguments, "chunked", torch.float64)
    assert_near(measure(*arguments, "triton", dtype), expected, case, dtype)


CASE = Case(RULES["momentum_decay"], heads=3, length=100, key_dim=64, value_dim=64, chunk_size=64)
DEEP = replace(CASE, rule=DEEP_RULES["momentum_decay"])
MEMORIES = pytest.mark.parametrize("case", [CASE, DEEP], ids=["linear", "deep"])


@DTYPES
@pytest.mark.parametrize("chunk_size", [16, 32, 50, 64, 128])
@pytest.mark.parametrize("width", [32, 64, 128, 256])
def test_widths_and_chunks(width: int, chunk_size: int, dtype: torch.dtype) -> None:
    check(replace(CASE, key_dim=width, value_dim=width, chunk_size=chunk_size, length=3 * chunk_size + 7), 5, dtype)


@DTYPES
@pytest.mark.parametrize("chunk_size", [16, 32, 50, 64])
@pytest.mark.parametrize(("width", "hidden"), [(32, 64), (32, 128), (64, 64), (64, 128)])
def test_widths_and_chunks_of_two_layers(width: int, hidden: int, chunk_size: int, dtype: torch.dtype) -> None:
    rule = replace(DEEP.rule, architecture=MLPMemory(expansion=hidden / width))
    case = replace(DEEP, rule=rule, key_dim=width, value_dim=width, chunk_size=chunk_size)
    check(replace(case, length=3 * chunk_size + 7), 5, dtype)


@DTYPES
@pytest.mark.parametrize("rule", RULES)
def test_rules(rule: str, dtype: torch.dtype) -> None:
    check(replace(CASE, rule=RULES[rule]), None, dtype)


@DTYPES
@pytest.mark.parametrize("rule", DEEP_RULES)
def test_rules_of_two_layers(rule: str, dtype: torch.dtype) -> None:
    check(replace(DEEP, rule=DEEP_RULES[rule]), None, dtype)


@DTYPES
@MEMORIES
@pytest.mark.parametrize("length", [1, 63, 64, 2048, 8191])
def test_lengths(length: int, case: Case, dtype: torch.dtype) -> None:
    check(replace(case, length=length), None, dtype)


@pytest.mark.slow
@MEMORIES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_long_sequence(case: Case, dtype: torch.dtype) -> None:
    check(replace(case, length=65536 - 1, batch=1, heads=2), None, dtype)


@DTYPES
def test_unequal_widths(dtype: torch.dtype) -> None:
    check(replace(CASE, key_dim=32, value_dim=256), 5, dtype)
    check(replace(CASE, key_dim=256, value_dim=32), 5, dtype)


@DTYPES
@MEMORIES
def test_cuts_change_nothing(case: Case, dtype: torch.dtype) -> None:
    arguments = (*on_gpu(case, 5, dtype), case.rule, case.chunk_size, "triton", dtype)
    assert_near(measure(*arguments, cuts=[3, 59, 70]), measure(*arguments), case, dtype)


@MEMORIES
def test_auto_picks_the_kernels(case: Case) -> None:
    inputs, state = on_gpu(case, 5, torch.float32)
    inputs = {name: None if x is None else x.float() for name, x in inputs.items()}
    state = state.map(Tensor.float)
    y, _ = scan(inputs, state, case.rule, case.chunk_size, "auto")
    assert torch.equal(y, scan(inputs, state, case.rule, case.chunk_size, "triton")[0])


@MEMORIES
def test_the_same_numbers_twice(case: Case) -> None:
    arguments = (*on_gpu(case, 5, torch.bfloat16), case.rule, case.chunk_size, "triton", torch.bfloat16)
    first, second = measure(*arguments), measure(*arguments)
    assert all(torch.equal(x, second[name]) for name, x in first.items())
