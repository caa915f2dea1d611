"""A transformer block: attention alone, for hybrids and as the control that every memory is held against."""

from dataclasses import dataclass, field

from titans_seq.blocks.base import Block
from titans_seq.checks import check_types
from titans_seq.config import register
from titans_seq.layers import AttentionConfig, CausalAttention


@register("attention")
@dataclass(frozen=True)
class AttentionBlockConfig:
    """A block whose sequence mixer is attention, over a window or over everything (Llama macro block).

    Attributes:
        attention: the attention.
        hidden: hidden width of the feed-forward; 8/3 of the width if None.
        dropout: share of the mixer's and the feed-forward's outputs that training leaves out, in [0, 1).

    Raises:
        ValueError: if `attention` is no `AttentionConfig`; `build` refuses widths and numbers that do not fit.

    Example:
        >>> import torch
        >>> block = AttentionBlockConfig(AttentionConfig(heads=4, window=64), dropout=0.1).build(32)
        >>> block(torch.randn(2, 5, 32))[0].shape
        torch.Size([2, 5, 32])
    """

    attention: AttentionConfig = field(default_factory=AttentionConfig)
    hidden: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)

    def build(self, dim: int) -> Block:
        """Build a block of width `dim`.

        Example:
            >>> import torch
            >>> y, state = AttentionBlockConfig().build(32)(torch.randn(1, 5, 32))
            >>> y.shape
            torch.Size([1, 5, 32])
        """
        return Block(CausalAttention(self.attention, dim), dim, self.hidden, self.dropout)
