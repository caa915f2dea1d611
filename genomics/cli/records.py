"""Sequences in and rows out, one at a time."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from titans_seq.errors import UserError
from titans_seq.files import atomic_path
from titans_seq.progress import Progress

from ..sequences.loading import read_all
from ..sequences.values import Record
from .options import RecordOptions, load_options
from .progress import Counter as ShownCounter
from .progress import print_left_out, print_notes


@contextmanager
def records(paths: Sequence[Path], options: RecordOptions) -> Iterator[Iterator[Record]]:
    """Give the records of files, one at a time; after the block it is said what was left out and changed.

    Raises:
        UserError: if no file is given, or see `read_all`.
    """
    if not paths:
        raise UserError("no file of sequences is given: name at least one")
    left_out: list[str] = []
    notes: Counter[str] = Counter()
    try:
        yield read_all(paths, load_options(options), left_out, notes)
    finally:
        print_left_out(left_out)
        print_notes(notes)


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
