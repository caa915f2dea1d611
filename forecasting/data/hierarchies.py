"""Totals of series that identifiers of one or more columns part into levels: shops, regions of shops, all of them."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy import sparse

from titans_seq.errors import UserError

from .series import Item, SeriesData
from .wording import counted, enumerate_some, show_time

TOTAL = "(total)"
"""What stands in the identifier columns that a total goes over."""
LEVEL = "level"
"""The column that says which level a row is of."""


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The series of a table and all totals of them.

    Attributes:
        data: one item for every node: the total, then level by level, the series themselves last.
        summing: float64 `[N, M]`, sparse: which of the M series each of the N nodes adds up.
        levels: what the level of each node is called: "total", then the identifier columns down to it.
    """

    data: SeriesData
    summing: sparse.csr_array
    levels: tuple[str, ...]

    @property
    def series(self) -> int:
        """M, the number of series that the table holds."""
        return sum(level == self.levels[-1] for level in self.levels)

    def mark(self, frame: pd.DataFrame, times: int = 1) -> pd.DataFrame:
        """Say in a column `level`, behind the identifiers, which level each row of a forecast is of.

        Args:
            frame: with the same number of rows for each node, in their order.
            times: how often all nodes come behind each other.
        """
        each = len(frame) // (len(self.levels) * times)
        at = 1 if frame.columns[0] == "series" else len(self.data.id_columns)
        marked = frame.copy(deep=False)
        marked.insert(at, LEVEL, np.tile(np.repeat(np.array(self.levels, dtype=object), each), times))
        return marked

    def describe(self) -> str:
        """Return how many nodes each level has, such as "1 total, 2 area and 6 area/shop"."""
        return enumerate_some([f"{count:,} {name}" for name, count in Counter(self.levels).items()])


def add_totals(data: SeriesData) -> Hierarchy:
    """Add up the series at every level of their identifiers.

    Args:
        data: series of a long table. The first identifier column is the coarsest.

    Raises:
        UserError: if there is nothing to add up: no identifiers, one series, series that begin or end at different
            times, a missing value, or known covariates.

    Example:
        >>> from forecasting.data import FrameOptions, from_frame
        >>> rows = [(area, shop, day, 1.0) for area, shop in ("na", "nb", "sc") for day in ("2024-01-01", "2024-01-02")]
        >>> frame = pd.DataFrame(rows, columns=["area", "shop", "day", "sold"])
        >>> hierarchy = add_totals(from_frame(frame, FrameOptions(id=("area", "shop"), freq="D")))
        >>> [(item.ids, item.values[0, 0].item()) for item in hierarchy.data.items[:3]]
        [(('(total)', '(total)'), 3.0), (('n', '(total)'), 2.0), (('s', '(total)'), 1.0)]
    """
    _check(data)
    depth = len(data.id_columns)
    ids = [item.ids for item in data.items]
    nodes = [(level, *key) for level in range(depth) for key in dict.fromkeys(own[:level] for own in ids)]
    place = {node: row for row, node in enumerate(nodes)}
    rows = [place[level, *own[:level]] for level in range(depth) for own in ids]
    rows += range(len(nodes), len(nodes) + len(ids))
    columns = [*range(len(ids))] * (depth + 1)
    size = (len(nodes) + len(ids), len(ids))
    summing = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=size)
    values = np.stack([item.values for item in data.items])
    sums = (summing[: len(nodes)] @ values.reshape(len(ids), -1)).reshape(-1, *values.shape[1:])
    # A total of which a part was put into a hole was not observed.
    inserted = np.logical_or.reduce([item.inserted for item in data.items])
    first = data.items[0]
    paths = [[*(str(part) for part in node[1:]), TOTAL] for node in nodes]
    called = ["/".join(path) for path in paths]
    if len({*called, *(item.name for item in data.items)}) < len(called) + len(ids):  # identifiers hold it
        called = [" | ".join(path) for path in paths]
    totals = [
        Item(
            called[row],
            first.index,
            sums[row],
            np.zeros((first.length, 0)),
            np.zeros((first.length, 0)),
            (*cast(Any, node[1:]), *[TOTAL] * (depth - node[0])),
            inserted=inserted,
        )
        for row, node in enumerate(nodes)
    ]
    below = [replace(item, known=item.known[:, :0], past=item.past[:, :0], static=()) for item in data.items]
    names = ["/".join(data.id_columns[:level]) or "total" for level in range(depth + 1)]
    levels = [names[node[0]] for node in nodes] + [names[-1]] * len(ids)
    left = (*data.unused, *data.past_names, *data.static_names)
    whole = replace(data, items=(*totals, *below), known_names=(), past_names=(), static_names=(), unused=left)
    return Hierarchy(whole, summing, tuple(levels))


def _check(data: SeriesData) -> None:
    """Make sure that series can be added up.

    Raises:
        UserError: if they cannot.
    """
    if not data.id_columns or any(len(item.ids) != len(data.id_columns) for item in data.items):
        raise UserError(
            "a hierarchy goes by identifiers, and the file has none: name their columns with --id, the coarsest first"
        )
    if len(data.items) == 1:
        raise UserError(
            f"a hierarchy adds series up, and the file has one ({data.items[0].name}): leave --hierarchy out"
        )
    if LEVEL in {*data.id_columns, *data.time_columns}:
        raise UserError(f"the column {LEVEL!r} has the name of the one that will say which rows are totals: rename it")
    marked = [item.name for item in data.items if TOTAL in item.ids]
    if marked:
        raise UserError(f"series {marked[0]!r} is itself called a total, which is added up here: leave its rows out")
    if data.known_names:
        raise UserError(
            f"what is known ahead ({enumerate_some(data.known_names)}) has no total: leave out --known, or --hierarchy"
        )
    for what, at in (("begin", 0), ("end", -1)):
        times = [item.index[at] for item in data.items]
        far = max(times) if what == "begin" else min(times)
        apart = next((item for item in data.items if item.index[at] != far), None)
        if apart is not None:
            one = data.items[times.index(far)]
            raise UserError(
                f"series do not {what} together, and have no total there: {one.name!r} {what}s at {show_time(far)}, "
                f"{apart.name!r} at {show_time(apart.index[at])}: give all of them the same rows, 0 where nothing was"
            )
    missing = sum(int(np.isnan(item.values).sum()) for item in data.items)
    if missing:
        item = next(item for item in data.items if np.isnan(item.values).any())
        when = show_time(item.index[int(np.isnan(item.values).any(1).argmax())])
        raise UserError(
            f"series {item.name!r} has no value at {when} ({counted(missing, 'such value')}), and so its total has "
            "none: fill the cell, with 0 where nothing was"
        )
