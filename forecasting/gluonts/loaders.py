"""Batches of windows for training and validation with GluonTS."""

import logging
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Literal

import numpy as np

from titans_seq.errors import UserError

from ..network.batch import WindowBatch
from ..windows.arrays import ItemArrays
from ..windows.cutting import WindowLoader, Windows

logger = logging.getLogger(__name__)


class Epochs:
    """Epochs of a fixed number of batches, cut from one endless run of passes over all windows.

    Args:
        loader: one pass; its order is another in each.
        batches: batches an epoch, at least 1.

    Example:
        >>> items = [ItemArrays(np.zeros((10, 1), np.float32))]
        >>> loader = training_loader(items, context=4, horizon=2, batch_size=3)
        >>> [len(batch) for batch in Epochs(loader, batches=4)]
        [3, 2, 3, 2]
    """

    def __init__(self, loader: WindowLoader, batches: int) -> None:
        self._batches = batches
        self._stream = _passes(loader)

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[WindowBatch]:
        return islice(self._stream, self._batches)


def _passes(loader: WindowLoader) -> Iterator[WindowBatch]:
    for number in count():
        loader.set_epoch(number)
        yield from loader


def training_loader(
    items: Sequence[ItemArrays], context: int, horizon: int, *, batch_size: int, seed: int = 0
) -> WindowLoader:
    """Return all windows of the series in random order.

    A series too short for a whole window gives left-padded ones, each with half of its history or more.

    Raises:
        UserError: if no series is long enough for any window, or none has an observed value.
    """
    items = _usable(items, "training", horizon)
    rows = np.array([len(item.values) for item in items])
    first = np.clip((rows - horizon + 1) // 2, 1, context)
    windows = Windows(items, context, horizon, first=first.tolist())
    return WindowLoader(windows, batch_size, shuffle=True, seed=seed)


def validation_loader(items: Sequence[ItemArrays], context: int, horizon: int, *, batch_size: int) -> WindowLoader:
    """Return the last window of each series.

    Raises:
        UserError: if no series is long enough for any window, or none has an observed value.
    """
    items = _usable(items, "validation", horizon)
    first = [len(item.values) - horizon for item in items]
    return WindowLoader(Windows(items, context, horizon, first=first), batch_size)


def _usable(items: Sequence[ItemArrays], purpose: Literal["training", "validation"], horizon: int) -> list[ItemArrays]:
    """The series that are long enough for a window, with a clear word on those that are not."""
    if not items:
        raise UserError(f"the {purpose} data has no series: give it at least one")
    needed = horizon + 1
    usable = [item for item in items if len(item.values) >= needed]
    if not usable:
        longest = max(items, key=lambda item: len(item.values))
        raise UserError(
            f"the {purpose} data is too short: the longest of its {len(items)} series ({longest.name}) has "
            f"{len(longest.values)} steps, and prediction_length={horizon} needs at least {needed}: give "
            "longer series or a smaller prediction_length"
        )
    if all(np.isnan(item.values).all() for item in usable):
        raise UserError(f"the {purpose} data has no observed value: every target is NaN")
    if len(usable) < len(items):
        short = [item.name for item in items if len(item.values) < needed]
        logger.warning(
            "%d of %d %s series have fewer than %d steps and are left out, %s the first of them",
            len(short),
            len(items),
            purpose,
            needed,
            short[0],
        )
    return usable
