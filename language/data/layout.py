"""Where the rows of a batch stand in the documents: laid end to end, or drawn at random."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from .mixture import Mixture
from .token_shards import TokenShards

Mode = Literal["carry", "random"]


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
        pack: whether documents lie end to end, or each has segments of its own.
        cut: packed documents are cut at multiples of so many of their tokens.
        begun: tokens that stand before a document's first, and count as its own where it is cut.
    """

    rows: int
    length: int
    seed: int
    mode: Mode
    shuffle: bool
    drop_last: bool
    pack: bool
    cut: int
    begun: int = 0

    @property
    def cell(self) -> int:
        """Positions that a document takes a multiple of."""
        return 1 if self.pack else self.length


class Piece(NamedTuple):
    """A run of one document's tokens in a row.

    Attributes:
        at: position in the row where it begins.
        document: its number.
        start: number of its first token in the document.
        length: positions it takes, of which those behind the document's end are padding, as all behind the last piece.
        fresh: whether the document is begun there, or entered in its midst: nothing is carried into it.
        goes_on: whether the row goes on with the document in the next batch.
    """

    at: int
    document: int
    start: int
    length: int
    fresh: bool
    goes_on: bool


@dataclass(frozen=True)
class Run:
    """The documents of one epoch laid end to end in cells, and shared out among the rows.

    Attributes:
        epoch: its number.
        settings: of the stream.
        order: the documents, int64 [D].
        ends: cells before the end of each, int64 [D].
    """

    epoch: int
    settings: StreamSettings
    order: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, epoch: int, shards: TokenShards | Mixture, settings: StreamSettings) -> "Run":
        """Return the run of an epoch, which depends on nothing but the arguments."""
        order = shards.order(settings.seed, epoch, settings.shuffle)
        return cls(epoch, settings, order, np.cumsum(-(-shards.lengths[order] // settings.cell)))

    @property
    def cells(self) -> int:
        """Of all documents."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def steps(self) -> int:
        """Batches that it fills."""
        a_row = self.settings.length // self.settings.cell
        if self.settings.drop_last:
            return self.cells // (self.settings.rows * a_row)
        return math.ceil(self.cells / (self.settings.rows * a_row))

    def pieces(self, row: int, step: int) -> list[Piece]:
        """Return what a row, counted over all ranks, holds in a batch; nothing if it has come to its end."""
        size, a_row = self.settings.cell, self.settings.length // self.settings.cell
        if self.settings.drop_last:
            first, last = (edge * self.steps * a_row for edge in (row, row + 1))
        else:
            first, last = (self.cells * edge // self.settings.rows for edge in (row, row + 1))
        begin, end = (self._cut(first, last, first + at * a_row) for at in (step, step + 1))
        pieces, cell = [], begin
        at = int(np.searchsorted(self.ends, cell, side="right"))
        while cell < end:
            before = int(self.ends[at - 1]) if at else 0
            stop = min(int(self.ends[at]), end)
            fresh = cell == before or cell == first
            begins, length = (cell - before) * size, (stop - cell) * size
            goes_on = stop < min(int(self.ends[at]), last)
            pieces.append(Piece((cell - begin) * size, int(self.order[at]), begins, length, fresh, goes_on))
            cell, at = stop, at + 1
        return pieces

    def _cut(self, first: int, last: int, cell: int) -> int:
        """Where a row that reads first .. last is cut next to a cell: the last place before it that is allowed."""
        if cell >= last:
            return last
        at = int(np.searchsorted(self.ends, cell, side="right"))
        start = max(first, int(self.ends[at - 1]) if at else 0)
        return max(start, cell - (self.settings.begun + cell - start) % self.settings.cut)


def draw_pieces(
    shards: TokenShards | Mixture, settings: StreamSettings, epoch: int, step: int, rows: Iterable[int]
) -> list[list[Piece]]:
    """Draw what some rows hold in a batch of random mode.

    Args:
        shards: the documents.
        settings: of the stream.
        epoch: number of the epoch.
        step: number of the batch.
        rows: numbers of the rows, counted over all ranks.
    """
    # Each row draws by itself, so that the batches do not depend on how the ranks share them out.
    return [_row_of(shards, settings, np.random.default_rng([settings.seed, epoch, step, row])) for row in rows]


def _row_of(shards: TokenShards | Mixture, settings: StreamSettings, random: np.random.Generator) -> list[Piece]:
    pieces, at = [], 0
    while (room := settings.length - at) > 0:
        document = shards.draw(random, room)
        tokens = int(shards.lengths[document])
        length = min(-(-tokens // settings.cell) * settings.cell, room)
        start = int(random.integers(max(0, tokens - room) + 1))
        pieces.append(Piece(at, document, start, length, fresh=True, goes_on=False))
        at += length
    return pieces
