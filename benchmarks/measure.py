"""Time and memory of a layer's calls, in a process of its own with limits on both."""

import gc
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal

import psutil
import torch
from torch import Tensor

from benchmarks import memory_use
from benchmarks.contenders import Contender, build

Pass = Literal["forward", "training"]

_START_LIMIT_S = 60.0
_POLL_S = 0.2
_BUDGET_S = 20.0
_WARM_UP_CHUNKS = 2


class Unmeasurable(Exception):
    """A call needs more time or memory than allowed; the message says how much was."""


@dataclass(frozen=True)
class Limits:
    """What one call may take.

    Attributes:
        seconds: CPU time of a call.
        bytes: memory above the level before.
    """

    seconds: float = 150.0
    bytes: int = 8 * 10**9


@dataclass(frozen=True)
class Sample:
    """One call: CPU seconds, those of them in the system, wall seconds, and growth of peak resident memory."""

    cpu_s: float
    system_s: float
    wall_s: float
    extra_bytes: int


def _call(layer: Callable[[Tensor], Tensor], which: Pass, x: Tensor) -> Tensor:
    if which == "forward":
        with torch.no_grad():
            return layer(x)
    y = layer(x)
    y.square().sum().backward()
    return y.detach()


def _sample(layer: Callable[[Tensor], Tensor], which: Pass, contender: Contender, length: int) -> Sample:
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(contender.batch, length, contender.dim, generator=generator)
    x.requires_grad_(which == "training")
    before = memory_use.mark()
    gc.disable()
    wall, cpu, system = time.perf_counter(), time.process_time(), os.times().system
    y = _call(layer, which, x)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    gc.enable()
    system = os.times().system - system
    extra = memory_use.peak() - before
    if not y.isfinite().all():
        raise FloatingPointError(f"{contender} gave values that are not finite at {length} tokens")
    return Sample(cpu, system, wall, extra)


def _serve(connection: Connection, contender: Contender, allowed_bytes: int) -> None:
    torch.set_num_threads(1)
    if contender.side != "ours":
        # Its decays underflow into subnormal numbers, slow on a CPU; ours has to do without this help.
        torch.set_flush_denormal(True)
    layer = build(contender)
    warm = {}
    for which in ("forward", "training"):
        for _ in range(2):
            warm[which] = _sample(layer, which, contender, _WARM_UP_CHUNKS * contender.chunk)
    memory_use.limit_growth(allowed_bytes)
    connection.send(warm)
    while (request := connection.recv()) is not None:
        try:
            connection.send(_sample(layer, *request))
        except (MemoryError, RuntimeError) as error:
            if "alloc" not in str(error):
                raise
            connection.send(f"needs more than {allowed_bytes / 1e9:g} GB")


class Worker:
    """A process that holds one contender and measures calls of it on request.

    Args:
        contender: what to measure.
        limits: what one call may take; a call that takes more ends the process.
    """

    def __init__(self, contender: Contender, limits: Limits | None = None) -> None:
        self.contender, self.limits = contender, limits or Limits()
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, contender, self.limits.bytes)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self._dead: str | None = None
        self._warm: Mapping[Pass, Sample] = self._receive(_START_LIMIT_S)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        if self._process.is_alive() and not self._dead:
            self._connection.send(None)
            self._process.join(5)
        self._process.kill()
        self._process.join()

    def measure(self, which: Pass, length: int) -> Sample:
        """Run one call of `length` tokens.

        Raises:
            Unmeasurable: if it takes, or must be expected to take, more than the limits.
        """
        if self._dead:
            raise Unmeasurable(self._dead)
        warm_up = _WARM_UP_CHUNKS * self.contender.chunk
        seconds = self._warm[which].cpu_s * length / warm_up
        gigabytes = self._warm[which].extra_bytes * length / warm_up / 1e9
        linear = f"if linear from {warm_up} tokens, over the limit"
        if seconds > self.limits.seconds:
            raise Unmeasurable(f"would take about {seconds:.0f} CPU seconds {linear} of {self.limits.seconds:g}")
        # A small call's memory says little about ours, which reuses its buffers; the peer's grows with every token.
        if not self.contender.side == "ours" and gigabytes > self.limits.bytes / 1e9:
            raise Unmeasurable(f"would need about {gigabytes:.0f} GB {linear} of {self.limits.bytes / 1e9:g}")
        self._connection.send((which, self.contender, length))
        answer = self._receive(self.limits.seconds)
        if isinstance(answer, str):
            raise Unmeasurable(answer)
        return answer

    def _receive(self, seconds: float):
        try:
            deadline = self._cpu_seconds() + seconds
            while self._cpu_seconds() < deadline:
                if self._connection.poll(_POLL_S):
                    return self._connection.recv()
            self._dead = f"took more than {seconds:.0f} CPU seconds, stopped"
        except (EOFError, ConnectionError, psutil.NoSuchProcess):
            self._process.join(5)
            self._dead = f"its process ended with exit code {self._process.exitcode}"
        self._process.kill()
        raise Unmeasurable(self._dead)

    def _cpu_seconds(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system


@dataclass(frozen=True)
class Measurement:
    """All calls of one contender at one length and pass, or why there are none."""

    contender: Contender
    which: Pass
    length: int
    samples: tuple[Sample, ...]
    skipped: str | None = None

    @property
    def tokens(self) -> int:
        return self.contender.batch * self.length

    @property
    def tokens_per_cpu_s(self) -> float | None:
        return self.tokens / statistics.median(s.cpu_s for s in self.samples) if self.samples else None

    @property
    def tokens_per_s(self) -> float | None:
        return self.tokens / statistics.median(s.wall_s for s in self.samples) if self.samples else None

    @property
    def extra_mb(self) -> float | None:
        """Memory of the first call: later ones may find the allocator's leftovers."""
        return self.samples[0].extra_bytes / 1e6 if self.samples else None

    def to_json(self) -> dict:
        """Return a row of the results file."""
        if self.skipped:
            return {"skipped": self.skipped}
        return {
            "tokens_per_cpu_s": self.tokens_per_cpu_s,
            "tokens_per_s": self.tokens_per_s,
            "extra_mb": self.extra_mb,
            "cpu_s": [s.cpu_s for s in self.samples],
            "system_s": [s.system_s for s in self.samples],
            "wall_s": [s.wall_s for s in self.samples],
        }


def interleaved(requests: list[tuple[Worker, int]], which: Pass, most: int = 7) -> list[Measurement]:
    """Measure (worker, length) pairs in turn, round after round: a busy moment of the machine meets them all.

    Each is called at least once, and drops out where another call would take it over a budget of CPU time.

    Args:
        requests: what to measure.
        which: forward, or forward and backward.
        most: rounds.
    """
    samples: list[list[Sample]] = [[] for _ in requests]
    skipped: list[str | None] = [None] * len(requests)
    for _ in range(most):
        for index, (worker, length) in enumerate(requests):
            calls = samples[index]
            spent = sum(s.cpu_s for s in calls)
            if skipped[index] or (calls and spent + calls[-1].cpu_s > _BUDGET_S):
                continue
            try:
                calls.append(worker.measure(which, length))
            except Unmeasurable as error:
                skipped[index] = str(error)
    return [
        Measurement(worker.contender, which, length, () if why else tuple(calls), why)
        for (worker, length), calls, why in zip(requests, samples, skipped, strict=True)
    ]
