"""`titans plan forecast`: what the training of a forecaster on a file costs, before it starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from titans_seq.commands import Inline
from titans_seq.plans import DeviceOptions

from .options import Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from titans_seq.planning import Example

    from ..zero_shot.batches import TrainingBatch

_DRAWN = 200
"""Batches, of those drawn at random, whose sizes are looked at."""


@dataclass(frozen=True)
class PlanOptions(DeviceOptions):
    """Say what the training of a forecaster on a file costs: parameters, FLOPs, memory, and how long on a device.

    The settings are those of titans forecast train: without any, training from pretrained weights. Real batches of the
    file are counted, forward and backward: one of each size, or where there are many sizes one of each share of the
    work. Windows a second on a device of the table are an estimate; --measure takes the time of some steps here.
    """

    task: Inline[Task] = field(default_factory=Task)

    def defaults(self) -> Mapping[str, Any]:
        """Return the optimiser of the --config file, or of the preset."""
        return {"task": self.task.known()}


@dataclass(frozen=True)
class _Training:
    """A network before batches of windows of a file.

    Attributes:
        network: untrained, or as it was pretrained.
        examples: batches of one device that stand for all.
        steps: optimiser steps; as many whatever the number of devices.
        described: in words.
    """

    network: "nn.Module"
    examples: "tuple[Example, ...]"
    steps: int
    described: str


def plan(options: PlanOptions) -> None:
    """Read the file, count steps, and print."""
    from titans_seq.planning import plan_examples
    from titans_seq.planning.report import Words

    from .train import begins_pretrained

    if options.lists():
        return
    device, task = options.described(), options.task
    found = (_pretrained if begins_pretrained(task) else _own)(task, options.devices)
    examples = found.examples
    together = sum(one.weight * one.together for one in examples) / sum(one.weight for one in examples)
    total, assumed = together * found.steps, options.assumptions()
    made = plan_examples(found.network, examples, total, options.devices, device, assumed)
    largest = max(examples, key=lambda one: one.size * one.length)
    several = len(examples) > 1
    words = Words(
        model=found.described,
        unit="window",
        rows=f"{largest.size:,} windows" + (f" of {largest.length:,} tokens" if several else ""),
        goal=f"{found.steps:,} batches of {together:,.1f}".removesuffix(".0"),
        steps=found.steps,
        mean=f"a mean batch of {made.batch.size:.1f} windows" if several else "",
    )
    room = ", take a smaller --batch-size"
    options.say(made, words, lambda: (found.network, [(one.step, one.weight) for one in examples]), room)


def _pretrained(task: Task, devices: int) -> _Training:
    from titans_seq.planning import Example, choose_batches

    from ..data import load_series
    from ..runs.fine_tuned import starting_model
    from ..zero_shot.batches import TrainingBatch
    from ..zero_shot.finetuning import WindowBatches
    from ..zero_shot.pretraining import PretrainingModule
    from .train import fine_tuning_run

    run = fine_tuning_run(task)
    data = load_series(run.data.path, run.options, run.table)
    forecaster = starting_model(run.init, run.options).forecaster
    network = forecaster.network.train()
    lessons, module = forecaster.lessons(data, run.horizon), PretrainingModule(network, run.fine_tuning.optimiser)

    def drawn() -> Iterable[TrainingBatch]:
        return islice(WindowBatches(*lessons, run.horizon, run.fine_tuning, network.config), _DRAWN)

    def example(batch: TrainingBatch, weight: float) -> Example:
        windows, length = _size(batch)
        # Each device draws windows of its own.
        return Example(lambda: (module.summed_loss(batch)[0], None), windows, length, windows * devices, weight)

    examples = tuple(example(batch, weight) for batch, weight in choose_batches(drawn, _size))
    steps = run.fine_tuning.steps
    more = run.fine_tuning.refit.steps if run.refit else 0
    described = f"trained on from pretrained weights, {steps} steps, then {more} with all rows"
    return _Training(network, examples, steps + more, described)


def _size(batch: "TrainingBatch") -> tuple[int, int]:
    """Windows, and tokens of each."""
    return len(batch.target), batch.features.channels.shape[1] // int(batch.patch)


def _own(task: Task, devices: int) -> _Training:
    from titans_seq.planning import Example

    from ..data import load_series
    from ..trained.inference import new_network
    from ..training.fitting import training_batches
    from ..windows.static import StaticEncoding
    from .train import resolve

    path, config, frame, table = resolve(task)
    data = load_series(path, frame, table)
    data = data if config.static else data.with_static(())
    network = new_network(data, config, StaticEncoding.fit(data).width)
    batches, epochs = training_batches(data, config), config.optimiser.epochs
    # All are alike, but for a last one; several devices share the windows of each, and the first has most of them.
    together, batch = len(next(iter(batches)).future), next(iter(batches.shared(0, devices)))

    def step() -> "tuple[Tensor, None]":
        return network.output.loss(network(batch), batch.future, batch.future_observed), None

    described = f"{config.network.layers} blocks of width {config.network.width}, at most {epochs} epochs"
    example = Example(step, len(batch.future), 1, together)
    return _Training(network, (example,), len(batches) * epochs, described)
