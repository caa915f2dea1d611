"""LMM: the neural memory alone as sequence mixer."""

from dataclasses import dataclass, field

from titans_seq.blocks.base import Block
from titans_seq.checks import check_types
from titans_seq.config import register
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig


@register("lmm")
@dataclass(frozen=True)
class LMMConfig:
    """A block whose sequence mixer is the memory alone (Titans section 4.3).

    Attributes:
        memory: the memory layer.
        hidden: hidden width of the feed-forward; 8/3 of the width if None.
        dropout: share of the mixer's and the feed-forward's outputs that training leaves out, in [0, 1).

    Raises:
        ValueError: if `memory` is no `NeuralMemoryConfig`; `build` refuses widths and numbers that do not fit.

    Example:
        >>> import torch
        >>> block = LMMConfig(NeuralMemoryConfig(heads=2, chunk_size=8)).build(32)
        >>> block(torch.randn(2, 5, 32))[0].shape
        torch.Size([2, 5, 32])
    """

    memory: NeuralMemoryConfig = field(default_factory=NeuralMemoryConfig)
    hidden: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)

    def build(self, dim: int) -> Block:
        """Build a block of width `dim`.

        Example:
            >>> import torch
            >>> y, state = LMMConfig().build(32)(torch.randn(1, 5, 32))
            >>> y.shape
            torch.Size([1, 5, 32])
        """
        return Block(NeuralMemory(self.memory, dim), dim, self.hidden, self.dropout)
