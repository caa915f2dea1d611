"""From a path to a data set: tables, folders with a file or folder a class, intervals, and the published archive."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from titans_seq.errors import UserError

from .archive import is_archive, read_archive
from .bad_records import Refuse
from .folders import Part, find_classes, find_parts, part_of
from .formats import find_format
from .labels import Labelled, assemble, divided_by_column
from .opening import is_pipe
from .options import LoadOptions
from .reference import Reference
from .sources import LabelColumns, Reading, distinct, labelled_table, records_of, refuse_labels
from .tables import SPLIT, open_table
from .values import Record, Splits

_BY_NAME = LabelColumns((), ("class",), "classes")


def load_splits(
    path: str | os.PathLike[str],
    options: LoadOptions | None = None,
    left_out: list[str] | None = None,
    notes: Counter[str] | None = None,
    *,
    to_train: bool = True,
) -> Splits:
    r"""Read a data set.

    Args:
        path: a table (CSV, TSV) with a column of sequences, or of intervals, and one of labels; a folder with such
            tables named train, dev (or validation) and test; a folder with one file or subfolder of sequences or
            intervals a class, or with such a folder a part; or a zip file of GenomicsBenchmarks. Any file may be
            compressed with gzip. What is not divided into parts is training data.
        options: what the files do not say.
        left_out: with `skip_bad`, the message of each record that is left out is appended.
        notes: what was done to records beyond cleaning, in sentences, with the number of records each is true of.
        to_train: refuse data of one class, on which nothing can be trained.

    Returns:
        The parts. Class ids follow the sorted names of the classes.

    Raises:
        UserError: if a file is missing or broken, a record cannot be used (and `skip_bad` is off), a label is missing
            or there is one class only; the message names the file and the record.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "b.fa").write_text(">1\nacgt\n")
        ...     _ = (Path(folder) / "a.fa").write_text(">2\nTTTT\n>3\nCC\n")
        ...     data = load_splits(folder).train
        >>> data.classes, data.labels.tolist(), data.sequences
        (('a', 'b'), [0, 0, 1], ('TTTT', 'CC', 'ACGT'))
    """
    path, options = Path(path), options or LoadOptions()
    if not path.exists() and not is_pipe(path):
        raise UserError(f"{path}: no such file or folder: check the path")
    refuse = Refuse(options.skip_bad, left_out, notes)
    if not path.is_dir() and is_archive(path):
        return assemble(read_archive(path, refuse), "classes", _BY_NAME.names, str(path), refuse, to_train)
    with nullcontext() if options.reference is None else Reference(Path(options.reference)) as reference:
        reading = Reading(options, reference, refuse)
        sources = (find_parts(path) if path.is_dir() else {}) or {"train": path}
        parts: dict[Part, list[Labelled]] = {}
        columns = _BY_NAME
        for part, source in sources.items():
            parts[part], found = _read(source, reading)
            if part == "train":
                columns = found
            elif found.names != columns.names:
                raise UserError(
                    f"{source}: its labels are {', '.join(found.names)}, those of training are "
                    f"{', '.join(columns.names)}: use the same columns in each part"
                )
    if len(sources) == 1:
        parts = divided_by_column(parts["train"], path, refuse)
        if len(parts) == 1 and (unread := _unread_parts(path, columns.names)) is not None:
            for _ in parts["train"]:
                refuse.note(
                    f"has a part's name in column {unread!r}, which is not used: to divide by it, call it 'split'"
                )
    return assemble(parts, columns.kind, columns.names, str(path), refuse, to_train)


def read_all(
    paths: Iterable[str | os.PathLike[str]],
    options: LoadOptions | None = None,
    left_out: list[str] | None = None,
    notes: Counter[str] | None = None,
) -> Iterator[Record]:
    r"""Yield the records of files, one at a time: FASTA, FASTQ, GenBank, one a line, a column of a table, or intervals.

    Args:
        paths: the files, plain or compressed with gzip or bgzip, one after the other; their content tells the format.
            `-` is standard input.
        options: what the files do not say; the reference of intervals among them.
        left_out: with `skip_bad`, the message of each record that is left out is appended.
        notes: see `load_splits`. A record of an earlier one's name has its number behind it.

    Raises:
        UserError: if a file is missing or broken, or a record cannot be used; the message names the record.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a.fa").write_text(">one\nacgu\n>two\nNNAC\n")
        ...     [(record.name, record.sequence) for record in read_all([Path(folder) / "a.fa"])]
        [('one', 'ACGT'), ('two', 'NNAC')]
    """
    options = options or LoadOptions()
    with nullcontext() if options.reference is None else Reference(Path(options.reference)) as reference:
        reading = Reading(options, reference, Refuse(options.skip_bad, left_out, notes))
        yield from distinct((record for path in paths for record in records_of(Path(path), reading)), reading.refuse)


def _read(source: Path, reading: Reading) -> tuple[list[Labelled], LabelColumns]:
    """The records of one part: a table, or a folder of classes."""
    if not source.is_dir():
        return labelled_table(source, reading)
    kind = reading.options.kind
    if kind not in (None, "classes"):
        raise UserError(f"{source}: a folder gives classes by the names of its files, kind {kind!r} needs a table")
    labelled: list[Labelled] = []
    classes = find_classes(source)
    _check_alike([file for files in classes.values() for file in files])
    for name, files in classes.items():
        for file in files:
            refuse_labels(file)
            labelled += [Labelled(record, (name,)) for record in records_of(file, reading)]
    return labelled, _BY_NAME


def _unread_parts(path: Path, labels: Sequence[str]) -> str | None:
    """Return the column of a table that names several parts in all its rows, and is not called as one that does."""
    if path.is_dir() or find_format(path) != "table":
        return None
    table = open_table(path)
    others = [number for number, name in enumerate(table.columns) if name.lower() not in SPLIT and name not in labels]
    found: dict[int, set[Part]] = {number: set() for number in others}
    for row in table.rows(Refuse(skip_bad=True)):
        for number in list(found):
            if (part := part_of(row.cells[number])) is None:
                del found[number]
            else:
                found[number].add(part)
        if not found:  # of most tables after the first row
            return None
    return next((table.columns[number] for number, named in found.items() if len(named) > 1), None)


def _check_alike(files: list[Path]) -> None:
    """Refuse intervals beside whole sequences, such as the genome that they lie on, which is no class."""
    forms = {file: find_format(file) for file in files}
    intervals = next((file for file, form in forms.items() if form in ("bed", "gff")), None)
    other = next((file for file, form in forms.items() if form not in ("bed", "gff", "table")), None)
    if intervals is not None and other is not None:
        raise UserError(
            f"{other.parent}: {intervals.name} holds intervals and {other.name} sequences, and each file is a class: "
            f"if {other.name} is the genome, move it elsewhere and name it by --reference"
        )
