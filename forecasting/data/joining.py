"""New rows beside those that are known: series that go on, or were put right."""

from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .frequency import future_index
from .series import Item, SeriesData, join_indexes
from .source import show_time


def continued(known: SeriesData, new: SeriesData, *, counted: bool = False) -> SeriesData:
    """Join series with other rows of theirs: later ones, or rows that are put right, in a file of any part of them.

    Where both have a row, the new one counts. A series without new rows stays as it is, and one that was not known is
    added.

    Args:
        known: series with dates, or without.
        new: of the same channels, covariates and step; without dates it must hold the series from their beginning.
        counted: whether the dates of `new` were counted from those of its first row; such rows are taken like rows
            without dates.

    Raises:
        UserError: if there is a hole between the known and the new rows of a series, or rows without dates of their own
            are fewer than those known.

    Example:
        >>> from forecasting.data import from_frame
        >>> days = pd.date_range("2024-01-01", periods=6, freq="D")
        >>> whole = from_frame(pd.DataFrame({"day": days, "sold": np.arange(6.0)}))
        >>> rows = [replace(whole, items=(_part(whole.items[0], *span),)) for span in ((0, 4), (3, 6))]
        >>> continued(*rows).items[0].values.ravel().tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    shared = [name for name in new.static_names if name in known.static_names]
    known, new = known.with_static(shared), new.with_static(shared)
    if new.layout == "wide":
        pairs = [(known.items[0], new.items[0])]
    else:
        later = {item.name: item for item in new.items}
        names = {item.name for item in known.items}
        pairs = [(item, later.get(item.name)) for item in known.items]
        pairs += [(item, item) for item in new.items if item.name not in names]
    dated = isinstance(new.items[0].index, pd.DatetimeIndex) and not counted
    joined = _joined if dated else _longer
    return replace(new, items=tuple(one if two is None else joined(one, two, new.freq) for one, two in pairs))


def _longer(known: Item, new: Item, freq: str | None) -> Item:
    """The new rows, which go from the first one on."""
    if new.length < known.length:
        raise UserError(
            f"{new.name}: {new.length} rows without dates of their own, {known.length} are known: give all from the "
            "first on"
        )
    return new


def _joined(known: Item, new: Item, freq: str | None) -> Item:
    new = _in_zone_of(known, new)
    times = known.index.to_numpy()
    first, last = new.index.to_numpy()[[0, -1]]
    kept, later = int(np.searchsorted(times, first)), int(np.searchsorted(times, last, side="right"))
    parts = [new]
    if later < known.length:  # what is known ahead comes with the last rows
        after = replace(_part(known, later, known.length), known=known.known[later:])
        _check_next(new, after, freq, "the new rows", "those known after them")
        parts = [_part(new, 0, new.length), after]
    if kept:
        before = _part(known, 0, kept)
        _check_next(before, new, freq, "the rows known", "the new ones")
        parts = [before, *parts]
    if len(parts) == 1:
        return new
    return replace(
        new,
        index=pd.DatetimeIndex(join_indexes([part.index for part in parts])),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "known", "past")},
    )


def _in_zone_of(known: Item, new: Item) -> Item:
    """The new rows with their times in the zone of the known ones."""
    zones = [cast(pd.DatetimeIndex, item.index).tz for item in (known, new)]
    if (zones[0] is None) != (zones[1] is None):
        said = ["clock times without a zone" if zone is None else f"times of {zone}" for zone in zones]
        raise UserError(
            f"{new.name}: the rows known have {said[0]}, the new ones {said[1]}: write them alike"
            + ("" if zones[0] is None else f", or say which zone they are of with --time-zone {zones[0]}")
        )
    return new if zones[0] == zones[1] else replace(new, index=cast(pd.DatetimeIndex, new.index).tz_convert(zones[0]))


def _check_next(one: Item, two: Item, freq: str | None, first: str, second: str) -> None:
    """Refuse a hole between two stretches of rows."""
    expected = future_index(one.index, freq, 1)[0]
    if expected != two.index[0]:
        raise UserError(
            f"{one.name}: {first} end before {show_time(expected)}, {second} begin at {show_time(two.index[0])}: add "
            "the rows between, empty where there is no value"
        )


def _part(item: Item, begin: int, end: int) -> Item:
    """The rows from `begin` to before `end`, and nothing of what follows them."""
    rows = slice(begin, end)
    return replace(item, index=item.index[rows], values=item.values[rows], known=item.known[rows], past=item.past[rows])
