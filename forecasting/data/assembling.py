"""From the rows of one series to an `Item`: repair or refuse its faults, part targets from covariates."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .columns import Roles
from .frequency import snap
from .grid import Rows, describe_duplicates, describe_holes, fill_holes, full_grid, merge_duplicates
from .options import FrameOptions
from .series import Item
from .source import Source


@dataclass(frozen=True)
class Repairs:
    """What was done to the rows of one series, as counts for a note."""

    moved: int
    merged: int
    inserted: int


def assemble(
    name: str, rows: Rows, freq: str | None, roles: Roles, options: FrameOptions, source: Source
) -> tuple[Item, Repairs]:
    """Make an item of the rows of one series.

    Args:
        name: name of the item.
        rows: rows in order of time; columns are targets, known, past in the order of `roles`.
        freq: step of dates, None for step numbers.
        roles: the columns.
        options: how faults are met.
        source: where the rows come from.

    Raises:
        UserError: for duplicates and holes that are to be refused, rows off the grid, a series without
            values, a covariate with an empty cell.
    """
    start = rows
    if freq is not None and isinstance(rows.index, pd.DatetimeIndex):
        rows = Rows(snap(rows.index, freq), rows.numbers, rows.positions)
    merged = merge_duplicates(rows, options.duplicates)
    faults = [describe_duplicates(merged, source)]
    once = merge_duplicates(merged, "first")
    if faults[0] and roles.id is None and 2 * len(once.index) <= len(merged.index):
        faults[0] += "; if the rows are of several series, name their column as id"
    grid = full_grid(once, freq, source)
    if options.holes == "refuse":
        faults.append(describe_holes(once, grid, source))
    found = [fault for fault in faults if fault]
    if found:
        raise UserError(f"{source.name}: {'. Also, '.join(found)}")
    whole = fill_holes(once, grid, options.holes, len(roles.targets))
    repairs = Repairs(
        moved=int((rows.index != start.index).sum()),
        merged=len(rows.index) - len(once.index),
        inserted=len(whole.index) - len(once.index),
    )
    return _part(name, Rows(grid, whole.numbers, whole.positions), roles, source), repairs


def _part(name: str, rows: Rows, roles: Roles, source: Source) -> Item:
    targets, known = len(roles.targets), len(roles.known)
    values = rows.numbers[:, :targets]
    empty = np.flatnonzero(np.isnan(values).all(axis=0))
    if len(empty):
        raise UserError(
            f"{source.name}: column {roles.targets[empty[0]]!r} has no value at all: leave it out of target, "
            "or look at what marks its missing values"
        )
    # Without known covariates, rows after the last value tell nothing, so they stay steps without a value.
    length = int(np.flatnonzero(~np.isnan(values).all(axis=1))[-1]) + 1 if known else len(values)
    item_known = rows.numbers[:, targets : targets + known]
    item_past = rows.numbers[:length, targets + known :]
    _refuse_empty(item_known, roles.known, rows, "known", source)
    _refuse_empty(item_past, roles.past, rows, "past", source)
    return Item(name, _index(rows.index[:length]), values[:length].copy(), item_known.copy(), item_past.copy())


def _index(index: pd.Index) -> pd.DatetimeIndex | pd.RangeIndex:
    if isinstance(index, pd.DatetimeIndex | pd.RangeIndex):
        return index
    raise TypeError(f"expected dates or a range of steps, got {type(index).__name__}")


def _refuse_empty(numbers: np.ndarray, names: tuple[str, ...], rows: Rows, part: str, source: Source) -> None:
    row, column = next(zip(*np.nonzero(np.isnan(numbers)), strict=True), (None, None))
    if row is None or column is None:
        return
    # An inserted row has no line of its own; the one before it is named.
    before = rows.positions[: row + 1]
    place = source.at(before[before >= 0][-1])
    raise UserError(
        f"{place}, column {names[column]!r}: a {part} covariate has no value, and covariates are not masked: "
        "fill the cell, set holes to fill-missing or interpolate, or leave the column out"
    )
