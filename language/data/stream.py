"""`SegmentStream`: batches of segments for training, in an order that a seed fixes and a checkpoint can go on from."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from titans_seq.errors import UserError

from .layout import Mode, Piece, Run, StreamSettings, draw_pieces
from .mixture import Mixture
from .token_shards import TokenShards

IGNORED = -100
"""Target where nothing is asked: the default `ignore_index` of PyTorch's cross entropy."""


class SegmentBatch(NamedTuple):
    """One segment in each of B rows, T positions long, or packed: pieces of S documents in one row of N positions.

    Position t of a row reads `ids[t]` and predicts `targets[t]`, the token after it. Behind a document there may be
    padding: `end_of_document`, with `IGNORED` as target.

    Attributes:
        ids: int64 [B, T]; packed [1, N].
        targets: likewise, in the vocabulary or `IGNORED`.
        fresh: bool [B], packed [S], True where the row, or the piece, does not go on from the batch before: the model's
            memory starts anew there. Where False, it is carried.
        cu_seqlens: int64 [S + 1], where the pieces begin and end, rising from 0 to N; None if not packed.
        goes_on: bool [S], True where the next batch goes on with the document: with these, in this order, its pieces
            that are not fresh go on. None if not packed.
    """

    ids: Tensor
    targets: Tensor
    fresh: Tensor
    cu_seqlens: Tensor | None = None
    goes_on: Tensor | None = None


