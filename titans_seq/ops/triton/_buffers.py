"""What goes into the fused operators, and room for what comes out; imports no triton."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.ops.triton._tiles import Tiles, tiles_for


@dataclass(frozen=True)
class Inputs:
    """What the forward pass takes; see `titans_seq.ops.triton._operator.fused_linear_memory`."""

    q: Tensor
    k: Tensor
    v: Tensor
    lr: Tensor
    momentum: Tensor | None
    keep: Tensor
    weights: Tensor
    past: Tensor | None
    anchor: Tensor | None
    chunk_size: int
    position: int

    @property
    def chunks(self) -> int:
        """How many chunks the call touches."""
        return -(-(self.q.shape[1] + self.position) // self.chunk_size)

    @property
    def stays_open(self) -> bool:
        """Whether the last chunk began in this call and does not end in it."""
        ends_inside = (self.q.shape[1] + self.position) % self.chunk_size != 0
        return ends_inside and (self.chunks > 1 or self.anchor is None)

    @property
    def slots(self) -> int:
        """Matrices carried: the weights, and with momentum the past surprise."""
        return 1 if self.past is None else 2

    @property
    def tiles(self) -> Tiles:
        """Shapes of the programs."""
        return tiles_for(self.q.shape[-1], self.v.shape[-1], self.chunk_size, self.q.dtype)

    @property
    def rounded_anchor(self) -> Tensor | None:
        """The open chunk's anchor as the products take it."""
        return None if self.anchor is None else self.anchor.to(self.q.dtype)


@dataclass(frozen=True)
class Saved:
    """What the forward pass leaves for the backward pass; shapes in `_kernels`."""

    read: Tensor
    mix: Tensor
    write: Tensor
    weights_at: Tensor
    errors: Tensor
    fade: Tensor | None
    past_at: Tensor | None

    def tensors(self) -> list[Tensor]:
        """Return the tensors there are; those of the momentum are the last two."""
        found = (self.read, self.mix, self.write, self.weights_at, self.errors, self.fade, self.past_at)
        return [tensor for tensor in found if tensor is not None]

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> "Saved":
        """Undo `tensors`."""
        return cls(*tensors[:5], *(tensors[5:] or (None, None)))


def empty_saved(x: Inputs) -> Saved:
    """Make room for what the forward pass leaves."""
    groups, key_dim, value_dim = x.weights.shape
    n, c, slots = x.chunks, x.tiles.tokens, x.slots

    def gates(*shape: int) -> Tensor:
        return x.lr.new_empty(groups, n, *shape)

    def operands(*shape: int) -> Tensor:
        return x.q.new_empty(groups, n, *shape)

    return Saved(
        read=gates(slots, c),
        mix=operands(c, c),
        write=gates(slots, c),
        weights_at=operands(key_dim, value_dim),
        errors=operands(c, value_dim),
        fade=gates() if slots == 2 else None,
        past_at=operands(key_dim, value_dim) if slots == 2 else None,
    )


def empty_results(x: Inputs) -> list[Tensor]:
    """Make room for the outputs, the slots afterwards and, if a new chunk stays open, its anchor."""
    y = x.v.new_empty(x.v.shape)
    slots = [x.weights] if x.past is None else [x.weights, x.past]
    anchor = [x.weights] if x.stays_open else []
    return [y, *map(torch.empty_like, [*slots, *anchor])]


def empty_gradients(x: Inputs) -> dict[str, Tensor]:
    """Make room for the gradient of every tensor that went in, by name, in the order of `Inputs`."""
    names = ("q", "k", "v", "lr", "momentum", "keep", "weights", "past", "anchor")
    given = {name: getattr(x, name) for name in names}
    return {name: torch.empty_like(tensor) for name, tensor in given.items() if tensor is not None}
