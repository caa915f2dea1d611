"""Cells to numbers: text, markers of missing values, signs of money and infinities are met here and nowhere later."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from titans_seq.errors import UserError

from .number_texts import (
    NO_VALUE,
    NumberStyle,
    Writing,
    are_written_out,
    bare_number,
    is_plain_number,
    read_numbers,
    shown_decimal,
    written_numbers,
)
from .pandas_columns import column_of
from .plain_text import footnote_of
from .source import Source
from .timestamps import looks_like_dates, sample_of
from .wording import counted, enumerate_some

pc: Any = pyarrow.compute  # whose functions are made when it is imported

# Values that measuring stations write for "no value"; only pointed out, never replaced unasked.
_SUSPECTS = (-9999.0, -999.0, -99.99)
_MOST = 1e150
"""Largest magnitude: the square of a greater number is none."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """The columns of a table as numbers.

    Args:
        values: float64 [N, K], NaN where a cell is empty or holds a marker.
        notes: what was found.
        writings: how the columns of text that hold a number write them.
        style: how the table writes its numbers, with what its columns show.
    """

    values: np.ndarray
    notes: list[str]
    writings: dict[str, Writing]
    style: NumberStyle


def to_numbers(
    frame: pd.DataFrame,
    names: Sequence[str],
    missing_values: Sequence[float | str],
    source: Source,
    style: NumberStyle = NumberStyle(),
) -> Numbers:
    """Return the named columns as numbers; those that can be read in two ways as the other columns are written.

    Raises:
        UserError: for text, an infinite or a huge value in a cell, with its column and line; for numbers that can be
            read in two ways.

    Example:
        >>> frame = pd.DataFrame({"a": ["1", "?"], "b": [2.0, -9999.0], "c": ["$1,200.50", "$900"]})
        >>> numbers = to_numbers(frame, ["a", "b", "c"], ("?", -9999), Source.of(None))
        >>> numbers.values.tolist(), numbers.notes[0]
        ([[1.0, 2.0, 1200.5], [nan, nan, 900.0]], '2 cells marked as missing')
        >>> numbers.notes[1]
        "numbers in 'c': ',' between thousands; '$' is left out"
    """
    words = {str(mark) for mark in missing_values}
    marks = [float(word) for word in words if is_plain_number(word)]
    columns = {name: column_of(frame, name) for name in names}
    texts = {name: _cells(column, words, style) for name, column in columns.items() if _is_text(column)}
    if style.decimal is None and style.thousands is None:
        shown = frozenset(cells.shown for cells in texts.values() if cells.shown)
        style = replace(style, shown=shown | style.shown)
    numbers = np.empty((len(frame), len(names)), order="F")
    marked, told, doubts, writings = 0, dict[str, list[str]](), list[str](), dict[str, Writing]()
    for at, (name, column) in enumerate(columns.items()):
        if name in texts:
            alone = frame.shape[1] == 1
            values, worded, written = _text_column(column, name, texts.pop(name), words, source, style, alone)
            marked += worded
            if written is not None:
                writings[name] = written
                told.setdefault(written.told, []).append(name)
                doubts += [f"{written.doubt} ({name!r})"] if written.doubt else []
        else:
            values = _number_column(column, name, source)
        hit = np.isin(values, marks) if marks else np.zeros(len(values), dtype=bool)
        values[hit] = np.nan
        marked += int(hit.sum())
        _refuse_huge(values, frame.index, name, source)
        numbers[:, at] = values
    notes = [f"{counted(marked, 'cell')} marked as missing"] if marked else []
    notes += [f"numbers in {enumerate_some([repr(n) for n in own])}: {how}" for how, own in told.items() if how]
    notes += doubts
    for suspect in _SUSPECTS:
        count = int((numbers == suspect).sum())
        if count:
            cells = f"{counted(count, 'cell')} of {suspect:g}"
            notes.append(f"{cells}, often a marker of missing values: if so, name it with --missing-value")
    return Numbers(numbers, notes, writings, style)


def with_numbers(frame: pd.DataFrame, names: Sequence[str], style: NumberStyle) -> pd.DataFrame:
    """Return the table with text columns of numbers with exponents or thousands as numbers, for finding the time.

    Args:
        frame: the table.
        names: columns that may be the time.
        style: how the table writes its numbers.

    Example:
        >>> frame = pd.DataFrame({"at": ["1.7000e+09", "1.7001e+09"], "day": ["2024-01-01", "2024-01-02"]})
        >>> with_numbers(frame, ["at", "day"], NumberStyle())["at"].tolist()
        [1700000000, 1700100000]
    """
    found = {}
    for name in names:
        column = column_of(frame, name)
        if _is_text(column) and (sample := sample_of(column)) and are_written_out(sample):
            codes, values = pd.factorize(column)
            numbers = None if looks_like_dates(column) else written_numbers([str(value) for value in values], style)
            if numbers is not None:
                whole = bool((codes >= 0).all() and (numbers % 1 == 0).all() and np.abs(numbers).max() < 2**63)
                numbers = numbers.astype(np.int64) if whole else np.append(numbers, np.nan)
                found[name] = pd.Series(numbers[codes], index=frame.index)
    return frame.assign(**found) if found else frame


def _is_text(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column.dtype) and (
        column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)
    )


def _number_column(column: pd.Series, name: str, source: Source) -> np.ndarray:
    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    raise UserError(
        f"{source.name}: column {name!r} holds {kind}, not numbers: leave it out of --target, --known and --past"
    )


def _refuse_huge(values: np.ndarray, positions: pd.Index, name: str, source: Source) -> None:
    with np.errstate(invalid="ignore"):
        huge = np.flatnonzero(np.abs(values) > _MOST)
    if not len(huge):
        return
    place = f"{source.at(positions[huge[0]])}, column {name!r}"
    if np.isinf(values[huge[0]]):
        raise UserError(
            f"{place}: infinite value ({len(huge)} in the column): "
            "correct the cells, or empty them to mark the values as missing"
        )
    raise UserError(
        f"{place}: {values[huge[0]]:g} is too large, its square is no number any more: give the column in another "
        "unit, or leave it out of --target, --known and --past"
    )


@dataclass(frozen=True, eq=False)
class _Cells:
    """A column of text.

    Args:
        texts: its texts, those that differ where there are codes; in Arrow's form where they are numbers.
        codes: the number of each row's text, -1 for an empty cell; None where every row has its own.
        values: the cells as numbers, None if one is not written as programs write them.
        shown: the decimal sign that the cells leave no doubt of.
        doubtful: whether a point in them can be the decimal sign or stand between thousands.
        typed: whether some are numbers with a fraction, and no text, as in a spreadsheet.
    """

    texts: list[str] | pa.LargeStringArray
    codes: np.ndarray | None
    values: np.ndarray | None
    shown: str | None
    doubtful: bool
    typed: bool = False


def _cells(column: pd.Series, words: set[str], style: NumberStyle) -> _Cells:
    typed = False
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        cells = pa.array([str(text) for text in column.cat.categories], type=pa.large_string())
    else:
        if column.dtype == object:
            typed = not all(isinstance(cell, str | int) for cell in column.dropna())
            column = column.where(column.notna(), None).map(_plain_text, na_action="ignore")
        codes, cells = None, pa.array(column, type=pa.large_string(), from_pandas=True)
        cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    values = _cast(cells) if style.plain else None
    if values is not None:
        pointed = style.decimal is None and not typed and bool(pc.any(pc.match_substring(cells, ".")).as_py())
        doubtful = pointed and _all_groups(cells, ".")
        return _Cells(cells, codes, values, "." if pointed and not doubtful else None, doubtful)
    texts, codes = _different(cells, codes)
    bare = [bare_number(text) for text in texts if text not in NO_VALUE and text not in words]
    return _Cells(texts, codes, None, shown_decimal(bare) if bare and not typed else None, False, typed)


def _different(cells: pa.LargeStringArray, codes: np.ndarray | None) -> tuple[list[str], np.ndarray]:
    """The different texts, and the number of each row's, -1 for an empty cell."""
    if codes is None:
        encoded = cells.dictionary_encode()
        codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
        cells = encoded.dictionary
    return [str(text).strip() for text in cells.to_pylist()], codes


