"""Tables: CSV and TSV files, plain or gzipped, whose columns are found by the names that people give them."""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from titans_seq.errors import UserError

from .alphabet import IUPAC
from .bad_records import Refuse
from .formats import is_remark, names_columns
from .opening import BROKEN_GZIP, broken_gzip, open_text, read_head

ROW_NUMBER = ("", "unnamed: 0", "index", "row.names")
"""Names of the column with the numbers of the rows, as pandas and R write it."""
SEQUENCE = ("sequence", "seq", "dna_sequence", "dna", "text")
LABEL = ("label", "labels", "class", "target", "y")
NAME = ("id", "name", "record", "seq_id", "sequence_id")
SPLIT = ("split", "part", "partition", "subset", "set")

_SHORTEST = 8
_SHOWN = 12

# A sequence may be longer than the 131,072 letters that the csv module takes for one cell unless told otherwise.
csv.field_size_limit(sys.maxsize)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        number: its place among the rows of data, from 1.
        cells: what stands in it, white space at the ends removed.
    """

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Read a table file, of which the first line has been looked at.

    Args:
        path: the file.
        separator: what stands between two cells.
        columns: names from the header; "column 1" and so on if the first line already holds a sequence. The name of
            what R writes before each row, without a name in the header, is empty.
        headed: whether there is a header.
        first: the first row of data of a table without a header.
        above: lines above all this, comments for instance, that are not empty.
    """

    path: Path
    separator: str
    columns: tuple[str, ...]
    headed: bool
    first: tuple[str, ...]
    above: int = 0

    def find(self, aliases: Sequence[str]) -> int | None:
        """Return the number of the column with the first of some names that occurs, in any case; None if none does."""
        lower = [name.lower() for name in self.columns]
        return next((lower.index(alias) for alias in aliases if alias in lower), None)

    def column(self, name: str) -> int:
        """Return the number of the column of a given name.

        Raises:
            UserError: if there is none.
        """
        if name not in self.columns:
            raise UserError(f"{self.path}: no column {name!r}: its columns are {self.listed}")
        return self.columns.index(name)

    @property
    def sequence(self) -> int | None:
        """Number of the column of sequences, by its name or, without a header, by what stands in it."""
        if self.headed:
            return self.find(SEQUENCE)
        return next(number for number, cell in enumerate(self.first) if _is_sequence(cell))

    @property
    def listed(self) -> str:
        """The names of the columns, for a message."""
        more = ", ..." if len(self.columns) > _SHOWN else ""
        return ", ".join(map(repr, self.columns[:_SHOWN])) + more

    def rows(self, refuse: Refuse) -> Iterator[Row]:
        """Yield the rows of data; empty lines are left out.

        Args:
            refuse: what to do about a row with too few or too many cells.

        Raises:
            UserError: if the file is cut short; from `refuse` also if a row does not fit the columns.
        """
        number = 0
        with open_text(self.path) as stream:
            reader = csv.reader(stream, delimiter=self.separator)
            try:
                for line, cells in enumerate(row for row in reader if row):
                    if line < self.above + self.headed:
                        continue
                    number += 1
                    if len(cells) == len(self.columns):
                        yield Row(number, tuple(cell.strip() for cell in cells))
                    else:
                        refuse(
                            UserError(
                                f"{self.path}, row {number} (line {reader.line_num}): {len(cells)} cells, but "
                                f"there are {len(self.columns)} columns: correct the row"
                            )
                        )
            except BROKEN_GZIP as error:
                raise broken_gzip(self.path, f"row {number + 1}", error) from error
            except csv.Error as error:
                raise UserError(f"{self.path}, row {number + 1}: not a table ({error}): write it again") from error


def open_table(path: Path) -> Table:
    """Look at the first lines of a table: its separator (tab, comma, semicolon, blank), its columns, whether named.

    Raises:
        UserError: if the file cannot be opened, is empty, or names a column twice.
    """
    lines = [line for line in read_head(path).split("\n") if line.strip()]
    above = _lines_above(lines)
    lines = lines[above:]
    if not lines:
        raise UserError(f"{path}: the file is empty: expected a header with a column 'sequence', and rows")
    separator = max("\t,;", key=lines[0].count)
    if separator not in lines[0] and names_columns(lines[0].split(" ")):
        separator = " "  # as R's write.table has it
    first = tuple(cell.strip() for cell in next(csv.reader([lines[0].removeprefix("#")], delimiter=separator)))
    if any(map(_is_sequence, first)):
        return Table(
            path, separator, tuple(f"column {number}" for number in range(1, len(first) + 1)), False, first, above
        )
    twice = sorted({name for name in first if first.count(name) > 1})
    if twice:
        raise UserError(f"{path}: column {twice[0]!r} occurs {first.count(twice[0])} times in the header: rename one")
    return Table(path, separator, ("", *first) if _row_names(lines, separator) else first, True, (), above)


def _lines_above(lines: Sequence[str]) -> int:
    """Return how many lines of remarks stand above a table; the last may be the header, after a "#"."""
    above = next((number for number, line in enumerate(lines) if not is_remark(line)), len(lines))
    if 0 < above < len(lines) and lines[above - 1].startswith("#"):
        head, row = lines[above - 1].removeprefix("#"), lines[above]
        separator = max("\t,;", key=row.count)
        if separator not in row and head.count(" ") == row.count(" "):
            separator = " "
        above -= names_columns([cell.strip() for cell in head.split(separator)])
    return above


def _row_names(lines: Sequence[str], separator: str) -> bool:
    """Say whether rows begin with a cell that the header does not name, as R writes the names of rows."""
    header, *rows = csv.reader(lines[:3], delimiter=separator)
    return bool(rows) and all(len(row) == len(header) + 1 and row[-1] and not _is_sequence(row[0]) for row in rows)


def _is_sequence(cell: str) -> bool:
    return len(cell) >= _SHORTEST and set(cell.upper()) <= set(IUPAC + "U")
