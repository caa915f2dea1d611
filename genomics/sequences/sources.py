"""The records of one file: sequences, a table, or intervals with a reference; with or without labels."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from titans_seq.errors import UserError

from .alphabet import clean
from .bad_records import Refuse
from .formats import find_format, parse
from .intervals import Interval, IntervalColumns, cut, interval_columns, interval_of, read_bed
from .labels import Labelled, check_labels
from .options import LoadOptions
from .reference import Reference
from .tables import LABEL, NAME, Row, Table, open_table
from .values import Kind, Record


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Args:
        options: what the files do not say.
        reference: the genome of intervals, if there is one.
        refuse: what to do about a record that cannot be used.
    """

    options: LoadOptions
    reference: Reference | None
    refuse: Refuse


@dataclass(frozen=True)
class LabelColumns:
    """Numbers and names of the columns of labels, and what the labels are."""

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    kind: Kind

    def of(self, row: Row, place: str) -> tuple[str, ...]:
        """The labels in a row, which `place` names in messages; refused if one cannot be used."""
        labels = tuple(row.cells[number] for number in self.numbers)
        check_labels(labels, self.names, self.kind, place)
        return labels


def records_of(path: Path, reading: Reading) -> Iterator[Record]:
    """The records of a file, without labels.

    Raises:
        UserError: if the file cannot be read, or holds intervals and there is no reference.
    """
    form = find_format(path)
    if form == "table":
        table = open_table(path)
        yield from (held.record for held in _rows(table, _content(table, reading.options), reading, lambda *_: ()))
    elif form == "bed":
        intervals = ((number, interval, ()) for number, interval in read_bed(path, reading.refuse))
        yield from (held.record for held in _cut_all(path, "record", intervals, reading))
    else:
        yield from parse(path, form, reading.refuse)


def refuse_labels(path: Path) -> None:
    """Refuse a table with labels where the name of a file is that of its class.

    Raises:
        UserError: if the file is one.
    """
    if find_format(path) != "table":
        return
    table = open_table(path)
    if table.headed and table.find(LABEL) is not None:
        raise UserError(
            f"{path}: has a column of labels, but the files of a folder are a class each unless they are named train, "
            "dev and test: give the file itself, or name the parts so"
        )


def labelled_table(path: Path, reading: Reading) -> tuple[list[Labelled], LabelColumns]:
    """The records of a table with the labels that stand beside them.

    Raises:
        UserError: if the file is no table, or a column is missing.
    """
    table, content, columns = _labelled(path, reading)
    return list(_rows(table, content, reading, columns.of)), columns


def intervals_of(path: Path, reading: Reading) -> Iterator[Interval]:
    """The places in a file, without labels.

    Raises:
        UserError: if the file cannot be read, or holds no intervals.
    """
    if find_format(path) == "bed":
        yield from (interval for _, interval in read_bed(path, reading.refuse))
        return
    table = open_table(path)
    columns = _places_in(table, _content(table, reading.options))
    yield from (interval for _, interval, _ in _intervals(table, columns, reading, lambda *_: ()))


def labelled_intervals(path: Path, reading: Reading) -> Iterator[tuple[Interval, tuple[str, ...]]]:
    """The places in a table with the labels that stand beside them.

    Raises:
        UserError: if the file is no table, or a column is missing.
    """
    table, content, columns = _labelled(path, reading)
    if columns.kind != "classes":
        raise UserError(
            f"{path}: places alone can be compared by one label, a class; it has {', '.join(columns.names)}"
        )
    found = _intervals(table, _places_in(table, content), reading, columns.of)
    yield from ((interval, labels) for _, interval, labels in found)


def _labelled(path: Path, reading: Reading) -> tuple[Table, int | IntervalColumns, LabelColumns]:
    """A table, where its sequences or intervals stand, and where its labels do."""
    if find_format(path) != "table":
        raise UserError(
            f"{path}: holds no labels: give a table with a column of sequences and one of labels, or a folder with one "
            "file or folder of sequences a class"
        )
    table = open_table(path)
    content = _content(table, reading.options)
    return table, content, _label_columns(table, content, reading.options)


