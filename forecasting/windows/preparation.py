"""From series as read to the scaled arrays that windows are cut from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..data import Item, SeriesData, calendar_features, future_index
from ..data.series import join_indexes
from ..data.steps import step_number
from .arrays import ItemArrays
from .scaling import Scaler
from .static import StaticEncoding


@dataclass(frozen=True, eq=False)
class Scaling:
    """How the numbers a network has learnt on were scaled.

    Attributes:
        values: the scaler of each item, by `series_key`.
        known: of the known-future covariates, one for all items.
        past: of the past covariates, one for all items.
        static: of the static columns.
    """

    values: dict[str, Scaler]
    known: Scaler
    past: Scaler
    static: StaticEncoding = StaticEncoding()

    def of(self, data: SeriesData, rows: Sequence[int]) -> list[Scaler]:
        """Return the scaler of every item: the one learnt, or for a new series one fitted on its first `rows` rows.

        Raises:
            UserError: if a new series has no observed value there.
        """
        pairs = zip(data.items, rows, strict=True)
        return [self.values.get(series_key(data, item)) or fit_scaler(data, item, count) for item, count in pairs]


def series_key(data: SeriesData, item: Item) -> str:
    """Return what tells a series from others: its id, or for the item of a wide table the names of its columns."""
    return item.name if data.layout == "long" else ", ".join(data.channels)


def fit_scaler(data: SeriesData, item: Item, rows: int) -> Scaler:
    """Return the scaler of an item's first `rows` rows.

    Raises:
        UserError: if a channel has no observed value there.
    """
    single = data.layout == "long" and len(data.channels) == 1
    return Scaler.fit(item.values[:rows], (item.name,) if single else data.channels)


def fit_scaling(data: SeriesData, rows: Sequence[int]) -> Scaling:
    """Fit all scalers on the first rows of each item.

    Args:
        data: the series.
        rows: how many rows of each item to fit on, at least 1.

    Raises:
        UserError: if a channel has no observed value there.
    """
    pairs = list(zip(data.items, rows, strict=True))
    return Scaling(
        values={series_key(data, item): fit_scaler(data, item, count) for item, count in pairs},
        known=Scaler.fit(np.concatenate([item.known[:count] for item, count in pairs])),
        past=Scaler.fit(np.concatenate([item.past[:count] for item, count in pairs])),
        static=StaticEncoding.fit(data),
    )


def calendar_width(data: SeriesData) -> int:
    """Return the number of calendar features that the data's step has."""
    return calendar_features(data.items[0].index, data.freq)[0].shape[1]


def prepare(
    data: SeriesData, scaling: Scaling, scalers: Sequence[Scaler], calendar: bool, horizon: int
) -> list[ItemArrays]:
    """Scale every item; the calendar, where wanted, stands before the other known covariates.

    Args:
        data: the series.
        scaling: of the covariates and static columns.
        scalers: of the values, one an item.
        calendar: whether to add calendar features.
        horizon: rows of calendar beyond the end, where no other known covariate says how far they go.
    """
    items = []
    for item, scaler in zip(data.items, scalers, strict=True):
        known = scaling.known.transform(item.known)
        if calendar:
            ahead = item.future_rows if data.known_names else horizon
            times, _ = calendar_features(_extended(item, data.freq, ahead), data.freq)
            known = np.concatenate([times, known], axis=1) if data.known_names else times
        items.append(
            ItemArrays(
                scaler.transform(item.values).astype(np.float32),
                known.astype(np.float32),
                scaling.past.transform(item.past).astype(np.float32),
                step_number(item.index, data.freq),
                item.name,
                scaling.static.encode(item),
            )
        )
    return items


def _extended(item: Item, freq: str | None, ahead: int) -> pd.DatetimeIndex | pd.RangeIndex:
    if not ahead or not isinstance(item.index, pd.DatetimeIndex):
        return item.index
    future = future_index(item.index, freq, ahead)
    return pd.DatetimeIndex(join_indexes([item.index, future]))
