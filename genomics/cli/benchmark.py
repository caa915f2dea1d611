"""`titans dna benchmark`: a published set, our model and every baseline, over seeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from titans_seq.commands import Maybe, SeedOptions, changes, short
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware, Runtime
from titans_seq.progress import Progress

from ..training.config import TrainConfig
from .options import Baselines, EncoderOptions, PoolingOptions, encoder_of

if TYPE_CHECKING:
    from ..benchmark import BenchmarkSet
    from ..models import ClassifierConfig

ROWS, TABLE = "benchmark.jsonl", "benchmark.md"
_EPOCHS = 10


@dataclass(frozen=True)
class ContenderOptions:
    """What is compared."""

    baselines: Baselines = "all"
    """Simple models beside it; quick leaves out the networks."""
    only_baselines: bool = False
    """Leave out our model."""
    label: Maybe[str] = None
    """Name of our model in the table; its main settings if not given."""
    init: Maybe[Path] = None
    """Begin with the encoder of a run of titans dna pretrain."""


@dataclass(frozen=True)
class FixedHeadOptions(PoolingOptions):
    """How features become predictions; the data chooses nothing of it."""

    strands: Maybe[Literal["given", "augment", "average", "equivariant"]] = short("strands")
    """As given; average: the mean of both in prediction; augment: that, and either at random in training; equivariant:
    the mean of both in training, too. augment for labels of both strands, else given, if not given."""
    places: Maybe[int] = short("places")
    """First bases that have weights of their own at each place; none if not given."""


@dataclass(frozen=True)
class Benchmark:
    """Train our model and every baseline on a published set with its official split, over several seeds.

    Validation MCC chooses the epoch, and the test part is read once. Each run adds a row to a file, and the table is
    made from the rows; runs that have one are not repeated. Ours is the network alone: what titans dna train lets the
    data choose, and the k-mers that it adds, are left out. Without --strands a set whose label belongs to both strands
    (binding, enhancers) is trained on either strand and predicted from both. Without --mutations a set has those that
    validation chose for it; most have none. The networks among the baselines, a small CNN and a residual network whose
    size validation chooses, have the strands, mutations and epochs of ours.
    """

    name: Positional[Maybe[str]] = None
    """The set; --list shows all."""
    list_sets: Annotated[bool, arg(name="list")] = False
    """Show the sets, and do nothing else."""
    data_dir: Path = Path("data")
    """Folder that holds the sets."""
    out: Path = Path("runs/dna")
    """Folder of results: benchmark.jsonl and benchmark.md, of all sets."""
    progress: Progress = "lines"
    """What to show meanwhile."""
    seeds: OmitArgPrefixes[SeedOptions] = field(default_factory=lambda: SeedOptions(seeds=3))
    contenders: OmitArgPrefixes[ContenderOptions] = field(default_factory=ContenderOptions)
    encoder: OmitArgPrefixes[EncoderOptions] = field(default_factory=EncoderOptions)
    head: OmitArgPrefixes[FixedHeadOptions] = field(default_factory=FixedHeadOptions)
    training: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)
    hardware: OmitArgPrefixes[Hardware] = field(default_factory=Hardware)

    def defaults(self) -> Mapping[str, Any]:
        """Return the length of every training, and the mutations that validation chose for the set."""
        if self.name is None:
            return {}
        from ..benchmark.sets import find_set

        return {"training": TrainConfig(epochs=_EPOCHS, patience=_EPOCHS, mutations=find_set(self.name).mutations)}


def benchmark(options: Benchmark) -> None:
    """Run what is not there yet, then show and write the table."""
    from ..benchmark import SETS

    if options.list_sets:
        width = max(map(len, SETS)) + 2
        print("\n".join(f"{name:<{width}}{one.what}" for name, one in SETS.items()))
        return
    if options.name is None:
        raise UserError("no set is named: titans dna benchmark --list shows all")
    options.seeds.numbers()  # says what is wrong before anything is read
    if options.training.seed:
        raise UserError("--seed is one of a benchmark's several seeds: give --first-seed and --seeds")
    own = (options.contenders.label, options.contenders.init, options.encoder, options.head)
    if options.contenders.only_baselines and own != (None, None, EncoderOptions(), FixedHeadOptions()):
        raise UserError("--only-baselines leaves our model out: leave out --label, --init and the options of the model")
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    _run(options, options.name)


def _run(options: Benchmark, name: str) -> None:
    from titans_seq.files import write_text
    from titans_seq.jsonl import read_rows

    from ..baselines import SmallCNN, TunedResNet
    from ..benchmark import Trial, find_set, load_set, markdown, run_set
    from ..runs.building import classifier_for
    from ..runs.comparison import chosen_baselines
    from .progress import note

    contenders, chosen, device = options.contenders, find_set(name), options.hardware.device()
    splits = load_set(chosen, options.data_dir)
    trial, both_strands = None, chosen.both_strands
    if not contenders.only_baselines:
        changed = {"strands": "augment" if chosen.both_strands else "given"}
        changed |= changes(options.encoder) | changes(options.head)
        named = encoder_of(options.encoder, contenders.init) or (None, None)
        classifier = classifier_for(splits.train, *named, init=contenders.init, changes=changed)
        both_strands = classifier.strands != "given"
        title = contenders.label or describe(options, classifier, chosen)
        trial = Trial(title, classifier, options.training, contenders.init, Runtime(options.hardware, options.progress))
    budget = {"epochs": options.training.epochs or _EPOCHS, "mutations": options.training.mutations or 0.0}
    same = {"both_strands": both_strands, "device": device, **budget}
    baselines = chosen_baselines(contenders.baselines, splits.train.kind, SmallCNN(**same))
    if contenders.baselines == "all":
        baselines += (TunedResNet(**same),)
    rows = options.out / ROWS
    run_set(chosen, splits, trial, baselines, options.seeds.numbers(), rows, lambda text: note(text, options.progress))
    found = read_rows(rows)
    write_text(options.out / TABLE, markdown(found) + "\n")
    print(markdown(row for row in found if row["dataset"] == name))
    print(f"\nwritten: {rows}, {options.out / TABLE}")


def describe(options: Benchmark, classifier: "ClassifierConfig", chosen: "BenchmarkSet") -> str:
    """Name our model by the settings in which such models differ."""
    init = options.contenders.init
    words = [f"Titans {options.encoder.preset or 'small'}" if init is None else f"Titans from {init}"]
    if options.encoder.mixer == "identity":
        words.append("without memory")
    if classifier.encoder.directions == "both":
        words.append("both directions")
    if classifier.pooling != "mean-max":
        words.append(f"{classifier.pooling} pooling")
    if classifier.strands != "given":
        words.append(f"strands {classifier.strands}")
    if classifier.places:
        words.append(f"places {classifier.places}")
    if options.training.mutations != chosen.mutations:
        words.append(f"mutations {options.training.mutations:g}")
    if classifier.tokenizer.width > 1:
        words.append(f"{classifier.tokenizer.width}-mers")
    return ", ".join(words)
