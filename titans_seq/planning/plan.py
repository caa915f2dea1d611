"""From counts to memory on a device, and to the hours that a token budget takes there."""

from dataclasses import dataclass, replace

from titans_seq.blocks import AttentionBlockConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.models import CausalLMConfig
from titans_seq.models.presets import count_parameters
from titans_seq.ops.inputs import Traits
from titans_seq.ops.triton.support import refused_by_kernels
from titans_seq.planning.counting import Arithmetic, Cost, count_training
from titans_seq.planning.devices import Device


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
    """

    length: int
    rows: int
    step: int
    tokens: float
    devices: int = 1
    carried: bool = True
    half: bool = True


@dataclass(frozen=True)
class Assumptions:
    """What no data sheet says. None of these numbers was measured on a device of the table.

    Attributes:
        efficiency: share of the peak that large products and attention reach. Llama 3 reports 38 to 43% of an H100's
            on 8,192 and more of them (arXiv 2407.21783, table 4).
        memory_efficiency: share of the peak that a memory's many small products reach, in fused kernels or not.
        call: seconds that a GPU needs at least from one kernel to the next.
    """

    efficiency: float = 0.4
    memory_efficiency: float = 0.1
    call: float = 5e-6


@dataclass(frozen=True)
class Plan:
    """What a training costs.

    Attributes:
        parameters: number of them.
        forward: arithmetic a token.
        training: likewise, of both passes.
        saved: bytes that a device keeps for the backward pass.
        state: bytes of the state that a row carries.
        weights: bytes a device of its share of parameters, gradients and AdamW's two averages.
        unfused: why the memory has no fused kernel; None if it has one.
        seconds: that one device needs for a batch of its rows: by arithmetic, and by the number of kernels.
        rate: tokens a second of all devices.
    """

    parameters: int
    forward: Arithmetic
    training: Arithmetic
    saved: float
    state: float
    weights: float
    unfused: str | None
    seconds: tuple[float, float]
    rate: float

    @property
    def needed(self) -> float:
        """Bytes of a device."""
        return self.saved + self.weights


def make_plan(config: CausalLMConfig, budget: Budget, device: Device, assumed: Assumptions = Assumptions()) -> Plan:
    """Plan the training of a language model.

    What is counted (parameters, arithmetic, saved tensors, kernels) is exact for the PyTorch implementation; what it
    takes of a device is arithmetic from a data sheet and `Assumptions`. Left out: what devices send each other, the
    optimiser's step, reading data, and validation.

    Args:
        config: the model.
        budget: how it is trained.
        device: what it runs on.
        assumed: what is not known.

    Example:
        >>> from titans_seq.models import language_model
        >>> from titans_seq.planning import DEVICES
        >>> plan = make_plan(language_model("tiny-lmm", 256), Budget(64, 4, 1024, 1e6), DEVICES["h100"])
        >>> plan.parameters == count_parameters(language_model("tiny-lmm", 256)), plan.rate > 0
        (True, True)
    """
    tokens = budget.length * budget.rows
    cost = count_training(_without_prefix(config), budget.length, carried=budget.carried, half=budget.half)
    prefix = _prefix(config)
    forward = cost.forward.scaled(1 / budget.length).plus(Arithmetic(attention=prefix))
    training = cost.training.scaled(1 / budget.length).plus(Arithmetic(attention=3.5 * prefix))
    unfused = unfused_memory(config, budget.half)
    parameters = count_parameters(config)
    seconds = _seconds(training.scaled(tokens), cost, unfused, budget, device, assumed)
    return Plan(
        parameters=parameters,
        forward=forward,
        training=training,
        saved=cost.saved * budget.rows,
        state=cost.state,
        weights=4 * 4.0 * parameters / budget.devices,
        unfused=unfused,
        seconds=seconds,
        rate=tokens * budget.devices / max(seconds),
    )


def _seconds(
    work: Arithmetic, cost: Cost, unfused: str | None, budget: Budget, device: Device, assumed: Assumptions
) -> tuple[float, float]:
    peak = device.half if budget.half else device.single
    # Without a kernel the memory computes in its state's precision.
    memory_peak = peak if unfused is None else device.single
    busy = (work.matrices + work.attention) / (peak * assumed.efficiency)
    busy += work.memory / (memory_peak * assumed.memory_efficiency)
    calls = cost.calls - (cost.memory_calls if unfused is None else 0)
    return busy, calls * assumed.call


def unfused_memory(config: CausalLMConfig, half: bool) -> str | None:
    """Say why a model's memory has no fused kernel, whatever the machine; None if it has one, or there is none."""
    import torch

    for block in config.blocks:
        memory = getattr(block, "memory", None)
        if memory is None:
            continue
        width = memory.head_dim or config.dim // memory.heads
        dtype = torch.bfloat16 if half else torch.float32
        traits = Traits(
            torch.device("cuda"),
            memory.rule,
            width,
            width,
            memory.chunk_size,
            dtype,
            torch.float32,
            memory.gates.per_layer,
        )
        if (refused := refused_by_kernels(traits)) is not None:
            return refused
    return None


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
