"""New rows behind those that are known: series that go on."""

from dataclasses import replace

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .frequency import future_index
from .series import Item, SeriesData, join_indexes
from .source import show_time


def continued(known: SeriesData, new: SeriesData) -> SeriesData:
    """Join series with rows that came later, in a file of its own or in one that repeats the rows before.

    Where both have a row, the new one counts. A series without new rows stays as it is, and one that was not known is
    added.

    Args:
        known: series with dates, or without.
        new: of the same channels, covariates and step; without dates it must hold the series from their beginning.

    Raises:
        UserError: if there is a hole between the known and the new rows of a series, or rows without dates are fewer
            than those known.

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
    return replace(new, items=tuple(one if two is None else _joined(one, two, new.freq) for one, two in pairs))


def _joined(known: Item, new: Item, freq: str | None) -> Item:
    if not isinstance(new.index, pd.DatetimeIndex):
        if new.length < known.length:
            raise UserError(
                f"{new.name}: {new.length} rows without dates, {known.length} are known: give all from the first on"
            )
        return new
    kept = int(np.searchsorted(known.index.to_numpy(), new.index.to_numpy()[0]))
    if not kept:
        return new
    before = _part(known, 0, kept)
    expected = future_index(before.index, freq, 1)[0]
    if expected != new.index[0]:
        raise UserError(
            f"{new.name}: the rows known end before {show_time(expected)}, the new ones begin at "
            f"{show_time(new.index[0])}: add the rows between, empty where there is no value"
        )
    return Item(
        new.name,
        pd.DatetimeIndex(join_indexes([before.index, new.index])),
        np.concatenate((before.values, new.values)),
        np.concatenate((before.known, new.known)),
        np.concatenate((before.past, new.past)),
        new.ids,
        new.static,
    )


def _part(item: Item, begin: int, end: int) -> Item:
    """The rows from `begin` to before `end`, and nothing of what follows them."""
    rows = slice(begin, end)
    return replace(item, index=item.index[rows], values=item.values[rows], known=item.known[rows], past=item.past[rows])
