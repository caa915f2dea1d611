"""`titans dna train`: a classifier from labelled sequences, evaluated beside the baselines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.errors import UserError
from titans_seq.options import Maybe

from .options import ComparisonOptions, HeadOptions, ModelOptions, ReadingOptions, RunOptions, TrainingOptions

if TYPE_CHECKING:
    from ..models import ClassifierConfig
    from ..runs.plan import Plan
    from ..sequences.values import Splits
    from ..training.config import TrainConfig


@dataclass(frozen=True)
class PartOptions:
    """How the data is divided, where it is not."""

    folds: Maybe[int] = None
    """Cross-validate: so many runs, each tested on another part; a test part of the data is left alone."""
    groups: bool = False
    """Keep near-duplicates (40 bases in common, on either strand) in one part."""
    test_share: float = 0.1
    """Share for testing where the data has no test part; 0 tests on the validation part."""
    validation_share: float = 0.1
    """Share for validation where the data has no such part."""


@dataclass(frozen=True)
class Train:
    """Train a classifier on labelled sequences, and evaluate it beside simple models on the same parts.

    First comes a short look at the data (titans dna check shows all of it). The validation part chooses the epoch; the
    test part is read once, at the end. Parts that the data does not have are taken from the training part. A run that
    was stopped goes on with --resume.
    """

    run: OmitArgPrefixes[RunOptions]
    data: Positional[Maybe[Path]] = None
    """CSV or TSV with sequences and labels, a folder of train, dev and test files, or of one file or folder a class."""
    init: Maybe[Path] = None
    """Begin with the encoder of a run of titans dna pretrain."""
    seed: int = 0
    """Of the parts, weights, order and strands."""
    parts: OmitArgPrefixes[PartOptions] = field(default_factory=PartOptions)
    comparison: OmitArgPrefixes[ComparisonOptions] = field(default_factory=ComparisonOptions)
    reading: OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)
    model: OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)
    head: OmitArgPrefixes[HeadOptions] = field(default_factory=HeadOptions)
    training: OmitArgPrefixes[TrainingOptions] = field(default_factory=TrainingOptions)


def train(options: Train) -> None:
    """Train, evaluate, and say what came of it."""
    from ..evaluation import BootstrapOptions
    from ..runs.folder import RUNS
    from ..sequences.opening import is_pipe
    from .settings import chosen_device

    BootstrapOptions(options.comparison.bootstrap)  # says what is wrong before hours of training are at stake
    device = chosen_device(options.run.device)
    if options.run.resume:
        _resume(options, device)
        return
    if options.data is None:
        raise UserError("no data is given: name a table, or a folder of tables or of one file a class")
    if is_pipe(options.data):
        raise UserError(f"{options.data}: a run reads its data again, for --resume and evaluate: write it to a file")
    RUNS.check_free(options.run.out, options.run.overwrite)
    _start(options, options.data, device)


def _start(options: Train, data: Path, device: str) -> None:
    from titans_seq.files import write_text

    from ..check import check, render, render_short
    from ..runs.folder import CHECK, RUNS
    from ..runs.plan import Plan, divided
    from ..sequences.loading import load_splits
    from .progress import note, print_left_out, print_notes
    from .settings import classifier_config, load_options, train_config

    plan = Plan(
        str(data.resolve()),
        load_options(options.reading),
        options.parts.test_share,
        options.parts.validation_share,
        options.parts.groups,
        options.parts.folds,
        seed=options.seed,
    )
    config = train_config(options.training, options.seed)
    left_out: list[str] = []
    notes: Counter[str] = Counter()
    splits = load_splits(data, plan.reading, left_out, notes)
    print_left_out(left_out)
    print_notes(notes)
    classifier = classifier_config(options.model, options.head, options.training, splits.train, options.init)
    parts = list(divided(splits, plan))
    note("looking at the data", options.run.progress)
    report = check(splits)
    print(render_short(report), flush=True)
    if options.parts.folds is None:
        _train_all(options, device, parts, classifier, config, options.init)
    else:
        with RUNS.claim(options.run.out, options.run.overwrite):
            _train_all(options, device, parts, classifier, config, options.init)
        RUNS.clear(options.run.out)
    write_text(options.run.out / CHECK, render(report) + "\n")
    _finish(options, device, parts)


def _resume(options: Train, device: str) -> None:
    from titans_seq.files import write_text
    from titans_seq.training.run_folder import read_config

    from ..check import check, render
    from ..evaluation.writing import DATA
    from ..runs.folder import CHECK, EVALUATION, RUNS, TrainRun, fold_folder, has_folds
    from ..runs.plan import divided, plan_of
    from ..sequences.loading import load_splits

    if options != Train(replace(options.run, overwrite=False), comparison=options.comparison):
        raise UserError(
            "--resume goes on with the settings stored in the run: leave out all options but --out, --baselines, "
            "--bootstrap, --device and --progress, or train anew with --overwrite"
        )
    if (options.run.out / EVALUATION / DATA).is_file():
        print(f"nothing is left to do: the run in {options.run.out} is trained and evaluated")
        return
    first = fold_folder(options.run.out, 1) if has_folds(options.run.out) else options.run.out
    run = read_config(first, TrainRun)
    plan = replace(plan_of(run, first), fold=None)
    splits = load_splits(plan.data, plan.reading)
    parts = list(divided(splits, plan))
    _train_all(options, device, parts, run.classifier, run.train, None if run.init is None else Path(run.init))
    RUNS.clear(options.run.out)
    write_text(options.run.out / CHECK, render(check(splits)) + "\n")
    _finish(options, device, parts)


def _train_all(
    options: Train,
    device: str,
    parts: "Sequence[tuple[Plan, Splits]]",
    classifier: "ClassifierConfig",
    config: "TrainConfig",
    init: Path | None,
) -> None:
    from titans_seq.training.run_folder import CONFIG

    from ..runs.train_runs import resume_run, train_run
    from .progress import note
    from .settings import accelerator

    hardware = accelerator(device)
    for plan, part in parts:
        folder = _folder(options.run.out, plan)
        if plan.fold is not None:
            note(f"fold {plan.fold} of {plan.folds}", options.run.progress)
        if options.run.resume and (folder / CONFIG).is_file():
            resume_run(folder, part, progress=options.run.progress, accelerator=hardware)
            continue
        train_run(
            part,
            folder,
            classifier,
            config,
            data=plan.data,
            options=plan.plain(),
            init=init,
            overwrite=options.run.overwrite,
            progress=options.run.progress,
            accelerator=hardware,
        )


def _finish(options: Train, device: str, parts: "Sequence[tuple[Plan, Splits]]") -> None:
    from ..runs.folder import EVALUATION, read_metrics
    from ..runs.saving import load_classifier
    from .evaluation import Request, compare_and_show

    runs, warnings = [], []
    for plan, part in parts:
        held = part.validation if part.test is None else part.test
        assert held is not None
        folder = _folder(options.run.out, plan)
        runs.append((load_classifier(folder, device), part, held))
        if warning := read_metrics(folder)["overfitting"]:
            warnings.append(warning if plan.fold is None else f"Fold {plan.fold}: {warning}")
    tested = "test part" if parts[0][1].test is not None else "validation part, which also chose the epoch"
    if parts[0][0].folds is not None:
        tested = f"{len(parts)} folds, each held out once"
    request = Request(options.comparison, parts[0][0].seed, device, options.run.progress)
    compare_and_show(runs, request, tested, options.run.out / EVALUATION, warnings)
    first = _folder(options.run.out, parts[0][0])
    print(f"the run is in {options.run.out}; next:\n  titans dna predict {first} new.fa --out scores.csv")


def _folder(out: Path, plan: "Plan") -> Path:
    from ..runs.folder import fold_folder

    return out if plan.fold is None else fold_folder(out, plan.fold)
