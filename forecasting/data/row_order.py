"""Rows in order of series and time."""

from typing import Any, cast

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .assembling import SeriesRows
from .columns import Roles
from .id_columns import looks_merged
from .pandas_columns import column_of
from .source import Source
from .time_grid import TimeGrid
from .wording import counted, enumerate_some


def plain_index(values: object) -> pd.Index:
    """Return different values as an index of their own kind."""
    found: Any = values
    index = cast(pd.Index, pd.Index(np.asarray(found) if found.dtype == object else found))
    return pd.Index(np.asarray(index, dtype=object)) if isinstance(index, pd.CategoricalIndex) else index


def number_series(frame: pd.DataFrame, roles: Roles, source: Source) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Return the number of each row's series, in the order of the ids, and the ids; none for a wide table."""
    if not roles.id:
        return np.zeros(len(frame), dtype=np.int64), []
    key = np.zeros(len(frame), dtype=np.int64)
    levels: list[pd.Index] = []
    for name in roles.id:
        codes, found = _ordered_codes(column_of(frame, name))
        empty = np.flatnonzero(codes < 0)
        if len(empty):
            raise UserError(
                f"{source.at(frame.index[empty[0]])}: no id in column {name!r} "
                f"({counted(len(empty), 'such row')}): give each row its id"
                + (", by filling each one down: the cells look merged" if looks_merged(column_of(frame, name)) else "")
            )
        key = key * len(found) + codes
        levels.append(found)
    series, keys = pd.factorize(key, sort=True)
    series = series.astype(np.int32)
    ids: list[tuple[str, ...]] = []
    for one in keys:
        parts: list[str] = []
        for level in reversed(levels):
            one, at = divmod(int(one), len(level))
            parts.append(str(level[at]))
        ids.append(tuple(reversed(parts)))
    return series, ids


def _ordered_codes(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """The number of each cell among the different ones in ascending order, -1 for an empty one, and these."""
    if column.dtype == object and pd.api.types.infer_dtype(column).startswith("mixed"):
        column = column.map(str, na_action="ignore")  # as in a spreadsheet, where 1 and "b" are cells of one column
    codes, values = pd.factorize(column)
    found = plain_index(values)
    order = np.argsort(found.to_numpy(), kind="stable")
    places = np.empty(len(order) + 1, dtype=np.int64)
    places[order], places[-1] = np.arange(len(order)), -1
    return places[codes], found[order]


def order_rows(
    grid: TimeGrid,
    series: np.ndarray,
    numbers: np.ndarray,
    positions: np.ndarray,
    names: pd.Index,
    ids: list[tuple[str, ...]],
) -> SeriesRows:
    """Return the rows in order of series and time; rows of one time keep their order."""
    key = series.astype(np.int64) * len(grid.index) + grid.codes
    codes = grid.codes
    if (np.diff(key) < 0).any():
        order = np.argsort(key, kind="stable")
        series, codes, numbers, positions = series[order], codes[order], numbers[order], positions[order]
    ends = np.searchsorted(series, np.arange(len(names) + 1))
    return SeriesRows(grid.index[codes], numbers, positions, ends, tuple(names), tuple(ids))


def without_empty_series(rows: SeriesRows, targets: int, roles: Roles) -> tuple[SeriesRows, list[str]]:
    """Return the rows without those of series that have no value at all, where others have."""
    if not roles.id:
        return rows, []
    filled = ~np.isnan(rows.numbers[:, :targets]).all(axis=1)
    counts = np.add.reduceat(filled, rows.ends[:-1])
    gone = np.flatnonzero(counts == 0)
    if not len(gone) or len(gone) == len(rows.names):
        return rows, []
    kept_series = counts > 0
    kept = np.repeat(kept_series, np.diff(rows.ends))
    sizes = np.diff(rows.ends)[kept_series]
    at = np.flatnonzero(kept_series)
    named = enumerate_some([repr(rows.names[i]) for i in gone], 5)
    return SeriesRows(
        rows.index[kept],
        rows.numbers[kept],
        rows.positions[kept],
        np.concatenate([[0], np.cumsum(sizes)]),
        tuple(rows.names[i] for i in at),
        tuple(rows.ids[i] for i in at),
    ), [f"left out {counted(len(gone), 'series')} without any value: {named}"]
