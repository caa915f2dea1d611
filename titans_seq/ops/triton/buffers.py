"""What goes into the fused operators, and room for what comes out; imports no triton."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.ops.triton.tiles import Tiles, tiles_for


@dataclass(frozen=True)
class Network:
    """What is between and behind the layers of a deep memory, by `MLPMemory`'s names."""

    activation: str
    residual: bool
    norm: bool


@dataclass(frozen=True)
class Inputs:
    """What the forward pass takes; see `titans_seq.ops.triton.operator.fused_memory`."""

    q: Tensor
    k: Tensor
    v: Tensor
    lr: Tensor
    momentum: Tensor | None
    keep: Tensor
    weights: list[Tensor]
    past: list[Tensor]
    anchor: list[Tensor]
    network: Network
    chunk_size: int
    position: int
    saves: bool = True

    @property
    def chunks(self) -> int:
        """How many chunks the call touches."""
        return -(-(self.q.shape[1] + self.position) // self.chunk_size)

    @property
    def stays_open(self) -> bool:
        """Whether the last chunk began in this call and does not end in it."""
        ends_inside = (self.q.shape[1] + self.position) % self.chunk_size != 0
        return ends_inside and (self.chunks > 1 or not self.anchor)

    @property
    def depth(self) -> int:
        """Layers of the memory, 1 or 2."""
        return len(self.weights)

    @property
    def slots(self) -> int:
        """Matrices that a layer carries: the weights, and with momentum the past surprise."""
        return 2 if self.past else 1

    @property
    def groups(self) -> int:
        """Sequences times heads."""
        return self.weights[0].shape[0]

    @property
    def tokens(self) -> int:
        """Rows that a chunk is padded to."""
        return self.tiles(0).tokens

    def tiles(self, layer: int) -> Tiles:
        """Return the shapes of the programs of one layer."""
        width_in, width_out = self.weights[layer].shape[1:]
        return tiles_for(width_in, width_out, self.chunk_size, self.q.dtype, self.groups)

    @property
    def rounded_anchor(self) -> list[Tensor]:
        """The open chunk's anchor as the products take it."""
        return [matrix.to(self.q.dtype) for matrix in self.anchor]

    def rows(self, width: int) -> Tensor:
        """Make room for a vector a token, `[B, T, H, width]`, in the operands' dtype."""
        return self.q.new_empty(*self.q.shape[:3], width)

    def operands(self, *shape: int) -> Tensor:
        """Make room for something a chunk, `[G, N, *shape]`, in the operands' dtype."""
        return self.q.new_empty(self.groups, self.chunks, *shape)

    def numbers(self, *shape: int) -> Tensor:
        """Make room for something a chunk, `[G, N, *shape]`, in float32."""
        return self.lr.new_empty(self.groups, self.chunks, *shape)


@dataclass(frozen=True)
class LayerSaved:
    """What the forward pass leaves of a layer; shapes in `kernels`. Without momentum the last is the first again."""

    weights_at: Tensor
    errors: Tensor
    past_at: Tensor


@dataclass(frozen=True)
class NetworkSaved:
    """What a deep memory's forward pass leaves besides.

    Attributes:
        active: what keys made of the second layer's input, `[B, T, H, hidden]`.
        slope: the activation's slope there, likewise.
        bend: its second derivative times the error behind it, likewise.
        normed: what the norm made of the keys' last layer, `[B, T, H, V]`; empty without a norm.
        scale: one over the deviations that it divided by, `[G, N, TOKENS]`, float32; empty without.
        along: mean of the output's error times what the norm made, likewise.
        read: as `active`, of queries.
        read_slope: as `slope`, of queries.
        last: what queries made of the last layer, `[B, T, H, V]`.
    """

    active: Tensor
    slope: Tensor
    bend: Tensor
    normed: Tensor
    scale: Tensor
    along: Tensor
    read: Tensor
    read_slope: Tensor
    last: Tensor


@dataclass(frozen=True)
class Saved:
    """What the forward pass leaves for the backward pass; shapes in `kernels`."""

    read: Tensor
    mix: Tensor
    write: Tensor
    fade: Tensor
    layers: list[LayerSaved]
    network: NetworkSaved | None

    def tensors(self, x: Inputs) -> list[Tensor]:
        """Return the tensors there are; none where no backward pass follows."""
        if not x.saves:
            return []
        found = [self.read, self.mix, self.write]
        if x.slots == 2:
            found.append(self.fade)
        for layer in self.layers:
            found += [layer.weights_at, layer.errors]
            if x.slots == 2:
                found.append(layer.past_at)
        return found if self.network is None else [*found, *vars(self.network).values()]

    @classmethod
    def of(cls, tensors: Sequence[Tensor], x: Inputs) -> "Saved":
        """Undo `tensors`. Kernels without momentum get other tensors where they would have its."""
        rest = iter(tensors)
        read, mix, write = (next(rest) for _ in range(3))
        fade = next(rest) if x.slots == 2 else write
        layers = []
        for _ in range(x.depth):
            weights_at, errors = next(rest), next(rest)
            layers.append(LayerSaved(weights_at, errors, next(rest) if x.slots == 2 else weights_at))
        return cls(read, mix, write, fade, layers, NetworkSaved(*rest) if x.depth == 2 else None)


def empty_saved(x: Inputs) -> Saved:
    """Make room for what the forward pass leaves."""
    read, write = (x.numbers(x.slots, x.tokens) for _ in range(2))
    layers = []
    for weights in x.weights:
        weights_at, errors = x.operands(*weights.shape[1:]), x.operands(x.tokens, weights.shape[2])
        layers.append(LayerSaved(weights_at, errors, torch.empty_like(weights_at) if x.slots == 2 else weights_at))
    fade = x.numbers() if x.slots == 2 else write
    return Saved(read, x.operands(x.tokens, x.tokens), write, fade, layers, _empty_network(x))


def _empty_network(x: Inputs) -> NetworkSaved | None:
    if x.depth == 1:
        return None
    hidden, value_dim = x.weights[1].shape[1:]
    row = (x.tokens,) if x.network.norm and x.saves else (0,)

    def kept(width: int) -> Tensor:
        return x.rows(width) if x.saves else x.q.new_empty(0)

    return NetworkSaved(
        active=x.rows(hidden),
        slope=kept(hidden),
        bend=kept(hidden),
        normed=kept(value_dim) if x.network.norm else x.q.new_empty(0),
        scale=x.numbers(*row),
        along=x.numbers(*row),
        read=x.rows(hidden),
        read_slope=kept(hidden),
        last=x.rows(value_dim),
    )


@dataclass(frozen=True)
class Results:
    """What comes out: outputs, and per layer the slots afterwards and, if a new chunk stays open, its anchor."""

    y: Tensor
    weights: list[Tensor]
    past: list[Tensor]
    anchor: list[Tensor]

    def tensors(self) -> list[Tensor]:
        """Return the tensors there are."""
        return [self.y, *self.weights, *self.past, *self.anchor]

    @classmethod
    def of(cls, tensors: Sequence[Tensor], x: Inputs) -> "Results":
        """Undo `tensors`."""
        y, *rest = tensors
        weights, past, anchor = (rest[i * x.depth : (i + 1) * x.depth] for i in range(3))
        return cls(y, weights, *((past, anchor) if x.past else ([], past)))

    def past_or_weights(self) -> list[Tensor]:
        """Return what a kernel gets for the momentum: without momentum something that it leaves alone."""
        return self.past or self.weights

    def anchor_or_weights(self) -> list[Tensor]:
        """Return what a kernel gets for the anchor afterwards, likewise."""
        return self.anchor or self.weights


def empty_results(x: Inputs) -> Results:
    """Make room for what comes out."""
    weights, past = ([torch.empty_like(matrix) for matrix in slot] for slot in (x.weights, x.past))
    anchor = [torch.empty_like(matrix) for matrix in x.weights] if x.stays_open else []
    return Results(x.v.new_empty(x.v.shape), weights, past, anchor)


def empty_gradients(x: Inputs) -> Inputs:
    """Make room for the gradient of every tensor that went in, in its place."""
    q, k, v, lr, keep = map(torch.empty_like, (x.q, x.k, x.v, x.lr, x.keep))
    momentum = None if x.momentum is None else torch.empty_like(x.momentum)
    weights, past, anchor = ([torch.empty_like(m) for m in slot] for slot in (x.weights, x.past, x.anchor))
    return Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, x.network, x.chunk_size, x.position)


def tensors_of(x: Inputs) -> list[Tensor]:
    """Return the tensors among inputs, or among their gradients, in order."""
    momentum = [] if x.momentum is None else [x.momentum]
    return [x.q, x.k, x.v, x.lr, *momentum, x.keep, *x.weights, *x.past, *x.anchor]
