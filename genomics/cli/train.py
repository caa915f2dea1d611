"""`titans dna train`: a classifier from labelled sequences, evaluated beside the baselines."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Maybe, RunOptions, changes
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from ..training.config import PartConfig, TrainConfig
from .options import ComparisonOptions, EncoderOptions, HeadOptions, ReadingOptions, encoder_of, load_options

if TYPE_CHECKING:
    from ..runs.config import TrainRun, TrainSettings
    from ..runs.folds import Parts
    from ..runs.plan import Plan
    from ..sequences.values import LabelledSequences


@dataclass(frozen=True)
class Train:
    """Train a classifier on labelled sequences, and evaluate it beside simple models on the same parts.

    First comes a short look at the data (titans dna check shows all of it). The validation part chooses the epoch; the
    test part is read once, at the end. Parts that the data does not have are taken from the training part. A run that
    was stopped goes on with --resume. Other memories and stems are chosen by --set, such as
    --set classifier.encoder.blocks.0.memory.chunk_size=8.
    """

    run: OmitArgPrefixes[RunOptions]
    data: Positional[Maybe[Path]] = None
    """CSV or TSV with sequences and labels, a folder of train, dev and test files, or of one file or folder a class."""
    init: Maybe[Path] = None
    """Begin with the encoder of a run of titans dna pretrain."""
    parts: OmitArgPrefixes[PartConfig] = field(default_factory=PartConfig)
    comparison: OmitArgPrefixes[ComparisonOptions] = field(default_factory=ComparisonOptions)
    reading: OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)
    encoder: OmitArgPrefixes[EncoderOptions] = field(default_factory=EncoderOptions)
    head: OmitArgPrefixes[HeadOptions] = field(default_factory=HeadOptions)
    training: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)
    hardware: OmitArgPrefixes[Hardware] = field(default_factory=Hardware)

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file."""
        if self.run.config is None:
            return {}
        run = _stored(self.run.config)
        return {"training": run.training, "parts": PartConfig() if run.plan is None else run.plan.parts}


def train(options: Train) -> None:
    """Train, evaluate, and say what came of it."""
    from ..evaluation import BootstrapOptions
    from ..runs.config import RUNS

    BootstrapOptions(options.comparison.bootstrap)  # says what is wrong before hours of training are at stake
    options.hardware.device()
    if options.run.resume:
        _resume(options)
    else:
        if not options.run.dry_run:
            RUNS.check_free(options.run.out, options.run.overwrite)
        _start(options)


def _start(options: Train) -> None:
    from titans_seq.config import to_yaml

    from ..check import check, render, render_short
    from ..runs.plan import divided
    from ..sequences.loading import load_splits
    from .progress import note, print_left_out, print_notes

    plan = _plan(options)
    left_out: list[str] = []
    notes: Counter[str] = Counter()
    splits = load_splits(plan.data, plan.reading, left_out, notes)
    settings = _settings(options, splits.train)
    if options.run.dry_run:
        print(to_yaml({"settings": settings, "plan": plan}), end="")
        return
    print_left_out(left_out)
    print_notes(notes)
    parts = list(divided(splits, plan))
    note("looking at the data", options.run.progress)
    report = check(splits)
    print(render_short(report), flush=True)
    _train_and_evaluate(options, parts, settings, options.init, render(report))


def _resume(options: Train) -> None:
    from titans_seq.experiment.record import read_config
    from titans_seq.experiment.run_folder import EVALUATION

    from ..check import check, render
    from ..evaluation.writing import DATA
    from ..runs.config import TrainRun, TrainSettings, fold_folder, has_folds
    from ..runs.plan import divided
    from ..runs.train_runs import plan_of
    from ..sequences.loading import load_splits

    run = RunOptions(options.run.out, resume=True, logger=options.run.logger, progress=options.run.progress)
    if options != Train(run, comparison=options.comparison, hardware=options.hardware):
        raise UserError(
            "--resume goes on with the settings stored in the run: leave out all options but --out, --baselines, "
            "--bootstrap, --accelerator, --devices, --nodes, --strategy, --logger and --progress, or train anew with "
            "--overwrite"
        )
    out = options.run.out
    if (out / EVALUATION / DATA).is_file():
        print(f"nothing is left to do: the run in {out} is trained and evaluated")
        return
    first = fold_folder(out, 1) if has_folds(out) else out
    stored = read_config(first, TrainRun)
    plan = replace(plan_of(stored, first), fold=None)
    splits = load_splits(plan.data, plan.reading)
    settings = TrainSettings(stored.classifier, stored.training)
    init = None if stored.init is None else Path(stored.init)
    _train_and_evaluate(options, list(divided(splits, plan)), settings, init, render(check(splits)))


def _train_and_evaluate(
    options: Train, parts: "Parts", settings: "TrainSettings", init: Path | None, report: str
) -> None:
    from titans_seq.experiment.run_folder import EVALUATION
    from titans_seq.files import write_text

    from ..runs.config import CHECK, fold_folder
    from ..runs.folds import train_parts, trained_parts
    from .evaluation import Request, compare_and_show
    from .progress import note

    run = options.run
    first = train_parts(
        parts,
        run.out,
        settings,
        init=init,
        resume=run.resume,
        overwrite=run.overwrite,
        hardware=options.hardware,
        progress=run.progress,
        logger=run.logger,
        notify=lambda text: note(text, run.progress),
    )
    if not first:
        return
    write_text(run.out / CHECK, report + "\n")
    plan, device = parts[0][0], options.hardware.device()
    runs, warnings = trained_parts(parts, run.out, device)
    tested = "test part" if parts[0][1].test is not None else "validation part, which also chose the epoch"
    if plan.fold is not None:
        tested = f"{len(parts)} folds, each held out once"
    request = Request(options.comparison, plan.seed, device, run.progress)
    compare_and_show(runs, request, tested, run.out / EVALUATION, warnings)
    folder = fold_folder(run.out, plan.fold)
    print(f"the run is in {run.out}; next:\n  titans dna predict {folder} new.fa --out scores.csv")


def _plan(options: Train) -> "Plan":
    from ..runs.plan import Plan
    from ..sequences.opening import is_pipe

    stored = None if options.run.config is None else _stored(options.run.config).plan
    if options.data is None and stored is None:
        raise UserError("no data is given: name a table, or a folder of tables or of one file a class")
    seed = options.training.seed
    if options.data is None and stored is not None:
        return replace(stored, parts=options.parts, seed=seed, fold=None)
    assert options.data is not None
    if is_pipe(options.data):
        raise UserError(f"{options.data}: a run reads its data again, for --resume and evaluate: write it to a file")
    return Plan(str(options.data.resolve()), load_options(options.reading), options.parts, seed=seed)


def _settings(options: Train, data: "LabelledSequences") -> "TrainSettings":
    from titans_seq.experiment.overrides import override, parse_changes

    from ..runs.building import classifier_for
    from ..runs.config import TrainSettings

    base = None if options.run.config is None else _stored(options.run.config).classifier
    named = encoder_of(options.encoder, options.init) or (None, None)
    if base is not None and named[0] is not None:
        raise UserError(
            "--config names the encoder: leave out --preset, --mixer, --stem, --kmer and --stride, or use --set"
        )
    short = changes(options.encoder) | changes(options.head)
    classifier = classifier_for(data, *named, init=options.init, base=base, changes=short)
    return override(TrainSettings(classifier, options.training), parse_changes(options.run.set))


def _stored(path: Path) -> "TrainRun":
    from titans_seq.experiment.record import read_config_file

    from ..runs.config import TrainRun

    return read_config_file(path, TrainRun)
