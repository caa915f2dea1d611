"""The text of a table: where its header stands, what parts its cells, and the cells as they are written."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from titans_seq.errors import UserError

from .options import TableOptions
from .source import counted, enumerate_some

pc: Any = pyarrow.compute  # whose functions are made when it is imported

_SNIFFED_LINES = 60
_SEPARATORS = ("\t", ";", ",", "|")
_DIRECT_COLUMNS = 64
"""Tables with more columns are read as numbers at once: no identifier stands among so many."""
_TEXT = pa.large_string()
_REPEATED = pa.dictionary(pa.int32(), pa.string())
_IRREGULAR = re.compile(rb"\n[ \t]*\r?\n(?=\s*\S)|\n#")
"""Empty lines between rows, and comments."""


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


@dataclass(frozen=True, eq=False)
class TextTable:
    """Cells as they are written.

    Args:
        frame: one row of text for each line of data, or of numbers where a table has many columns.
        layout: how the text makes a table.
        lines: the line of each row, from 1, where they do not follow each other.
        notes: what was left out or mended.
    """

    frame: pd.DataFrame
    layout: Layout
    lines: Sequence[int] | None
    notes: tuple[str, ...]


def read_text_table(path: str, raw: bytes, options: TableOptions) -> TextTable:
    r"""Read the cells of a text table.

    Args:
        path: for messages.
        raw: the file, in UTF-8 without a mark.
        options: how the text is written.

    Raises:
        UserError: if there is no header, or a row has more cells than it.

    Example:
        >>> table = read_text_table("a.csv", b"# station 12\nday|mm\n01|007\n", TableOptions())
        >>> table.frame["mm"].tolist(), table.layout.notes[0]
        (['007'], '1 line above the header is left out')
    """
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    layout = find_layout(path, raw, options)
    begin = _line_start(raw, layout.header + 1)
    if not raw[begin : begin + 4096].strip() and not raw[begin:].strip():
        raise UserError(f"{path}: the file holds a header and no rows of data")
    if _IRREGULAR.search(raw, max(begin - 1, 0)):
        frame = None
    else:
        frame = _fast(raw, begin, layout)
    if frame is not None:
        return TextTable(frame, layout, None, ())
    frame, lines, notes = _slow(path, raw[begin:], layout)
    return TextTable(frame, layout, lines, notes)


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
    names = [name.strip() for name in next(csv.reader([lines[header]], delimiter=separator))]
    _check_header(path, names, header)
    if separator != ",":
        notes.append(f"cells are separated by {separator!r}")
    if any("\N{REPLACEMENT CHARACTER}" in name for name in names):
        notes.append("some column names hold a replacement sign: an earlier program lost their letters")
    named = tuple(name or f"Unnamed: {at}" for at, name in enumerate(names))
    return Layout(separator, header, named, tuple(notes))


def _separator(lines: Sequence[str], given: str | None = None) -> tuple[str, int]:
    """The separator that cuts most lines into equally many cells, the most; and the first of those lines."""
    best, best_header, score = given or ",", next((at for at, line in enumerate(lines) if line.strip()), 0), (0.0, 1)
    for separator in (given,) if given else _SEPARATORS:
        rows = [next(csv.reader([line], delimiter=separator), []) for line in lines]
        widths = [
            0 if line.startswith("#") or not line.strip() else len(row) for line, row in zip(lines, rows, strict=True)
        ]
        counts = Counter(width for width in widths if width)
        if not counts:
            continue
        # The cells that most lines have; a comma within numbers cuts lines unequally.
        width = max(counts, key=lambda w: (counts[w], w))
        share = counts[width] / sum(counts.values())
        if width > 1 and (share >= 0.5) and (round(share, 1), width) > score:
            best, score, best_header = separator, (round(share, 1), width), _header(rows, widths, width)
    if score == (0.0, 1) and not given and lines:
        # No separator cuts the lines alike: the header alone says which it is.
        best = max((",", ";", "\t", "|"), key=lines[best_header].count)
    return best, best_header


def _header(rows: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> int:
    """The last line of names before the first of values; where values come first, the line before them."""
    wide = [at for at in range(len(rows)) if widths[at] == width]
    cells = {at: [cell.strip() for cell in rows[at]] for at in wide}
    values = next((at for at in wide if any(map(_is_value, cells[at]))), len(rows))
    names = [at for at in wide if at < values and all(cells[at])]
    if names:
        return names[-1]
    if all(_is_value(cell) for cell in cells[wide[0]] if cell):
        before = [at for at in range(wide[0]) if widths[at] > 1]
        return before[-1] if before else wide[0]
    return wide[0]


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
    return bool(re.fullmatch(r"[-+]?\d*[.,]?\d+(e[-+]?\d+)?|\d+[-/.]\d+([-/.]\d+)?([ T].*)?", text, re.IGNORECASE))


def _line_start(raw: bytes, number: int) -> int:
    """Where a line begins, the end of the text for one that it does not have."""
    at = 0
    for _ in range(number):
        at = raw.find(b"\n", at) + 1
        if not at:
            return len(raw)
    return at


def _fast(raw: bytes, begin: int, layout: Layout) -> pd.DataFrame | None:
    """The cells, by Arrow; None for what it does not read as it should."""
    many = len(layout.names) > _DIRECT_COLUMNS
    repeated = _repeated(raw, begin, layout)
    texts = {name: _REPEATED if name in repeated else _TEXT for name in layout.names}
    numbers = {name: pa.float64() if at >= 2 else texts[name] for at, name in enumerate(layout.names)}
    for types in (numbers, texts) if many else (texts,):
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(pa.py_buffer(raw).slice(begin)),
                pyarrow.csv.ReadOptions(use_threads=False, column_names=list(layout.names), block_size=8 << 20),
                pyarrow.csv.ParseOptions(delimiter=layout.separator, newlines_in_values=b'"' in raw),
                pyarrow.csv.ConvertOptions(
                    column_types=types,
                    null_values=["", "NA", "NaN", "nan", "null", "NULL", "None", "N/A"] if many else [""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid:
            continue
        return _frame(table, spaces=_has_outer_spaces(raw, layout.separator))
    return None


def _repeated(raw: bytes, begin: int, layout: Layout) -> set[str]:
    """Columns whose cells recur, such as identifiers and times: their texts are kept once each."""
    lines = raw[begin : begin + (1 << 18)].splitlines()[:-1]
    rows = list(csv.reader((line.decode("utf-8", "replace") for line in lines[:2000]), delimiter=layout.separator))
    if len(rows) < 200 or len(layout.names) > _DIRECT_COLUMNS:
        return set()
    cells = [[row[at] for row in rows if at < len(row)] for at in range(len(layout.names))]
    return {name for name, own in zip(layout.names, cells, strict=True) if len(set(own)) < len(own) / 2}


def _frame(table: pa.Table, spaces: bool) -> pd.DataFrame:
    columns = {}
    for name in table.column_names:
        column = table[name]
        if column.type == _TEXT:
            columns[name] = _text(column, spaces)
        elif column.type == _REPEATED:
            columns[name] = _categories(column)
        else:
            columns[name] = pd.Series(column.combine_chunks().to_numpy(zero_copy_only=False), copy=False)
    return pd.DataFrame(columns, copy=False)


def _text(cells: pa.ChunkedArray, spaces: bool) -> pd.Series:
    """Cells without spaces around them; an empty one is missing."""
    if spaces:
        cells = pc.utf8_trim_whitespace(cells)
        cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, _TEXT), cells)
    return pd.Series(pd.array(pa.chunked_array(cells), dtype=pd.StringDtype("pyarrow")), copy=False)


def _categories(cells: pa.ChunkedArray) -> pd.Series:
    """The same of cells whose texts are kept once each."""
    whole = cells.unify_dictionaries().combine_chunks()
    texts = [text.strip() for text in whole.dictionary.to_pylist()]
    names = list(dict.fromkeys(text for text in texts if text))
    places = {text: at for at, text in enumerate(names)} | {"": -1}
    codes = whole.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    codes = np.array([*(places[text] for text in texts), -1], dtype=np.int32)[codes]
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=object)), copy=False)


def _has_outer_spaces(raw: bytes, separator: str) -> bool:
    """Whether a cell begins or ends with a space."""
    if b" " not in raw:
        return False
    mark = separator.encode()
    return (
        any(pair in raw for pair in (mark + b" ", b" " + mark, b" \n", b" \r", b"\n ", b'" ', b' "'))
        or raw[-1:] == b" "
    )


def _slow(path: str, body: bytes, layout: Layout) -> tuple[pd.DataFrame, list[int], tuple[str, ...]]:
    """The cells, row by row: comments are left out, empty and short lines filled."""
    width = len(layout.names)
    rows: list[list[str | None]] = []
    lines: list[int] = []
    comments = short = 0
    text = body.decode("utf-8").rstrip("\r\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.separator, skipinitialspace=True)
    line = layout.header + 2
    try:
        for cells in reader:
            begun, line = line, layout.header + 2 + reader.line_num
            if cells and cells[0].startswith("#") and (len(cells) != width or cells[0][1:2] in (" ", "#")):
                comments += 1
                continue
            if len(cells) > width:
                if any(cell.strip() for cell in cells[width:]):
                    raise UserError(_too_wide(path, begun, cells, layout))
                cells = cells[:width]
            short += 0 < len(cells) < width and any(cell.strip() for cell in cells)
            rows.append([cell.strip() or None for cell in cells] + [None] * (width - len(cells)))
            lines.append(begun)
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read as a table with separator {layout.separator!r}: {error}") from error
    if not rows:
        raise UserError(f"{path}: the file holds a header and no rows of data")
    notes = [f"{counted(comments, 'line')} of comment left out"] if comments else []
    if short:
        notes.append(f"{counted(short, 'row')} shorter than the header: the cells after the last count as empty")
    table = pa.table({name: pa.chunked_array([column], _TEXT) for name, column in _columns(layout.names, rows)})
    return _frame(table, spaces=False), lines, tuple(notes)


def _columns(names: Sequence[str], rows: list[list[str | None]]) -> Iterable[tuple[str, list[str | None]]]:
    for at, name in enumerate(names):
        yield name, [row[at] for row in rows]


def _too_wide(path: str, line: int, cells: Sequence[str], layout: Layout) -> str:
    width = len(layout.names)
    return (
        f"{path}, line {line}: {len(cells)} cells, and the header names {width} "
        f"({enumerate_some(list(layout.names), 4)}): name every column, remove the separator at the end of the rows, "
        "quote cells that hold the separator, or give --separator, or --skip-rows if the header stands further down"
    )
