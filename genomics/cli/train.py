"""`titans dna train`: a classifier from labelled sequences, evaluated beside the baselines."""

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Inline, Maybe, RunOptions, SettingsOptions, changes
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from ..training.config import PartConfig, TrainConfig
from .options import (
    ComparisonOptions,
    EncoderOptions,
    HeadOptions,
    ReadingOptions,
    encoder_of,
    load_options,
    reading_of,
)

if TYPE_CHECKING:
    from ..runs.comparison import Comparison
    from ..runs.config import TrainRun, TrainSettings
    from ..runs.folds import Parts
    from ..runs.plan import Plan
    from ..sequences.values import LabelledSequences, Splits


@dataclass(frozen=True)
class Task:
    """What is learnt from which data, and how."""

    data: Positional[Maybe[Path]] = None
    """CSV or TSV with sequences and labels, a folder of train, dev and test files, or of one file or folder a class."""
    init: Maybe[Path] = None
    """Begin with the encoder of a run of titans dna pretrain."""
    settings: Inline[SettingsOptions] = field(default_factory=SettingsOptions)
    parts: OmitArgPrefixes[PartConfig] = field(default_factory=PartConfig)
    reading: OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)
    encoder: OmitArgPrefixes[EncoderOptions] = field(default_factory=EncoderOptions)
    head: OmitArgPrefixes[HeadOptions] = field(default_factory=HeadOptions)
    training: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)

    def known(self) -> "Task":
        """Return the task of which only the settings of the --config file are given."""
        if self.settings.config is None:
            return Task()
        run = _stored(self.settings.config)
        if run.plan is None:
            return Task(training=run.training)
        return Task(training=run.training, parts=run.plan.parts, reading=reading_of(run.plan.reading, ReadingOptions))


@dataclass(frozen=True)
class _Trained:
    """What `--set training...` changes."""

    training: TrainConfig


