"""The base of every block: pre-norm, residual, sequence mixer then feed-forward."""

from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from titans_seq.layers import RMSNorm, SwiGLU
from titans_seq.layers.documents import ReturnState, without_padding


class Mixer(Protocol):
    """Mix a sequence causally and carry an immutable state, as `NeuralMemory` does.

    Example:
        >>> import torch
        >>> class RunningMean(nn.Module):
        ...     def forward(self, x, state=None, *, return_state=True):
        ...         total, count = (0, 0) if state is None else state
        ...         totals = total + x.cumsum(1)
        ...         counts = count + torch.arange(1, x.shape[1] + 1).unsqueeze(-1)
        ...         return totals / counts, (totals[:, -1:], counts[-1:]) if return_state else None
        >>> y, state = Block(RunningMean(), dim=8)(torch.randn(2, 5, 8))
        >>> y.shape, state[0].shape, state[1].item()
        (torch.Size([2, 5, 8]), torch.Size([2, 1, 8]), 5)
    """

    def __call__(
        self, x: Tensor, state: Any = None, *, cu_seqlens: Tensor | None = None, return_state: ReturnState = True
    ) -> tuple[Tensor, Any]:
        """Mix a piece of a sequence; arguments and results are those of `NeuralMemory.forward`."""
        ...


class BlockConfig(Protocol):
    """Describe a block: a registered frozen dataclass, saved with a model.

    Example:
        >>> from titans_seq.blocks import LMMConfig, MACConfig
        >>> [type(config.build(32).mixer).__name__ for config in (LMMConfig(), MACConfig())]
        ['NeuralMemory', 'MemoryAsContext']
    """

    def build(self, dim: int) -> "Block":
        """Build a block of width `dim`."""
        ...


class Block(nn.Module):
    """Compute `x + Mixer(RMSNorm(x))`, then `x + SwiGLU(RMSNorm(x))` (Llama macro block; Titans, NeurIPS version, 4.1).

    Args:
        mixer: the sequence mixer, an `nn.Module`.
        dim: width.
        hidden: hidden width of the feed-forward; its own default if None.
        dropout: share of both their outputs that training leaves out, in [0, 1).

    Raises:
        ValueError: if `dropout` is out of its range, or `hidden` is below 1.

    Example:
        >>> import torch
        >>> from titans_seq.layers import AttentionConfig, CausalAttention
        >>> block = Block(CausalAttention(AttentionConfig(heads=2), dim=16), dim=16, dropout=0.1)
        >>> y, state = block(torch.randn(1, 5, 16))
        >>> y.shape
        torch.Size([1, 5, 16])
    """

    def __init__(self, mixer: nn.Module, dim: int, hidden: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.mixer_norm, self.mixer = RMSNorm(dim), mixer
        self.feedforward_norm, self.feedforward = RMSNorm(dim), SwiGLU(dim, hidden)

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        return_state: ReturnState = True,
    ) -> tuple[Tensor, Any]:
        """Mix a piece of a sequence; arguments and results are those of `NeuralMemory.forward`.

        The state is the mixer's.
        """
        if attention_mask is not None:
            return without_padding(self, x, state, attention_mask, cu_seqlens, return_state)
        # Told only where there is something to tell: a mixer of one's own need not know of documents.
        borders = {} if cu_seqlens is None else {"cu_seqlens": cu_seqlens}
        mixed, state = self.mixer(self.mixer_norm(x), state, **borders, return_state=return_state)
        x = x + self.dropout(mixed)
        return x + self.dropout(self.feedforward(self.feedforward_norm(x))), state


class PairMixer(nn.Module):
    """Mix by two layers, whose states are carried as a pair; a subclass says what it makes of them (`mix`)."""

    name: ClassVar[str]

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        return_state: ReturnState = True,
    ) -> tuple[Tensor, Any]:
        """Mix `[B, T, dim]`, going on from `state`; for the other arguments see `titans_seq.layers.documents`.

        Raises:
            ValueError: if the state is no pair.
        """
        if attention_mask is not None:
            return without_padding(self, x, state, attention_mask, cu_seqlens, return_state)
        if state is not None and (not isinstance(state, tuple) or len(state) != 2):
            raise ValueError(
                f"expected the pair of states of {self.name}, got a {type(state).__name__} of another model"
            )
        y, after = self.mix(x, state or (None, None), cu_seqlens=cu_seqlens, return_state=return_state)
        return y, after if return_state else None

    def mix(self, x: Tensor, states: tuple[Any, Any], **how: Any) -> tuple[Tensor, tuple[Any, Any]]:
        """Return outputs `[B, T, dim]`, and the two states after x; `how` is for both layers."""
        raise NotImplementedError
