"""An encoder of sequences: embedding, stem and blocks, read from one end or from both."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from titans_seq.blocks import BlockConfig
from titans_seq.errors import UserError, require_at_least
from titans_seq.models import Backbone, BackboneState

from .stem import Stem, StemConfig
from .strands import turned

Directions = Literal["forward", "both"]


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder.

    Attributes:
        dim: width, at least 1.
        blocks: one or more blocks, repeated in turn until there are `depth`: one for a plain encoder, several for a
            hybrid.
        depth: number of blocks, at least 1.
        directions: "forward" reads from the first base to the last; "both" lets the same blocks, with the same
            weights, read from the last base to the first as well, and joins what they give for each step.
        dropout: share of what the blocks read that training leaves out, in [0, 1).
        stem: convolutions in front of the blocks; with None each token is a step.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> from titans_seq.blocks import LMMConfig
        >>> config = EncoderConfig(dim=32, blocks=(LMMConfig(),), depth=2, directions="both")
        >>> EncoderConfig(dim=32, blocks=(), depth=2)
        Traceback (most recent call last):
        titans_seq.errors.UserError: an encoder needs at least one block, got none
    """

    dim: int
    blocks: tuple[BlockConfig, ...]
    depth: int
    directions: Directions = "forward"
    dropout: float = 0.0
    stem: StemConfig | None = None

    def __post_init__(self) -> None:
        require_at_least(self, dim=1, depth=1)
        if not self.blocks:
            raise UserError("an encoder needs at least one block, got none")
        if self.directions not in ("forward", "both"):
            raise UserError(f"directions must be 'forward' or 'both', got {self.directions!r}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout must be in [0, 1), got {self.dropout}")

    @property
    def window(self) -> int:
        """Tokens of a step of the blocks."""
        return 1 if self.stem is None else self.stem.window


class Encoder(nn.Module):
    """Give the features of every step, a token or a stem's window of them, of a batch of padded sequences.

    Blocks are causal, and padding is on the right: no valid step ever sees it. Read from the last base, each row is
    turned around within its own length, so that padding stays on the right there, too.

    Args:
        config: the encoder.
        vocabulary: number of token ids.

    Example:
        >>> from titans_seq.blocks import LMMConfig
        >>> encoder = Encoder(EncoderConfig(dim=16, blocks=(LMMConfig(),), depth=1, directions="both"), vocabulary=7)
        >>> encoder(torch.randint(5, (2, 9)), torch.tensor([9, 4])).shape
        torch.Size([2, 9, 16])
    """

    def __init__(self, config: EncoderConfig, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        stem = config.stem
        self.embedding = nn.Embedding(vocabulary, config.dim if stem is None else stem.embedding)
        self.stem = None if stem is None else Stem(stem, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        blocks = (config.blocks[i % len(config.blocks)].build(config.dim) for i in range(config.depth))
        self.backbone = Backbone(blocks, config.dim)
        self.join = None
        if config.directions == "both":
            self.join = nn.Linear(2 * config.dim, config.dim)
            with torch.no_grad():  # begins as the mean of both
                self.join.weight.copy_(torch.eye(config.dim).repeat(1, 2) / 2)
                self.join.bias.zero_()

    def steps(self, lengths: Tensor) -> Tensor:
        """Return how many steps sequences of so many tokens have, int64 `[B]`."""
        return -(-lengths // self.config.window)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Read whole sequences.

        Args:
            ids: `[B, T]` of any integer type, padded on the right; or, to take gradients by, shares of the tokens
                `[B, T, vocabulary]` of a floating type, one-hot for a sequence.
            lengths: int64 `[B]`, in [1, T].

        Returns:
            `[B, ceil(T / window), dim]`; what stands at padding is meaningless.
        """
        x = self.local(ids, lengths)
        if self.join is None:
            return self.read(x)
        steps = self.steps(lengths)
        forward, backward = self.read(torch.cat([x, turned(x, steps)])).chunk(2)
        return self.join(torch.cat([forward, turned(backward, steps)], -1))

    def local(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return what the blocks read: embedded tokens, or the stem's features of windows; arguments as `forward`."""
        x = ids @ self.embedding.weight if ids.is_floating_point() else self.embedding(ids.long())
        return self.dropout(x if self.stem is None else self.stem(x, lengths))

    def read(self, x: Tensor) -> Tensor:
        """Let the blocks read `[B, S, dim]` from left to right, whatever the directions; shaped like x."""
        return self.backbone(x, return_state=False)[0]

    def pieces(self, ids: Tensor, piece: int) -> Iterator[Tensor]:
        """Read one sequence of any length piece by piece, with the same features as `forward`.

        Memory does not grow with the sequence, but for the ids and, read in both directions, one state for each
        piece: the blocks first read from the last base to the first, keeping the states between pieces alone, and what
        they give for a piece is computed anew when its turn comes. With gradients each piece is computed again in the
        backward pass.

        Args:
            ids: `[T]` of any integer type, or shares of the tokens `[T, vocabulary]`, on the encoder's device.
            piece: tokens of a piece, at least 1; rounded down to whole windows, but for one.

        Yields:
            `[1, steps of the piece, dim]`, the last one shorter, in the order of the sequence.
        """
        window = self.config.window
        piece = max(piece // window, 1) * window

        def read(
            start: int, state: BackboneState | None, turn: bool, more: bool
        ) -> tuple[Tensor, BackboneState | None]:
            def run(state: BackboneState | None) -> tuple[Tensor, BackboneState | None]:
                x = self._local_piece(ids, start, piece)
                y, after = self.backbone(x.flip(1) if turn else x, state, return_state=more)
                return y.flip(1) if turn else y, after

            if not torch.is_grad_enabled():
                return run(state)
            outcome = checkpoint(run, state, use_reentrant=False)
            assert outcome is not None
            return outcome

        starts = range(0, len(ids), piece)
        ends: list[BackboneState | None] = [None]
        if self.join is not None:
            for start in starts[:0:-1]:
                ends.append(read(start, ends[-1], True, True)[1])
        state = None
        for start in starts:
            y, state = read(start, state, False, start != starts[-1])
            if self.join is not None:
                y = self.join(torch.cat([y, read(start, ends.pop(), True, False)[0]], -1))
            yield y

    def _local_piece(self, ids: Tensor, start: int, piece: int) -> Tensor:
        """`local` of a piece, with as much on either side as its features depend on."""
        stem, window = self.config.stem, self.config.window
        halo = 0 if stem is None else stem.halo
        first, last = max(start - halo, 0), min(start + piece + halo, len(ids))
        lengths = torch.tensor([last - first], device=ids.device)
        x = self.local(ids[None, first:last], lengths)
        return x[:, (start - first) // window :][:, : piece // window]
