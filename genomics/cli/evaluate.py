"""`titans dna evaluate`: a trained classifier on labelled sequences, beside the baselines."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Inline, Maybe
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from .options import Baselines, ComparisonOptions, ComputeOptions, ReadingOptions, load_options

if TYPE_CHECKING:
    from ..evaluation import Model
    from ..runs.config import TrainRun
    from ..sequences.values import LabelledSequences, Splits

    Scored = tuple[Model, Splits, LabelledSequences]


@dataclass(frozen=True)
class Evaluate:
    """Score a trained classifier on a part of its own data, or on other labelled sequences.

    It is scored as titans dna predict gives it, with the threshold and the temperature that titans dna decide chose.
    Of several seeds, and on other data of folds, the mean is scored, with each model beside it; on their own data folds
    are scored where each holds data out. Beside it stand the baselines, fitted on the parts that the classifier was
    trained on, of several folds on all of them but the first's validation part. Other data is compared with these
    first: sequences that the classifier, or one of the folds, has seen are counted.
    """

    run: Positional[Path]
    """Folder of a trained run, or of those of folds or seeds."""
    data: Positional[Maybe[Path]] = None
    """Other labelled sequences, all of which are scored, or their test part if they have one; its own data if not
    given."""
    part: Literal["validation", "test"] = "test"
    """Part of its own data."""
    out: Maybe[Path] = None
    """Folder for table, numbers and pictures; only printed if not given."""
    compute: Inline[ComputeOptions] = field(default_factory=ComputeOptions)
    comparison: OmitArgPrefixes[ComparisonOptions] = field(default_factory=ComparisonOptions)
    reading: OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


def evaluate(options: Evaluate) -> None:
    """Score, print the table, and write it."""
    from ..evaluation import BootstrapOptions
    from ..runs.comparison import like_network, with_classes
    from ..runs.decision import read_decision
    from ..runs.members import load_model
    from ..runs.saving import whole_members
    from ..sequences.loading import load_splits
    from .evaluation import Request, compare_and_show
    from .progress import print_left_out, print_notes
    from .records import check_reading

    BootstrapOptions(options.comparison.bootstrap)
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    device = Hardware(options.compute.device).device()
    folders = whole_members(options.run) or [options.run]
    left_out: list[str] = []
    notes: Counter[str] = Counter()
    warnings: tuple[str, ...] = ()
    if options.data is None:
        if options.reading != ReadingOptions():
            raise UserError("options on how data is read are for other data: the run knows how its own is read")
        runs, run, tested = _own(options, folders, device)
    else:
        if options.part != "test":
            raise UserError(
                f"--part {options.part} is of the run's own data, and {options.data} is given: leave it out"
            )
        check_reading([options.data], options.reading)
        model = load_model(options.run, device)
        splits = load_splits(options.data, load_options(options.reading), left_out, notes, to_train=False)
        if splits.test is None and splits.validation is not None:
            raise UserError(f"{options.data}: has several parts and no test part: name the file to score")
        data, tested = with_classes(splits.test or splits.train, model), str(options.data)
        if splits.test is not None:
            others = sum(len(part) for part in (splits.train, splits.validation) if part is not None)
            print(
                f"note: the test part of {options.data} is scored, and {others:,} sequences of its other parts are not"
            )
        run, parts, warnings = _trained_on(folders, options.comparison.baselines, data)
        runs = [(model, parts, data)]
    print_left_out(left_out)
    print_notes(notes)
    network = like_network(run, device)
    request = Request(options.comparison, run.training.seed, network, options.compute.progress)
    compare_and_show(runs, request, tested, options.out, warnings, read_decision(options.run))


def _own(options: Evaluate, folders: list[Path], device: str) -> "tuple[list[Scored], TrainRun, str]":
    """Return what is scored on a part of its own data: one model, or each fold on the part of its own."""
    from ..runs.members import load_model
    from ..runs.trained_on import own_parts

    of_folds = len(folders) > 1 and folders[0].name.startswith("fold")
    runs, first = [], None
    for folder in folders if of_folds else folders[:1]:
        run, parts = own_parts(folder)
        first = first or run
        data = parts.test if options.part == "test" else parts.validation
        if data is None:
            raise UserError(f"the data of {options.run} has no {options.part} part: give --part, or labelled sequences")
        runs.append((load_model(folder if of_folds else options.run, device), parts, data))
    assert first is not None
    return runs, first, f"{options.part} parts of {len(runs)} folds" if of_folds else f"{options.part} part"


def _trained_on(
    folders: list[Path], baselines: Baselines, data: "LabelledSequences"
) -> "tuple[TrainRun, Splits, tuple[str, ...]]":
    """The first run, what it and its like were trained on, and what they have seen of other data.

    The parts are those that baselines are fitted and chosen on; without baselines they may be gone.
    """
    from titans_seq.experiment.record import read_config

    from ..check import check_scored
    from ..runs.config import TrainRun
    from ..runs.trained_on import parts_of_all
    from ..sequences.values import Splits

    try:
        run, seen, parts = parts_of_all(folders)
    except UserError as error:
        if baselines != "none":
            raise UserError(
                f"{error} (the baselines are fitted on what the run was trained on; leave them out with "
                "--baselines none)"
            ) from error
        unknown = f"Whether the model has seen these sequences in training is not known: {error}"
        return read_config(folders[0], TrainRun), Splits(data), (unknown,)
    return run, parts, check_scored(seen, data)
