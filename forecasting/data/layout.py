"""Where the header of a text table stands, and what parts its cells."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from titans_seq.errors import UserError

from .options import TableOptions
from .wording import counted

_SNIFFED_LINES = 60
_DATED = re.compile(r"\d{4}[-/]\d\d?\b|\d\d?[-/]\d{4}$|\d\d?[-/.]\d\d?[-/.]\d{2,4}\b")
"""How the days and months are written that columns are called by."""


_SEPARATORS = ("\t", ";", ",", "|")


@dataclass(frozen=True)
class Layout:
    """How the lines of a text make a table.

    Args:
        separator: between cells.
        header: number of the header's line, from 0.
        names: the columns.
        notes: what was found rather than told.
    """

    separator: str
    header: int
    names: tuple[str, ...]
    notes: tuple[str, ...]


def find_layout(path: str, raw: bytes, options: TableOptions) -> Layout:
    """Find the header and the separator of a text.

    Raises:
        UserError: if no line can be the header.
    """
    end = -1
    for _ in range(_SNIFFED_LINES + (options.skip_rows or 0)):
        end = raw.find(b"\n", end + 1)
        if end < 0:
            break
    lines = (raw if end < 0 else raw[:end]).decode("utf-8").splitlines()
    if options.separator == " ":
        lines = [" ".join(line.split()) for line in lines]
    notes: list[str] = []
    first = options.skip_rows or 0
    declared = re.fullmatch(r'"?sep=(.)"?;*', lines[first].strip(), re.IGNORECASE) if first < len(lines) else None
    if declared:
        first += 1
    separator = options.separator or (declared[1] if declared else None)
    if options.skip_rows is not None and not declared:
        header = first
        separator = separator or _separator(lines[first:])[0]
    else:
        separator, header = _separator(lines[first:], separator)
        header += first
    if header >= len(lines):
        raise UserError(f"{path}: line {header + 1} is to be the header, and there is none: give another --skip-rows")
    if header > (1 if declared else 0) and options.skip_rows is None:
        notes.append(
            f"{counted(header - bool(declared), 'line')} above the header {'is' if header == 1 else 'are'} left out"
        )
    line = " ".join(lines[header].split()) if separator == " " else lines[header]
    names = [name.strip() for name in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]
    _check_header(path, names, header)
    if separator != ",":
        notes.append(f"cells are separated by {separator!r}")
    if any("\N{REPLACEMENT CHARACTER}" in name for name in names):
        notes.append("some column names hold a replacement sign: an earlier program lost their letters")
    named = tuple(name or f"Unnamed: {at}" for at, name in enumerate(names))
    return Layout(separator, header, named, tuple(notes))


def _separator(lines: Sequence[str], given: str | None = None) -> tuple[str, int]:
    """The separator that cuts most lines into equally many cells, from the first line on; and the line of names."""
    best, best_header, score = given or ",", next((at for at, line in enumerate(lines) if line.strip()), 0), (0.0, 0, 1)
    for separator in (given,) if given else _SEPARATORS:
        rows = [next(csv.reader([line], delimiter=separator, skipinitialspace=True), []) for line in lines]
        widths = [
            0 if line.startswith("#") or not line.strip() else len(row) for line, row in zip(lines, rows, strict=True)
        ]
        counts = Counter(width for width in widths if width)
        if not counts:
            continue
        # The cells that most lines have; a comma within numbers cuts lines unequally.
        width = max(counts, key=lambda w: (counts[w], w))
        share = counts[width] / sum(counts.values())
        # Signs that are part of the values ("1,5" or "Monday, May 1") do not cut the names above them.
        found = (round(share, 1), -widths.index(width), width)
        if width > 1 and share >= 0.5 and found > score:
            best, score, best_header = separator, found, _header(rows, widths, width)
    if not score[0] and not given and lines:
        # No separator cuts the lines alike: the header alone says which it is.
        best = max((",", ";", "\t", "|"), key=lines[best_header].count)
        blanks = [len(line.split()) for line in lines if line.strip() and not line.startswith("#")]
        if not lines[best_header].count(best) and len(blanks) > 2 and min(blanks) == max(blanks) > 1:
            return " ", best_header
    return best, best_header


def _header(rows: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> int:
    """The last line of names before the first of values; where values come first, the line before them."""
    wide = [at for at in range(len(rows)) if widths[at] == width]
    cells = {at: [cell.strip() for cell in rows[at]] for at in wide}
    values = next((at for at in wide if any(map(_is_value, cells[at]))), len(rows))
    names = [at for at in wide if at < values and all(cells[at])]
    if names:
        return names[-1]
    said = next((at for at in wide if not cells[at][0].endswith(":")), wide[0])
    if said != wide[0] and all(cells[said]) and not any(map(_is_value, cells[said])):
        return said  # Lines such as "station:,12" stand above it.
    if all(_is_value(cell) for cell in cells[wide[0]] if cell):
        before = [at for at in range(wide[0]) if widths[at] > 1]
        return before[-1] if before else wide[0]
    return wide[0]


def sheet_header(path: str, rows: Sequence[Sequence[str]], full: int) -> int:
    """Return the row of names in a sheet: the first full one, or one above it where that holds values.

    Args:
        path: of the file, for messages.
        rows: the cells of the rows up to the one below `full`, all as many; "" for an empty one.
        full: the first row that is about as full as any.

    Raises:
        UserError: if values alone stand there, and no names above them.

    Example:
        >>> rows = [["Sales", "", ""], ["day", "", "sold"], ["2024-01-01", "7", "100"], ["2024-01-02", "7", "90"]]
        >>> sheet_header("a.xlsx", rows, 2)
        1
    """
    if not _is_row_of_values(rows, full):
        return full
    above = [at for at in range(full) if sum(map(bool, rows[at])) > 1 and not any(map(_is_value, rows[at]))]
    if not above and all(map(_is_value, rows[full])):
        raise UserError(
            f"{path}: row {full + 1} holds values ({', '.join(rows[full][:3])}), not names: put a row of names above"
        )
    return above[-1] if above else full


def _is_row_of_values(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Whether a row holds values where the next one does, and words where that does; years and the like are names."""
    values = [cell for cell in rows[at] if _is_value(cell)]
    if not values or at + 1 >= len(rows) or _count_up(values):
        return False
    pairs = [(cell, below) for cell, below in zip(rows[at], rows[at + 1], strict=True) if cell and below]
    return all(_is_value(cell) == _is_value(below) for cell, below in pairs)


