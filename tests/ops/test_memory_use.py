"""No weight matrix per token, neither forwards nor backwards: memory counted allocation by allocation."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from tests.cases import Case, draw_inputs, draw_state
from titans_seq.memory import MemoryRule, MemoryState, MLPMemory
from titans_seq.ops import memory_scan
from titans_seq.ops.chunked import scan
from titans_seq.ops.dispatch import Backend

WIDTH = 64
RULE = MemoryRule(MLPMemory(depth=2, expansion=4))
WEIGHT_BYTES = 4 * sum(o * i for o, i in RULE.architecture.shapes(WIDTH, WIDTH))


def peak_bytes(work: Callable[[], object]) -> int:
    """Largest number of bytes allocated at once while `work` runs, beyond what stood before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    assert profiler.profiler is not None
    kineto: Any = profiler.profiler.kineto_results
    events = sorted((e for e in kineto.events() if e.name() == "[memory]"), key=lambda e: e.start_ns())
    assert events
    total = peak = 0
    for event in events:
        total += event.nbytes()
        peak = max(peak, total)
    return peak


def training_step(length: int, chunk_size: int, backend: Backend) -> Callable[[], object]:
    case = Case(RULE, 1, length, 1, WIDTH, WIDTH, chunk_size, torch.float32)
    inputs = {n: x.requires_grad_() for n, x in draw_inputs(case).items() if x is not None}
    weights = [w.requires_grad_() for w in draw_state(case, None).weights]

    def work() -> tuple[Tensor, ...]:
        y, _ = memory_scan(
            **inputs,  # type: ignore[arg-type]
            state=MemoryState.initial(weights),
            rule=RULE,
            chunk_size=chunk_size,
            backend=backend,
        )
        return torch.autograd.grad(y.sum(), [*inputs.values(), *weights])

    return work


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call as if it were too large to keep what its chunks find."""
    monkeypatch.setattr(scan, "MOST_KEPT", 0)


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("chunk_size", [16, 64])
def test_training_memory_is_far_below_a_weight_matrix_per_token(chunk_size: int) -> None:
    short, long = (peak_bytes(training_step(length, chunk_size, "chunked")) for length in (128, 384))
    per_token = (long - short) / 256
    assert 0 < per_token < WEIGHT_BYTES / 4, f"{per_token:.0f} bytes a token, the weights have {WEIGHT_BYTES}"
    assert long < 384 * WEIGHT_BYTES / 4


def test_the_measure_sees_a_weight_matrix_per_token() -> None:
    """The definition keeps weights, momentum and gradients of every token: the count must show it."""
    short, long = (peak_bytes(training_step(length, 16, "reference")) for length in (16, 32))
    assert (long - short) / 16 > 2 * WEIGHT_BYTES


@pytest.mark.usefixtures("nothing_kept")
def test_one_long_chunk_needs_no_weights_per_token() -> None:
    assert peak_bytes(training_step(256, 256, "chunked")) < 256 * WEIGHT_BYTES / 4


def saved_bytes(state: MemoryState, batch: int, length: int) -> int:
    """What a call of chunks of 16 tokens saves for its backward pass."""
    sizes: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        sizes[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    case = Case(RULE, batch, length, 1, WIDTH, WIDTH, 16, torch.float32)
    inputs = {n: x.requires_grad_() for n, x in draw_inputs(case).items() if x is not None}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        y, _ = memory_scan(**inputs, state=state, rule=RULE, chunk_size=16)  # type: ignore[arg-type]
    assert y.requires_grad
    return sum(sizes.values())


def test_a_call_that_is_small_and_the_first_keeps_what_it_found() -> None:
    case = Case(RULE, 1, 64, 1, WIDTH, WIDTH, 16, torch.float32)
    new, open_ = draw_state(case, None), draw_state(case, 0)
    few, many = saved_bytes(new, 1, 64), saved_bytes(new, 64, 64)
    assert 4 * WEIGHT_BYTES < few < 4 * scan.MOST_KEPT
    assert many < 16 * few, "a large batch is recomputed"
    assert saved_bytes(open_, 1, 64) < few / 2, "a sequence in pieces would keep every piece"


@pytest.mark.usefixtures("nothing_kept")
def test_what_is_kept_for_the_backward_pass_is_a_few_chunks_states() -> None:
    """Saved beside the inputs: the slots (weights and momentum) at the start of every eighth chunk."""
    case = Case(RULE, 1, 256, 1, WIDTH, WIDTH, 16, torch.float32)
    kept = saved_bytes(draw_state(case, None), 1, 256)
    states = 256 // 16 // 8  # one of them the initial one
    activations = 4 * 256 * (3 * WIDTH + 8 * 16 + 20)
    assert kept < 2 * WEIGHT_BYTES * (states + 2) + activations


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_inference_keeps_nothing_that_grows_with_the_number_of_chunks(mode: type) -> None:
    def work(length: int) -> Callable[[], object]:
        case = Case(RULE, 1, length, 1, WIDTH, WIDTH, 16, torch.float32)
        inputs, state = draw_inputs(case), draw_state(case, None)

        def scan_only() -> object:
            with mode():
                return memory_scan(**inputs, state=state, rule=RULE, chunk_size=16)  # type: ignore[arg-type]

        return scan_only

    per_token = (peak_bytes(work(768)) - peak_bytes(work(256))) / 512
    assert per_token < WEIGHT_BYTES / 16