def _places_in(table: Table, content: int | IntervalColumns) -> IntervalColumns:
    if not isinstance(content, IntervalColumns):
        raise UserError(f"{table.path}: holds sequences, where the files before it hold intervals: keep to one of them")
    return content


def _content(table: Table, options: LoadOptions) -> int | IntervalColumns:
    """The column of sequences, or those of intervals."""
    if options.sequence is not None:
        return table.column(options.sequence)
    found = table.sequence
    if found is None:
        found = interval_columns(table)
    if found is None:
        raise UserError(
            f"{table.path}: no column of sequences: expected one named sequence or seq, or the columns region, start "
            f"and end; its columns are {table.listed}; name the one that holds the sequences (--sequence)"
        )
    return found


def _label_columns(table: Table, content: int | IntervalColumns, options: LoadOptions) -> LabelColumns:
    numbers = tuple(table.column(name) for name in options.labels)
    others = tuple(number for number in range(len(table.columns)) if number != content and number != table.find(NAME))
    if not numbers and table.headed and options.kind != "multilabel":
        found = table.find(LABEL)
        numbers = () if found is None else (found,)
    elif not numbers:
        numbers = others
    if not numbers:
        raise UserError(
            f"{table.path}: no column of labels: expected one named label or class; its columns are {table.listed}; "
            "name the one, or the several, that hold labels (--label)"
        )
    kind = options.kind or ("multilabel" if len(numbers) > 1 else "classes")
    return LabelColumns(numbers, tuple(table.columns[number] for number in numbers), kind)


def _rows(
    table: Table,
    content: int | IntervalColumns,
    reading: Reading,
    labels_of: Callable[[Row, str], tuple[str, ...]],
) -> Iterator[Labelled]:
    if isinstance(content, IntervalColumns):
        intervals = _intervals(table, content, reading, labels_of)
        yield from _cut_all(table.path, "row", intervals, reading)
        return
    named = table.find(NAME)
    for row in table.rows(reading.refuse):
        name = row.cells[named] if named is not None else ""
        place = f"{table.path}, row {row.number}" + (f" ({name})" if name else "")
        try:
            sequence = clean(row.cells[content], place)
            labels = labels_of(row, place)
        except UserError as error:
            reading.refuse(error)
        else:
            yield Labelled(Record(name or str(row.number), sequence, str(table.path), row.number), labels)


def _intervals(
    table: Table,
    columns: IntervalColumns,
    reading: Reading,
    labels_of: Callable[[Row, str], tuple[str, ...]],
) -> Iterator[tuple[int, Interval, tuple[str, ...]]]:
    for row in table.rows(reading.refuse):
        place = f"{table.path}, row {row.number}"
        try:
            interval, labels = interval_of(row, columns, place), labels_of(row, place)
        except UserError as error:
            reading.refuse(error)
        else:
            yield row.number, interval, labels


def _cut_all(
    path: Path, unit: str, intervals: Iterable[tuple[int, Interval, tuple[str, ...]]], reading: Reading
) -> Iterator[Labelled]:
    """Intervals with their sequences, in the order of the file."""
    reference = reading.reference
    if reference is None:
        raise UserError(f"{path}: holds intervals, not sequences: give the FASTA file of the genome (--reference)")
    found: dict[int, Labelled] = {}
    # One contig after the other, since the reference holds a few at a time.
    for number, interval, labels in sorted(intervals, key=lambda item: item[1].contig):
        try:
            sequence = cut(interval, reference, reading.options.window, f"{path}, {unit} {number}")
        except UserError as error:
            reading.refuse(error)
        else:
            found[number] = Labelled(Record(interval.name, sequence, str(path), number), labels)
    yield from (found[number] for number in sorted(found))
