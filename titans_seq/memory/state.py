"""What a memory carries from one token to the next, as an immutable value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake

from titans_seq.autodiff import transformed
from titans_seq.state import State


def _is_zero(tensor: Tensor) -> bool:
    """Whether `tensor` is one zero repeated all over, as `MemoryState.initial` makes it."""
    if any(stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1):
        return False
    # Elsewhere than on a CPU, reading the number would make everything wait for it; and where only shapes are followed
    # there is none, or inside vmap many.
    followed = torch.compiler.is_compiling() or is_fake(tensor) or transformed()
    readable = tensor.device.type == "cpu" and not followed
    return not (readable and tensor.numel() and tensor.flatten()[0].item())


def _one(positions: Sequence[int]) -> int | tuple[int, ...]:
    """Return positions as one number where all agree."""
    return positions[0] if len(set(positions)) == 1 else tuple(positions)


@dataclass(frozen=True)
class MemoryState(State):
    """A memory between two tokens. Nothing mutates one; an operation takes a state and returns another.

    Attributes:
        weights: what the algorithm has accumulated, one tensor `[B, H, out, in]` per layer, float32 or wider: the
            memory's weights, or what stands for them (`MemoryRule.weights`). Without the batch dimension,
            `[H, out, in]`, they are shared by the batch: a new memory, see `initial`, or a layer that does not learn.
        momentum: the same shapes.
        anchor: the same shapes: the weights at which the open chunk's gradients are taken. Of no meaning at a border.
        position: tokens already in the open chunk, at least 0, below the chunk size; one number for each sequence where
            they stand at different tokens of their chunks, as after documents of unlike lengths.
        recent: what the last tokens wrote, `[B, tokens, H, .]` each: keys, values and, if the rule reads one,
            thresholds. Only rules that write a token again need it; empty means that there were no tokens.

    Raises:
        ValueError: if the tuples differ in length or shape, `position` is negative or of another number of sequences,
            or tensors without the batch dimension have momentum or an open chunk.

    Example:
        >>> import torch
        >>> state = MemoryState.initial([torch.eye(4).expand(2, 4, 4)])
        >>> state.position, state.is_new
        (0, True)
    """

    weights: tuple[Tensor, ...]
    momentum: tuple[Tensor, ...]
    anchor: tuple[Tensor, ...]
    position: int | tuple[int, ...]
    recent: tuple[Tensor, ...] = ()
    static: ClassVar[tuple[str, ...]] = ("position",)

    def __post_init__(self) -> None:
        shapes = [tuple(w.shape) for w in self.weights]
        for name, tensors in (("momentum", self.momentum), ("anchor", self.anchor)):
            if [tuple(t.shape) for t in tensors] != shapes:
                raise ValueError(
                    f"{name} must have the weights' shapes {shapes}, got {[tuple(t.shape) for t in tensors]}"
                )
        if any(len(shape) not in (3, 4) for shape in shapes):
            raise ValueError(f"memory weights must be [B, H, out, in] or [H, out, in] per layer, got {shapes}")
        if isinstance(self.position, tuple) and (self.is_new or len(self.position) != shapes[-1][0]):
            raise ValueError(
                f"position must be one number, or one for each of the sequences of weights {shapes[-1]}, got "
                f"{len(self.position)}"
            )
        positions = self.position if isinstance(self.position, tuple) else (self.position,)
        if any(position < 0 for position in positions):
            raise ValueError(f"position counts tokens in the open chunk and cannot be negative, got {self.position}")
        if self.is_new and (self.position or self.recent or not all(map(_is_zero, self.momentum))):
            raise ValueError(
                "a state without batch dimension is a new memory, with no momentum and no open chunk: make it with "
                "MemoryState.initial(weights), or give every tensor its batch dimension"
            )

    @classmethod
    def initial(cls, weights: Sequence[Tensor]) -> "MemoryState":
        """Start a memory: momentum 0, at a chunk's start.

        Args:
            weights: one tensor per layer, `[H, out, in]` (shared by the batch, which the first chunk exploits) or
                `[B, H, out, in]`.

        Returns:
            The state, whose momentum is one zero spread over the weights' shapes.
        """
        weights = tuple(weights)
        return cls(weights, tuple(w.new_zeros(()).expand(w.shape) for w in weights), weights, 0)

    @property
    def is_new(self) -> bool:
        """Whether the weights are initial ones that the whole batch shares (no batch dimension)."""
        return bool(self.weights) and self.weights[-1].dim() == 3  # the last layer learns in every memory

    def map(self, function: Callable[[Tensor], Tensor]) -> "MemoryState":
        """Return the state with `function` applied to every tensor, e.g. `Tensor.detach`; see `rows` for an order."""
        if self.is_new:
            return MemoryState.initial([function(w) for w in self.weights])
        parts = (self.weights, self.momentum, self.anchor, self.recent)
        weights, momentum, anchor, recent = (tuple(map(function, part)) for part in parts)
        return MemoryState(weights, momentum, anchor, self.position, recent)

    def rows(self, index: Sequence[int]) -> "MemoryState":
        """Return a state whose rows are these of the batch, in this order; what the batch shares stays as it is.

        Raises:
            ValueError: if one is no row of the batch.

        Example:
            >>> import torch
            >>> MemoryState.initial([torch.rand(3, 2, 4, 4)]).rows([2, 0]).weights[0].shape
            torch.Size([2, 2, 4, 4])
        """
        if self.is_new:
            return self
        batch = self.weights[-1].shape[0]
        if any(not 0 <= row < batch for row in index):
            raise ValueError(f"rows must be of 0 .. {batch - 1}, got {list(index)}")
        consecutive = bool(index) and list(index) == list(range(index[0], index[0] + len(index)))

        def pick(x: Tensor) -> Tensor:
            if x.dim() == 3:  # a layer that does not learn may be shared by all sequences
                return x
            if consecutive:
                return x[index[0] : index[0] + len(index)]
            return x.index_select(0, torch.tensor(index, dtype=torch.int64, device=x.device))

        position = self.position
        if isinstance(position, tuple):
            position = _one([position[row] for row in index])
        parts = (self.weights, self.momentum, self.anchor, self.recent)
        weights, momentum, anchor, recent = (tuple(map(pick, part)) for part in parts)
        return MemoryState(weights, momentum, anchor, position, recent)

    def at(self, positions: Sequence[int]) -> "MemoryState":
        """Return the state with its sequences at these tokens of their chunks."""
        return replace(self, position=_one(positions))

    def spread(self, batch: int) -> "MemoryState":
        """Return a new memory as the state of sequences of their own, of which each has a row."""
        if not self.is_new:
            return self
        return MemoryState.initial([w.expand(batch, *w.shape) for w in self.weights])

    def positions(self, batch: int) -> tuple[int, ...]:
        """Return how many tokens each of the sequences is into its chunk."""
        return self.position if isinstance(self.position, tuple) else (self.position,) * batch

    @classmethod
    def joined(cls, states: Sequence["MemoryState"]) -> "MemoryState":
        """Return one state with the sequences of all, behind each other; none of them new, see `spread`."""
        if len(states) == 1:
            return states[0]
        batches = [state.weights[-1].shape[0] for state in states]
        window = next((state.recent for state in states if state.recent), ())
        positions = [at for state, n in zip(states, batches, strict=True) for at in state.positions(n)]

        # Layers that do not learn are left shared by all sequences where they are.
        layers = zip(*(state.weights for state in states), strict=True)
        shared = [layer[0].dim() == 3 and all(w is layer[0] for w in layer) for layer in layers]

        def cat(layer: Sequence[Tensor]) -> Tensor:
            return torch.cat([x.expand(n, *x.shape[-3:]) for x, n in zip(layer, batches, strict=True)])

        def join(name: str) -> tuple[Tensor, ...]:
            layers = zip(*(getattr(state, name) for state in states), strict=True)
            return tuple(layer[0] if still else cat(layer) for still, layer in zip(shared, layers, strict=True))

        # No window means that there were no tokens, and those write what zeros write: nothing.
        recents = [
            state.recent or tuple(x.new_zeros(n, *x.shape[1:]) for x in window)
            for state, n in zip(states, batches, strict=True)
        ]
        return cls(
            join("weights"),
            join("momentum"),
            join("anchor"),
            _one(positions),
            tuple(map(torch.cat, zip(*recents, strict=True))),
        )

    def _moved(self, device: Any, dtype: torch.dtype | None) -> "MemoryState":
        wide = None if dtype is None else torch.promote_types(dtype, torch.float32)
        return self.map(lambda tensor: tensor.to(device, wide))
