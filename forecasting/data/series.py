"""Series in memory: one `Item` for each, `SeriesData` for all of a file."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

Static = str | float | None
"""What a static column says of a series: a label, a number, or nothing."""


@dataclass(frozen=True, eq=False)
class Item:
    """One series of T steps with V aligned channels and its covariates.

    Args:
        name: what the series is called in the data.
        index: one time a step, strictly increasing, or step numbers where the data has no dates. Length T >=
            1.
        values: float64 [T, V], V >= 1, NaN where missing.
        known: float64 [T + E, F] covariates known ahead; E >= 0 rows of the source lie after the last step, and have
            no value. All finite. F may be 0.
        past: float64 [T, P] covariates known only up to now. All finite.
        ids: what tells the series apart in a long table, a text for each identifier column; empty elsewhere.
        static: what holds for the whole series, a label or a number for each static column.
        inserted: bool [T], the rows that stand for no row of the source (`FrameOptions.holes`); none by default.

    Raises:
        ValueError: if the shapes do not agree, times do not increase, or a value is infinite.

    Example:
        >>> index = pd.date_range("2020-01-01", periods=3, freq="D")
        >>> item = Item("a", index, np.ones((3, 1)), np.zeros((5, 2)), np.zeros((3, 0)))
        >>> item.length, item.future_rows
        (3, 2)
    """

    name: str
    index: pd.DatetimeIndex | pd.RangeIndex
    values: np.ndarray
    known: np.ndarray
    past: np.ndarray
    ids: tuple[str, ...] = ()
    static: tuple[Static, ...] = ()
    inserted: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        if not len(self.inserted):
            object.__setattr__(self, "inserted", np.zeros(len(self.index), dtype=bool))
        for part in ("values", "known", "past"):
            array = getattr(self, part)
            if array.ndim != 2 or array.dtype != np.float64:
                raise ValueError(
                    f"item {self.name!r}: {part} must be float64 of rank 2, got {array.dtype} {array.shape}"
                )
        length = len(self.index)
        if length < 1 or self.values.shape[0] != length or self.values.shape[1] < 1:
            raise ValueError(
                f"item {self.name!r}: values must be [T, V] with T = {length} (its index) and T, V >= 1, "
                f"got {self.values.shape}"
            )
        if self.past.shape[0] != length or self.known.shape[0] < length:
            raise ValueError(
                f"item {self.name!r}: past must have {length} rows and known at least as many, "
                f"got {self.past.shape[0]} and {self.known.shape[0]}"
            )
        if len(self.inserted) != length:
            raise ValueError(f"item {self.name!r}: inserted must have {length} rows, got {len(self.inserted)}")
        if not self.index.is_monotonic_increasing or not self.index.is_unique:
            raise ValueError(f"item {self.name!r}: the index must be strictly increasing")
        if np.isinf(self.values).any():
            raise ValueError(f"item {self.name!r}: values must be finite or NaN, got an infinite value")
        if self.known.size + self.past.size and not (np.isfinite(self.known).all() and np.isfinite(self.past).all()):
            raise ValueError(f"item {self.name!r}: covariates must be finite, got NaN or an infinite value")

    @property
    def length(self) -> int:
        """Number of steps, T."""
        return len(self.index)

    @property
    def future_rows(self) -> int:
        """Number of rows of known covariates after the last step, E."""
        return self.known.shape[0] - self.length

    def tail(self, context: int) -> "Item":
        """Return the last `context` steps (all, where there are fewer), with the known rows after them."""
        if context < 1:
            raise ValueError(f"context must be at least 1, got {context}")
        first = max(self.length - context, 0)
        return replace(
            self,
            index=self.index[first:],
            values=self.values[first:],
            known=self.known[first:],
            past=self.past[first:],
            inserted=self.inserted[first:],
        )

    def head(self, rows: int) -> "Item":
        """Return the first rows as they were known then, with all known covariates.

        What was put into a hole on a line to a value that came later is missing.

        Example:
            >>> values, none = np.array([[1.0], [2.0], [3.0]]), np.zeros((3, 0))
            >>> item = Item("a", pd.RangeIndex(3), values, none, none, inserted=np.array([False, True, False]))
            >>> item.head(2).values.ravel().tolist()
            [1.0, nan]
        """
        values, inserted = self.values[:rows], self.inserted[:rows]
        if inserted.any():
            real = np.isfinite(values) & ~inserted[:, None]
            later = np.logical_or.accumulate(real[::-1])[::-1]
            values = np.where(inserted[:, None] & ~later, np.nan, values)
        return replace(self, index=self.index[:rows], values=values, past=self.past[:rows], inserted=inserted)


@dataclass(frozen=True, eq=False)
class SeriesData:
    """All series of one source.

    Args:
        items: the series, at least one.
        freq: pandas alias of the step ("h", "MS", "W-FRI"), None where the data has no dates.
        channels: names of the V channels, shared by all items.
        known_names: names of the F known-future covariates.
        past_names: names of the P past covariates.
        layout: "wide" is one item whose channels are the columns of a file, "long" is one item for each id.
        notes: what reading found and decided, one sentence each, for the user to see.
        id_columns: the columns that told the series of a long table apart, where they come from one.
        time_columns: the columns that held the time, none where there is no such.
        unused: the columns that were left out.
        static_names: names of the static columns.

    Raises:
        ValueError: if there is no item, two share a name, or widths differ from the names.

    Example:
        >>> index = pd.RangeIndex(4)
        >>> item = Item("a", index, np.ones((4, 2)), np.zeros((4, 0)), np.zeros((4, 0)))
        >>> data = SeriesData((item,), None, ("x", "y"), (), (), "wide", ())
        >>> data.total_length, data.tail(3).total_length, data.select(["y"]).channels
        (4, 3, ('y',))
    """

    items: tuple[Item, ...]
    freq: str | None
    channels: tuple[str, ...]
    known_names: tuple[str, ...]
    past_names: tuple[str, ...]
    layout: Literal["wide", "long"]
    notes: tuple[str, ...]
    id_columns: tuple[str, ...] = ()
    time_columns: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    static_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.items:
            raise ValueError("series data must hold at least one item")
        if len({item.name for item in self.items}) != len(self.items):
            raise ValueError("two items share a name")
        expected = (len(self.channels), len(self.known_names), len(self.past_names), len(self.static_names))
        for item in self.items:
            widths = (item.values.shape[1], item.known.shape[1], item.past.shape[1], len(item.static))
            if widths != expected:
                raise ValueError(
                    f"item {item.name!r}: widths {widths} of values, known, past, static; the names give {expected}"
                )
            if isinstance(item.index, pd.DatetimeIndex) != (self.freq is not None):
                raise ValueError(
                    f"item {item.name!r}: a dated index needs a frequency and steps have none: {self.freq}"
                )

    @property
    def zone(self) -> str | None:
        """The time zone of the dates, None where they have none."""
        index = self.items[0].index
        return str(index.tz) if isinstance(index, pd.DatetimeIndex) and index.tz is not None else None

    @property
    def total_length(self) -> int:
        """Number of steps of all items together."""
        return sum(item.length for item in self.items)

    def tail(self, context: int) -> "SeriesData":
        """Return the last `context` steps of every item, with the known rows after them."""
        return replace(self, items=tuple(item.tail(context) for item in self.items))

    def observed(self) -> "SeriesData":
        """Return the series without the values that were put into holes: what forecasts can be scored by."""
        items = [
            replace(item, values=np.where(item.inserted[:, None], np.nan, item.values)) if item.inserted.any() else item
            for item in self.items
        ]
        return replace(self, items=tuple(items))

    def with_static(self, names: Sequence[str]) -> "SeriesData":
        """Keep some of the static columns, in the order given; the others are left out.

        Args:
            names: of columns that there are.
        """
        if tuple(names) == self.static_names:
            return self
        at = [self.static_names.index(name) for name in names]
        gone = [name for name in self.static_names if name not in names]
        items = tuple(replace(item, static=tuple(item.static[i] for i in at)) for item in self.items)
        return replace(self, items=items, static_names=tuple(names), unused=(*self.unused, *gone))

    def select(self, names: Sequence[str]) -> "SeriesData":
        """Return the named series in the order given: channels of wide data, items of long data.

        Args:
            names: at least one name, none twice.

        Raises:
            UserError: for a name that the data does not hold, or no name.
        """
        held = list(self.channels) if self.layout == "wide" else [item.name for item in self.items]
        unknown = [name for name in names if name not in held]
        if unknown or not names or len(set(names)) != len(names):
            shown = ", ".join(held[:10]) + (f" and {len(held) - 10} more" if len(held) > 10 else "")
            wrong = f"no series is called {unknown[0]!r}" if unknown else f"bad list of series {list(names)}"
            raise UserError(f"{wrong}: name one or more of {shown}, each once")
        at = [held.index(name) for name in names]
        if self.layout == "long":
            return replace(self, items=tuple(self.items[i] for i in at))
        items = tuple(replace(item, values=item.values[:, at]) for item in self.items)
        return replace(self, items=items, channels=tuple(names))


def join_indexes(indexes: Sequence[pd.Index]) -> pd.Index:
    """Return one index after the other, in their time zone and unit.

    Example:
        >>> join_indexes([pd.RangeIndex(2), pd.RangeIndex(5, 6)]).tolist()
        [0, 1, 5]
    """
    return indexes[0].append(list(indexes[1:]))
