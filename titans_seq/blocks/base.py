"""The base of every block: pre-norm, residual, sequence mixer then feed-forward."""

from typing import Any, Protocol

from torch import Tensor, nn

from titans_seq.layers import RMSNorm, SwiGLU


class Mixer(Protocol):
    """A causal sequence mixer that carries an immutable state; `NeuralMemory` is one."""

    def __call__(self, x: Tensor, state: Any = None, *, return_state: bool = True) -> tuple[Tensor, Any]:
        """Mix `[B, T, dim]`, going on from `state`."""
        ...


class BlockConfig(Protocol):
    """A description of a block, saved with a model: a registered frozen dataclass."""

    def build(self, dim: int) -> "Block":
        """Build a block of width `dim`."""
        ...


class Block(nn.Module):
    """`x + Mixer(RMSNorm(x))`, then `x + SwiGLU(RMSNorm(x))` (Llama macro block; Titans, NeurIPS version, 4.1).

    Args:
        mixer: the sequence mixer, an `nn.Module`.
        dim: width.
        hidden: hidden width of the feed-forward; its own default if None.
    """

    def __init__(self, mixer: nn.Module, dim: int, hidden: int | None = None) -> None:
        super().__init__()
        self.mixer_norm, self.mixer = RMSNorm(dim), mixer
        self.feedforward_norm, self.feedforward = RMSNorm(dim), SwiGLU(dim, hidden)

    def forward(self, x: Tensor, state: Any = None, *, return_state: bool = True) -> tuple[Tensor, Any]:
        """Return outputs shaped like x, `[B, T, dim]`, and the mixer's state after x."""
        mixed, state = self.mixer(self.mixer_norm(x), state, return_state=return_state)
        x = x + mixed
        return x + self.feedforward(self.feedforward_norm(x)), state
