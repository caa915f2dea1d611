"""`titans dna benchmark`: a published set, our model and every baseline, over seeds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from titans_seq.errors import UserError

from .options import Baselines, Device, HeadOptions, Maybe, ModelOptions, Progress, TrainingOptions

if TYPE_CHECKING:
    from ..benchmark import BenchmarkSet
    from ..models import ClassifierConfig

ROWS, TABLE = "benchmark.jsonl", "benchmark.md"


@dataclass(frozen=True)
class Benchmark:
    """Train our model and every baseline on a published set with its official split, over several seeds.

    Validation MCC chooses the epoch, and the test part is read once. Each run adds a row to a file, and the table is
    made from the rows; runs that have one are not repeated. Without --strands a set whose label belongs to both strands
    (binding, enhancers) is trained with equivariant ones, and so is the network among the baselines.
    """

    name: Positional[Maybe[str]] = None
    """The set; --list shows all."""
    list_sets: Annotated[bool, arg(name="list")] = False
    """Show the sets, and do nothing else."""
    data_dir: Path = Path("data")
    """Folder that holds the sets."""
    seeds: int = 3
    """Trainings of each model, with the seeds 0, 1, ..."""
    first_seed: int = 0
    """Begin with another seed."""
    baselines: Baselines = "all"
    """Simple models beside it; quick leaves out the network."""
    only_baselines: bool = False
    """Leave out our model."""
    label: Maybe[str] = None
    """Name of our model in the table; its main settings if not given."""
    init: Maybe[Path] = None
    """Begin with the encoder of a run of titans dna pretrain."""
    out: Path = Path("runs/dna")
    """Folder of results: benchmark.jsonl and benchmark.md, of all sets."""
    device: Device = "auto"
    """What to compute on."""
    progress: Progress = "lines"
    """What to show meanwhile."""
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
    if options.seeds < 1 or options.first_seed < 0:
        raise UserError(
            f"--seeds must be at least 1 and --first-seed at least 0, got {options.seeds} and {options.first_seed}"
        )
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    _run(options, options.name)


def _run(options: Benchmark, name: str) -> None:
    from titans_seq.files import atomic_path
    from titans_seq.jsonl import read_rows

    from ..baselines import SmallCNN
    from ..benchmark import Trial, find_set, load_set, markdown, run_set
    from ..runs.comparison import chosen_baselines
    from .progress import note
    from .settings import chosen_device, classifier_config, train_config

    chosen, device = find_set(name), chosen_device(options.device)
    splits = load_set(chosen, options.data_dir)
    trial = None
    if not options.only_baselines:
        head = _head(options.head, chosen)
        classifier = classifier_config(options.model, head, options.training, splits.train, options.init)
        trained = train_config(options.training, 0)
        title = options.label or describe(options, classifier)
        trial = Trial(title, classifier, trained, options.init, device, options.progress)
    baselines = [
        SmallCNN(both_strands=chosen.both_strands, device=device) if isinstance(one, SmallCNN) else one
        for one in chosen_baselines(options.baselines, device)
    ]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows = options.out / ROWS
    run_set(chosen, splits, trial, baselines, seeds, rows, lambda text: note(text, options.progress))
    found = read_rows(rows)
    with atomic_path(options.out / TABLE) as temporary:
        temporary.write_text(markdown(found) + "\n", encoding="utf-8")
    print(markdown(row for row in found if row["dataset"] == name))
    print(f"\nwritten: {rows}, {options.out / TABLE}")


def describe(options: Benchmark, classifier: "ClassifierConfig") -> str:
    """The settings in which our models differ, as a name."""
    words = [f"Titans {options.model.preset or 'small'}" if options.init is None else f"Titans from {options.init}"]
    if options.model.mixer == "identity":
        words.append("without memory")
    if classifier.encoder.directions == "both":
        words.append("both directions")
    if classifier.pooling != "mean":
        words.append(f"{classifier.pooling} pooling")
    if classifier.strands != "given":
        words.append(f"strands {classifier.strands}")
    if classifier.tokenizer.width > 1:
        words.append(f"{classifier.tokenizer.width}-mers")
    return ", ".join(words)


def _head(options: HeadOptions, chosen: "BenchmarkSet") -> HeadOptions:
    strands = options.strands or ("equivariant" if chosen.both_strands else "given")
    return HeadOptions(options.pooling, strands)
