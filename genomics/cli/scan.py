"""A scan along contigs or intervals, as `titans dna predict` writes it with --stride or to a track."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from titans_seq.errors import UserError

from .options import load_options
from .predict_options import Predict

if TYPE_CHECKING:
    from ..runs.decision import Decision
    from ..runs.training_range import TrainingRange
    from ..scan import Scanner, ScanOptions, Target

_DRAWN = (".bed", ".bedgraph", ".bw", ".bigwig")  # by genome browsers, which know contigs by their names
TRACKS = (*_DRAWN, ".tsv")


def is_scan(options: Predict) -> bool:
    """Say whether windows are asked for: by --stride, a track, or --window for sequences that are no intervals.

    Raises:
        UserError: if a file cannot be read.
    """
    if options.scan.stride is not None or options.out.suffix.lower() in TRACKS:
        return True
    if options.reading.window is None:
        return False
    from ..sequences.labelled_intervals import holds_intervals

    return not all(holds_intervals(path) for path in options.sequences)


def scan_files(options: Predict) -> None:
    """Write a track, or a table with a row a window."""
    from ..runs.trained_on import training_range
    from ..scan import check_track
    from .predict_models import load, note_on_places
    from .records import check_reading

    check_track(options.out)
    if not options.sequences:
        raise UserError("no file of sequences is given: name at least one")
    if options.whole:
        raise UserError("--whole scores each sequence once, and a scan is of windows: leave out one of them")
    if options.threshold is not None and options.out.suffix.lower() != ".bed":
        raise UserError("--threshold of a scan is for the windows in a .bed file, other files hold all: leave it out")
    check_reading(options.sequences, options.reading, windows=True)
    known = training_range(options.run)
    how = _how(options, known)
    model, decision = load(options)
    target, threshold = _target(options, model, decision)
    found = _write(options, how, model, target, threshold)
    print(
        f"written: {options.out}, {found.scored:,} windows of {how.window:,} bases, one each {how.stride:,}: "
        f"{target.name}"
    )
    if found.absent and threshold is not None and options.out.suffix.lower() == ".bed":
        print(f"note: {found.absent:,} of them have less than {threshold:.4g} and no line (--threshold)")
    elif found.absent:
        print(
            f"note: {found.absent:,} of them have no place, as they overlap others or have their middle beyond the end "
            "of the contig: a .tsv or .bed file holds all"
        )
    if found.unknown:
        print(f"note: {found.unknown:,} windows are mostly unknown (N) and have no score")
    if found.short:
        print(
            f"note: {found.short:,} of them are shorter than {how.window:,} bases, as the contigs or intervals that "
            "they lie in are: their scores are guesses"
        )
    if known is not None and known.outside(how.window, 0):
        print(
            f"warning: the model was trained on {known.text()}: scores in windows of {how.window:,} bases are guesses"
        )
    for line in note_on_places(model):
        print(line)


@dataclass(frozen=True)
class _Count:
    """Windows with a score, those of them that are not in the file, that are short, and windows without a score."""

    scored: int
    absent: int
    short: int
    unknown: int


def _how(options: Predict, known: "TrainingRange | None") -> "ScanOptions":
    """Return windows of --window, or of the length that the model was trained on."""
    from ..scan import ScanOptions

    window, stride = options.reading.window, options.scan.stride
    if window is None:
        if known is None:
            raise UserError(f"{options.run} does not say what length it was trained on: give --window")
        window = known.median
    return ScanOptions(window, max(window // 2, 1) if stride is None else stride, options.scan.strand)


def _target(options: Predict, model: "Scanner", decision: "Decision") -> "tuple[Target, float | None]":
    """Return what is scanned for, and the least score of a window in a BED file."""
    from ..explain import target_column, target_names
    from ..scan import Target

    column = target_column(model, options.scan.target)
    target = Target(target_names(model)[column], column)
    # A threshold is a probability of the second of two classes.
    if column == 1:
        return target, decision.threshold
    if options.threshold is not None:
        raise UserError(f"--threshold is a probability of {model.classes[1]}, not of --target {target.name}: leave it")
    return target, None


def _write(options: Predict, how: "ScanOptions", model: "Scanner", target: "Target", threshold: float | None) -> _Count:
    from ..scan import open_track, scan, stretches, windows_of
    from ..scan.tracks import check_contigs, sizes_of
    from ..scan.windows import window_count
    from ..sequences.bad_records import Refuse
    from .progress import Counter as ShownCounter
    from .progress import print_left_out, print_notes

    left_out: list[str] = []
    notes: Counter[str] = Counter()
    count = absent = short = 0
    try:
        refuse = Refuse(options.reading.skip_bad, left_out, notes)
        found = list(stretches(options.sequences, load_options(options.reading), refuse))
        held = [source.stretch for _, sources in found for source in sources]
        if options.out.suffix.lower() in _DRAWN:
            check_contigs(held)
        total = sum(window_count(stretch.size, how.window, how.stride) for stretch in held)
        windows = (one for path, sources in found for one in windows_of(path, sources, how.window, how.stride))
        with (
            open_track(options.out, sizes_of(held), target, how.stride, threshold) as write,
            ShownCounter(options.compute.progress, "windows scored", total) as counter,
        ):
            for one in counter.count(scan(model, windows, target, how.strand)):
                absent += not write(one)
                short += one.end - one.start < how.window
                count += 1
            if not count:
                raise UserError("there is no usable sequence in what is given, so nothing is written: check the files")
    finally:
        print_left_out(left_out)
        print_notes(notes)
    return _Count(count, absent, short, total - count)
