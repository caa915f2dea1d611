"""The text of a table: where its header stands, what parts its cells, and the cells as they are written."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from titans_seq.errors import UserError

from .layout import Layout, find_layout
from .options import TableOptions
from .wording import counted, enumerate_some

pc: Any = pyarrow.compute  # whose functions are made when it is imported

_DIRECT_COLUMNS = 64
"""Tables with more columns are read as numbers at once: no identifier stands among so many."""
_TEXT = pa.large_string()
_REPEATED = pa.dictionary(pa.int32(), pa.string())
_IRREGULAR = re.compile(rb"\n[ \t]*\r?\n(?=\s*\S)|\n#")
"""Empty lines between rows, and comments."""


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
    if layout.separator == " ":
        raw = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", raw[begin:])
        raw, begin = re.sub(rb"[ \t]+", b" ", raw), 0
    if not raw[begin : begin + 4096].strip() and not raw[begin:].strip():
        raise UserError(f"{path}: the file holds a header and no rows of data")
    spaced = layout.separator != " " and raw.find(layout.separator.encode() + b' "', begin) >= 0
    if spaced or _IRREGULAR.search(raw, max(begin - 1, 0)):
        frame = None  # A quote behind a space quotes too.
    else:
        frame = _fast(raw, begin, layout, options)
    if frame is not None:
        return TextTable(frame, layout, None, ())
    frame, lines, notes = _slow(path, raw[begin:], layout)
    return TextTable(frame, layout, lines, notes)


def _line_start(raw: bytes, number: int) -> int:
    """Where a line begins, the end of the text for one that it does not have."""
    at = 0
    for _ in range(number):
        at = raw.find(b"\n", at) + 1
        if not at:
            return len(raw)
    return at


def _fast(raw: bytes, begin: int, layout: Layout, options: TableOptions) -> pd.DataFrame | None:
    """The cells, by Arrow; None for what it does not read as it should."""
    many = len(layout.names) > _DIRECT_COLUMNS and _are_plain(layout, options)
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
        if types is numbers and many and any(map(_has_decimal_comma, table.columns[:2])):
            continue  # By which the other columns are to be read.
        return _frame(table, spaces=_has_outer_spaces(raw, layout.separator))
    return None


def _are_plain(layout: Layout, options: TableOptions) -> bool:
    """Whether a point in a number is sure to be the decimal sign."""
    return options.thousands is None and (options.decimal == "." or (not options.decimal and layout.separator != ";"))


def _has_decimal_comma(cells: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells.cast(_TEXT), r"\d,\d")).as_py())


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
