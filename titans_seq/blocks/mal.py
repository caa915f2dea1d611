"""MAL: the memory as a layer below window attention."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from titans_seq.blocks.base import Block, PairMixer
from titans_seq.checks import check_types
from titans_seq.config import register
from titans_seq.layers import AttentionConfig, CausalAttention, NeuralMemory, NeuralMemoryConfig, RMSNorm


@register("mal")
@dataclass(frozen=True)
class MALConfig:
    """Memory as a layer (Titans section 4.3, eq. 29-31).

    Both have a residual connection, as the paper says of all blocks, and one feed-forward follows the two; the paper
    leaves open whether each has its own.

    Each of the two has persistent tokens of its own. In eq. 29-31 the same ones go through the memory first, and
    attention sees what the memory returned at their positions. Here that is dropped: a window that has moved on would
    not see it any more. Attention sees its own tokens in front of every window.

    Attributes:
        memory: the memory layer.
        attention: the window attention.
        hidden: hidden width of the feed-forward; 8/3 of the width if None.
        dropout: share of the mixer's and the feed-forward's outputs that training leaves out, in [0, 1).

    Raises:
        ValueError: if a value is of another class; `build` refuses widths that do not fit.

    Example:
        >>> import torch
        >>> block = MALConfig(attention=AttentionConfig(heads=2, window=4)).build(32)
        >>> y, (stored, seen) = block(torch.randn(1, 10, 32))
        >>> y.shape, stored.memory.position, seen.keys.shape[2]  # ten tokens in a chunk of 16; three in sight
        (torch.Size([1, 10, 32]), 10, 3)
    """

    memory: NeuralMemoryConfig = field(default_factory=NeuralMemoryConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    hidden: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)

    def build(self, dim: int) -> Block:
        """Build a block of width `dim`."""
        return Block(MemoryAsLayer(self, dim), dim, self.hidden, self.dropout)


class MemoryAsLayer(PairMixer):
    """Compute `m + Attention(norm(x + m))` with `m = Memory(x)`; its state is the pair of theirs.

    Example:
        >>> import torch
        >>> y, state = MemoryAsLayer(MALConfig(), dim=32)(torch.randn(1, 5, 32))
        >>> y.shape
        torch.Size([1, 5, 32])
    """

    name = "MAL"

    def __init__(self, config: MALConfig, dim: int) -> None:
        super().__init__()
        self.memory = NeuralMemory(config.memory, dim)
        self.attention_norm, self.attention = RMSNorm(dim), CausalAttention(config.attention, dim)

    def mix(self, x: Tensor, states: tuple[Any, Any], **how: Any) -> tuple[Tensor, tuple[Any, Any]]:
        """Add to the memory's output that of attention; see `PairMixer`."""
        m, stored = self.memory(x, states[0], **how)
        y, seen = self.attention(self.attention_norm(x + m), states[1], **how)
        return m + y, (stored, seen)
