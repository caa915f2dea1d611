"""MAG: window attention and memory side by side, joined by a gate."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from titans_seq.blocks.base import Block, pair_of
from titans_seq.config import register
from titans_seq.layers import AttentionConfig, CausalAttention, Fusion, FusionName, NeuralMemory, NeuralMemoryConfig
from titans_seq.layers.documents import ReturnState, without_padding


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
    """

    attention: AttentionConfig = field(default_factory=AttentionConfig)
    memory: NeuralMemoryConfig = field(default_factory=NeuralMemoryConfig)
    fusion: FusionName = "mix"
    hidden: int | None = None
    dropout: float = 0.0

    def build(self, dim: int) -> Block:
        """Build a block of width `dim`."""
        return Block(MemoryAsGate(self, dim), dim, self.hidden, self.dropout)


class MemoryAsGate(nn.Module):
    """`Fusion(Attention(x), Memory(x))`; its state is the pair of theirs.

    Example:
        >>> import torch
        >>> y, state = MemoryAsGate(MAGConfig(), dim=32)(torch.randn(1, 5, 32))
        >>> y.shape
        torch.Size([1, 5, 32])
    """

    def __init__(self, config: MAGConfig, dim: int) -> None:
        super().__init__()
        self.attention = CausalAttention(config.attention, dim)
        self.memory = NeuralMemory(config.memory, dim)
        self.fusion = Fusion(config.fusion, dim)

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        return_state: ReturnState = True,
    ) -> tuple[Tensor, Any]:
        """Mix `[B, T, dim]`, going on from `state`; for the other arguments see `titans_seq.layers.documents`."""
        if attention_mask is not None:
            return without_padding(self, x, state, attention_mask, cu_seqlens, return_state)
        seen, stored = pair_of(state, "MAG")
        y, seen = self.attention(x, seen, cu_seqlens=cu_seqlens, return_state=return_state)
        m, stored = self.memory(x, stored, cu_seqlens=cu_seqlens, return_state=return_state)
        return self.fusion(y, m), (seen, stored) if return_state else None
