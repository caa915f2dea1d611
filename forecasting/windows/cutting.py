"""Context and horizon windows over series: cut once, gathered in batches by index."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from titans_seq.errors import UserError

from ..network.batch import WindowBatch
from .arrays import ItemArrays

Starts = int | Sequence[int] | None


class Windows:
    """All windows of one context and horizon whose targets start in [first, last), every `stride` steps.

    The items are laid end to end in one tensor, each behind `context` unobserved rows and followed by
    `horizon` of them, so that any window, left-padded or reaching beyond the end, is one block of rows.

    Args:
        items: the series; all with the same numbers of channels and covariates.
        context: L >= 1, rows the network reads.
        horizon: H >= 1, rows it forecasts.
        first: first row (of the item) that starts a target, one number or one per item, at least 1. A window
            whose target starts before row `context` is left-padded. By default `context`, or for an item too
            short for that, the latest row that leaves a whole horizon: its one window is left-padded.
        last: row after the last target start, one number or one per item. By default every target lies
            wholly inside the item; up to T + 1 may be asked for, the target rows beyond the end then count as
            not observed (row T starts the forecast of the unknown future).
        stride: steps between target starts, >= 1.

    Raises:
        UserError: no window fits, or the known covariates end before a horizon does.
        ValueError: an argument is out of range.

    Example:
        >>> item = ItemArrays(np.arange(10.0, dtype=np.float32)[:, None])
        >>> windows = Windows([item], context=4, horizon=2)
        >>> len(windows)
        5
        >>> batch = windows.batch([0, 4])
        >>> batch.past[1, :, 0].tolist(), batch.future[1, :, 0].tolist()
        ([4.0, 5.0, 6.0, 7.0], [8.0, 9.0])
    """

    def __init__(
        self,
        items: Sequence[ItemArrays],
        context: int,
        horizon: int,
        *,
        first: Starts = None,
        last: Starts = None,
        stride: int = 1,
    ) -> None:
        for label, number in (("context", context), ("horizon", horizon), ("stride", stride)):
            if number < 1:
                raise ValueError(f"{label} must be at least 1, got {number}")
        _check_widths(items)
        self.context = context
        self.horizon = horizon
        rows = np.array([len(item.values) for item in items])
        starts = _target_starts(items, rows, context, horizon, first, last, stride)
        counts = [len(s) for s in starts]
        if not sum(counts):
            raise UserError(
                f"no window of {context} context and {horizon} horizon steps fits: the longest of "
                f"{len(items)} series has {rows.max()} rows; shorten one of the two, or give more rows"
            )
        offsets = np.concatenate([[0], np.cumsum(rows + context + horizon)])
        self.item = torch.from_numpy(np.repeat(np.arange(len(items)), counts))
        """int64 [N], the number of the item each window belongs to."""
        self.target_start = torch.from_numpy(np.concatenate(starts))
        """int64 [N], the row of that item where the window's target starts."""
        item_steps = np.array([item.start_step for item in items])
        # `context` rows of padding stand before each item, so a window begins at offset + target start.
        self._begin = self.target_start + torch.from_numpy(offsets[:-1])[self.item]
        self._phase = self.target_start + torch.from_numpy(item_steps)[self.item] - context
        values = _lay_out([item.values for item in items], offsets, context, fill=np.nan)
        self._observed = ~torch.isnan(values)
        self._values = values.nan_to_num_(0.0)
        self._known = _lay_out([item.known for item in items], offsets, context, fill=0.0)
        self._static = torch.from_numpy(np.stack([item.static for item in items]).astype(np.float32))
        self._past = _lay_out([item.past for item in items], offsets, context, fill=0.0)

    def __len__(self) -> int:
        return len(self._begin)

    @property
    def channels(self) -> int:
        """V, the number of channels."""
        return self._values.shape[1]

    def to(self, device: torch.device | str) -> "Windows":
        """Return the same windows with their rows held on `device`, where `batch` then gathers them."""
        moved = object.__new__(Windows)
        moved.__dict__.update({k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()})
        return moved

    def batch(self, indices: Tensor | np.ndarray | Sequence[int]) -> WindowBatch:
        """Return the windows of the given numbers (int [B], each in [0, len)), in that order."""
        index = torch.as_tensor(indices, dtype=torch.int64, device=self._begin.device)
        begin = self._begin[index]
        cut = self.context
        values = self._gather(self._values, begin, cut + self.horizon)
        observed = self._gather(self._observed, begin, cut + self.horizon)
        return WindowBatch(
            past=values[:, :cut],
            observed=observed[:, :cut],
            known=self._gather(self._known, begin, cut + self.horizon),
            past_only=self._gather(self._past, begin, cut),
            phase=self._phase[index],
            future=values[:, cut:],
            future_observed=observed[:, cut:],
            static=self._static[self.item[index]],
        )

    @staticmethod
    def _gather(rows: Tensor, begin: Tensor, length: int) -> Tensor:
        count, width = rows.shape
        if width == 0:
            return rows.new_zeros(len(begin), length, 0)
        # Every window is a contiguous run of memory: a strided view makes each gather one block copy.
        return rows.as_strided((count - length + 1, length, width), (width, width, 1))[begin]


