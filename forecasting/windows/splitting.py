"""Dividing the time axis of every series into parts for training, validation and test."""

from dataclasses import dataclass

import numpy as np

from titans_seq.errors import UserError

from ..data import SeriesData
from .arrays import ItemArrays
from .cutting import Windows


@dataclass(frozen=True, eq=False)
class Split:
    """Rows at which the parts of each series end, one number a series.

    A series too short for all parts belongs to training alone.

    Attributes:
        train_end: row after the training part, int [N].
        val_end: row after the validation part, int [N].
        rows: rows of the series, where its test part ends, int [N].
        notes: what was decided, for the user to see.
    """

    train_end: np.ndarray
    val_end: np.ndarray
    rows: np.ndarray
    notes: tuple[str, ...] = ()

    def train_windows(self, items: list[ItemArrays], context: int, horizon: int) -> Windows:
        """Return windows inside the training parts; those of a series shorter than the context are left-padded."""
        first = np.clip(np.minimum(context, self.train_end - horizon), 1, None)
        last = np.maximum(self.train_end - horizon + 1, 1)
        return Windows(items, context, horizon, first=first.tolist(), last=last.tolist())

    def part_windows(self, items: list[ItemArrays], context: int, horizon: int, part: str) -> Windows | None:
        """Return windows whose targets lie in the "validation" or "test" parts; None where there are none.

        Their contexts begin in the part before, so that the first target is the part's first row.
        """
        begin, end = (self.train_end, self.val_end) if part == "validation" else (self.val_end, self.rows)
        last = np.maximum(end - horizon + 1, 1)
        if not (last > begin).any():
            return None
        return Windows(items, context, horizon, first=begin.tolist(), last=last.tolist())


def split_data(data: SeriesData, context: int, horizon: int, shares: tuple[float, float]) -> Split:
    """Divide every series by shares; a part that is kept at all holds at least one horizon.

    Args:
        data: the series.
        context: L, rows that a window reads.
        horizon: H, rows that it forecasts.
        shares: of the rows that are kept for validation and, after it, for the test.

    Raises:
        UserError: if no series is long enough for a whole training window and the other parts.

    Example:
        >>> import pandas as pd
        >>> from forecasting.data import from_frame
        >>> data = from_frame(pd.DataFrame({"sold": range(100)}))
        >>> split = split_data(data, context=8, horizon=4, shares=(0.1, 0.2))
        >>> split.train_end.tolist(), split.val_end.tolist(), split.rows.tolist()
        ([70], [80], [100])
    """
    rows = np.array([item.length for item in data.items])
    val = _kept(rows, shares[0], horizon)
    test = _kept(rows, shares[1], horizon)
    train = rows - val - test
    whole_window = context + horizon
    if train.max() < whole_window:
        raise UserError(_too_short(rows, context, horizon, shares))
    divided = train >= horizon + 1
    train_end = np.where(divided, train, rows)
    notes = []
    undivided = int((~divided).sum())
    if undivided:
        notes.append(f"{undivided} of {len(rows)} series are too short to be divided and serve for training only")
    return Split(train_end, np.where(divided, rows - test, rows), rows, tuple(notes))


def _kept(rows: np.ndarray, share: float, horizon: int) -> np.ndarray:
    return np.maximum((rows * share).astype(np.int64), horizon) if share else np.zeros_like(rows)


def _too_short(rows: np.ndarray, context: int, horizon: int, shares: tuple[float, float]) -> str:
    needed = context + horizon
    while needed - sum(int(_kept(np.array([needed]), share, horizon)[0]) for share in shares) < context + horizon:
        needed += 1
    longest = f"the data has {rows[0]} rows"
    if len(rows) > 1:
        longest = f"the longest of {len(rows)} series has {rows.max()} rows"
    parts = [f"{share:.0%} for {name}" for name, share in zip(("validation", "the test"), shares, strict=True) if share]
    kept = f", with {' and '.join(parts)} (at least one horizon each)" if parts else ""
    return (
        f"{longest}, too few for context {context} and horizon {horizon}: one training window takes "
        f"{context + horizon} rows{kept}, so at least {needed} rows are needed; shorten the context or the "
        "horizon, lower the shares, or give more rows"
    )
