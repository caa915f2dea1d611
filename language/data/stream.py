"""`SegmentStream`: batches of segments for training, in an order that a seed fixes and a checkpoint can go on from."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from titans_seq.errors import UserError

from .token_shards import TokenShards

Mode = Literal["carry", "random"]

IGNORED = -100
"""Target where nothing is asked: the default `ignore_index` of PyTorch's cross entropy."""


class SegmentBatch(NamedTuple):
    """One segment in each of B rows, T positions long.

    Position t of a row reads `ids[t]` and predicts `targets[t]`, the token after it. A segment never holds two
    documents; one that ends early is filled up with `end_of_document`, and `IGNORED` as target.

    Attributes:
        ids: int64 [B, T].
        targets: int64 [B, T], in the vocabulary or `IGNORED`.
        fresh: bool [B], True where the row does not go on from its segment in the batch before: the model's memory
            starts anew there. Where False, it is carried.
    """

    ids: Tensor
    targets: Tensor
    fresh: Tensor


@dataclass(frozen=True)
class StreamSettings:
    """What fixes the batches of a stream, besides the tokens.

    Args:
        rows: rows of all ranks together, however they share them.
        length: positions of a segment.
        seed: of order and places.
        mode: "carry" or "random".
        shuffle: whether carry shuffles the documents.
        drop_last: whether carry leaves out what does not fill a batch.
    """

    rows: int
    length: int
    seed: int
    mode: Mode
    shuffle: bool
    drop_last: bool