def _check_widths(items: Sequence[ItemArrays]) -> None:
    if not items:
        raise ValueError("windows need at least one item")
    widths = [(item.values.shape[1], item.known.shape[1], item.past.shape[1], len(item.static)) for item in items]
    for item, width in zip(items, widths, strict=True):
        if width != widths[0]:
            raise ValueError(
                f"{item.name!r} has {width} value, known, past and static columns, "
                f"{items[0].name!r} has {widths[0]}: all items need the same"
            )


def _target_starts(
    items: Sequence[ItemArrays],
    rows: np.ndarray,
    context: int,
    horizon: int,
    first: Starts,
    last: Starts,
    stride: int,
) -> list[np.ndarray]:
    whole = rows - horizon
    begins = np.clip(np.minimum(context, whole), 1, None) if first is None else np.broadcast_to(first, rows.shape)
    ends = whole + 1 if last is None else np.broadcast_to(last, rows.shape)
    if (begins < 1).any():
        raise ValueError(f"first must be at least 1, got {int(begins.min())}: a window needs a row to look back on")
    starts = []
    for item, begin, end, length in zip(items, begins, ends, rows, strict=True):
        if last is not None and end > length + 1:
            raise ValueError(f"last must be at most {length + 1} for {item.name!r} of {length} rows, got {end}")
        starts.append(np.arange(begin, max(begin, end), stride, dtype=np.int64))
        needed = starts[-1][-1] + horizon if len(starts[-1]) else 0
        if item.known.shape[1] and needed > len(item.known):
            raise UserError(
                f"{item.name}: the known covariates have {len(item.known) - length} rows after the last value, the "
                f"horizon of {horizon} steps needs {needed - length}: give their file with --known-future, or add "
                "these rows to the data"
            )
    return starts


def _lay_out(arrays: Sequence[np.ndarray], offsets: np.ndarray, context: int, fill: float) -> Tensor:
    flat = np.full((offsets[-1], arrays[0].shape[1]), fill, dtype=np.float32)
    for array, offset, end in zip(arrays, offsets[:-1], offsets[1:], strict=True):
        begin = offset + context
        # Known rows beyond the horizon after the last value belong to no window.
        length = min(len(array), end - begin)
        flat[begin : begin + length] = array[:length]
    return torch.from_numpy(flat)


class WindowLoader:
    """Iterable over the batches of `windows`; serves as a dataloader for Lightning.

    The order is a function of seed and epoch alone. No window is left out: the last batch may be smaller.

    Args:
        windows: what to read.
        batch_size: windows a batch, >= 1.
        shuffle: a new random order each epoch.
        seed: of the order.
        limit: at most this many batches an epoch, a random subset of the windows without replacement: a new
            one each epoch when shuffled, otherwise one fixed subset in its natural order.
        least: at least this many batches an epoch, when shuffled: few windows come several times, each time in
            another order, so that an epoch of a short series is worth one.

    Example:
        >>> windows = Windows([ItemArrays(np.zeros((10, 1), np.float32))], context=4, horizon=2)
        >>> [len(batch) for batch in WindowLoader(windows, batch_size=2)]
        [2, 2, 1]
    """

    batch_sampler = None
    """Lightning asks every loader that has a `sampler` for this too."""

    def __init__(
        self,
        windows: Windows,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        limit: int | None = None,
        least: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1 batch or None, got {limit}")
        self.windows = windows
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.limit = limit
        self.least = least if shuffle else 0
        self.epoch = 0
        self._rank, self._world = 0, 1

    @property
    def sampler(self) -> "WindowLoader":
        """The object whose `set_epoch` Lightning calls when an epoch starts."""
        return self

    def shared(self, rank: int, world: int) -> "WindowLoader":
        """Return the loader of one of several processes, which share the windows of each batch.

        One without any has a window of which nothing is observed.

        Args:
            rank: number of the process, in [0, world).
            world: number of processes.
        """
        mine = copy.copy(self)
        mine._rank, mine._world = rank, world
        return mine

    def set_epoch(self, epoch: int) -> None:
        """Select the order of epoch `epoch` (>= 0) for the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        batches = -(-len(self.windows) // self.batch_size)
        return max(batches if self.limit is None else min(batches, self.limit), self.least)

    def __iter__(self) -> Iterator[WindowBatch]:
        for indices in self._order().split(self.batch_size):
            mine = indices[self._rank :: self._world]
            if len(mine):
                yield self.windows.batch(mine)
                continue
            batch = self.windows.batch(indices[:1])
            yield replace(batch, future_observed=torch.zeros_like(batch.future_observed))

    def _order(self) -> Tensor:
        count = len(self.windows)
        taken = count if self.limit is None else min(count, self.limit * self.batch_size)
        if not self.shuffle and taken == count:
            return torch.arange(count)
        epoch = self.epoch if self.shuffle else 0
        seed = int(np.random.SeedSequence([self.seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
        generator = torch.Generator().manual_seed(seed)
        if not self.shuffle:
            return torch.randperm(count, generator=generator)[:taken].sort().values
        taken = max(taken, self.least * self.batch_size)
        rounds = [torch.randperm(count, generator=generator) for _ in range(-(-taken // count))]
        return torch.cat(rounds)[:taken]
