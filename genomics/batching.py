"""Batches of sequences of unlike lengths: padded on the right, in buckets, and back in the order they came in."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")

_BATCHES_AHEAD = 16


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences as the rows of one tensor, each padded on its right.

    Attributes:
        ids: int64 `[B, T]`.
        lengths: tokens of each row that are not padding, int64 `[B]`, in [1, T].
    """

    ids: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch on a device."""
        return Batch(self.ids.to(device, non_blocking=non_blocking), self.lengths.to(device, non_blocking=non_blocking))


def pad(sequences: Sequence[np.ndarray], pad: int) -> Batch:
    """Put sequences of ids into one batch.

    Args:
        sequences: at least one, each `[T >= 1]` of integers.
        pad: the id to fill up with.

    Example:
        >>> batch = pad([np.array([1, 2]), np.array([3])], pad=5)
        >>> batch.ids.tolist(), batch.lengths.tolist()
        ([[1, 2], [3, 5]], [2, 1])
    """
    lengths = [len(ids) for ids in sequences]
    rows = np.full((len(sequences), max(lengths)), pad, dtype=np.int64)
    for row, ids in zip(rows, sequences, strict=True):
        row[: len(ids)] = ids
    return Batch(torch.from_numpy(rows), torch.tensor(lengths))


def buckets(lengths: Sequence[int] | np.ndarray, rows: int, tokens: int) -> list[np.ndarray]:
    """Share out sequences among batches of like lengths.

    Args:
        lengths: of each sequence.
        rows: most sequences of a batch, at least 1.
        tokens: most tokens of a batch, padding included; a longer sequence has a batch to itself.

    Returns:
        For each batch the numbers of its sequences, the shortest first.

    Example:
        >>> [numbers.tolist() for numbers in buckets([5, 1, 4, 2], rows=2, tokens=8)]
        [[1, 3], [2], [0]]
    """
    order = np.argsort(lengths, kind="stable")
    batches, begin = [], 0
    for end in range(1, len(order) + 1):
        full = end == len(order) or end - begin >= rows or (end + 1 - begin) * int(lengths[order[end]]) > tokens
        if full:
            batches.append(order[begin:end])
            begin = end
    return batches


def in_order(
    items: Iterable[T],
    length: Callable[[T], int],
    run: Callable[[list[T]], Sequence[R]],
    *,
    rows: int,
    tokens: int,
) -> Iterator[R]:
    """Run batches of like lengths over a stream of items, and give the results in the items' order.

    Only a few batches' worth of items is held at a time.

    Args:
        items: any number of them.
        length: tokens of an item.
        run: gives one result for each item of a batch.
        rows: see `buckets`, like the next.
        tokens: most tokens of a batch.

    Example:
        >>> list(in_order(["aaa", "b", "cc"], len, lambda batch: [item.upper() for item in batch], rows=2, tokens=4))
        ['AAA', 'B', 'CC']
    """
    waiting: list[T] = []
    held = 0
    for item in items:
        waiting.append(item)
        held += length(item)
        if len(waiting) >= _BATCHES_AHEAD * rows or held >= _BATCHES_AHEAD * tokens:
            yield from _run_waiting(waiting, length, run, rows, tokens)
            waiting, held = [], 0
    yield from _run_waiting(waiting, length, run, rows, tokens)


def _run_waiting(
    items: list[T], length: Callable[[T], int], run: Callable[[list[T]], Sequence[R]], rows: int, tokens: int
) -> list[R]:
    results: dict[int, R] = {}
    for numbers in buckets([length(item) for item in items], rows, tokens):
        results |= zip(numbers.tolist(), run([items[number] for number in numbers]), strict=True)
    return [results[number] for number in range(len(items))]
