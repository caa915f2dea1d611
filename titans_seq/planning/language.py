"""What the training of a language model costs, counted on tensors without data."""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from titans_seq.blocks import AttentionBlockConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.errors import require_at_least
from titans_seq.models import CausalLM, CausalLMConfig
from titans_seq.models.presets import count_parameters
from titans_seq.planning.counting import Arithmetic, Cost, Step, count_step
from titans_seq.planning.devices import Device
from titans_seq.planning.plan import Assumptions, Batch, Plan, plan_batch, unfused


@dataclass(frozen=True)
class Budget:
    """How a model is to be trained.

    Attributes:
        length: tokens of a segment.
        rows: segments that a device reads at once.
        step: tokens of an optimiser step, over all devices.
        tokens: in all.
        devices: how many, which share parameters, gradients and optimiser (FSDP2).
        carried: whether state is carried from segment to segment.
        half: whether products take bfloat16 operands; parameters and optimiser stay in float32.
        checkpointing: whether blocks keep their inputs alone, and are computed once more in the backward pass.

    Raises:
        UserError: if a number is too small.

    Example:
        >>> Budget(length=4096, rows=4, step=500_000, tokens=15e9, devices=8).checkpointing
        False
        >>> Budget(length=0, rows=4, step=500_000, tokens=15e9)
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: length must be at least 1, got 0
    """

    length: int
    rows: int
    step: int
    tokens: float
    devices: int = 1
    carried: bool = True
    half: bool = True
    checkpointing: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, length=1, rows=1, step=1, tokens=1, devices=1)


def make_plan(config: CausalLMConfig, budget: Budget, device: Device, assumed: Assumptions = Assumptions()) -> Plan:
    """Plan the training of a language model; `plan_batch` says what is exact and what is left out.

    Args:
        config: the model.
        budget: how it is trained.
        device: what it runs on.
        assumed: what is not known.

    Example:
        >>> from titans_seq.models import language_model
        >>> from titans_seq.planning import DEVICES
        >>> config = language_model("tiny-transformer", 256)
        >>> plan = make_plan(config, Budget(64, 4, 1024, 1e6, carried=False), DEVICES["h100"])
        >>> plan.parameters == count_parameters(config), plan.rate > 0
        (True, True)
    """
    # All rows, since much does not grow with them: calls, and copies of the weights in half precision.
    cost = count_training(
        _without_prefix(config),
        budget.length,
        carried=budget.carried,
        half=budget.half,
        rows=budget.rows,
        checkpointing=budget.checkpointing,
    )
    prefix = budget.length * budget.rows * _prefix(config)
    batch = replace(
        cost,
        parameters=count_parameters(config),
        forward=cost.forward.plus(Arithmetic(attention=prefix)),
        training=cost.training.plus(Arithmetic(attention=(4.5 if budget.checkpointing else 3.5) * prefix)),
        state=cost.state / budget.rows,
    )
    unfused, size = unfused_memory(config, budget.half), budget.length * budget.rows
    planned = Batch(batch, size, budget.tokens, budget.devices, budget.half, unfused, sharded=budget.devices > 1)
    return plan_batch(planned, device, assumed)


def unfused_memory(config: CausalLMConfig, half: bool) -> str | None:
    """Say why a model's memory has no fused kernel, whatever the machine; None if it has one, or there is none."""
    memories = (getattr(block, "memory", None) for block in config.blocks)
    return unfused(((memory, config.dim) for memory in memories if memory is not None), half)


def _without_prefix(config: CausalLMConfig) -> CausalLMConfig:
    """The model without attention's persistent tokens, whose scores a CPU would keep."""

    def plain(block: object) -> object:
        if isinstance(block, MACConfig):
            return replace(block, persistent_tokens=0)
        if isinstance(block, MAGConfig | MALConfig | AttentionBlockConfig):
            return replace(block, attention=replace(block.attention, persistent_tokens=0))
        return block

    return replace(config, blocks=tuple(map(plain, config.blocks)))


def _prefix(config: CausalLMConfig) -> float:
    """Arithmetic a token of attention to persistent tokens."""
    seen = 0
    for number in range(config.depth):
        block = config.blocks[number % len(config.blocks)]
        part = block if isinstance(block, MACConfig) else getattr(block, "attention", None)
        seen += 0 if part is None else part.persistent_tokens
    return 4.0 * config.dim * seen


def count_training(
    config: CausalLMConfig,
    length: int,
    *,
    carried: bool = True,
    half: bool = False,
    rows: int = 1,
    checkpointing: bool = False,
) -> Cost:
    """Count a training step of a language model, from its code: nothing is estimated, and nothing computed.

    Memories are counted as the PyTorch implementation runs them, attention as fused kernels do. Attention's persistent
    tokens are left out of what is kept, for a GPU keeps their scores no more than others.

    Args:
        config: the model.
        length: tokens of a segment, at least 1.
        carried: whether a segment follows another one, whose state it goes on from.
        half: whether products take their operands in bfloat16 (autocast).
        rows: segments that are read at once.
        checkpointing: whether the blocks' inputs alone are kept, and the blocks computed once more.

    Example:
        >>> from titans_seq.models import language_model
        >>> cost = count_training(language_model("tiny-transformer", vocabulary=256), length=64)
        >>> cost.parameters, round(cost.training.total / cost.forward.total, 1)
        (824448, 3.1)
    """
    period = len(config.blocks)
    if config.depth > 2 * period and config.depth % period == 0:
        # Blocks that are alike cost alike.
        once, twice = (
            _count(replace(config, depth=n * period), length, carried, half, rows, checkpointing) for n in (1, 2)
        )
        return once.plus(twice.plus(once, -1), config.depth // period - 1)
    return _count(config, length, carried, half, rows, checkpointing)


def _count(
    config: CausalLMConfig, length: int, carried: bool, half: bool, rows: int, checkpointing: bool = False
) -> Cost:
    with torch.device("meta"):
        model = CausalLM(config)
    model.backbone.gradient_checkpointing = checkpointing
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = model.to_empty(device="cpu")
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            step = language_step(model, length, rows, carried)
        return count_step(model, step, half)


def language_step(model: CausalLM, length: int, rows: int, carried: bool) -> Step:
    """Return a step of training of a language model; see `count_training`.

    Args:
        model: the language model; where state is carried, it reads a segment at once.
        length: tokens of a segment, at least 1.
        rows: segments that are read at once, at least 1.
        carried: whether the segment goes on from the state of another one.

    Returns:
        What computes the loss, and the state after the segment (None unless it is carried).

    Example:
        >>> from titans_seq.models import language_model
        >>> model = CausalLM(language_model("tiny-lmm", vocabulary=10))
        >>> loss, state = language_step(model, length=8, rows=2, carried=True)()
        >>> loss.shape, state.batch
        (torch.Size([]), 2)
    """
    ids, state = torch.zeros(rows, length, dtype=torch.long), None
    if carried:
        with torch.no_grad():
            state = model(ids)[1]

    def step() -> tuple[Tensor, Any]:
        logits, after = model(ids, state, return_state=carried)
        return F.cross_entropy(logits.flatten(0, 1).float(), ids.flatten()), after

    return step
