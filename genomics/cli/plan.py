"""`titans plan dna`: what the training of a classifier costs, before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from titans_seq.commands import Inline
from titans_seq.plans import DeviceOptions

from .train import Task, check_shares, check_task, data_plan, train_settings


@dataclass(frozen=True)
class PlanOptions(DeviceOptions):
    """Say what the training of a classifier costs: parameters, FLOPs, memory, and how long on a device.

    The settings are those of titans dna train. A real batch of the training part is counted, forward and backward.
    Sequences a second on a device of the table are an estimate; --measure takes the time of some steps here.
    """

    task: Inline[Task] = field(default_factory=Task)

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file."""
        return {"task": self.task.known()}


def plan(options: PlanOptions) -> None:
    """Read the sequences, count a step, and print."""
    from titans_seq.layers import NeuralMemory
    from titans_seq.planning import Batch, count_step, plan_batch, unfused
    from titans_seq.planning.report import Words

    from ..models.untrained import new_classifier
    from ..runs.plan import divided
    from ..sequences.loading import load_splits
    from ..training.data import LabelledLoader
    from ..training.module import ClassifierModule

    if options.lists():
        return
    device, task = options.described(), options.task
    data = data_plan(task)
    check_task(task)
    splits = load_splits(data.data, data.reading)
    check_shares(task, splits)
    parts = list(divided(splits, data))
    first = parts[0][1].train
    settings, _ = train_settings(task, first)
    classifier, how = settings.classifier, settings.training
    model = new_classifier(classifier, how.seed).train()
    module = ClassifierModule(model, how)
    loader = LabelledLoader(first, classifier.tokenizer, how.rows, how.tokens, shuffle=True, seed=how.seed)
    batch = next(iter(loader))

    def step() -> tuple[Any, None]:
        return module.loss(module.logits(batch), batch.labels), None

    assert how.epochs is not None
    rows, length = batch.batch.ids.shape
    memories = [(one.config, one.dim) for one in model.modules() if isinstance(one, NeuralMemory)]
    total = len(first) * how.epochs * len(parts)
    counted = Batch(count_step(model, step), rows, total, options.devices, unfused=unfused(memories, half=False))
    made = plan_batch(counted, device, options.assumptions())
    words = Words(
        model=f"{classifier.encoder.depth} blocks of width {classifier.encoder.dim}",
        unit="sequence",
        rows=f"{rows} sequences of {length:,} tokens",
        goal=f"{how.epochs} epochs of {len(first):,} sequences" + (f", {len(parts)} times," if len(parts) > 1 else ""),
        steps=len(loader) * how.epochs * len(parts),
    )
    options.say(made, words, lambda: (model, step), room=", take fewer --rows")
