"""New rows beside those that are known: series that go on, or were put right."""

from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .date_parts import date_at
from .frequency import future_index
from .grid import Rows, fill_holes
from .options import Holes
from .series import Item, SeriesData, join_indexes
from .steps import step_number
from .wording import counted as _counted
from .wording import enumerate_some, show_time


def continued(known: SeriesData, new: SeriesData, *, counted: bool = False, holes: Holes = "refuse") -> SeriesData:
    """Join series with other rows of theirs: later ones, or rows that are put right, in a file of any part of them.

    Where both have a row, the new one counts: without a value, it takes back the one that was known. A series without
    new rows stays as it is, and one that was not known is added.

    Args:
        known: series with dates, or without.
        new: of the same layout, channels, covariates and step (`matching.continuing_series`); without dates it must
            hold the series from their beginning.
        counted: whether the dates of `new` were counted from those of its first row; such rows are taken like rows
            without dates.
        holes: what to do with missing steps between the known and the new rows; see `FrameOptions`.

    Raises:
        UserError: if there is a hole between the known and the new rows of a series that is to be refused, or rows
            without dates of their own are fewer than those known.

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
    items, inserted, taken_back = [], 0, 0
    for one, two in pairs:
        if two is None:
            items.append(one)
        elif not dated:
            items.append(_longer(one, two))
            taken_back += int(np.isfinite(one.values[two.length :]).sum())
        else:
            later = _in_zone_of(one, two)
            left = _without_taken_back(one, later, new.freq)
            joined, steps = (later, 0) if left is None else _joined(left, later, new.freq, holes)
            items.append(joined)
            inserted += steps
            taken_back += int(np.isfinite(one.values).sum() - (0 if left is None else np.isfinite(left.values).sum()))
    told = [f"{_counted(inserted, 'missing time step')} beside the new rows inserted ({holes})"] if inserted else []
    if taken_back:
        told.append(
            f"{_counted(taken_back, 'known value')} taken back, where rows at the end of the new data have none"
        )
    return replace(new, items=tuple(items), notes=(*new.notes, *told))


def describe_rows_alone(known: SeriesData, new: SeriesData) -> list[str]:
    """Say of which series new rows begin where the known ones have ended: without those, little may be left to go by.

    Args:
        known: the series that a model keeps.
        new: rows that are to be forecast from in their place.

    Example:
        >>> from forecasting.data import from_frame
        >>> days = pd.date_range("2024-01-01", periods=9, freq="D")
        >>> known, new = (from_frame(pd.DataFrame({"day": part, "sold": 1.5})) for part in (days[:6], days[6:]))
        >>> describe_rows_alone(known, new)[0][:61]
        'forecasts are made from the rows given alone, which begin aft'
    """
    if new.freq is None or known.freq is None or known.layout != new.layout or known.zone != new.zone:
        return []
    ends = {"" if known.layout == "wide" else item.name: item.index[-1] for item in known.items}
    names = ["" if new.layout == "wide" else item.name for item in new.items]
    later = [name for name, item in zip(names, new.items, strict=True) if name in ends and item.index[0] > ends[name]]
    if not later:
        return []
    of = "" if new.layout == "wide" else f" (of {enumerate_some([repr(name) for name in later], 3)})"
    return [
        f"forecasts are made from the rows given alone, which begin after those known end{of}: give the series from "
        "further back, or take them in with titans forecast update, for a run from pretrained weights"
    ]


def _longer(known: Item, new: Item) -> Item:
    """The new rows, which go from the first one on."""
    rows = new.length + new.future_rows
    if rows < known.length:
        raise UserError(
            f"{new.name}: {rows} rows without dates of their own, {known.length} are known: give all from the first on"
        )
    return new


def _without_taken_back(known: Item, new: Item, freq: str | None) -> Item | None:
    """The known rows without the values at the times of which rows at the end of the new ones have none.

    Where these rows reach to the end, the future begins with them: the series ends before. None if nothing is left.
    """
    if not new.future_rows:
        return known
    at = future_index(new.index, freq, new.future_rows).get_indexer(known.index)
    emptied = at >= 0
    if emptied.all():
        return None
    if emptied[-1]:
        return _part(known, 0, int(np.argmax(emptied)))
    ahead = known.known.copy()
    ahead[: known.length][emptied] = new.known[new.length :][at[emptied]]
    return replace(known, values=np.where(emptied[:, None], np.nan, known.values), known=ahead)


def _joined(known: Item, new: Item, freq: str | None, holes: Holes) -> tuple[Item, int]:
    """The rows of both, and how many steps between them were inserted."""
    times = known.index.to_numpy()
    first, last = new.index.to_numpy()[[0, -1]]
    kept, later = int(np.searchsorted(times, first)), int(np.searchsorted(times, last, side="right"))
    parts, between = [new], []
    if later < known.length:  # what is known ahead comes with the last rows
        after = replace(_part(known, later, known.length), known=known.known[later:])
        between.append(_between(new, after, freq, holes, "the new rows", "those known after them"))
        parts = [_part(new, 0, new.length), after]
    if kept:
        before = _part(known, 0, kept)
        between.append(_between(before, new, freq, holes, "the rows known", "the new ones"))
        parts = [before, *parts]
    if len(parts) == 1:
        return new, 0
    joined = replace(
        new,
        index=pd.DatetimeIndex(join_indexes([part.index for part in parts])),
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("values", "known", "past", "inserted")
        },
    )
    lacking = pd.DatetimeIndex(join_indexes(between))
    if not len(lacking):
        return joined, 0
    ahead = known.known[known.length :][: len(lacking)] if kept == known.length else known.known[:0]
    return _filled(joined, lacking, ahead, holes), len(lacking)


def _filled(item: Item, lacking: pd.DatetimeIndex, ahead: np.ndarray, holes: Holes) -> Item:
    """The series with steps inserted, of the first of which known covariates are there."""
    index = pd.DatetimeIndex(join_indexes([item.index, lacking])).sort_values()
    targets = Rows(item.index, item.values, np.arange(item.length))
    # What is known ahead stands in rows of its own, in which past covariates are empty.
    beside = np.full((len(index), item.known.shape[1] + item.past.shape[1]), np.nan)
    beside[index.get_indexer(item.index)] = np.hstack([item.known[: item.length], item.past])
    beside[index.get_indexer(lacking[: len(ahead)]), : item.known.shape[1]] = ahead
    beside = fill_holes(Rows(index, beside, np.arange(len(index))), index, holes, 0, item.past.shape[1]).numbers
    inserted = np.ones(len(index), dtype=bool)
    inserted[index.get_indexer(item.index)] = item.inserted
    known, past = np.split(beside, [item.known.shape[1]], axis=1)
    return replace(
        item,
        index=index,
        values=fill_holes(targets, index, holes, item.values.shape[1]).numbers,
        known=np.concatenate([known, item.known[item.length :]]),
        past=past,
        inserted=inserted,
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


def _between(one: Item, two: Item, freq: str | None, holes: Holes, first: str, second: str) -> pd.DatetimeIndex:
    """The steps between two stretches of rows.

    Raises:
        UserError: if there are some that are to be refused, or the second does not lie on the steps of the first.
    """
    begin = date_at(two.index, 0)
    steps = step_number(two.index, freq) - step_number(cast(pd.DatetimeIndex, one.index[-1:]), freq)
    expected = future_index(one.index, freq, max(1, steps))
    if expected[-1] != begin or (steps > 1 and holes == "refuse"):
        remedy = (
            "add the rows between, empty where there is no value, or set --holes to fill-missing or interpolate"
            if holes == "refuse"
            else f"they do not follow in steps of {freq}: correct their dates"
        )
        raise UserError(
            f"{one.name}: {first} end before {show_time(expected[0])}, {second} begin at {show_time(begin)}: {remedy}"
        )
    return cast(pd.DatetimeIndex, expected[:-1])


def _part(item: Item, begin: int, end: int) -> Item:
    """The rows from `begin` to before `end`, and nothing of what follows them."""
    rows = slice(begin, end)
    parts = {name: getattr(item, name)[rows] for name in ("index", "values", "known", "past", "inserted")}
    return replace(item, **parts)
