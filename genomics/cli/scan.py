"""A scan along contigs or intervals, as `titans dna predict` writes it with --stride or to a track."""

from collections import Counter

from titans_seq.errors import UserError

from .options import load_options
from .predict_options import Predict

_TRACKS = (".bed", ".bedgraph", ".bw", ".bigwig", ".tsv")


def is_scan(options: Predict) -> bool:
    """Return whether windows are asked for: by --stride, a track, or --window for sequences that are no intervals.

    Raises:
        UserError: if a file cannot be read.
    """
    if options.scan.stride is not None or options.out.suffix.lower() in _TRACKS:
        return True
    if options.reading.window is None:
        return False
    from ..sequences.labelled_intervals import holds_intervals

    return not all(holds_intervals(path) for path in options.sequences)


def scan_files(options: Predict) -> None:
    """Write a track, or a table with a row a window."""
    from ..explain import target_column, target_names
    from ..scan import ScanOptions, Target, check_track, open_track, scan, stretches, windows_of
    from ..scan.tracks import sizes_of
    from ..scan.windows import window_count
    from ..sequences.bad_records import Refuse
    from .predict_models import known_range, load
    from .progress import Counter as ShownCounter
    from .progress import print_left_out, print_notes

    check_track(options.out)
    if not options.sequences:
        raise UserError("no file of sequences is given: name at least one")
    known = known_range(options.run)
    window = options.reading.window
    if window is None:
        if known is None:
            raise UserError(f"{options.run} does not say what length it was trained on: give --window")
        window = known.median
    stride = options.scan.stride
    how = ScanOptions(window, max(window // 2, 1) if stride is None else stride, options.scan.strand)
    model, decision = load(options)
    column = target_column(model, options.scan.target)
    target = Target(target_names(model)[column], column)
    threshold = options.threshold if options.threshold is not None else decision.threshold
    if threshold is not None and column != 1:
        threshold = None
    left_out: list[str] = []
    notes: Counter[str] = Counter()
    refuse = Refuse(options.reading.skip_bad, left_out, notes)
    count = total = left = 0
    try:
        found = list(stretches(options.sequences, load_options(options.reading), refuse))
        held = [source.stretch for _, sources in found for source in sources]
        total = sum(window_count(stretch.size, how.window, how.stride) for stretch in held)
        windows = (one for path, sources in found for one in windows_of(path, sources, how.window, how.stride))
        with (
            open_track(options.out, sizes_of(held), target, how.stride, threshold) as write,
            ShownCounter(options.progress, "windows scored", total) as counter,
        ):
            for one in counter.count(scan(model, windows, target, how.strand)):
                left += not write(one)
                count += 1
            if not count:
                raise UserError("there is no usable sequence in what is given, so nothing is written: check the files")
    finally:
        print_left_out(left_out)
        print_notes(notes)
    print(f"written: {options.out}, {count:,} windows of {how.window:,} bases, one each {how.stride:,}: {target.name}")
    if left and options.out.suffix.lower() == ".bed":
        print(f"note: {left:,} of them have less than {threshold:.4g} and no line (--threshold)")
    elif left:
        print(f"note: {left:,} of them have no place, as they overlap others: a .tsv or .bed file holds all")
    if count < total:
        print(f"note: {total - count:,} windows are mostly unknown (N) and have no score")
    if known is not None and known.outside(how.window, 0):
        print(
            f"warning: the model was trained on {known.text()}: scores in windows of {how.window:,} bases are guesses"
        )
