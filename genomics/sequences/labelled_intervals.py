"""Labelled intervals as they stand in files, without the genome."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError

from .archive import is_archive
from .bad_records import Refuse
from .folders import Part, find_classes, find_parts, first_file
from .formats import find_format
from .intervals import around_centre, interval_columns
from .labels import class_names, divided_by_column
from .options import LoadOptions
from .reference import bare_contig
from .sources import IntervalRow, Reading, intervals_of, labelled_intervals, refuse_labels
from .tables import open_table
from .values import Interval


@dataclass(frozen=True, eq=False)
class LabelledIntervals:
    """The intervals of one part of a data set.

    Attributes:
        intervals: N of them.
        labels: class ids, int64 `[N]`.
        classes: name of each class.
    """

    intervals: tuple[Interval, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.intervals)


def holds_intervals(path: Path) -> bool:
    """Say whether a data set is of intervals, as its first file tells.

    Raises:
        UserError: if there is no file, or it cannot be opened.
    """
    path, _ = first_file(path)
    if is_archive(path):
        return False
    form = find_format(path)
    if form != "table":
        return form in ("bed", "gff")
    table = open_table(path)
    return table.sequence is None and interval_columns(table) is not None


def holds_sequences(path: Path) -> bool:
    """Say whether a data set is of sequences, as its first file tells; a table without a column of them is not.

    Raises:
        UserError: if there is no file, or it cannot be opened.
    """
    path, _ = first_file(path)
    if is_archive(path) or find_format(path) != "table":
        return not holds_intervals(path)
    return open_table(path).sequence is not None


def load_intervals(
    path: Path,
    options: LoadOptions | None = None,
    left_out: list[str] | None = None,
    notes: Counter[str] | None = None,
) -> dict[str, LabelledIntervals]:
    r"""Read a data set of intervals, whose labels are classes; see `load_splits`.

    Args:
        path: a file or folder.
        options: what the files do not say.
        left_out: with `skip_bad`, the message of each record that is left out is appended.
        notes: see `load_splits`.

    Returns:
        "train", and what there is of "validation" and "test", in this order; of one class too.

    Raises:
        UserError: see `load_splits`; also if the labels are no classes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a.bed").write_text("chr1\t5\t9\n")
        ...     _ = (Path(folder) / "b.bed").write_text("chr1\t7\t19\n")
        ...     train = load_intervals(Path(folder))["train"]
        >>> train.classes, train.labels.tolist(), train.intervals[1].end
        (('a', 'b'), [0, 1], 19)
    """
    options = options or LoadOptions()
    if options.kind not in (None, "classes"):
        raise UserError(f"{path}: intervals alone can be compared by classes, not by labels of kind {options.kind!r}")
    reading = Reading(options, None, Refuse(options.skip_bad, left_out, notes))
    sources = (find_parts(path) if path.is_dir() else {}) or {"train": path}
    held: dict[Part, list[IntervalRow]] = {}
    for part, source in sources.items():
        held[part] = list(_places(source, reading))
        if not held[part]:
            raise UserError(f"{path}: no usable interval in its {part} part: expected contig, start and end")
    if len(sources) == 1:
        held = divided_by_column(held["train"], path, reading.refuse)
    classes = class_names([row.labels[0] for rows in held.values() for row in rows])
    ids = {name: number for number, name in enumerate(classes)}
    found: dict[str, LabelledIntervals] = {}
    for part, rows in held.items():
        labels = np.array([ids[row.labels[0]] for row in rows])
        found[part] = LabelledIntervals(tuple(_named(row.interval, options.window) for row in rows), labels, classes)
    return found


def _named(interval: Interval, window: int | None) -> Interval:
    """Return what sequence would be cut, on a contig that has one name however it is called."""
    interval = interval if window is None else around_centre(interval, window)
    strand = "-" if interval.strand == "-" else "+"
    return replace(interval, contig=bare_contig(interval.contig), strand=strand)


def _places(source: Path, reading: Reading) -> Iterator[IntervalRow]:
    if not source.is_dir():
        yield from labelled_intervals(source, reading)
        return
    for name, files in find_classes(source).items():
        for file in files:
            refuse_labels(file)
            yield from (IntervalRow(0, interval, (name,)) for interval in intervals_of(file, reading))