def _text_column(
    column: pd.Series, name: str, given: _Cells, words: set[str], source: Source, style: NumberStyle, alone: bool
) -> tuple[np.ndarray, int, Writing | None]:
    """The numbers of a column, how many cells are a marker written as a word, and how the numbers are written.

    None is written where no cell holds a number.
    """
    texts, codes = given.texts, given.codes
    asks = given.doubtful and (style.shown != {"."} if style.shown else style.semicolons)
    if given.values is not None and not asks:
        written = Writing("." if given.shown or given.doubtful else None)
        return given.values if codes is None else np.append(given.values, np.nan)[codes], 0, written
    if codes is None or not isinstance(texts, list):
        texts, codes = _different(texts, codes)
    empty = [text in NO_VALUE for text in texts]
    marked = [not gone and text in words for gone, text in zip(empty, texts, strict=True)]
    kept = [at for at in range(len(texts)) if not empty[at] and not marked[at]]
    style = replace(style, decimal=style.decimal or ".") if given.typed else style
    numbers, written = read_numbers([bare_number(texts[at]) for at in kept], name, source, style)
    # The last place is that of empty cells, whose code is -1.
    table = np.full(len(texts) + 1, np.nan)
    table[kept] = numbers
    wrong = np.zeros(len(texts) + 1, dtype=bool)
    wrong[[at for at, value in zip(kept, numbers, strict=True) if np.isnan(value)]] = True
    at = np.flatnonzero(wrong[codes])
    if len(at):
        _refuse_text(column, name, at, source, alone)
    return table[codes], int(np.array([*marked, False])[codes].sum()), written if kept else None


