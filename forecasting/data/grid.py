"""One series on an even time grid: order, duplicates and holes, found and, when asked, repaired."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .calendars import Months, calendar_of
from .frequency import base_times, dated, period_of, phases
from .options import Duplicates, Holes
from .source import Source
from .wording import counted, show_time

# A grid that the rows fill to less than this is taken for a wrong step, not for a series with holes.
_LEAST_FILLED = 0.05
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one series.

    Args:
        index: dates or step numbers, [N].
        numbers: float64 [N, K].
        positions: where each row lies in the source, [N]; -1 for a row that was inserted.
    """

    index: pd.Index
    numbers: np.ndarray
    positions: np.ndarray

    def at(self, chosen: np.ndarray) -> "Rows":
        """Return the chosen rows."""
        return Rows(self.index[chosen], self.numbers[chosen], self.positions[chosen])


def merge_duplicates(rows: Rows, how: Duplicates) -> Rows:
    """Return one row for each time, which must be in order.

    The mean is over the values that are not missing. Rows are returned as they stand under "refuse".

    Example:
        >>> rows = Rows(pd.RangeIndex(1).repeat(2), np.array([[1.0], [3.0]]), np.arange(2))
        >>> merge_duplicates(rows, "mean").numbers.tolist()
        [[2.0]]
    """
    if how == "refuse" or rows.index.is_unique:
        return rows
    kept = rows.at(~rows.index.duplicated(keep="last" if how == "last" else "first"))
    if how == "mean":
        return replace(kept, numbers=pd.DataFrame(rows.numbers).groupby(rows.index, sort=True).mean().to_numpy())
    return kept


def describe_duplicates(rows: Rows, source: Source) -> str | None:
    """Return the times that occur more than once with their lines, or None."""
    repeated = rows.index[rows.index.duplicated()].unique()
    if not len(repeated):
        return None
    shown = [
        f"{show_time(time)} on {source.places(np.sort(rows.positions[rows.index == time]).tolist())}"
        for time in repeated[:_SHOWN]
    ]
    occur = "1 time occurs" if len(repeated) == 1 else f"{len(repeated)} times occur"
    named = "; ".join(shown) + (f" and {len(repeated) - _SHOWN} more" if len(repeated) > _SHOWN else "")
    return f"{occur} more than once ({named}): set --duplicates to mean, last or first"


def describe_holes(rows: Rows, grid: pd.Index, source: Source) -> str | None:
    """Return the holes between rows with the lines on either side, or None.

    Args:
        rows: rows in order, without duplicates, all on the grid.
        grid: every step from the first to the last.
        source: where the rows come from.
    """
    missing = np.diff(grid.get_indexer(rows.index)) - 1
    before = np.flatnonzero(missing > 0)
    if not len(before):
        return None
    shown = []
    for row in before[:_SHOWN]:
        first, last = (f"{show_time(rows.index[r])} ({source.place(rows.positions[r])})" for r in (row, row + 1))
        shown.append(f"{counted(int(missing[row]), 'step')} between {first} and {last}")
    named = "; ".join(shown)
    named += f" and {counted(len(before) - _SHOWN, 'more hole')}" if len(before) > _SHOWN else ""
    have = "time step has" if missing.sum() == 1 else "time steps have"
    often = "; or take the rows as steps with --rows-are-steps" if missing.sum() > len(rows.index) else ""
    return (
        f"{missing.sum()} {have} no row ({named}): "
        f"set --holes to fill-missing (missing values) or interpolate (a straight line){often}"
    )


