"""`titans plan dna`: what the training of a classifier costs, before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from titans_seq.commands import Inline
from titans_seq.plans import DeviceOptions

from .train import Task, check_shares, check_task, data_plan, train_settings

if TYPE_CHECKING:
    from torch import Tensor

    from ..sequences.values import LabelledSequences
    from ..training.data import LabelledBatch


@dataclass(frozen=True)
class PlanOptions(DeviceOptions):
    """Say what the training of a classifier costs: parameters, FLOPs, memory, and how long on a device.

    The settings are those of titans dna train. Real batches of the training part are counted, forward and backward: one
    of each size, or where there are many sizes one of each share of the work. Sequences a second on a device of the
    table are an estimate; --measure takes the time of some steps here.
    """

    task: Inline[Task] = field(default_factory=Task)

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file."""
        return {"task": self.task.known()}


def plan(options: PlanOptions) -> None:
    """Read the sequences, count steps, and print."""
    from titans_seq.planning import Example, choose_batches, plan_examples
    from titans_seq.planning.report import Words

    from ..models.untrained import new_classifier
    from ..runs.plan import divided, whole
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

    def loader_of(data: "LabelledSequences") -> LabelledLoader:
        # Several devices share the sequences of each step, so that they take as many steps as one; the first has most.
        read = (data, classifier.tokenizer, how.rows, how.tokens)
        return LabelledLoader(*read, shuffle=True, seed=how.seed, world=options.devices)

    loader = loader_of(first)

    def example(batch: "LabelledBatch", weight: float) -> Example:
        def step() -> "tuple[Tensor, None]":
            return module.loss(module.logits(batch), batch.labels), None

        return Example(step, *_size(batch), len(batch.everyone), weight)

    examples = [example(batch, weight) for batch, weight in choose_batches(lambda: loader, _size)]

    assert how.epochs is not None
    total, steps = len(first) * how.epochs * len(parts), len(loader) * how.epochs * len(parts)
    goal = f"{how.epochs} epochs of {len(first):,} sequences" + (f", {len(parts)} times," if len(parts) > 1 else "")
    if data.parts.final:
        everything = whole(splits)
        total += len(everything) * how.epochs
        steps += len(loader_of(everything)) * how.epochs
        goal += f" and as many of all {len(everything):,}"
    made = plan_examples(model, examples, total, options.devices, device, options.assumptions())
    largest = max(examples, key=lambda one: one.size * one.length)
    words = Words(
        model=f"{classifier.encoder.depth} blocks of width {classifier.encoder.dim}",
        unit="sequence",
        rows=f"{largest.size} sequences of {largest.length:,} tokens",
        goal=goal,
        steps=steps,
        mean=f"a mean batch of {made.batch.size:.1f} sequences" if len(examples) > 1 else "",
    )
    room = ", take fewer --rows"
    options.say(made, words, lambda: (model, [(one.step, one.weight) for one in examples]), room)


def _size(batch: "LabelledBatch") -> tuple[int, int]:
    """Sequences, and tokens of each."""
    rows, length = batch.batch.ids.shape
    return rows, length
