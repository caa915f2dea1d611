"""MAG: window attention and memory side by side, joined by a gate."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from titans_seq.blocks.base import Block, PairMixer
from titans_seq.checks import check_choice, check_types
from titans_seq.config import register
from titans_seq.layers import AttentionConfig, CausalAttention, Fusion, FusionName, NeuralMemory, NeuralMemoryConfig


@register("mag")
@dataclass(frozen=True)
class MAGConfig:
    """Memory as a gate (Titans section 4.2, eq. 26-28).

    Both branches see the persistent tokens: attention in front of every window, the memory before the first token
    (`NeuralMemoryConfig.persistent_tokens`); each has its own.

    Attributes:
        attention: the window attention.
        memory: the memory layer.
        fusion: how the two are joined.
        hidden: hidden width of the feed-forward; 8/3 of the width if None.
        dropout: share of the mixer's and the feed-forward's outputs that training leaves out, in [0, 1).

    Raises:
        ValueError: if there is no such `fusion`, or a member is of another class; `build` refuses widths too.

    Example:
        >>> import torch
        >>> block = MAGConfig(AttentionConfig(heads=2, window=4)).build(32)
        >>> y, (seen, stored) = block(torch.randn(1, 10, 32))
        >>> y.shape, seen.keys.shape[2], stored.memory.position  # three tokens in sight; ten in a chunk of 16
        (torch.Size([1, 10, 32]), 3, 10)
    """

    attention: AttentionConfig = field(default_factory=AttentionConfig)
    memory: NeuralMemoryConfig = field(default_factory=NeuralMemoryConfig)
    fusion: FusionName = "mix"
    hidden: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("fusion", self.fusion, FusionName)

    def build(self, dim: int) -> Block:
        """Build a block of width `dim`."""
        return Block(MemoryAsGate(self, dim), dim, self.hidden, self.dropout)


class MemoryAsGate(PairMixer):
    """Compute `Fusion(Attention(x), Memory(x))`; its state is the pair of theirs.

    Example:
        >>> import torch
        >>> y, state = MemoryAsGate(MAGConfig(), dim=32)(torch.randn(1, 5, 32))
        >>> y.shape
        torch.Size([1, 5, 32])
    """

    name = "MAG"

    def __init__(self, config: MAGConfig, dim: int) -> None:
        super().__init__()
        self.attention = CausalAttention(config.attention, dim)
        self.memory = NeuralMemory(config.memory, dim)
        self.fusion = Fusion(config.fusion, dim)

    def mix(self, x: Tensor, states: tuple[Any, Any], **how: Any) -> tuple[Tensor, tuple[Any, Any]]:
        """Join what attention and what the memory return; see `PairMixer`."""
        y, seen = self.attention(x, states[0], **how)
        m, stored = self.memory(x, states[1], **how)
        return self.fusion(y, m), (seen, stored)