def full_grid(rows: Rows, freq: str | None, source: Source) -> pd.DatetimeIndex | pd.RangeIndex:
    """Return every step from the first row to the last.

    Args:
        rows: rows in order, without duplicates.
        freq: step of dates; None for step numbers, whose most frequent step is taken.
        source: where the rows come from.

    Raises:
        UserError: if a row lies off the grid, or the grid is nearly empty, so that the step cannot be right.

    Example:
        >>> rows = Rows(pd.Index([3, 5, 9, 11]), np.zeros((4, 1)), np.arange(4))
        >>> full_grid(rows, None, Source.of(None)).tolist()
        [3, 5, 7, 9, 11]
    """
    if isinstance(rows.index, pd.DatetimeIndex) and freq is not None:
        named, grid = f"the frequency {freq}", _dates(rows, rows.index, freq, source)
    else:
        numbers = rows.index.to_numpy()
        steps, counts = np.unique(np.diff(numbers), return_counts=True)
        step = int(steps[np.argmax(counts)]) if len(steps) else 1
        named, first = f"steps of {step}", int(numbers[_in_phase(numbers % step)[0]])
        _check_filled(rows, (int(numbers[-1]) - first) // step + 1, source)
        grid = pd.RangeIndex(first, int(numbers[-1]) + 1, step)
    off = np.flatnonzero(grid.get_indexer(rows.index) < 0)
    if len(off):
        named_off = [f"{show_time(rows.index[r])} on {source.place(rows.positions[r])}" for r in off[:_SHOWN]]
        do = "row does" if len(off) == 1 else "rows do"
        raise UserError(
            f"{source.name}: {len(off)} {do} not fall on {named} ({'; '.join(named_off)}"
            f"{f' and {len(off) - _SHOWN} more' if len(off) > _SHOWN else ''}): {_remedy(freq)}"
        )
    return grid


def _remedy(freq: str | None) -> str:
    if freq is None:
        return "correct the step numbers, or take the rows as steps with --rows-are-steps"
    if isinstance(calendar_of(freq), Months):
        return f"give --freq {freq} to take each to that day of its month, another --freq, or --rows-are-steps"
    late = (
        "take times that are a little late to their step with --round, " if period_of(freq) in ("h", "min", "s") else ""
    )
    return f"{late}give the right --freq, or take the rows as steps with --rows-are-steps"


def fill_holes(rows: Rows, grid: pd.Index, how: Holes, targets: int, past: int = 0) -> Rows:
    """Insert the missing rows of the grid; the first `targets` columns are targets, the others covariates.

    "fill-missing" leaves inserted targets NaN and carries covariates forward, "interpolate" puts a straight
    line through both. The last `past` columns are carried forward in any case: of what is known only up to now, a line
    would tell what comes next. Missing targets in rows that exist stay missing; empty covariates are filled.

    Example:
        >>> rows = Rows(pd.Index([0, 2]), np.array([[1.0, 5.0], [3.0, 7.0]]), np.arange(2))
        >>> fill_holes(rows, pd.RangeIndex(3), "interpolate", targets=1).numbers.tolist()
        [[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]
        >>> fill_holes(rows, pd.RangeIndex(3), "fill-missing", targets=1).numbers[1].tolist()
        [nan, 5.0]
    """
    if how == "refuse":
        return rows
    at = grid.get_indexer(rows.index)
    numbers = np.full((len(grid), rows.numbers.shape[1]), np.nan)
    positions = np.full(len(grid), -1)
    numbers[at], positions[at] = rows.numbers, rows.positions
    if how == "interpolate":
        steps = np.arange(len(grid))
        for column in range(numbers.shape[1] - past):
            seen = ~np.isnan(numbers[:, column])
            wanted = positions < 0 if column < targets else ~seen
            if seen.any():
                line = np.interp(steps, steps[seen], numbers[seen, column], left=np.nan, right=np.nan)
                numbers[wanted, column] = line[wanted]
    carried = numbers.shape[1] - past if how == "interpolate" else targets
    numbers[:, carried:] = pd.DataFrame(numbers[:, carried:]).ffill().to_numpy()
    return Rows(grid, numbers, positions)


def _dates(rows: Rows, index: pd.DatetimeIndex, freq: str, source: Source) -> pd.DatetimeIndex:
    calendar, times = calendar_of(freq), base_times(index, freq)
    on = _in_phase(phases(calendar, times))
    numbers = calendar.number(times)
    first, last = int(numbers[on[0]]), int(numbers[-1])
    _check_filled(rows, (last - first) // calendar.size + 1, source)
    clock = times[on[0]] - calendar.time(np.array([first]))[0]
    return dated(calendar.time(np.arange(first, last + 1, calendar.size)) + clock, freq, index.tz)


def _in_phase(remainders: np.ndarray) -> np.ndarray:
    """The rows whose remainder by the step is the one that most rows have."""
    found, counts = np.unique(remainders, return_counts=True)
    return np.flatnonzero(remainders == found[np.argmax(counts)])


def _check_filled(rows: Rows, size: int, source: Source) -> None:
    if size > 1000 and len(rows.index) < _LEAST_FILLED * size:
        raise UserError(
            f"{source.name}: {len(rows.index)} rows would fill only a few of the {size} steps from "
            f"{show_time(rows.index[0])} to {show_time(rows.index[-1])}: give the right --freq, or take the rows as "
            "steps with --rows-are-steps"
        )
