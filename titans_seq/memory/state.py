"""What a memory carries from one token to the next, as an immutable value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def _is_zero(tensor: Tensor) -> bool:
    """Whether `tensor` is one zero repeated all over, as `MemoryState.initial` makes it."""
    if any(stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1):
        return False
    # Elsewhere than on a CPU, reading the number would make everything wait for it.
    readable = tensor.device.type == "cpu" and not torch.compiler.is_compiling()
    return not (readable and tensor.numel() and tensor.flatten()[0].item())


@dataclass(frozen=True)
class MemoryState:
    """A memory between two tokens. Nothing mutates one; an operation takes a state and returns another.

    Attributes:
        weights: what the algorithm has accumulated, one tensor `[B, H, out, in]` per layer, float32 or wider: the
            memory's weights, or what stands for them (`MemoryRule.weights`). Without the batch dimension,
            `[H, out, in]`, they are shared by the batch: a new memory, see `initial`, or a layer that does not learn.
        momentum: the same shapes.
        anchor: the same shapes: the weights at which the open chunk's gradients are taken. Of no meaning at a border.
        position: tokens already in the open chunk, at least 0, below the chunk size.
        recent: what the last tokens wrote, `[B, tokens, H, .]` each: keys, values and, if the rule reads one,
            thresholds. Only rules that write a token again need it; empty means that there were no tokens.

    Raises:
        ValueError: if the tuples differ in length or shape, or `position` is negative.

    Example:
        >>> import torch
        >>> state = MemoryState.initial([torch.eye(4).expand(2, 4, 4)])
        >>> state.position, state.is_new
        (0, True)
    """

    weights: tuple[Tensor, ...]
    momentum: tuple[Tensor, ...]
    anchor: tuple[Tensor, ...]
    position: int
    recent: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        shapes = [tuple(w.shape) for w in self.weights]
        for name, tensors in (("momentum", self.momentum), ("anchor", self.anchor)):
            if [tuple(t.shape) for t in tensors] != shapes:
                raise ValueError(
                    f"{name} must have the weights' shapes {shapes}, got {[tuple(t.shape) for t in tensors]}"
                )
        if any(len(shape) not in (3, 4) for shape in shapes):
            raise ValueError(f"memory weights must be [B, H, out, in] or [H, out, in] per layer, got {shapes}")
        if self.position < 0:
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
        """
        weights = tuple(weights)
        return cls(weights, tuple(w.new_zeros(()).expand(w.shape) for w in weights), weights, 0)

    @property
    def is_new(self) -> bool:
        """Whether the weights are initial ones that the whole batch shares (no batch dimension)."""
        return bool(self.weights) and self.weights[-1].dim() == 3  # the last layer learns in every memory

    def map(self, function: Callable[[Tensor], Tensor]) -> "MemoryState":
        """Return the state with `function` applied to every tensor, e.g. `Tensor.detach` or a move to a device."""
        if self.is_new:
            return MemoryState.initial([function(w) for w in self.weights])
        parts = (self.weights, self.momentum, self.anchor, self.recent)
        weights, momentum, anchor, recent = (tuple(map(function, part)) for part in parts)
        return MemoryState(weights, momentum, anchor, self.position, recent)

    def detach(self) -> "MemoryState":
        """Return the same values, cut off from the graph: truncated back-propagation."""
        return self.map(Tensor.detach)
