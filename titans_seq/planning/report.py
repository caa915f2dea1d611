"""A plan in words."""

from dataclasses import dataclass

from titans_seq.planning.devices import DEVICES, Device
from titans_seq.planning.plan import Assumptions, Plan
from titans_seq.planning.timing import Timed
from titans_seq.tables import align

USABLE = 0.9
"""Share of a device's memory that a plan fills."""


@dataclass(frozen=True)
class Words:
    """What is planned, in words.

    Attributes:
        model: its size.
        unit: what is counted: "token", "sequence", "window".
        rows: what a device reads at once, as in "4 segments of 64 tokens"; at most, where batches are unlike.
        goal: what is trained on in all, as in "15 billion tokens".
        steps: number of optimiser steps.
        mean: the batch that times are of, where batches are unlike; else that is `rows`.
    """

    model: str
    unit: str
    rows: str
    goal: str
    steps: float
    mean: str = ""

    @property
    def timed(self) -> str:
        """Say which batch times are of."""
        return self.mean or self.rows


def text(made: Plan, words: Words, device: Device, assumed: Assumptions, room: str = "") -> str:
    """Say what a training costs.

    Args:
        made: the plan.
        words: of what.
        device: on which.
        assumed: what it rests on.
        room: a word on whether it fits, behind the memory that is needed.
    """
    parts = (
        [f"{made.parameters:,} parameters: {words.model}"],
        _arithmetic(made, words),
        _memory(made, words, device, room),
        _time(made, words),
        _assumed(made, device, assumed),
    )
    return "\n\n".join("\n".join(part) for part in parts)


def fitting(made: Plan, device: Device) -> float:
    """Return how many such batches a device has room for, a share of one included."""
    return max(0.0, USABLE * device.memory - made.weights) / made.saved


def device_table() -> str:
    """Return the table of all devices, with their figures and sources, as text."""
    rows = [["name", "device", "bf16 TFLOP/s", "fp32 TFLOP/s", "TB/s", "GB", "source"]]
    for name, device in DEVICES.items():
        figures = (device.half / 1e12, device.single / 1e12, device.bandwidth / 1e12, device.memory / 1e9)
        rows.append([name, device.about, *(f"{figure:,.4g}" for figure in figures), device.source])
    return align(rows) + "\ndense products; from data sheets, not measured"


def _arithmetic(made: Plan, words: Words) -> list[str]:
    rows = [[f"MFLOPs a {words.unit}", "forward", "training"]]
    for part in ("matrices", "attention", "memory", "total"):
        rows.append([part, *(_number(getattr(one, part) / 1e6) for one in (made.forward, made.training))])
    return [align(rows), "products alone, counted from the code; attention without the saving of a mask"]


def _number(x: float) -> str:
    return f"{x:,.1f}" if x >= 10 or x == 0 else f"{x:.3g}"


def _memory(made: Plan, words: Words, device: Device, room: str) -> list[str]:
    fits = "" if fitting(made, device) >= 1 else f": TOO MUCH{room}"
    several = made.batch.devices > 1
    shared = (", shared out by FSDP2" if made.batch.sharded else ", a copy on each device") if several else ""
    lines = [
        f"on each of {made.batch.devices} x {device.about}, {words.rows} at once:",
        f"  weights, gradients, AdamW  {_size(made.weights)}, in float32{shared}",
        f"  saved activations          {_size(made.saved)}, counted; fused kernels keep others",
        f"  together                   {_size(made.needed)} of {device.memory / 1e9:.0f} GB{fits}",
    ]
    return lines + ([f"  state carried a row        {_size(made.state)}"] if made.state else [])


def _size(bytes_: float) -> str:
    unit, name = (1e9, "GB") if bytes_ >= 1e8 else (1e6, "MB")
    return f"{bytes_ / unit:8.2f} {name}"


def _time(made: Plan, words: Words) -> list[str]:
    seconds = made.seconds
    return [
        f"estimate, not measured: {made.rate:,.0f} {words.unit}s a second; {words.goal} are {words.steps:,.0f} steps "
        f"and take {_duration(3600 * made.hours)}",
        f"  bound by {seconds.bound}: {seconds.arithmetic:.3g} s of arithmetic, {seconds.traffic:.3g} s of memory "
        f"traffic and {seconds.calls:.3g} s of kernels for {words.timed}",
    ]


def measured(timed: Timed, made: Plan, words: Words) -> str:
    """Say what a step took here."""
    rate = made.batch.size / timed.seconds
    return (
        f"measured on this machine's CPU: {timed.seconds:.3g} s for {words.timed}, {timed.busy:.3g} s of it computing: "
        f"{rate:,.0f} {words.unit}s a second; {words.goal} take {_duration(made.batch.total / rate)}, without "
        "validation and reading"
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds / 60:,.1f} minutes"


def _assumed(made: Plan, device: Device, assumed: Assumptions) -> list[str]:
    fused = "the memory runs in fused kernels"
    unfused = f"the memory has no fused kernel ({made.batch.unfused}) and runs chunk by chunk in PyTorch"
    if device.host:
        unfused = "the memory runs chunk by chunk in PyTorch"
    half, single = (
        f"{peak / 1e12:,.0f}" if peak > 1e13 else f"{peak / 1e12:.3g}" for peak in (device.half, device.single)
    )
    return [
        f"assumed: {assumed.efficiency:.0%} of {half} TFLOP/s (bfloat16) or {single} (float32) for products and "
        f"attention, {assumed.memory_efficiency:.0%} for the memory, {assumed.streaming:.0%} of the bandwidth, "
        f"{assumed.between(device) * 1e6:.0f} us a kernel; communication is left out",
        *([] if not made.training.memory else [unfused] if device.host or made.batch.unfused else [fused]),
    ]
