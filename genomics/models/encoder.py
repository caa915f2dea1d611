"""An encoder of sequences: embedding and blocks, read from one end or from both."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from titans_seq.blocks import BlockConfig
from titans_seq.errors import UserError
from titans_seq.models import Backbone, BackboneState

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
            weights, read from the last base to the first as well, and joins what they give for each base.
        dropout: share of the embedded features that training leaves out, in [0, 1).

    Raises:
        UserError: if a value is out of range.
    """

    dim: int
    blocks: tuple[BlockConfig, ...]
    depth: int
    directions: Directions = "forward"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("dim", "depth"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.blocks:
            raise UserError("an encoder needs at least one block, got none")
        if self.directions not in ("forward", "both"):
            raise UserError(f"directions must be 'forward' or 'both', got {self.directions!r}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout must be in [0, 1), got {self.dropout}")


class Encoder(nn.Module):
    """Features of every token of a batch of padded sequences.

    Blocks are causal, and padding is on the right: no valid token ever sees it. Read from the last base, each row is
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
        self.embedding = nn.Embedding(vocabulary, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        blocks = (config.blocks[i % len(config.blocks)].build(config.dim) for i in range(config.depth))
        self.backbone = Backbone(blocks, config.dim)
        self.join = None
        if config.directions == "both":
            self.join = nn.Linear(2 * config.dim, config.dim)
            with torch.no_grad():  # begins as the mean of both
                self.join.weight.copy_(torch.eye(config.dim).repeat(1, 2) / 2)
                self.join.bias.zero_()

    def forward(self, ids: Tensor, lengths: Tensor, weights: Tensor | None = None) -> Tensor:
        """Read whole sequences.

        Args:
            ids: int64 `[B, T]`, padded on the right.
            lengths: int64 `[B]`, in [1, T].
            weights: factor of each token's embedding, `[B, T]`; the gradient with respect to ones is the embedding's
                gradient times the embedding.

        Returns:
            `[B, T, dim]`; what stands at padding is meaningless.
        """
        if self.join is None:
            return self.read(ids, weights=weights, return_state=False)[0]
        ids = torch.cat([ids, turned(ids, lengths)])
        weights = None if weights is None else torch.cat([weights, turned(weights, lengths)])
        forward, backward = self.read(ids, weights=weights, return_state=False)[0].chunk(2)
        return self.join(torch.cat([forward, turned(backward, lengths)], -1))

    def read(
        self,
        ids: Tensor,
        state: BackboneState | None = None,
        *,
        weights: Tensor | None = None,
        return_state: bool = True,
    ) -> tuple[Tensor, BackboneState | None]:
        """Read a piece of sequences from left to right, whatever the directions.

        Args:
            ids: `[B, T]` of any integer type.
            state: what the previous piece returned; None starts.
            weights: see `forward`.
            return_state: pass False when no piece follows.

        Returns:
            `[B, T, dim]`, and the state after the piece (None without `return_state`).
        """
        x = self.embedding(ids.long())
        if weights is not None:
            x = x * weights.unsqueeze(-1)
        return self.backbone(self.dropout(x), state, return_state=return_state)

    def pieces(self, ids: Tensor, piece: int, weights: Tensor | None = None) -> Iterator[Tensor]:
        """Read one sequence of any length piece by piece, with the same features as `forward`.

        Memory does not grow with the sequence, but for the ids and, read in both directions, one state for each
        piece: the blocks first read from the last base to the first, keeping the states between pieces alone, and what
        they give for a piece is computed anew when its turn comes. With gradients each piece is computed again in the
        backward pass.

        Args:
            ids: `[T]` of any integer type, on the encoder's device.
            piece: tokens of a piece, at least 1.
            weights: factor of each token's embedding, `[T]`.

        Yields:
            `[1, piece, dim]`, the last one shorter, in the order of the sequence.
        """
        ids = ids.unsqueeze(0)
        parts = ids.split(piece, 1)
        factors = [None] * len(parts) if weights is None else list(weights.unsqueeze(0).split(piece, 1))
        ends: list[BackboneState | None] = [None]
        if self.join is not None:
            for part, factor in list(zip(parts, factors, strict=True))[:0:-1]:
                ends.append(self._read_piece(part.flip(1), ends[-1], _flipped(factor), True)[1])
        state = None
        for number, (part, factor) in enumerate(zip(parts, factors, strict=True), 1):
            y, state = self._read_piece(part, state, factor, number < len(parts))
            if self.join is not None:
                backward, _ = self._read_piece(part.flip(1), ends.pop(), _flipped(factor), False)
                y = self.join(torch.cat([y, backward.flip(1)], -1))
            yield y

    def _read_piece(
        self, ids: Tensor, state: BackboneState | None, weights: Tensor | None, return_state: bool
    ) -> tuple[Tensor, BackboneState | None]:
        def run(ids: Tensor, state: BackboneState | None) -> tuple[Tensor, BackboneState | None]:
            return self.read(ids, state, weights=weights, return_state=return_state)

        if not torch.is_grad_enabled():
            return run(ids, state)
        outcome = checkpoint(run, ids, state, use_reentrant=False)
        assert outcome is not None
        return outcome


def _flipped(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.flip(1)
