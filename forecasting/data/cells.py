"""Cells to numbers: text, markers of missing values and infinities are met here and nowhere later."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .source import Source, counted
from .timestamps import column_of

# Values that measuring stations write for "no value"; only pointed out, never replaced unasked.
_SUSPECTS = (-9999.0, -999.0, -99.99)


def to_numbers(
    frame: pd.DataFrame, names: Sequence[str], missing_values: Sequence[float | str], source: Source
) -> tuple[np.ndarray, list[str]]:
    """The named columns as float64 [N, K], NaN where a cell is empty or holds a marker, with notes.

    Raises:
        UserError: for text or an infinite value in a cell, with its column and line.

    Example:
        >>> frame = pd.DataFrame({"a": ["1", "?"], "b": [2.0, -9999.0]})
        >>> numbers, notes = to_numbers(frame, ["a", "b"], ("?", -9999), Source.of(None))
        >>> numbers.tolist(), notes
        ([[1.0, 2.0], [nan, nan]], ['2 cells marked as missing'])
    """
    words = {str(mark) for mark in missing_values}
    marks = [float(word) for word in words if _is_number(word)]
    numbers = np.empty((len(frame), len(names)))
    marked = 0
    for at, name in enumerate(names):
        values, worded = _column(column_of(frame, name), name, words, source)
        hit = np.isin(values, marks)
        values[hit] = np.nan
        marked += int(hit.sum()) + worded
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            raise UserError(
                f"{source.at(frame.index[infinite[0]])}, column {name!r}: infinite value "
                f"({len(infinite)} in the column): "
                "correct the cells, or empty them to mark the values as missing"
            )
        numbers[:, at] = values
    notes = [f"{counted(marked, 'cell')} marked as missing"] if marked else []
    for suspect in _SUSPECTS:
        count = int((numbers == suspect).sum())
        if count:
            cells = f"{counted(count, 'cell')} of {suspect:g}"
            notes.append(f"{cells}, often a marker of missing values: if so, name it in missing_values")
    return numbers, notes


def _column(column: pd.Series, name: str, words: set[str], source: Source) -> tuple[np.ndarray, int]:
    """The numbers of a column and how many of its cells are a marker written as a word."""
    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True), 0
    if kind.kind in "mMc" or isinstance(kind, (pd.DatetimeTZDtype, pd.PeriodDtype)):
        raise UserError(
            f"{source.name}: column {name!r} holds {kind}, not numbers: leave it out of target, known and past"
        )
    marker = column.astype("string").str.strip().isin(words) & column.notna()
    column = column.astype(object).mask(marker)
    read: Any = pd.to_numeric(column, errors="coerce")
    values = read.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    wrong = np.flatnonzero(np.isnan(values) & column.notna().to_numpy())
    if len(wrong):
        whole = len(wrong) == column.notna().sum()
        remedy = (
            "name the columns to forecast as target, or this one as id if it tells series apart"
            if whole
            else "correct the cell, or give it as one of missing_values if it means that there is no value"
        )
        more = f" (and {len(wrong) - 1} more in this column)" if len(wrong) > 1 else ""
        raise UserError(
            f"{source.at(column.index[wrong[0]])}, column {name!r}: {str(column.iloc[wrong[0]])!r} "
            f"is not a number{more}: {remedy}"
        )
    return values, int(marker.sum())


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
