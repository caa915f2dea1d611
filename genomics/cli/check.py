"""`titans dna check`: a look at a data set before training."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.progress import Progress

from .options import ReadingOptions, load_options


@dataclass(frozen=True)
class Check:
    """Look for what lets a model score well without learning what it should.

    Class balance, lengths by class and what the length alone predicts; copies, conflicting labels; and what the parts
    have in common: equal sequences, reverse complements, shared stretches of bases. Of intervals without --reference it
    looks at the intervals alone.
    """

    data: Positional[Path]
    """CSV or TSV with sequences and labels, a folder of train, dev and test files, or of one file or folder a class;
    or intervals in such files, BED among them."""
    k: int = 40
    """Bases in common that make two sequences overlap."""
    progress: Progress = "bar"
    """What to show meanwhile."""
    reading: OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


def check(options: Check) -> None:
    """Print the report."""
    from ..check import check, check_intervals, render
    from ..sequences.labelled_intervals import holds_intervals, load_intervals
    from ..sequences.loading import load_splits
    from ..sequences.opening import is_pipe
    from .progress import note, print_left_out, print_notes
    from .records import check_reading

    left_out: list[str] = []
    notes: Counter[str] = Counter()
    there = options.data.exists() or is_pipe(options.data)
    check_reading([options.data], options.reading)
    reading = load_options(options.reading)
    note(f"reading {options.data}", options.progress)
    if reading.reference is None and there and holds_intervals(options.data):
        report = check_intervals(load_intervals(options.data, reading, left_out, notes), options.k)
        print("intervals alone are compared: give --reference to look at their sequences\n")
    else:
        splits = load_splits(options.data, reading, left_out, notes)
        note("comparing sequences", options.progress)
        report = check(splits, options.k)
    print(render(report))
    print_left_out(left_out)
    print_notes(notes)