class SegmentStream:
    """Yield batches of segments of the documents of some shards, epoch after epoch.

    A document d_0 ... d_{n-1} is read as n positions: position p sees d_{p-1}, the first one `end_of_document`, and
    predicts d_p. So every token is a target, and a document is always begun in the same way.

    *carry*: the documents of an epoch are shuffled and laid end to end, each padded to a multiple of `length`
    positions, or packed. Each row of each rank gets an equal run of that and walks through it, `length` positions a
    batch. Every token is a target exactly once an epoch. A row that begins within a document is `fresh` there. Rows may
    come to their end before an epoch's last batch does, with several ranks perhaps all rows of one of them: they are
    then filled with `IGNORED` targets, and packed left out.

    *random*: each row is a segment from a random place, always `fresh`. The place is drawn from those where a whole
    segment fits; a shorter document is taken whole, and packed what is left of the row is filled in the same way.
    Documents are drawn so that each gives targets in proportion to its tokens, and each of the shards of a `Mixture`
    its share: a short document is drawn more often than a piece of a long one with as many tokens. An epoch has as many
    positions as the shards have tokens.

    *pack*: there is no padding. Without, a segment never holds two documents, and short ones are mostly padding. Where
    a row ends within a document, it is cut at a multiple of `cut` of its tokens, so that a row has fewer than `cut`
    positions more or less than `length`: with the chunk of a memory, no chunk is cut in two. Tokens that a model reads
    before each document, as a memory its persistent ones, are `begun`, and count as if they were the document's.

    Iterating gives what is left of the current epoch, and then moves to the next. The stream is in the state that its
    last batch left, so that a training run can be saved after any batch; a batch depends on nothing but the settings,
    its epoch and its number.

    Args:
        shards: the documents; a `Mixture` of several shards is one too.
        batch_size: B >= 1, rows of this rank.
        length: T >= 1, positions of a segment.
        seed: at least 0, of order and places.
        mode: "carry" or "random".
        shuffle: with False, carry keeps the order of the shards.
        drop_last: with True, carry leaves out the segments of an epoch that do not fill a batch of all ranks.
        rank: number of this process, in [0, world).
        world: number of processes; together they see what one process with `world * batch_size` rows sees.
        pack: whether documents lie end to end.
        cut: at least 1, at most `length`; of no meaning without `pack`.
        begun: at least 0; likewise.

    Raises:
        UserError: if a number is out of its range, or the shards are too small for one batch.

    Example:
        >>> shards = TokenShards.from_documents([[1, 2, 3, 9], [4, 9]], end_of_document=9)
        >>> stream = SegmentStream(shards, batch_size=1, length=3, shuffle=False)
        >>> for batch in stream:
        ...     print(batch.ids.tolist(), batch.targets.tolist(), batch.fresh.tolist())
        [[9, 1, 2]] [[1, 2, 3]] [True]
        [[3, 9, 9]] [[9, -100, -100]] [False]
        [[9, 4, 9]] [[4, 9, -100]] [True]
        >>> stream.epoch, len(stream)
        (1, 3)
        >>> for batch in SegmentStream(shards, 1, 3, shuffle=False, pack=True):
        ...     print(batch.ids.tolist(), batch.targets.tolist(), batch.fresh.tolist(), batch.cu_seqlens.tolist())
        [[9, 1, 2]] [[1, 2, 3]] [True] [0, 3]
        [[3, 9, 4]] [[9, 4, 9]] [False, True] [0, 1, 3]
    """

    def __init__(
        self,
        shards: TokenShards | Mixture,
        batch_size: int,
        length: int,
        *,
        seed: int = 0,
        mode: Mode = "carry",
        shuffle: bool = True,
        drop_last: bool = False,
        rank: int = 0,
        world: int = 1,
        pack: bool = False,
        cut: int = 1,
        begun: int = 0,
    ) -> None:
        least_of = {"batch_size": (batch_size, 1), "length": (length, 1), "seed": (seed, 0), "cut": (cut, 1)}
        least_of["begun"] = (begun, 0)
        for name, (number, least) in least_of.items():
            if number < least:
                raise UserError(f"{name} must be at least {least}, got {number}")
        if mode not in get_args(Mode):
            raise UserError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")
        if not 0 <= rank < world:
            raise UserError(f"rank must be in [0, {world}), the number of processes, got {rank}")
        if pack and cut > length:
            raise UserError(f"cut must be at most the length of a segment, {length}, got {cut}")
        if not shards.tokens:
            raise UserError("the shards hold no token: prepare them from text")
        self.shards = shards
        self.batch_size = batch_size
        cut = cut if pack and mode == "carry" else 1
        self.settings = StreamSettings(
            batch_size * world, length, seed, mode, shuffle, drop_last, pack, cut, begun % cut
        )
        self.epoch = 0
        """Number of the epoch that the next batch belongs to."""
        self.step = 0
        """Number of the next batch in its epoch."""
        # Rows that follow each other go to different ranks, so that those that are shorter are spread.
        self._rows = range(rank, batch_size * world, world)
        self._run: Run | None = None
        if self.steps(0) < 1:
            segments = self._run_of(0).cells * self.settings.cell // length
            raise UserError(
                f"{segments:,} segments of {length} tokens do not fill one batch of {self.settings.rows} rows: "
                "take fewer rows, shorter segments or drop_last=False"
            )

    def __len__(self) -> int:
        """Batches of the current epoch; the same for every rank, and but for a `Mixture` for every epoch."""
        return self.steps(self.epoch)

    def steps(self, epoch: int) -> int:
        """Return the number of batches of an epoch."""
        if self.settings.mode == "random":
            return -(-self.shards.tokens // (self.settings.rows * self.settings.length))
        return self._run_of(epoch).steps

    def __iter__(self) -> Iterator[SegmentBatch]:
        epoch, steps = self.epoch, self.steps(self.epoch)
        for step in range(self.step, steps):
            batch = self.batch_at(epoch, step)
            # The state has to be right while the caller works on the batch, at the end of an epoch too.
            self.epoch, self.step = (epoch, step + 1) if step + 1 < steps else (epoch + 1, 0)
            yield batch

    def batch_at(self, epoch: int, step: int) -> SegmentBatch:
        """Return any batch, by its numbers; the stream stays where it is.

        Args:
            epoch: at least 0.
            step: in [0, steps(epoch)).

        Raises:
            IndexError: if there is no such batch.
        """
        steps = self.steps(max(epoch, 0))
        if epoch < 0 or not 0 <= step < steps:
            raise IndexError(f"batch {step} of epoch {epoch}: expected a batch in [0, {steps}) and an epoch from 0")
        rows = self._pieces(epoch, step)
        if self.settings.pack:
            return self._packed(list(itertools.chain(*rows)))
        ids, targets = self._blank(self.batch_size, self.settings.length)
        fresh = torch.ones(self.batch_size, dtype=torch.bool)
        for row, pieces in enumerate(rows):
            for piece in pieces:
                self._fill(ids[row], targets[row], piece, piece.at)
                fresh[row] = piece.fresh
        return SegmentBatch(torch.from_numpy(ids), torch.from_numpy(targets), fresh)

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands, as plain values; the same on every rank.

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
        # Streams were not always packed, and their states did not say so.
        saved = {"pack": False, "cut": 1, "begun": 0} | state["settings"]
        # A run goes on with the cuts that it began with; they were not always counted from what stands before.
        self.settings, self._run = replace(self.settings, begun=saved["begun"]), None
        own = asdict(self.settings)
        changed = [f"{name} was {saved.get(name)!r}, is {own[name]!r}" for name in own if saved.get(name) != own[name]]
        if changed:
            raise UserError(f"the batches of the run cannot be gone on with: {'; '.join(changed)}: set them back")
        self.epoch, self.step = state["epoch"], state["step"]

    def _pieces(self, epoch: int, step: int) -> list[list[Piece]]:
        """What each row of this rank holds; nothing in a row that has come to its end."""
        if self.settings.mode == "random":
            return draw_pieces(self.shards, self.settings, epoch, step, self._rows)
        run = self._run_of(epoch)
        return [run.pieces(row, step) for row in self._rows]

    def _run_of(self, epoch: int) -> Run:
        if self._run is None or self._run.epoch != epoch:
            self._run = Run.of(epoch, self.shards, self.settings)
        return self._run

    def _packed(self, pieces: Sequence[Piece]) -> SegmentBatch:
        """Pieces end to end; one position of padding where all rows have come to their end."""
        starts = list(itertools.accumulate((piece.length for piece in pieces), initial=0)) if pieces else [0, 1]
        ids, targets = self._blank(1, starts[-1])
        for piece, start in zip(pieces, starts, strict=False):
            self._fill(ids[0], targets[0], piece, start)
        return SegmentBatch(
            torch.from_numpy(ids),
            torch.from_numpy(targets),
            torch.tensor([piece.fresh for piece in pieces] or [True]),
            torch.tensor(starts),
            torch.tensor([piece.goes_on for piece in pieces] or [False]),
        )

    def _blank(self, rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and targets that are all padding."""
        shape = (rows, length)
        return np.full(shape, self.shards.end_of_document, dtype=np.int64), np.full(shape, IGNORED, dtype=np.int64)

    def _fill(self, ids: np.ndarray, targets: np.ndarray, piece: Piece, at: int) -> None:
        """Write a piece into one row, ids [T] and targets [T], from a position on."""
        document = self.shards[piece.document]
        tokens = document[piece.start : piece.start + piece.length]
        targets[at : at + len(tokens)] = tokens
        # Position 0 of a document sees `end_of_document`, which is there already.
        before = document[max(piece.start - 1, 0) : piece.start + len(tokens) - 1]
        ids[at + len(tokens) - len(before) : at + len(tokens)] = before