@dataclass(frozen=True)
class Train:
    """Train a classifier on labelled sequences, and evaluate it beside simple models on the same parts.

    First comes a short look at the data (titans dna check shows all of it). The validation part chooses the epoch, and
    how much of a regression on k-mers (and on places) is weighed in (--words); the test part is read once, at the end.
    Parts that the data does not have are taken from the training part. A run that was stopped goes on with --resume.
    Other memories and stems are chosen by --set, such as --set classifier.encoder.blocks.0.memory.chunk_size=8.
    """

    run: OmitArgPrefixes[RunOptions]
    task: Inline[Task] = field(default_factory=Task)
    comparison: OmitArgPrefixes[ComparisonOptions] = field(default_factory=ComparisonOptions)
    hardware: OmitArgPrefixes[Hardware] = field(default_factory=Hardware)

    def resumable(self) -> tuple[str, ...]:
        """Return what a resumed run reads besides what all runs do."""
        return ("baselines", "bootstrap")

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file."""
        return {"task": self.task.known()}


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
    from ..runs.train_runs import new_run
    from ..sequences.loading import load_splits
    from .progress import note, print_left_out, print_notes

    task = options.task
    plan = data_plan(task)
    left_out: list[str] = []
    notes: Counter[str] = Counter()
    check_task(task)
    splits = load_splits(plan.data, plan.reading, left_out, notes)
    check_shares(task, splits)
    parts = list(divided(splits, plan))
    settings, chosen = train_settings(task, parts[0][1].train)
    if options.run.dry_run:
        # What the run would refuse is refused now.
        new_run(parts[0][1], settings.classifier, settings.training, parts[0][0], task.init, chosen)
        print(to_yaml({"settings": settings, "plan": plan}), end="")
        return
    print_left_out(left_out)
    print_notes(notes)
    note("looking at the data", options.run.progress)
    report = check(splits)
    print(render_short(report), flush=True)
    print("\n".join(chosen), flush=True)
    if task.init is None and task.settings.config is not None and (init := _stored(task.settings.config).init):
        print(f"note: the run of --config began with the encoder in {init}, this one does not: --init {init} does")
    _train_and_evaluate(options, splits, parts, settings, task.init, render(report), chosen)


def _resume(options: Train) -> None:
    from titans_seq.experiment.record import read_config
    from titans_seq.experiment.run_folder import EVALUATION

    from ..check import check, render
    from ..evaluation.writing import DATA
    from ..runs.config import TrainRun, TrainSettings, member_runs
    from ..runs.plan import divided
    from ..runs.trained_on import plan_of
    from ..sequences.loading import load_splits

    out = options.run.out
    if (out / EVALUATION / DATA).is_file():
        print(f"nothing is left to do: the run in {out} is trained and evaluated")
        return
    first = next(iter(member_runs(out)), out)
    stored = read_config(first, TrainRun)
    plan = replace(plan_of(stored, first), fold=None, member=None)
    splits = load_splits(plan.data, plan.reading)
    settings = TrainSettings(stored.classifier, stored.training)
    init = None if stored.init is None else Path(stored.init)
    parts = list(divided(splits, plan))
    _train_and_evaluate(options, splits, parts, settings, init, render(check(splits)))


def _train_and_evaluate(
    options: Train,
    splits: "Splits",
    parts: "Parts",
    settings: "TrainSettings",
    init: Path | None,
    report: str,
    chosen: tuple[str, ...] = (),
) -> None:
    from titans_seq.experiment.record import read_config
    from titans_seq.experiment.run_folder import EVALUATION
    from titans_seq.files import write_text

    from ..runs.comparison import like_network
    from ..runs.config import CHECK, TrainRun, member_folder
    from ..runs.final import train_final
    from ..runs.folds import train_parts, trained_parts
    from ..runs.stacking import read_stack
    from .evaluation import Request, compare_and_show
    from .progress import note

    run = options.run
    runtime = run.runtime(options.hardware)
    first = train_parts(
        parts,
        run.out,
        settings,
        init=init,
        chosen=chosen,
        resume=run.resume,
        overwrite=run.overwrite,
        runtime=runtime,
        notify=lambda text: note(text, run.progress),
    )
    plan, device = parts[0][0], options.hardware.device()
    folders = [member_folder(run.out, each) for each, _ in parts]
    to_use = run.out
    if plan.parts.final:
        note("training on all parts together", run.progress)
        to_use = train_final(folders, splits, run.out, runtime=runtime)
    if not first:
        return
    write_text(run.out / CHECK, report + "\n")
    for folder in folders:
        if (stack := read_stack(folder)) is not None:
            print(("" if folder == run.out else f"{folder.name}: ") + stack.describe())
    runs, warnings = trained_parts(parts, run.out, device)
    tested = "test part" if parts[0][1].test is not None else "validation part, by which the model was chosen"
    if plan.fold is not None:
        tested = f"{len(parts)} folds, each held out once"
    if plan.member is not None:
        tested += f", by the mean of {len(parts)} seeds"
    network = like_network(read_config(folders[0], TrainRun), device)
    request = Request(options.comparison, plan.seed, network, run.progress)
    result = compare_and_show(runs, request, tested, run.out / EVALUATION, warnings)
    print(f"the run is in {run.out}; {_next(result, run.out, to_use, tested)}")


def _next(result: "Comparison", out: Path, to_use: Path, tested: str) -> str:
    """Say what to do with a run: predict by the model to use, or by a simple one that scores above it."""
    from ..runs.comparison import MAIN_SCORES, PREDICTING

    better, doubt = result.better(), _doubt(result, tested)
    if better is None:
        return f"{doubt}next:\n  titans dna predict {shlex.quote(str(to_use))} new.fa --out scores.csv"
    score = next(name for name in MAIN_SCORES if name in better.scores)
    ours = result.evaluations[0].scores[score]
    said = (
        f"{doubt}{better.name} is better on the {tested}: {score.upper()} {better.scores[score]:.3f} against {ours:.3f}"
    )
    if better.name not in PREDICTING:
        return f"{said}, so there is no use in predicting by it: see the whole of titans dna check for why"
    command = f"titans dna predict {shlex.quote(str(out))} new.fa --out scores.csv --model {PREDICTING[better.name]}"
    return f"{said}; to predict by that:\n  {command}"


def _doubt(result: "Comparison", tested: str) -> str:
    """Say that no model is better than chance, if none is; else nothing."""
    found = result.best()
    if found is None or found[0].scores[found[1]] > result.chance():
        return ""
    model, score = found
    return (
        f"no model is surely above chance on the {tested}: the best, {model.name}, has {score.upper()} "
        f"{model.scores[score]:.3f} on {len(model.labels):,} sequences, where chance alone gives up to "
        f"{result.chance():.3f}: check the labels (titans dna check), and give more sequences; "
    )


def check_task(task: Task) -> None:
    """Refuse options on how data is read that it has no use for, before it is read.

    Raises:
        UserError: naming the option.
    """
    from .records import check_reading

    if task.data is not None:
        check_reading([task.data], task.reading, task.known().reading)


def check_shares(task: Task, splits: "Splits") -> None:
    """Refuse shares that are given for parts that the data has, or that no run has.

    Raises:
        UserError: naming the option.
    """
    parts, known = task.parts, task.known().parts
    if parts.test_share != known.test_share and (splits.test is not None or parts.folds is not None):
        why = "each fold is tested on its own part" if parts.folds is not None else "the data has its own test part"
        raise UserError(f"--test-share {parts.test_share:g} has no use, as {why}: leave it out")
    if parts.validation_share != known.validation_share and splits.validation is not None and parts.folds is None:
        raise UserError(
            f"--validation-share {parts.validation_share:g} has no use, as the data has its own validation part: leave "
            "it out"
        )


def data_plan(task: Task) -> "Plan":
    """Return what is read, and how it is divided: what --config says, changed by the task and its --set.

    Raises:
        UserError: if no data is named, or it can be read only once.
    """
    from ..runs.plan import Plan
    from ..sequences.opening import is_pipe

    stored = None if task.settings.config is None else _stored(task.settings.config).plan
    if task.data is None and stored is None:
        raise UserError("no data is given: name a table, or a folder of tables or of one file a class")
    reading, seed = load_options(task.reading), _training(task).seed
    if stored is not None and not reading.labels:
        reading = replace(reading, labels=stored.reading.labels)
    if task.data is None:
        assert stored is not None
        return Plan(stored.data, reading, task.parts, seed=seed)
    if is_pipe(task.data):
        raise UserError(f"{task.data}: a run reads its data again, for --resume and evaluate: write it to a file")
    return Plan(str(task.data.resolve()), reading, task.parts, seed=seed)


def _training(task: Task) -> TrainConfig:
    """Return how the task is trained, with what --set changes of it."""
    from titans_seq.experiment.overrides import override, parse_changes

    given = parse_changes(task.settings.set)
    own = {path: value for path, value in given.items() if path.partition(".")[0] == "training"}
    return override(_Trained(task.training), own).training


def train_settings(task: Task, train: "LabelledSequences") -> "tuple[TrainSettings, tuple[str, ...]]":
    """Return the settings, and what the training part chose of them, in sentences."""
    from titans_seq.experiment.overrides import override, parse_changes

    from ..runs.building import AUTO, chosen_by_data, classifier_for
    from ..runs.config import TrainSettings
    from ..runs.train_runs import check_words
    from ..training.defaults import completed

    base = None if task.settings.config is None else _stored(task.settings.config).classifier
    named = encoder_of(task.encoder, task.init, task.settings.config) or (None, None)
    short = changes(task.encoder) | changes(task.head)
    strands = task.head.strands == AUTO or (task.head.strands is None and base is None)
    places = task.head.places is None and base is None
    if strands:
        short.pop("strands", None)
    classifier = classifier_for(train, *named, init=task.init, base=base, changes=short)
    given = parse_changes(task.settings.set)
    asked = _training(task)
    check_words(given.get("classifier.words", task.head.words), asked)
    free = task.head.words is None and "classifier.words" not in given
    weighed = free and asked.class_weights != "none"
    if weighed:
        classifier = replace(classifier, words=0)
    classifier, chosen = chosen_by_data(
        classifier,
        train,
        asked.seed,
        strands=strands and "classifier.strands" not in given,
        places=places and "classifier.places" not in given,
        words=free and base is None and not weighed,
    )
    if weighed:
        chosen += ("words 0: the linear models that they come from know no class weights",)
    settings = override(TrainSettings(classifier, task.training), given)
    training = completed(settings.training, train, settings.classifier.tokenizer)
    if training != settings.training:
        steps = "" if training.rows == settings.training.rows else f"steps of {training.rows} sequences, "
        length = f"{steps}at most {training.epochs} epochs, of which {training.patience} without progress end it"
        chosen += (f"training: {length}; {training.mutations:.0%} of the bases drawn anew ({len(train):,} sequences)",)
    return replace(settings, training=training), chosen


def _stored(path: Path) -> "TrainRun":
    from titans_seq.experiment.record import read_config_file

    from ..runs.config import TrainRun

    return read_config_file(path, TrainRun)
