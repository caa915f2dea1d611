"""Columns that are the same in all rows of a series: a region, a category, a size."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .id_columns import is_text
from .numbers import to_numbers
from .options import FrameOptions
from .pandas_columns import column_of
from .series import Static
from .table import Table
from .wording import enumerate_some


def read_static(
    frame: pd.DataFrame,
    names: Sequence[str],
    series: np.ndarray,
    labels: Sequence[str],
    options: FrameOptions,
    table: Table,
) -> tuple[dict[str, tuple[Static, ...]], list[str]]:
    """Read what static columns hold of each series; an empty cell says nothing, and the others must agree.

    Args:
        frame: the rows.
        names: of the columns.
        series: the number of each row's series.
        labels: what the series are called.
        options: what marks a missing value.
        table: where the rows come from, and how numbers are written.

    Returns:
        For each series a text or a number for each column, None where there is none; and notes.

    Raises:
        UserError: if a series has two values, or a cell among numbers is none.
    """
    columns: list[list[Static]] = []
    notes: list[str] = []
    for name in names:
        cells = column_of(frame, name)
        codes, values = pd.factorize(cells)
        filled = np.flatnonzero(codes >= 0)
        first = np.full(len(labels), -1)
        first[series[filled][::-1]] = codes[filled][::-1]
        other = filled[codes[filled] != first[series[filled]]]
        if len(other):
            at = int(series[other[0]])
            pair = f"{values[first[at]]!s} and {values[codes[other[0]]]!s}"
            raise UserError(
                f"{table.source.at(frame.index[other[0]])}: column {name!r} is named as static, and series "
                f"{labels[at]!r} has {pair} in it: name it with --known or --past, or leave it out"
            )
        found: list[Static] = [str(value).strip() for value in values]
        # A code such as 007 is a label, as it is in identifiers.
        if is_text(cells) or any(isinstance(text, str) and re.fullmatch(r"0\d+", text) for text in found):
            found = [None if text in {*map(str, options.missing_values), ""} else text for text in found]
        else:
            rows = pd.DataFrame({name: cells.iloc[[int(np.argmax(codes == code)) for code in range(len(values))]]})
            numbers = to_numbers(rows, [name], options.missing_values, table.source, table.style)
            found = [None if np.isnan(number) else float(number) for number in numbers.values[:, 0]]
            notes += numbers.notes
        columns.append([None if code < 0 else found[code] for code in first.tolist()])
    empty = [name for name, column in zip(names, columns, strict=True) if None in column]
    if empty:
        notes.append(f"{enumerate_some(empty)}: some series have no value there, and count as the average series")
    return dict(zip(labels, zip(*columns, strict=True), strict=True)) if columns else {}, notes