class SegmentStream:
    """Batches of segments of the documents of some shards, epoch after epoch.

    A document d_0 ... d_{n-1} is read as n positions: position p sees d_{p-1}, the first one `end_of_document`, and
    predicts d_p. So every token is a target, and a document is always begun in the same way.

    *carry*: each document is cut into segments of `length` positions from its start, the last one being shorter. The
    documents of an epoch are shuffled and their segments laid end to end; each row of each rank gets an equal run of
    them and walks through it, one segment a batch. Every token is a target exactly once an epoch. A row that begins
    within a document is `fresh` there. Rows may be one segment short in an epoch's last batch: they are then filled
    with `IGNORED` targets, with several ranks perhaps all rows of one of them.

    *random*: each row is a segment from a random place, always `fresh`. The document is drawn in proportion to its
    tokens, the place from those where a whole segment fits; a shorter document is taken whole. An epoch has as many
    positions as the shards have tokens.

    Iterating gives what is left of the current epoch, and then moves to the next. The stream is in the state that its
    last batch left, so that a training run can be saved after any batch; a batch depends on nothing but the settings,
    its epoch and its number.

    Args:
        shards: the documents.
        batch_size: B >= 1, rows of this rank.
        length: T >= 1, positions of a segment.
        seed: at least 0, of order and places.
        mode: "carry" or "random".
        shuffle: with False, carry keeps the order of the shards.
        drop_last: with True, carry leaves out the segments of an epoch that do not fill a batch of all ranks.
        rank: number of this process, in [0, world).
        world: number of processes; together they see what one process with `world * batch_size` rows sees.

    Raises:
        UserError: if a number is out of its range, or the shards are too small for one batch.

    Example:
        >>> shards = TokenShards.from_documents([[1, 2, 3, 9], [4, 9]], end_of_document=9)
        >>> stream = SegmentStream(shards, batch_size=1, length=3, shuffle=False)
        >>> for ids, targets, fresh in stream:
        ...     print(ids.tolist(), targets.tolist(), fresh.tolist())
        [[9, 1, 2]] [[1, 2, 3]] [True]
        [[3, 9, 9]] [[9, -100, -100]] [False]
        [[9, 4, 9]] [[4, 9, -100]] [True]
        >>> stream.epoch, len(stream)
        (1, 3)
    """

    def __init__(
        self,
        shards: TokenShards,
        batch_size: int,
        length: int,
        *,
        seed: int = 0,
        mode: Mode = "carry",
        shuffle: bool = True,
        drop_last: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        for name, number, least in (("batch_size", batch_size, 1), ("length", length, 1), ("seed", seed, 0)):
            if number < least:
                raise UserError(f"{name} must be at least {least}, got {number}")
        if mode not in get_args(Mode):
            raise UserError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")
        if not 0 <= rank < world:
            raise UserError(f"rank must be in [0, {world}), the number of processes, got {rank}")
        if not shards.tokens:
            raise UserError("the shards hold no token: prepare them from text")
        self.shards = shards
        self.batch_size = batch_size
        self.settings = StreamSettings(batch_size * world, length, seed, mode, shuffle, drop_last)
        self.epoch = 0
        """Number of the epoch that the next batch belongs to."""
        self.step = 0
        """Number of the next batch in its epoch."""
        # Rows that follow each other go to different ranks, so that those that are one segment short are spread.
        self._rows = range(rank, batch_size * world, world)
        self._segments = int(_segment_counts(shards.lengths, length).sum())
        self._plan: _Plan | None = None
        if len(self) < 1:
            raise UserError(
                f"{self._segments:,} segments of {length} tokens do not fill one batch of {self.settings.rows} rows: "
                "take fewer rows, shorter segments or drop_last=False"
            )

    def __len__(self) -> int:
        """Batches of a whole epoch; the same for every epoch and rank."""
        rows = self.settings.rows
        if self.settings.mode == "random":
            return -(-self.shards.tokens // (rows * self.settings.length))
        return self._segments // rows if self.settings.drop_last else -(-self._segments // rows)

    def __iter__(self) -> Iterator[SegmentBatch]:
        for step in range(self.step, len(self)):
            batch = self.batch_at(self.epoch, step)
            # The state has to be right while the caller works on the batch, at the end of an epoch too.
            self.epoch, self.step = (self.epoch, step + 1) if step + 1 < len(self) else (self.epoch + 1, 0)
            yield batch

    def batch_at(self, epoch: int, step: int) -> SegmentBatch:
        """Any batch, by its numbers; the stream stays where it is.

        Args:
            epoch: at least 0.
            step: in [0, len).
        """
        if not 0 <= step < len(self) or epoch < 0:
            raise IndexError(f"batch {step} of epoch {epoch}: expected a batch in [0, {len(self)}) and an epoch from 0")
        shape = (self.batch_size, self.settings.length)
        ids = np.full(shape, self.shards.end_of_document, dtype=np.int64)
        targets = np.full(shape, IGNORED, dtype=np.int64)
        places = self._random_places(epoch, step) if self.settings.mode == "random" else self._next_places(epoch, step)
        fresh = np.ones(self.batch_size, dtype=bool)
        for row, place in enumerate(places):
            if place is not None:
                self._fill(ids[row], targets[row], place)
                fresh[row] = place.fresh
        return SegmentBatch(torch.from_numpy(ids), torch.from_numpy(targets), torch.from_numpy(fresh))

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, as plain values; the same on every rank.

        Example:
            >>> shards = TokenShards.from_documents([[1, 2, 3, 4, 5]], end_of_document=9)
            >>> stream = SegmentStream(shards, batch_size=1, length=2)
            >>> first = next(iter(stream))
            >>> again = SegmentStream(shards, batch_size=1, length=2)
            >>> again.load_state_dict(stream.state_dict())
            >>> next(iter(again)).targets.tolist()
            [[3, 4]]
        """
        return {
            "epoch": self.epoch,
            "step": self.step,
            "settings": asdict(self.settings),
            "data": self.shards.fingerprint,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another stream stood, of the same settings on the same tokens.

        Raises:
            UserError: if the settings or the tokens differ: the batches would not be those that were to come.
        """
        if state["data"] != self.shards.fingerprint:
            raise UserError("the run was trained on other token shards: give those, or start a new run")
        saved, own = state["settings"], asdict(self.settings)
        changed = [f"{name} was {saved.get(name)!r}, is {own[name]!r}" for name in own if saved.get(name) != own[name]]
        if changed:
            raise UserError(f"the batches of the run cannot be gone on with: {'; '.join(changed)}: set them back")
        self.epoch, self.step = state["epoch"], state["step"]

    def _next_places(self, epoch: int, step: int) -> "list[_Place | None]":
        """Where the rows of this rank stand in carry mode; None for a row that has come to its end."""
        if self._plan is None or self._plan.epoch != epoch:
            self._plan = _Plan.of(epoch, self.shards.lengths, self.settings)
        places: list[_Place | None] = []
        for row in self._rows:
            if self.settings.drop_last:
                first, last = row * len(self), (row + 1) * len(self)
            else:
                first, last = (self._segments * edge // self.settings.rows for edge in (row, row + 1))
            places.append(self._plan.place(first + step, fresh=step == 0) if first + step < last else None)
        return places

    @cached_property
    def _token_ends(self) -> np.ndarray:
        """int64 [D], tokens before the end of each document."""
        return np.cumsum(self.shards.lengths)

    def _random_places(self, epoch: int, step: int) -> "list[_Place | None]":
        """Where the rows of this rank stand in random mode."""
        # All ranks draw the places of all rows, so that the batches do not depend on how they are shared out.
        random = np.random.default_rng([self.settings.seed, epoch, step])
        drawn = random.integers(self.shards.tokens, size=self.settings.rows)
        shares = random.random(self.settings.rows)
        places: list[_Place | None] = []
        for row in self._rows:
            document = int(np.searchsorted(self._token_ends, drawn[row], side="right"))
            room = max(0, int(self.shards.lengths[document]) - self.settings.length)
            places.append(_Place(document, int(shares[row] * (room + 1)), fresh=True))
        return places

    def _fill(self, ids: np.ndarray, targets: np.ndarray, place: "_Place") -> None:
        """Write the segment that begins at `place` into one row, ids [T] and targets [T]."""
        document = self.shards[place.document]
        tokens = document[place.start : place.start + self.settings.length]
        targets[: len(tokens)] = tokens
        # Position 0 of a document sees `end_of_document`, which is there already.
        before = document[max(place.start - 1, 0) : place.start + len(tokens) - 1]
        ids[len(tokens) - len(before) : len(tokens)] = before


@dataclass(frozen=True)
class _Place:
    """Where a segment begins: document, position in it, and whether its row starts anew there."""

    document: int
    start: int
    fresh: bool


@dataclass(frozen=True)
class _Plan:
    """The order of the documents of one epoch, and how many segments come before the end of each."""

    epoch: int
    length: int
    order: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, epoch: int, lengths: np.ndarray, settings: StreamSettings) -> "_Plan":
        if settings.shuffle:
            order = np.random.default_rng([settings.seed, epoch]).permutation(len(lengths))
        else:
            order = np.arange(len(lengths))
        return cls(epoch, settings.length, order, np.cumsum(_segment_counts(lengths[order], settings.length)))

    def place(self, segment: int, fresh: bool) -> _Place:
        """Where a segment of the epoch begins, by its number; a document's first segment is fresh in any case."""
        at = int(np.searchsorted(self.ends, segment, side="right"))
        number = segment - (int(self.ends[at - 1]) if at else 0)
        return _Place(int(self.order[at]), number * self.length, fresh or number == 0)


def _segment_counts(lengths: np.ndarray, length: int) -> np.ndarray:
    return -(-lengths // length)