def _count_up(cells: Sequence[str]) -> bool:
    """Whether cells are years, numbers in their order or dates, as the names of columns are."""
    if not all(cell.isdecimal() for cell in cells):
        return len(cells) > 1 and all(map(_DATED.match, cells))
    numbers = [int(cell) for cell in cells]
    steps = {later - one for one, later in zip(numbers, numbers[1:], strict=False)}
    years = all(1700 <= number <= 2261 for number in numbers) and min(steps, default=0) > 0
    return years or (len(numbers) > 2 and steps == {1})


def _check_header(path: str, names: Sequence[str], header: int) -> None:
    named = [name for name in names if name]
    line = header + 1
    if not named:
        raise UserError(f"{path}: line {line} names no column: expected a header line")
    twice = sorted({name for name in named if named.count(name) > 1}) if len(set(named)) < len(named) else []
    if twice:
        raise UserError(f"{path}: column {twice[0]!r} occurs {named.count(twice[0])} times in the header: rename one")
    # Numbered columns ("date,0,1" or "0,1,2") and years are names; all else that reads as a row of values is one.
    numbered = named == [str(number) for number in range(len(named))]
    if all(_is_value(name) for name in named) and not numbered:
        raise UserError(
            f"{path}: line {line} holds values ({', '.join(named[:3])}), not names: put a header line before it"
        )


def _is_value(text: str) -> bool:
    text = text.removeprefix("'")  # by which spreadsheets keep text
    return bool(re.fullmatch(r"[-+]?\d*[.,]?\d+(e[-+]?\d+)?|\d+[-/.]\d+([-/.]\d+)?([ T].*)?", text, re.IGNORECASE))
