"""`titans dna benchmark`: a published set, our model and every baseline, over seeds."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from titans_seq.errors import UserError
from titans_seq.commands import Maybe, SeedOptions
from titans_seq.progress import Progress

from .options import Baselines, Device, HeadOptions, ModelOptions, TrainingOptions

if TYPE_CHECKING:
    from ..benchmark import BenchmarkSet
    from ..models import ClassifierConfig

ROWS, TABLE = "benchmark.jsonl", "benchmark.md"


@dataclass(frozen=True)
class ContenderOptions:
    """What is compared."""

    baselines: Baselines = "all"
    """Simple models beside it; quick leaves out the network."""
    only_baselines: bool = False
    """Leave out our model."""
    label: Maybe[str] = None
    """Name of our model in the table; its main settings if not given."""
    init: Maybe[Path] = None
    """Begin with the encoder of a run of titans dna pretrain."""


@dataclass(frozen=True)
class Benchmark:
    """Train our model and every baseline on a published set with its official split, over several seeds.

    Validation MCC chooses the epoch, and the test part is read once. Each run adds a row to a file, and the table is
    made from the rows; runs that have one are not repeated. Without --strands a set whose label belongs to both strands
    (binding, enhancers) is trained on either strand and predicted from both, and so is the network among the baselines.
    Without --mutations a set has those that validation chose for it; most have none.
    """

    name: Positional[Maybe[str]] = None
    """The set; --list shows all."""
    list_sets: Annotated[bool, arg(name="list")] = False
    """Show the sets, and do nothing else."""
    data_dir: Path = Path("data")
    """Folder that holds the sets."""
    out: Path = Path("runs/dna")
    """Folder of results: benchmark.jsonl and benchmark.md, of all sets."""
    device: Device = "auto"
    """What to compute on."""
    progress: Progress = "lines"
    """What to show meanwhile."""
    seeds: OmitArgPrefixes[SeedOptions] = field(default_factory=lambda: SeedOptions(seeds=3))
    contenders: OmitArgPrefixes[ContenderOptions] = field(default_factory=ContenderOptions)
    model: OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)
    head: OmitArgPrefixes[HeadOptions] = field(default_factory=HeadOptions)
    training: OmitArgPrefixes[TrainingOptions] = field(default_factory=TrainingOptions)


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
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    _run(options, options.name)


def _run(options: Benchmark, name: str) -> None:
    from titans_seq.files import write_text
    from titans_seq.jsonl import read_rows

    from ..baselines import SmallCNN
    from ..benchmark import Trial, find_set, load_set, markdown, run_set
    from ..runs.comparison import chosen_baselines
    from .progress import note
    from .settings import chosen_device, classifier_config, train_config

    contenders, chosen, device = options.contenders, find_set(name), chosen_device(options.device)
    splits = load_set(chosen, options.data_dir)
    trial = None
    if not contenders.only_baselines:
        head = _head(options.head, chosen)
        classifier = classifier_config(options.model, head, options.training, splits.train, contenders.init)
        trained = train_config(options.training, 0)
        if options.training.mutations is None:
            trained = replace(trained, mutations=chosen.mutations)
        title = contenders.label or describe(options, classifier)
        trial = Trial(title, classifier, trained, contenders.init, device, options.progress)
    baselines = [
        SmallCNN(both_strands=chosen.both_strands, device=device) if isinstance(one, SmallCNN) else one
        for one in chosen_baselines(contenders.baselines, device)
    ]
    rows = options.out / ROWS
    run_set(chosen, splits, trial, baselines, options.seeds.numbers(), rows, lambda text: note(text, options.progress))
    found = read_rows(rows)
    write_text(options.out / TABLE, markdown(found) + "\n")
    print(markdown(row for row in found if row["dataset"] == name))
    print(f"\nwritten: {rows}, {options.out / TABLE}")


def describe(options: Benchmark, classifier: "ClassifierConfig") -> str:
    """The settings in which our models differ, as a name."""
    init = options.contenders.init
    words = [f"Titans {options.model.preset or 'small'}" if init is None else f"Titans from {init}"]
    if options.model.mixer == "identity":
        words.append("without memory")
    if classifier.encoder.directions == "both":
        words.append("both directions")
    if classifier.pooling != "mean-max":
        words.append(f"{classifier.pooling} pooling")
    if classifier.strands != "given":
        words.append(f"strands {classifier.strands}")
    if options.training.mutations is not None:
        words.append(f"mutations {options.training.mutations:g}")
    if classifier.tokenizer.width > 1:
        words.append(f"{classifier.tokenizer.width}-mers")
    return ", ".join(words)


def _head(options: HeadOptions, chosen: "BenchmarkSet") -> HeadOptions:
    strands = options.strands or ("augment" if chosen.both_strands else "given")
    return HeadOptions(options.pooling, strands)
