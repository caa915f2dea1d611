"""What the neural memory as a layer carries between calls."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.layers.row_state import RowState
from titans_seq.memory import MemoryState


@dataclass(frozen=True)
class NeuralMemoryState(RowState):
    """What the layer carries between calls.

    Attributes:
        memory: the memory.
        recent: the convolution's last inputs, `[B, width - 1, 3 * H * D]`; None without convolution.
        key: of the last token, `[B, 1, H, D]`, which waits for its value (`values_ahead`); else None.

    Example:
        >>> from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
        >>> _, state = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4), dim=16)(torch.randn(3, 6, 16))
        >>> state.batch, state.memory.position, state.recent.shape
        (3, 2, torch.Size([3, 3, 48]))
    """

    memory: MemoryState
    recent: Tensor | None
    key: Tensor | None = None

    @property
    def batch(self) -> int:
        """Number of rows."""
        return self.memory.weights[-1].shape[0]

    @property
    def place(self) -> Hashable:
        """The place in the open chunk."""
        return self.memory.position

    @classmethod
    def joined(cls, states: Sequence["NeuralMemoryState"]) -> "NeuralMemoryState":
        """Return one state with the rows of all, which are equally far in their chunks."""
        recent = [state.recent for state in states if state.recent is not None]
        key = [state.key for state in states if state.key is not None]
        memory = MemoryState.joined([state.memory for state in states])
        return cls(memory, torch.cat(recent) if recent else None, torch.cat(key) if key else None)
