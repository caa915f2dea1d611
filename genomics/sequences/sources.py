"""Records of one file: sequences, a table, or intervals with a reference; with or without labels."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from titans_seq.errors import UserError

from .alphabet import clean
from .bad_records import Refuse
from .entries import parse
from .formats import find_format
from .intervals import IntervalColumns, cut, interval_columns, interval_of, read_intervals
from .labels import Labelled, check_labels
from .options import LoadOptions
from .reference import Reference
from .tables import LABEL, NAME, ROW_NUMBER, SEQUENCE, SPLIT, Table, open_table
from .values import Interval, Kind, Record

LabelsOf = Callable[[Sequence[str], str], tuple[str, ...]]
"""The labels in the cells of a row, which a text names in messages."""

_NAME_COLUMN = "name"
_EXCEL_CELL = 32_767
_PLACE = re.compile(r"[^\s:]+:[0-9,]+-[0-9,]+\Z")


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

    def of(self, cells: Sequence[str], place: str) -> tuple[str, ...]:
        """Return the labels in a row, which `place` names in messages.

        Raises:
            UserError: if one cannot be used.
        """
        labels = tuple(cells[number] for number in self.numbers)
        check_labels(labels, self.names, self.kind, place)
        return labels


@dataclass(frozen=True)
class IntervalRow:
    """An interval with its row in the file, its labels, and what a column of parts says of it."""

    number: int
    interval: Interval
    labels: tuple[str, ...] = ()
    part: str = ""


def records_of(path: Path, reading: Reading) -> Iterator[Record]:
    """Read the records of a file, without labels.

    Raises:
        UserError: if the file cannot be read, or holds intervals and there is no reference.
    """
    form = find_format(path)
    if form == "table":
        table = open_table(path)
        yield from (held.record for held in _rows(table, _content(table, reading.options), reading, _no_labels))
    elif form in ("bed", "gff"):
        yield from (held.record for held in _cut_all(path, "record", _lines(path, form, reading), reading))
    else:
        yield from parse(path, form, reading.refuse)


def distinct(records: Iterable[Record], refuse: Refuse) -> Iterator[Record]:
    """Give records whose names came before another name, so that outputs can tell them apart; this is noted.

    Example:
        >>> records = [Record("s", "A", "a.fa", 1), Record("s", "C", "a.fa", 2)]
        >>> [record.name for record in distinct(records, Refuse())]
        ['s', 's#2']
    """
    seen: set[str] = set()
    for record in records:
        name, number = record.name, 2
        while name in seen:
            name, number = f"{record.name}#{number}", number + 1
        seen.add(name)
        if name != record.name:
            refuse.note("has the name of an earlier record, so a number was added to it, as in name#2")
            record = replace(record, name=name)
        yield record


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
    """Read the records of a file with the labels that stand beside them.

    Raises:
        UserError: if the file has no labels, or a column is missing.
    """
    form = find_format(path)
    if form in ("bed", "gff"):
        rows, columns = _labelled_lines(path, form, reading)
        return list(_cut_all(path, "record", rows, reading)), columns
    table, content, columns = _labelled(path, form, reading)
    rows = list(_rows(table, content, reading, columns.of))
    chosen = set(columns.names)
    if not reading.options.labels and columns.kind != "multilabel" and (others := _others(table, LABEL, chosen)):
        for _ in rows:
            reading.refuse.note(f"has its label in column {columns.names[0]!r}, not in {others[0]!r} (--label)")
    return rows, columns


def intervals_of(path: Path, reading: Reading) -> Iterator[Interval]:
    """Read the intervals of a file, without labels.

    Raises:
        UserError: if the file cannot be read, or holds no intervals.
    """
    form = find_format(path)
    if form in ("bed", "gff"):
        yield from (row.interval for row in _lines(path, form, reading))
        return
    table = open_table(path)
    columns = _intervals_in(table, _content(table, reading.options))
    yield from (row.interval for row in _intervals(table, columns, reading, _no_labels))


def labelled_intervals(path: Path, reading: Reading) -> Iterator[IntervalRow]:
    """Read the intervals of a file with the labels that stand beside them.

    Raises:
        UserError: if the file has no labels, or a column is missing.
    """
    form = find_format(path)
    if form in ("bed", "gff"):
        rows, columns = _labelled_lines(path, form, reading)
    else:
        table, content, columns = _labelled(path, form, reading)
        rows = _intervals(table, _intervals_in(table, content), reading, columns.of)
    if columns.kind != "classes":
        raise UserError(
            f"{path}: intervals alone can be compared by one label, a class; it has {', '.join(columns.names)}"
        )
    yield from rows


def _no_labels(cells: Sequence[str], place: str) -> tuple[str, ...]:
    return ()


def _labelled(path: Path, form: str, reading: Reading) -> tuple[Table, int | IntervalColumns, LabelColumns]:
    """Return a table, where its sequences or intervals stand, and where its labels do."""
    if form != "table":
        raise UserError(
            f"{path}: holds no labels: give a table with a column of sequences and one of labels, or a folder with one "
            "file or folder of sequences a class"
        )
    table = open_table(path)
    content = _content(table, reading.options)
    return table, content, _label_columns(table, content, reading.options)


def _labelled_lines(
    path: Path, form: Literal["bed", "gff"], reading: Reading
) -> tuple[list[IntervalRow], LabelColumns]:
    """Return the intervals of a BED file, whose column 4 is the class unless another column is named.

    Raises:
        UserError: if there is no such column, or each interval has a label of its own, which is then a name.
    """
    names = reading.options.labels or ((_NAME_COLUMN,) if form == "bed" else ())
    kind = reading.options.kind or ("multilabel" if len(names) > 1 else "classes")
    rows = []
    for line in read_intervals(path, form, reading.refuse):
        place = f"{path}, record {line.number}"
        if unknown := [name for name in names if name not in line.cells]:
            raise UserError(
                f"{place}: no column {unknown[0]!r} of labels: its columns are {', '.join(line.cells)}; name the one "
                "that holds the labels (--label), or give a folder with a file a class, such as pos.bed and neg.bed"
            )
        try:
            labels = tuple(line.cells[name] for name in names)
            check_labels(labels, names, kind, place)
        except UserError as error:
            reading.refuse(error)
        else:
            rows.append(IntervalRow(line.number, line.interval, labels))
    found = Counter(row.labels for row in rows)
    if not names or (not reading.options.labels and 2 * len(found) > len(rows)):
        seen = f" ({len(found):,} different names in column 4 of {len(rows):,} intervals)" if names else ""
        raise UserError(
            f"{path}: holds no labels{seen}: give a folder with a file a class, such as pos.bed and neg.bed, or name "
            "the column that holds them (--label)"
        )
    if not reading.options.labels:
        reading.refuse.note("has its class in column 4")
    return rows, LabelColumns((), names, kind)


def _lines(path: Path, form: Literal["bed", "gff"], reading: Reading) -> Iterator[IntervalRow]:
    return (IntervalRow(line.number, line.interval) for line in read_intervals(path, form, reading.refuse))


def _intervals_in(table: Table, content: int | IntervalColumns) -> IntervalColumns:
    if not isinstance(content, IntervalColumns):
        raise UserError(f"{table.path}: holds sequences, where the files before it hold intervals: keep to one of them")
    return content


def _content(table: Table, options: LoadOptions) -> int | IntervalColumns:
    """Return the column of sequences, or those of intervals."""
    if options.sequence is not None:
        return table.column(options.sequence)
    found = table.sequence
    if found is None:
        found = interval_columns(table)
    if found is None:
        split = ""
        if (place := _place_in_one_cell(table)) is not None:
            split = f"; places such as {place!r} are read from three columns: region, start (one less) and end"
        raise UserError(
            f"{table.path}: no column of sequences: expected one named sequence or seq, or the columns region, start "
            f"and end; its columns are {table.listed}; name the one that holds the sequences (--sequence){split}"
        )
    return found


def _place_in_one_cell(table: Table) -> str | None:
    """Return a cell of the first row that holds contig, first and last base, as browsers show them."""
    first = next(table.rows(Refuse(skip_bad=True)), None)
    return None if first is None else next((cell for cell in first.cells if _PLACE.match(cell)), None)


def _label_columns(table: Table, content: int | IntervalColumns, options: LoadOptions) -> LabelColumns:
    numbers = tuple(table.column(name) for name in options.labels)
    named = (content, table.find(NAME), table.find(ROW_NUMBER), table.find(SPLIT))
    others = tuple(number for number in range(len(table.columns)) if number not in named)
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


def _rows(table: Table, content: int | IntervalColumns, reading: Reading, labels_of: LabelsOf) -> Iterator[Labelled]:
    if isinstance(content, IntervalColumns):
        yield from _cut_all(table.path, "row", _intervals(table, content, reading, labels_of), reading)
        return
    named, split = table.find(NAME), table.find(SPLIT) if table.headed else None
    if named is None and not table.headed and labels_of is _no_labels and content > 0:
        named = 0
    others = [] if reading.options.sequence else _others(table, SEQUENCE, {table.columns[content]})
    for row in table.rows(reading.refuse):
        name = row.cells[named] if named is not None else ""
        place = f"{table.path}, row {row.number}" + (f" ({name})" if name else "")
        try:
            sequence = clean(row.cells[content], place, reading.refuse.note)
            labels = labels_of(row.cells, place)
        except UserError as error:
            reading.refuse(error)
        else:
            if len(row.cells[content]) == _EXCEL_CELL:
                reading.refuse.note(f"has {_EXCEL_CELL:,} letters, at which Excel cuts a cell off: its end may be lost")
            if others:
                chosen = table.columns[content]
                reading.refuse.note(f"has its sequence in column {chosen!r}, not in {others[0]!r} (--sequence)")
            record = Record(name or str(row.number), sequence, str(table.path), row.number)
            yield Labelled(record, labels, "" if split is None else row.cells[split])


def _others(table: Table, aliases: Sequence[str], chosen: set[str]) -> list[str]:
    """Return the columns that could be meant, too."""
    return [name for name in table.columns if table.headed and name.lower() in aliases and name not in chosen]


def _intervals(table: Table, columns: IntervalColumns, reading: Reading, labels_of: LabelsOf) -> Iterator[IntervalRow]:
    split = table.find(SPLIT)
    for row in table.rows(reading.refuse):
        place = f"{table.path}, row {row.number}"
        try:
            interval = interval_of(row, columns, place, reading.refuse)
            labels = labels_of(row.cells, place)
        except UserError as error:
            reading.refuse(error)
        else:
            yield IntervalRow(row.number, interval, labels, "" if split is None else row.cells[split])


def _cut_all(path: Path, unit: str, rows: Iterable[IntervalRow], reading: Reading) -> Iterator[Labelled]:
    """Return intervals with their sequences, in the order of the file."""
    reference = reading.reference
    if reference is None:
        raise UserError(f"{path}: holds intervals, not sequences: give the FASTA file of the genome (--reference)")
    found: dict[int, Labelled] = {}
    # One contig after the other, since the reference holds a few at a time.
    for row in sorted(rows, key=lambda row: row.interval.contig):
        try:
            where = f"{path}, {unit} {row.number}"
            sequence, place = cut(row.interval, reference, reading.options, where, reading.refuse)
        except UserError as error:
            reading.refuse(error)
        else:
            record = Record(row.interval.name, sequence, str(path), row.number, row.interval, place)
            found[row.number] = Labelled(record, row.labels, row.part)
    yield from (found[number] for number in sorted(found))
