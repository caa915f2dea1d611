"""Cells to numbers: text, markers of missing values, signs of money and infinities are met here and nowhere later."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from titans_seq.errors import UserError

from .number_texts import NO_VALUE, NumberStyle, bare_number, is_plain_number, read_numbers
from .source import Source, column_of, counted, enumerate_some

pc: Any = pyarrow.compute  # whose functions are made when it is imported

# Values that measuring stations write for "no value"; only pointed out, never replaced unasked.
_SUSPECTS = (-9999.0, -999.0, -99.99)
_MOST = 1e150
"""Largest magnitude: the square of a greater number is none."""


def to_numbers(
    frame: pd.DataFrame,
    names: Sequence[str],
    missing_values: Sequence[float | str],
    source: Source,
    style: NumberStyle = NumberStyle(),
) -> tuple[np.ndarray, list[str]]:
    """The named columns as float64 [N, K], NaN where a cell is empty or holds a marker, with notes.

    Raises:
        UserError: for text, an infinite or a huge value in a cell, with its column and line; for numbers that can be
            read in two ways.

    Example:
        >>> frame = pd.DataFrame({"a": ["1", "?"], "b": [2.0, -9999.0], "c": ["$1,200.50", "$900"]})
        >>> numbers, notes = to_numbers(frame, ["a", "b", "c"], ("?", -9999), Source.of(None))
        >>> numbers.tolist(), notes[0]
        ([[1.0, 2.0, 1200.5], [nan, nan, 900.0]], '2 cells marked as missing')
        >>> notes[1]
        "numbers in 'c': ',' between thousands; '$' is left out"
    """
    words = {str(mark) for mark in missing_values}
    marks = [float(word) for word in words if is_plain_number(word)]
    numbers = np.empty((len(frame), len(names)), order="F")
    marked, told = 0, dict[str, list[str]]()
    for at, name in enumerate(names):
        column = column_of(frame, name)
        if _is_text(column):
            values, worded, how = _text_column(column, name, words, source, style, frame.shape[1] == 1)
            marked += worded
            if how:
                told.setdefault(how, []).append(name)
        else:
            values = _number_column(column, name, source)
        hit = np.isin(values, marks) if marks else np.zeros(len(values), dtype=bool)
        values[hit] = np.nan
        marked += int(hit.sum())
        _refuse_huge(values, frame.index, name, source)
        numbers[:, at] = values
    notes = [f"{counted(marked, 'cell')} marked as missing"] if marked else []
    notes += [f"numbers in {enumerate_some([repr(n) for n in columns])}: {how}" for how, columns in told.items()]
    for suspect in _SUSPECTS:
        count = int((numbers == suspect).sum())
        if count:
            cells = f"{counted(count, 'cell')} of {suspect:g}"
            notes.append(f"{cells}, often a marker of missing values: if so, name it with --missing-value")
    return numbers, notes


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


def _text_column(
    column: pd.Series, name: str, words: set[str], source: Source, style: NumberStyle, alone: bool
) -> tuple[np.ndarray, int, str]:
    """The numbers of a column, how many cells are a marker written as a word, and how the numbers are written."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        cells = pa.array([str(text) for text in column.cat.categories], type=pa.large_string())
    else:
        if column.dtype == object:
            column = column.where(column.notna(), None).map(_plain_text, na_action="ignore")
        codes, cells = None, pa.array(column, type=pa.large_string(), from_pandas=True)
        cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    asks = style.semicolons and style.decimal is None and _all_groups(cells, ".")
    values = _cast(cells) if style.plain and not asks else None
    if values is not None:
        return values if codes is None else np.append(values, np.nan)[codes], 0, ""
    if codes is None:
        encoded = cells.dictionary_encode()
        cells, codes = encoded.dictionary, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    found = cells.to_pylist()
    texts = [str(text).strip() for text in found]
    empty = [text in NO_VALUE for text in texts]
    marked = [not gone and text in words for gone, text in zip(empty, texts, strict=True)]
    bare = [bare_number(text) for text in texts]
    kept = [at for at in range(len(texts)) if not empty[at] and not marked[at]]
    numbers, how = read_numbers([bare[at] for at in kept], name, source, style)
    # The last place is that of empty cells, whose code is -1.
    table = np.full(len(texts) + 1, np.nan)
    table[kept] = numbers
    wrong = np.zeros(len(texts) + 1, dtype=bool)
    wrong[[at for at, value in zip(kept, numbers, strict=True) if np.isnan(value)]] = True
    at = np.flatnonzero(wrong[codes])
    if len(at):
        _refuse_text(column, name, at, source, alone)
    return table[codes], int(np.array([*marked, False])[codes].sum()), how


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
    if whole and alone:
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
    if re.search(r"\d", cell) and not re.search(r"[^\W\d_]{3}", cell):
        remedy += "; for another way of writing numbers see --decimal and --thousands"
    more = f" (and {len(wrong) - 1} more in this column)" if len(wrong) > 1 else ""
    raise UserError(f"{source.at(column.index[wrong[0]])}, column {name!r}: {cell!r} is not a number{more}: {remedy}")