def _cast(cells: pa.LargeStringArray) -> np.ndarray | None:
    """The cells as numbers, None if one is not written as programs write them."""
    try:
        values = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        gone = pc.is_in(cells, pa.array(NO_VALUE, pa.large_string()))
        try:
            values = pc.cast(pc.if_else(gone, None, cells), pa.float64())
        except pa.ArrowInvalid:
            return None
    return values.to_numpy(zero_copy_only=False).copy()


def _plain_text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)


def _all_groups(cells: pa.LargeStringArray, sign: str) -> bool:
    """Whether every cell with such a sign could have it between thousands, and there is one."""
    signed = cells.filter(pc.match_substring(cells, sign))
    groups = pc.match_substring_regex(signed, rf"^\s*[-+]?[1-9]\d{{0,2}}(\{sign}\d{{3}})+\s*$")
    return len(signed) > 0 and bool(pc.all(groups).as_py())


def _units(column: pd.Series) -> list[str]:
    """The different signs of money or units about the numbers of a column, none where a cell is no such number."""
    texts = [str(text) for text in column.dropna().unique()[:50]]
    found = [re.fullmatch(r"(\D*?)[-+]?\d[\d.,]*(\D*)", text.strip()) for text in texts]
    return sorted({(match[1] or match[2]).strip() for match in found if match}) if all(found) else []


def _refuse_text(column: pd.Series, name: str, wrong: np.ndarray, source: Source, alone: bool) -> None:
    whole = len(wrong) == column.notna().sum()
    cell = str(column.iloc[wrong[0]])
    units = _units(column)
    raised = footnote_of(cell)
    if raised and re.search(r"\d", cell):
        remedy = f"{raised} is a footnote or a sign of its own, not a digit: take it out of the cell"
    elif whole and alone:
        remedy = "if the column is several, name what parts them with --separator"
    elif whole and len(units) > 1:
        remedy = f"the cells bear different signs or units ({enumerate_some(units, 3)}): bring them to one"
    elif whole:
        remedy = (
            "name the columns to forecast with --target, or this one with --id if it tells series apart; words as a "
            "covariate need a column of 0 and 1 each"
        )
    else:
        given = f" (--missing-value={cell})" if cell.startswith("-") else ""
        remedy = f"correct the cell, or give it as --missing-value if it means that there is no value{given}"
    if not raised and re.search(r"\d", cell) and not re.search(r"[^\W\d_]{3}", cell):
        remedy += "; for another way of writing numbers see --decimal and --thousands"
    more = f" (and {len(wrong) - 1} more in this column)" if len(wrong) > 1 else ""
    raise UserError(f"{source.at(column.index[wrong[0]])}, column {name!r}: {cell!r} is not a number{more}: {remedy}")
