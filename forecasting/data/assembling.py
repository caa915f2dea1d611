"""From the rows of all series to items: those on their grid at once, the others one by one, repaired or refused."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .calendars import calendar_of
from .columns import Roles
from .date_parts import date_part
from .frequency import base_times, period_of, phases
from .grid import Rows, describe_duplicates, describe_holes, fill_holes, full_grid, merge_duplicates
from .options import FrameOptions
from .series import Item
from .source import Source

_FAULTS_SHOWN = 3


@dataclass(frozen=True)
class Repairs:
    """What was done to the rows, as counts for a note."""

    merged: int = 0
    inserted: int = 0
    filled: int = 0


@dataclass(frozen=True, eq=False)
class SeriesRows:
    """The rows of all series, in order of series and time.

    Args:
        index: time of each row, [N].
        numbers: float64 [N, K]: targets, known, past in the order of the roles.
        positions: where each row lies in the source, [N].
        ends: first row of each series, and N, [S + 1].
        names: of the series, [S].
        ids: their identifiers in the columns that tell them apart, S tuples; empty for a wide table.
        left_out: rows of each series that were left out at its end as they hold no value, [S]; None for none.
    """

    index: pd.Index
    numbers: np.ndarray
    positions: np.ndarray
    ends: np.ndarray
    names: tuple[str, ...]
    ids: tuple[tuple[str, ...], ...]
    left_out: np.ndarray | None = None

    def of(self, at: int) -> Rows:
        """Return the rows of one series."""
        part = slice(int(self.ends[at]), int(self.ends[at + 1]))
        return Rows(self.index[part], self.numbers[part], self.positions[part])


def assemble(
    rows: SeriesRows, freq: str | None, roles: Roles, options: FrameOptions, source: Source
) -> tuple[tuple[Item, ...], Repairs]:
    """Make an item of each series.

    Args:
        rows: the rows.
        freq: step of dates, None for step numbers.
        roles: the columns.
        options: how faults are met.
        source: where the rows come from.

    Raises:
        UserError: for duplicates and holes that are to be refused, rows off the grid, a series without
            values, a covariate with an empty cell.
    """
    items: list[Item] = []
    faults: list[str] = []
    done = Repairs()
    shared: dict[tuple[object, object, int], pd.Index] = {}
    even = _even(rows, freq)
    for at, name in enumerate(rows.names):
        one = rows.of(at)
        place = source if not roles.id else replace(source, name=f"{source.name}, series {name!r}")
        try:
            if even[at] and (options.holes == "refuse" or not np.isnan(one.numbers[:, len(roles.targets) :]).any()):
                index = one.index if isinstance(one.index, pd.DatetimeIndex) else _range(one.index)
                # Series of the same dates share one index: making and checking one takes longer than all else.
                index = shared.setdefault((index[0], index[-1], len(index)), index)
                whole = Rows(index, one.numbers, one.positions)
            else:
                whole, one_done = _repair(one, freq, roles, options, place)
                done = Repairs(
                    done.merged + one_done.merged, done.inserted + one_done.inserted, done.filled + one_done.filled
                )
            left_out = 0 if rows.left_out is None else int(rows.left_out[at])
            items.append(_part(name, rows.ids[at] if rows.ids else (), whole, left_out, roles, place))
        except UserError as error:
            faults.append(str(error))
    if faults:
        left = len(faults) - _FAULTS_SHOWN
        more = [f"{left} more series {'is' if left == 1 else 'are'} refused"] if left > 0 else []
        raise UserError("\n".join(faults[:_FAULTS_SHOWN] + more))
    return tuple(items), done


def _even(rows: SeriesRows, freq: str | None) -> np.ndarray:
    """For each series whether its rows are whole steps, one after the other."""
    if isinstance(rows.index, pd.DatetimeIndex) and freq is not None:
        calendar = calendar_of(freq)
        times = base_times(rows.index, freq)
        numbers, phase, size = calendar.number(times), phases(calendar, times), calendar.size
    else:
        numbers, size = rows.index.to_numpy(), None
        phase = np.zeros_like(numbers)
    good = np.ones(len(rows.names), dtype=bool)
    steps = np.diff(numbers)
    within = np.ones(len(steps), dtype=bool)
    within[rows.ends[1:-1] - 1] = False
    if size is None:
        # Step numbers may count by any step, each series by its own.
        first = steps[np.minimum(rows.ends[:-1], len(steps) - 1)] if len(steps) else steps
        own = np.repeat(first, np.diff(rows.ends))[: len(steps)] if len(steps) else steps
        wrong = within & ((steps != own) | (steps <= 0))
    else:
        wrong = within & ((steps != size) | (np.diff(phase) != 0))
    series = np.repeat(np.arange(len(rows.names)), np.diff(rows.ends))
    good[series[:-1][wrong]] = False
    return good


def _range(steps: pd.Index) -> pd.RangeIndex:
    numbers = steps.to_numpy()
    first, step = int(numbers[0]), int(numbers[1] - numbers[0]) if len(numbers) > 1 else 1
    return pd.RangeIndex(first, first + step * len(steps), step)


def _repair(rows: Rows, freq: str | None, roles: Roles, options: FrameOptions, source: Source) -> tuple[Rows, Repairs]:
    """The rows of one series on its grid.

    Raises:
        UserError: for what is not to be repaired.
    """
    merged = merge_duplicates(rows, options.duplicates)
    faults = [describe_duplicates(merged, source)]
    once = merge_duplicates(merged, "first")
    if faults[0] and not roles.id and 2 * len(once.index) <= len(merged.index):
        faults[0] += "; if the rows are of several series, name their column with --id"
    elif faults[0] and _put_back(once, rows, freq):
        faults[0] += "; if the clock was put back there, name the zone with --time-zone"
    elif faults[0] and roles.id:
        faults[0] += "; if another column too tells the series apart, name both with --id"
    grid = full_grid(once, freq, source)
    if options.holes == "refuse":
        faults.append(describe_holes(once, grid, source))
        if faults[-1] and _put_forward(once, grid, freq):
            faults[-1] += "; if the clock was put forward there, name the zone with --time-zone"
    found = [fault for fault in faults if fault]
    if found:
        raise UserError(f"{source.name}: {'. Also, '.join(found)}")
    whole = fill_holes(once, grid, options.holes, len(roles.targets), len(roles.past))
    empty = int(np.isnan(once.numbers[:, len(roles.targets) :]).sum()) if options.holes != "refuse" else 0
    repairs = Repairs(len(rows.index) - len(once.index), len(whole.index) - len(once.index), empty)
    return Rows(grid, whole.numbers, whole.positions), repairs


def _put_back(once: Rows, rows: Rows, freq: str | None) -> bool:
    """Whether few times occur twice, as where a clock is put back in autumn."""
    return _has_clock(once.index, freq) and 0 < len(rows.index) - len(once.index) <= 0.01 * len(rows.index)


def _put_forward(once: Rows, grid: pd.Index, freq: str | None) -> bool:
    """Whether few hours are missing, all at night on a Sunday, as where a clock is put forward in spring."""
    lacking = grid.difference(once.index)
    if not isinstance(lacking, pd.DatetimeIndex) or not _has_clock(once.index, freq):
        return False
    at_night = (date_part(lacking, "day_of_week") == 6) & (date_part(lacking, "hour_of_day") < 4)
    return len(lacking) <= 0.02 * len(grid) and bool(at_night.all())


def _has_clock(index: pd.Index, freq: str | None) -> bool:
    return isinstance(index, pd.DatetimeIndex) and index.tz is None and period_of(freq or "D") in ("h", "min", "s")


def _part(name: str, ids: tuple[str, ...], rows: Rows, left_out: int, roles: Roles, source: Source) -> Item:
    targets, known = len(roles.targets), len(roles.known)
    values = rows.numbers[:, :targets]
    missing = np.isnan(values)
    empty = np.flatnonzero(missing.all(axis=0))
    if len(empty):
        raise UserError(
            f"{source.name}: column {roles.targets[empty[0]]!r} has no value at all: leave it out of --target, "
            "or name what marks its missing values with --missing-value"
        )
    # Without known covariates, rows after the last value were left out before, where all series end in such.
    length = int(np.flatnonzero(~missing.all(axis=1))[-1]) + 1 if known else len(values)
    item_known = rows.numbers[:, targets : targets + known] if known else np.empty((length + left_out, 0))
    item_past = rows.numbers[:length, targets + known :]
    _refuse_empty(item_known, roles.known, rows, "known", source)
    _refuse_empty(item_past, roles.past, rows, "past", source)
    index = rows.index[:length] if length < len(rows.index) else rows.index
    if not isinstance(index, pd.DatetimeIndex | pd.RangeIndex):
        raise TypeError(f"expected dates or a range of steps, got {type(index).__name__}")
    return Item(
        name,
        index,
        np.ascontiguousarray(values[:length]),
        np.ascontiguousarray(item_known),
        np.ascontiguousarray(item_past),
        ids,
        inserted=rows.positions[:length] < 0,
    )


def _refuse_empty(numbers: np.ndarray, names: tuple[str, ...], rows: Rows, part: str, source: Source) -> None:
    if not names:
        return
    row, column = next(zip(*np.nonzero(np.isnan(numbers)), strict=True), (None, None))
    if row is None or column is None:
        return
    # An inserted row has no line of its own; the one before it is named.
    before = rows.positions[: row + 1]
    place = source.at(before[before >= 0][-1])
    raise UserError(
        f"{place}, column {names[column]!r}: a {part} covariate has no value, and covariates are not masked: "
        "fill the cell, set --holes to fill-missing or interpolate, or leave the column out"
    )
