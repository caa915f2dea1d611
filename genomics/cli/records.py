"""Sequences in and rows out, one at a time."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from titans_seq.errors import UserError
from titans_seq.files import atomic_path
from titans_seq.progress import Progress

from ..sequences.archive import is_archive
from ..sequences.folders import first_file
from ..sequences.formats import find_format
from ..sequences.labelled_intervals import holds_intervals, holds_sequences
from ..sequences.loading import read_all
from ..sequences.values import Record
from .options import RecordOptions, load_options
from .progress import Counter as ShownCounter
from .progress import print_left_out, print_notes

_OF_INTERVALS = ("reference", "window", "edges")


@contextmanager
def records(
    paths: Sequence[Path], options: RecordOptions, known: RecordOptions | None = None, *, windows: bool = False
) -> Iterator[Iterator[Record]]:
    """Give the records of files, one at a time; after the block it is said what was left out and changed.

    Args:
        paths: the files.
        options: how they are read.
        known: see `check_reading`, like the next.
        windows: likewise.

    Raises:
        UserError: if no file is given, or see `check_reading` and `read_all`.
    """
    if not paths:
        raise UserError("no file of sequences is given: name at least one")
    check_reading(paths, options, known, windows=windows)
    left_out: list[str] = []
    notes: Counter[str] = Counter()
    try:
        yield read_all(paths, load_options(options), left_out, notes)
    finally:
        print_left_out(left_out)
        print_notes(notes)


def check_reading(
    paths: Sequence[Path], options: RecordOptions, known: RecordOptions | None = None, *, windows: bool = False
) -> None:
    """Refuse options on how files are read that none of them has a use for.

    Args:
        paths: the files, or data sets of which the first file tells.
        options: how they are read.
        known: options that nobody gave on the command line, as a run has them.
        windows: whether sequences that are no intervals have windows, too.

    Raises:
        UserError: naming the option.
    """
    known = known or type(options)()
    given = [one.name for one in fields(options) if getattr(options, one.name) != getattr(known, one.name)]
    if not given or not all(path.exists() for path in paths):
        return  # of a pipe nothing is read twice; what is not there is refused where it is read
    intervals = [name for name in given if name in _OF_INTERVALS and not (windows and name == "window")]
    if intervals and not any(map(holds_intervals, paths)) and any(map(holds_sequences, paths)):
        raise UserError(
            f"--{intervals[0]} is for intervals (BED, peaks, GFF, or columns region, start, end), and {paths[0]} holds "
            "sequences: leave it out"
        )
    files = [first_file(path) for path in paths]
    if "label" in given and all(named for _, named in files):
        raise UserError(f"--label names columns, and the files of {paths[0]} are a class each: leave it out")
    if "sequence" in given and not any(not is_archive(file) and find_format(file) == "table" for file, _ in files):
        raise UserError(f"--sequence names a column of a table, and {paths[0]} is none: leave it out")


def csv_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]], progress: Progress, what: str) -> int:
    """Write a CSV file, whole or not at all, and return the number of rows.

    Args:
        path: the file.
        header: its first line.
        rows: taken one at a time.
        progress: what to show meanwhile.
        what: is counted, in words.

    Raises:
        UserError: if the name is that of a folder or does not end in .csv, or there is no row.
    """
    check_csv(path)
    count = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        with ShownCounter(progress, what) as counter:
            for row in counter.count(rows):
                writer.writerow(row)
                count += 1
        if not count:
            raise UserError("there is no usable sequence in what is given, so nothing is written: check the files")
    return count


def check_csv(path: Path) -> None:
    """Refuse a name that no CSV file can have.

    Raises:
        UserError: if it is that of a folder, or does not end in .csv.
    """
    if path.is_dir() or path.suffix.lower() != ".csv":
        raise UserError(f"--out {path}: expected the name of a file that ends in .csv")
