"""Counts against the same model run for real, and counted by PyTorch."""

import functools
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.conftest import REPOSITORY
from titans_seq.blocks import AttentionBlockConfig, LMMConfig
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule
from titans_seq.models import CausalLM, CausalLMConfig, language_model
from titans_seq.ops.chunked import scan
from titans_seq.ops.chunked.operator import run_chunks
from titans_seq.planning import (
    DEVICES,
    Assumptions,
    Batch,
    Budget,
    Cost,
    count_step,
    count_training,
    language,
    make_plan,
    plan_batch,
    plan_batches,
    representatives,
)
from titans_seq.planning.language import _count

MEMORY = NeuralMemoryConfig(heads=2, chunk_size=8, rule=MemoryRule(LinearMemory()))
CONFIG = CausalLMConfig(
    50,
    32,
    (LMMConfig(NeuralMemoryConfig(heads=2, chunk_size=8)), AttentionBlockConfig(AttentionConfig(2, window=16))),
    2,
)
LENGTH = 24


@pytest.fixture(scope="module", autouse=True)
def counted_once() -> Iterator[None]:
    """What one test has counted another one need not count again: a count depends on its arguments alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language, "_count", functools.cache(_count))
        yield


@pytest.fixture(scope="module")
def cost() -> Cost:
    return count_training(CONFIG, LENGTH, carried=False)


@pytest.fixture(scope="module")
def model() -> CausalLM:
    torch.manual_seed(0)
    return CausalLM(CONFIG)


IDS = torch.zeros(1, LENGTH, dtype=torch.long)


def test_parameters_are_exact(cost: Cost, model: CausalLM) -> None:
    assert cost.parameters == sum(parameter.numel() for parameter in model.parameters())


def _convolution_without_its_end(x, weight, _bias, _stride, padding, *_, out_shape, **__) -> int:
    """A causal convolution that pads both ends computes outputs behind the last token, which are left out."""
    return 2 * out_shape[0] * math.prod(weight) * (out_shape[-1] - padding[-1])


def test_arithmetic_is_what_pytorch_counts(cost: Cost, model: CausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    # PyTorch looks into no operator: the memory runs here as what the operator does.
    monkeypatch.setattr(scan, "chunked_memory", run_chunks)
    # Nor has it a formula for products that are added in place.
    formulas = {
        torch.ops.aten.baddbmm_: lambda x, a, b, **_: 2 * a[0] * a[1] * a[2] * b[2],
        torch.ops.aten.convolution: _convolution_without_its_end,
    }
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    with counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(IDS, return_state=False)
    assert cost.forward.total == counter.get_total_flops()
    assert 0 < cost.forward.attention < cost.forward.memory < cost.forward.matrices
    # In float32 the convolution's weights get their gradient by sums, not by a product.
    assert cost.training.matrices == pytest.approx(3 * cost.forward.matrices, rel=0.01)
    assert 3 * cost.forward.memory < cost.training.memory < 6 * cost.forward.memory


def test_what_is_saved_is_what_a_real_pass_saves(cost: Cost, model: CausalLM) -> None:
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        saved.setdefault(x.untyped_storage().data_ptr(), x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        logits, _ = model(IDS, return_state=False)
        F.cross_entropy(logits.flatten(0, 1), IDS.flatten())
    measured = sum(x.untyped_storage().nbytes() for pointer, x in saved.items() if pointer not in own)
    assert cost.saved == pytest.approx(measured, rel=0.02)


def test_half_precision_multiplies_as_much_and_keeps_less(cost: Cost) -> None:
    half = count_training(CONFIG, LENGTH, carried=False, half=True)
    assert half.forward == cost.forward
    assert half.training.matrices == 3 * cost.forward.matrices
    assert half.saved < cost.saved


def test_blocks_that_are_alike_are_counted_once() -> None:
    deep = replace(CONFIG, blocks=(LMMConfig(MEMORY),), depth=3)
    quick, whole = count_training(deep, 8), _count(deep, 8, True, False, 1)
    assert (quick.parameters, quick.forward, quick.training) == (whole.parameters, whole.forward, whole.training)
    assert (quick.state, quick.calls, quick.memory_calls) == (whole.state, whole.calls, whole.memory_calls)
    assert quick.saved == pytest.approx(whole.saved, rel=1e-3)


@pytest.mark.parametrize("half", [False, True])
def test_checkpointing_computes_blocks_once_more_and_keeps_their_inputs(half: bool) -> None:
    config = replace(CONFIG, blocks=CONFIG.blocks[1:], depth=1)
    plain, again = (count_training(config, LENGTH, carried=False, half=half, checkpointing=on) for on in (False, True))
    deep = [language._count(replace(config, depth=depth), LENGTH, False, half, 1, True) for depth in (2, 3)]
    assert again.forward == plain.forward
    assert again.training.attention == plain.training.attention + plain.forward.attention
    assert plain.training.matrices < again.training.matrices < plain.training.matrices + plain.forward.matrices
    # Another block adds its input alone, float32 `[1, T, dim]`.
    assert deep[1].saved - deep[0].saved == 4 * LENGTH * config.dim
    whole = count_training(replace(config, depth=6), LENGTH, carried=False, half=half, checkpointing=True)
    assert whole.saved == deep[1].saved + 3 * 4 * LENGTH * config.dim


def test_what_checkpointing_holds_again_is_what_the_block_saves() -> None:
    config = replace(CONFIG, blocks=CONFIG.blocks[1:], depth=1)
    plain, again = (language._count(config, LENGTH, False, False, 1, on) for on in (False, True))
    # A block alone keeps about as much as without; what its last operation has no use for is not computed once more.
    assert again.saved == pytest.approx(plain.saved, rel=0.15)


@pytest.mark.parametrize("long", [1, 40])
def test_batches_of_many_sizes_are_represented(long: int) -> None:
    sizes = [(32, 100 + number % 30) for number in range(300)] + [(1, 5000 + number) for number in range(long)]
    chosen = representatives(sizes)
    assert len(chosen) <= 8 + 3
    assert sizes.index(max(sizes, key=math.prod)) in chosen
    work = sum(map(math.prod, sizes))
    assert sum(weight * math.prod(sizes[number]) for number, weight in chosen.items()) == pytest.approx(work)
    # Time goes with the length where the number of kernels counts.
    lengths = sum(length for _, length in sizes)
    assert sum(weight * sizes[number][1] for number, weight in chosen.items()) == pytest.approx(lengths, rel=0.1)


def test_the_time_of_unlike_batches_adds_up(cost: Cost) -> None:
    small, large = (
        Batch(replace(cost, calls=calls, saved=saved), 2, 100) for calls, saved in ((10, 5.0), (10**6, 9.0))
    )
    device = DEVICES["h100"]
    plan = plan_batches([(small, 3), (large, 1)], device)
    seconds = [plan_batch(one, device).seconds.total for one in (small, large)]
    assert plan.seconds.total == pytest.approx((3 * seconds[0] + seconds[1]) / 4)
    assert plan.saved == 9
    assert plan.parameters == cost.parameters
    assert plan.rate == pytest.approx(2 / plan.seconds.total)


def test_only_shards_are_divided(cost: Cost) -> None:
    copies, shards = (plan_batch(Batch(cost, 2, 100, devices=4, sharded=on), DEVICES["h100"]) for on in (False, True))
    assert copies.weights == 16 * cost.parameters == 4 * shards.weights


def test_a_plan_adds_up() -> None:
    budget = Budget(LENGTH, rows=4, step=768, tokens=1e9, devices=2, carried=False)
    plan = make_plan(replace(CONFIG, blocks=CONFIG.blocks[:1], depth=1), budget, DEVICES["h100"])
    assert plan.weights == 16 * plan.parameters / 2
    taken = plan.seconds
    assert plan.rate == pytest.approx(2 * 4 * LENGTH / max(taken.arithmetic + taken.traffic, taken.calls))
    assert plan.hours == pytest.approx(1e9 / plan.rate / 3600)
    assert plan.batch.unfused is not None
    assert "width of keys" in plan.batch.unfused
    faster = plan_batch(plan.batch, DEVICES["h100"], Assumptions(efficiency=0.8, memory_efficiency=0.2))
    assert faster.seconds.arithmetic == pytest.approx(taken.arithmetic / 2)
    alone = plan_batch(plan.batch, DEVICES["cpu-core"]).seconds
    assert alone.total == alone.arithmetic + alone.traffic + alone.calls


def test_the_page_has_an_estimate_of_today() -> None:
    budget = Budget(256, rows=4, step=1024, tokens=1e9, carried=False, half=False)
    plan = make_plan(language_model("tiny-transformer", 256), budget, DEVICES["cpu-core"])
    page = (REPOSITORY / "docs" / "plan.md").read_text(encoding="utf-8")
    assert f"| `tiny-transformer`, 1,024 tokens | {plan.seconds.total:.2f} |" in page


def test_rows_share_what_there_is_once() -> None:
    config = replace(CONFIG, blocks=CONFIG.blocks[1:], depth=1)
    budget = Budget(LENGTH, rows=3, step=72, tokens=1e9)
    plan, whole = make_plan(config, budget, DEVICES["h100"]), _count(config, LENGTH, True, True, 3)
    assert (plan.saved, plan.batch.cost.moved, plan.batch.cost.calls) == (whole.saved, whole.moved, whole.calls)
    alone = make_plan(config, replace(budget, rows=1), DEVICES["h100"])
    assert plan.saved < 3 * alone.saved
    assert plan.forward == alone.forward
    assert plan.state == alone.state


def test_bytes_are_those_that_operations_touch() -> None:
    layer, x = torch.nn.Linear(3, 5, bias=False), torch.ones(2, 3)

    def moved(more: bool) -> float:
        def step() -> tuple[torch.Tensor, None]:
            with torch.no_grad():
                y = layer(x) + 1 if more else layer(x)
            return y.sum().requires_grad_(), None

        return count_step(layer, step).moved

    # Ten numbers of four bytes are read, and ten are written.
    assert moved(True) - moved(False) == 4 * 20


def test_persistent_tokens_cost_attention_alone() -> None:
    with_prefix = replace(CONFIG, blocks=(AttentionBlockConfig(AttentionConfig(2, 16, persistent_tokens=5)),), depth=1)
    without = replace(CONFIG, blocks=(AttentionBlockConfig(AttentionConfig(2, 16)),), depth=1)
    budget = Budget(16, rows=1, step=16, tokens=1e6, carried=False)
    one, other = (make_plan(config, budget, DEVICES["a100"]) for config in (with_prefix, without))
    assert one.forward.attention - other.forward.attention == 4 * 32 * 5
    assert one.parameters - other.parameters == 5 * 32
    assert one.saved == other.saved
