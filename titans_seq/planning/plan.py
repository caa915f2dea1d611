"""From counts to memory on a device, and to the hours that a token budget takes there."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from titans_seq.layers import NeuralMemoryConfig
from titans_seq.ops.inputs import Traits
from titans_seq.ops.triton.support import refused_by_kernels
from titans_seq.planning.counting import Arithmetic, Cost
from titans_seq.planning.devices import Device


@dataclass(frozen=True)
class Assumptions:
    """What no data sheet says. None of these numbers was measured on a GPU.

    Attributes:
        efficiency: share of the peak that large products and attention reach. Llama 3 reports 38 to 43% of an H100's
            on 8,192 and more of them (arXiv 2407.21783, table 4).
        memory_efficiency: share of the peak that a memory's many small products reach, in fused kernels or not.
        streaming: share of the bandwidth that operations on whole tensors reach.
        call: seconds from one operation to the next on a GPU, at least.
        host_call: likewise on a CPU.

    Example:
        >>> from titans_seq.planning import DEVICES
        >>> Assumptions(call=1e-5).between(DEVICES["h100"])
        1e-05
    """

    efficiency: float = 0.4
    memory_efficiency: float = 0.1
    streaming: float = 0.8
    call: float = 5e-6
    host_call: float = 20e-6

    def between(self, device: Device) -> float:
        """Return the seconds from one operation to the next."""
        return self.host_call if device.host else self.call


@dataclass(frozen=True)
class Batch:
    """A batch that one device trains on, and how often.

    Attributes:
        cost: of it.
        size: what it holds, in whatever is counted: tokens, sequences, windows.
        total: as much as is trained on in all, over all devices.
        devices: how many.
        half: whether products take bfloat16 operands.
        unfused: why the memory has no fused kernel; None if it has one.
        sharded: whether the devices share parameters, gradients and optimiser (FSDP2); else each has a copy (DDP).
        together: what the batches of all devices hold; `size` times `devices` if not given.

    Example:
        >>> from titans_seq.planning import count_step
        >>> layer, x = torch.nn.Linear(3, 5), torch.ones(2, 3)
        >>> Batch(count_step(layer, lambda: (layer(x).sum(), None)), size=2, total=200, devices=4).cost.parameters
        20
    """

    cost: Cost
    size: float
    total: float
    devices: int = 1
    half: bool = False
    unfused: str | None = None
    sharded: bool = False
    together: float | None = None


@dataclass(frozen=True)
class Seconds:
    """What a batch takes one device, by cause.

    Attributes:
        arithmetic: of products.
        traffic: to read and to write tensors.
        calls: from one operation to the next.
        total: of the batch: on a CPU the three add up; on a GPU operations wait in a queue while others are called.

    Example:
        >>> Seconds(arithmetic=0.2, traffic=0.3, calls=0.1, total=0.5).bound
        'memory traffic'
    """

    arithmetic: float
    traffic: float
    calls: float
    total: float

    @property
    def bound(self) -> str:
        """Name what takes most of them."""
        named = {"arithmetic": self.arithmetic, "memory traffic": self.traffic, "the number of kernels": self.calls}
        return max(named, key=lambda name: named[name])


@dataclass(frozen=True)
class Plan:
    """What a training costs.

    Attributes:
        batch: what was planned.
        forward: arithmetic a token, or of whatever else is counted.
        training: likewise, of both passes.
        saved: bytes that a device keeps for the backward pass.
        state: bytes of the state that a row carries.
        weights: bytes a device of parameters, gradients and AdamW's two averages, or of its share of them.
        seconds: that one device needs for its batch, a mean one where batches are unlike.

    Example:
        >>> from titans_seq.planning import DEVICES, count_step
        >>> layer, x = torch.nn.Linear(3, 5), torch.ones(2, 3)
        >>> cost = count_step(layer, lambda: (layer(x).sum(), None))
        >>> plan_batch(Batch(cost, size=2, total=200), DEVICES["cpu-core"]).parameters
        20
    """

    batch: Batch
    forward: Arithmetic
    training: Arithmetic
    saved: float
    state: float
    weights: float
    seconds: Seconds

    @property
    def parameters(self) -> int:
        """Number of them."""
        return self.batch.cost.parameters

    @property
    def rate(self) -> float:
        """Tokens a second of all devices, or of whatever else is counted."""
        batch = self.batch
        together = batch.size * batch.devices if batch.together is None else batch.together
        return together / self.seconds.total

    @property
    def hours(self) -> float:
        """Hours that all of the training takes."""
        return self.batch.total / self.rate / 3600

    @property
    def needed(self) -> float:
        """Bytes of a device's memory that weights and saved tensors take."""
        return self.saved + self.weights


