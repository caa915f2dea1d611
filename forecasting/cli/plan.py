"""`titans plan forecast`: what the training of a forecaster on a file costs, before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from titans_seq.commands import Inline
from titans_seq.plans import DeviceOptions

from .options import Task

if TYPE_CHECKING:
    from torch import nn

    from titans_seq.planning.counting import Step


@dataclass(frozen=True)
class PlanOptions(DeviceOptions):
    """Say what the training of a forecaster on a file costs: parameters, FLOPs, memory, and how long on a device.

    The settings are those of titans forecast train: without any, training from pretrained weights. A real batch of the
    file is counted, forward and backward. Windows a second on a device of the table are an estimate; --measure takes
    the time of some steps here.
    """

    task: Inline[Task] = field(default_factory=Task)

    def defaults(self) -> Mapping[str, Any]:
        """Return the optimiser of the --config file, or of the preset."""
        return {"task": self.task.known()}


@dataclass(frozen=True)
class _Training:
    """A network before a batch of windows of a file."""

    network: "nn.Module"
    step: "Step"
    windows: int
    steps: int
    described: str


def plan(options: PlanOptions) -> None:
    """Read the file, count a step, and print."""
    from titans_seq.layers import NeuralMemory
    from titans_seq.planning import Batch, count_step, plan_batch, unfused
    from titans_seq.planning.report import Words

    from .train import begins_pretrained

    if options.lists():
        return
    device, task = options.described(), options.task
    found = _pretrained(task) if begins_pretrained(task) else _own(task)
    memories = [(one.config, one.dim) for one in found.network.modules() if isinstance(one, NeuralMemory)]
    cost, windows = count_step(found.network, found.step), found.windows
    batch = Batch(cost, windows, windows * found.steps, options.devices, unfused=unfused(memories, half=False))
    made = plan_batch(batch, device, options.assumptions())
    goal = f"{found.steps:,} batches of {windows:,}"
    words = Words(found.described, "window", f"{windows:,} windows", goal, found.steps / options.devices)
    options.say(made, words, lambda: (found.network, found.step), room=", take a smaller --batch-size")


def _pretrained(task: Task) -> _Training:
    from ..data import load_series
    from ..runs.fine_tuned import starting_model
    from ..zero_shot.finetuning import WindowBatches
    from ..zero_shot.pretraining import PretrainingModule
    from .train import fine_tuning_run

    run = fine_tuning_run(task)
    data = load_series(run.data.path, run.options, run.table)
    forecaster = starting_model(run.init, run.options).forecaster
    network = forecaster.network.train()
    batches = WindowBatches(*forecaster.lessons(data, run.horizon), run.horizon, run.fine_tuning, network.config)
    batch, module = next(iter(batches)), PretrainingModule(network, run.fine_tuning.optimiser)
    more = run.fine_tuning.refit.steps if run.refit else 0
    described = f"trained on from pretrained weights, {len(batches)} steps, then {more} with all rows"
    return _Training(
        network, lambda: (module.summed_loss(batch)[0], None), len(batch.target), len(batches) + more, described
    )


def _own(task: Task) -> _Training:
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
    batch = next(iter(batches))
    described = f"{config.network.layers} blocks of width {config.network.width}, at most {epochs} epochs"
    return _Training(
        network,
        lambda: (network.output.loss(network(batch), batch.future, batch.future_observed), None),
        len(batch.future),
        len(batches) * epochs,
        described,
    )
