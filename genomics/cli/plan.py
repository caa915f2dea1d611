"""`titans plan dna`: what the training of a classifier costs, before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, arg

from titans_seq.commands import Maybe, RunOptions, Several
from titans_seq.plans import DeviceOptions

from ..training.config import PartConfig, TrainConfig
from .options import EncoderOptions, HeadOptions, ReadingOptions
from .train import Train, data_plan, train_settings


@dataclass(frozen=True)
class PlanOptions(DeviceOptions):
    """Say what the training of a classifier costs: parameters, FLOPs, memory, and how long on a device.

    The settings are those of titans dna train. A real batch of the training part is counted, forward and backward.
    Sequences a second on a device of the table are an estimate; --measure takes the time of some steps here.
    """

    data: Positional[Maybe[Path]] = None
    """What titans dna train reads; that of --config if not given."""
    init: Maybe[Path] = None
    """Begin with the encoder of a run of titans dna pretrain."""
    config: Maybe[Path] = None
    """config.yaml of a run, or its folder."""
    set: Annotated[Several, arg(metavar="PATH=VALUE")] = ()
    """Change any setting by its path in config.yaml; give it once for each."""
    parts: OmitArgPrefixes[PartConfig] = field(default_factory=PartConfig)
    reading: OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)
    encoder: OmitArgPrefixes[EncoderOptions] = field(default_factory=EncoderOptions)
    head: OmitArgPrefixes[HeadOptions] = field(default_factory=HeadOptions)
    training: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file."""
        return self.as_training().defaults()

    def as_training(self) -> Train:
        """Return the options of the training that is planned."""
        same = ("data", "init", "parts", "reading", "encoder", "head", "training")
        run = RunOptions(Path(), config=self.config, set=self.set)
        return Train(run, **{name: getattr(self, name) for name in same})


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
    device, train = options.described(), options.as_training()
    data = data_plan(train)
    parts = list(divided(load_splits(data.data, data.reading), data))
    first = parts[0][1].train
    settings, _ = train_settings(train, first)
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