def plan_batch(batch: Batch, device: Device, assumed: Assumptions = Assumptions()) -> Plan:
    """Plan a training from what a batch of it costs.

    What is counted (parameters, arithmetic, saved tensors, kernels) is exact for the PyTorch implementation; what it
    takes of a device is arithmetic from a data sheet and `Assumptions`. Left out: what devices send each other, the
    optimiser's step, reading data, and validation.

    Example:
        >>> from titans_seq.planning import DEVICES, count_step
        >>> layer, x = torch.nn.Linear(3, 5), torch.ones(2, 3)
        >>> cost = count_step(layer, lambda: (layer(x).sum(), None))
        >>> plan_batch(Batch(cost, size=2, total=200), DEVICES["cpu-core"]).forward.total
        30.0
    """
    cost = batch.cost
    return Plan(
        batch=batch,
        forward=cost.forward.scaled(1 / batch.size),
        training=cost.training.scaled(1 / batch.size),
        saved=cost.saved,
        state=cost.state,
        weights=4 * 4.0 * cost.parameters / (batch.devices if batch.sharded else 1),
        seconds=_seconds(batch, device, assumed),
    )


def plan_batches(batches: Sequence[tuple[Batch, float]], device: Device, assumed: Assumptions = Assumptions()) -> Plan:
    """Plan a training whose batches are unlike: the mean of them, with the memory of the one that keeps most.

    Args:
        batches: at least one, each with how many it stands for; alike but for `cost`, `size` and `together`.
        device: what it runs on.
        assumed: what is not known.

    Example:
        >>> from titans_seq.planning import DEVICES, count_step
        >>> layer, small, large = torch.nn.Linear(3, 5), torch.ones(2, 3), torch.ones(20, 3)
        >>> costs = [count_step(layer, lambda x=x: (layer(x).sum(), None)) for x in (small, large)]
        >>> batches = [(Batch(costs[0], size=2, total=400), 8), (Batch(costs[1], size=20, total=400), 2)]
        >>> plan = plan_batches(batches, DEVICES["cpu-core"])
        >>> plan.batch.size, plan.forward.total, plan.saved == costs[1].saved
        (5.6, 30.0, True)
    """
    total = sum(weight for _, weight in batches)
    plans = [(plan_batch(batch, device, assumed), weight / total) for batch, weight in batches]

    def mean(of: Callable[[Plan], float]) -> float:
        return sum(share * of(plan) for plan, share in plans)

    first = plans[0][0].batch
    cost = Cost(0, Arithmetic(), Arithmetic(), 0, 0, 0, 0, 0, 0)
    for plan, share in plans:
        cost = cost.plus(plan.batch.cost, share)
    most = max(plan.saved for plan, _ in plans)
    batch = replace(
        first,
        cost=replace(cost, parameters=first.cost.parameters, saved=most),
        size=mean(lambda plan: plan.batch.size),
        together=None if first.together is None else mean(lambda plan: plan.batch.together or 0),
    )
    seconds = Seconds(
        mean(lambda plan: plan.seconds.arithmetic),
        mean(lambda plan: plan.seconds.traffic),
        mean(lambda plan: plan.seconds.calls),
        mean(lambda plan: plan.seconds.total),
    )
    return replace(plan_batch(batch, device, assumed), seconds=seconds)


def _seconds(batch: Batch, device: Device, assumed: Assumptions) -> Seconds:
    cost, fused = batch.cost, batch.unfused is None and not device.host
    peak = device.half if batch.half else device.single
    # Without a kernel the memory computes in its state's precision.
    memory_peak = peak if fused else device.single
    arithmetic = (cost.training.matrices + cost.training.attention) / (peak * assumed.efficiency)
    arithmetic += cost.training.memory / (memory_peak * assumed.memory_efficiency)
    moved = cost.moved - (cost.memory_moved if fused else 0)
    calls = cost.calls - (cost.memory_calls if fused else 0)
    traffic, between = moved / (device.bandwidth * assumed.streaming), calls * assumed.between(device)
    busy = arithmetic + traffic
    return Seconds(arithmetic, traffic, between, busy + between if device.host else max(busy, between))


def unfused(memories: Iterable[tuple[NeuralMemoryConfig, int]], half: bool) -> str | None:
    """Say why memories have no fused kernel, whatever the machine; None if they have one, or there are none.

    Args:
        memories: each with the width of the layer that it is in.
        half: whether they take bfloat16 operands.

    Example:
        >>> from titans_seq.memory import preset
        >>> unfused([(NeuralMemoryConfig(heads=2, chunk_size=16, rule=preset("titans_linear")), 128)], half=True)
        >>> unfused([(NeuralMemoryConfig(heads=2, chunk_size=4, rule=preset("titans_linear")), 128)], half=True)
        'chunk_size must lie between 16 and 128, got 4'
    """
    for memory, dim in memories:
        width = memory.head_dim or dim // memory.heads
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
