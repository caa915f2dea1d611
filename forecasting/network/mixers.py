"""Sequence mixers: what carries information from token to token, each a frozen config and a module."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from titans_seq.config import register
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig

Direction = Literal["forward", "both", "alternating"]
"""How layers read: all from the start; each both ways with the two summed, as SiMBA's text says (its code reads
one way); or every second layer from the end, which sees as much for half the cost."""


@register("memory_mixer")
@dataclass(frozen=True)
class MemoryMixer:
    """The neural memory (arXiv 2501.00663, section 5.6: Simba's framework with the memory in place of Mamba).

    Attributes:
        memory: the memory layer; its width is the network's.
        direction: how the layers read the sequence, see `Direction`.
    """

    memory: NeuralMemoryConfig = field(default_factory=NeuralMemoryConfig)
    direction: Direction = "forward"


@register("identity_mixer")
@dataclass(frozen=True)
class IdentityMixer:
    """No sequence mixing at all: the control that shows what the mixer is worth."""


@register("gru_mixer")
@dataclass(frozen=True)
class GRUMixer:
    """A gated recurrent unit, a control of the same kind as the memory (recurrent, causal).

    Attributes:
        direction: how the layers read the sequence, see `Direction`.
    """

    direction: Direction = "forward"


@register("attention_mixer")
@dataclass(frozen=True)
class AttentionMixer:
    """Softmax attention between all tokens, the control PatchTST and iTransformer stand for.

    Attributes:
        heads: number of heads; must divide the width.
        causal: whether a token sees only itself and earlier tokens.
    """

    heads: int = 4
    causal: bool = False


Mixer = MemoryMixer | IdentityMixer | GRUMixer | AttentionMixer


class Identity(nn.Module):
    """Contribute nothing to the residual stream, so that the block is its channel mixer alone.

    Example:
        >>> Identity()(torch.ones(1, 2, 3)).abs().sum().item()
        0.0
    """

    def forward(self, x: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Return zeros."""
        return torch.zeros_like(x)


class GRU(nn.Module):
    """`nn.GRU` of the same width as the tokens, followed by a projection.

    Args:
        width: number of features D.

    Example:
        >>> GRU(8)(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.recurrence = nn.GRU(width, width, batch_first=True)
        self.project = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Read the sequence from its start."""
        return self.project(self.recurrence(x)[0])


class Attention(nn.Module):
    """Multi-head softmax attention.

    Args:
        config: heads and causality.
        width: number of features D.

    Raises:
        ValueError: if the number of heads does not divide the width.

    Example:
        >>> Attention(AttentionMixer(heads=2), 8)(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, config: AttentionMixer, width: int) -> None:
        super().__init__()
        if config.heads < 1 or width % config.heads:
            raise ValueError(f"width must be divisible by heads: got width {width} and {config.heads} heads")
        self.config = config
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Attend from every token to the tokens it may see."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.config.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=self.config.causal)
        return self.project(mixed.transpose(1, 2).flatten(-2))


class Memory(nn.Module):
    """The neural memory over one whole sequence; each call starts a new memory.

    Args:
        config: the memory layer.
        width: number of features D.

    Example:
        >>> Memory(NeuralMemoryConfig(heads=2), 8)(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, config: NeuralMemoryConfig, width: int) -> None:
        super().__init__()
        self.memory = NeuralMemory(config, width)

    def forward(self, x: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Write and read every token in turn."""
        return self.memory(x, return_state=False)[0]


class Reversed(nn.Module):
    """Let a mixer read the sequence from its end; its output is turned back.

    Args:
        mixer: reads the reversed sequence.

    Example:
        >>> Reversed(GRU(8))(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, x: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Mix from the end to the start."""
        return self.mixer(x.flip(1)).flip(1)


class Sum(nn.Module):
    """Sum of what several mixers make of the same sequence.

    Args:
        mixers: at least one.

    Example:
        >>> Sum(GRU(8), Reversed(GRU(8)))(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, *mixers: nn.Module) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(mixers)

    def forward(self, x: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Add up the mixers' outputs."""
        return torch.stack([mixer(x) for mixer in self.mixers]).sum(0)


def _directed(build: Callable[[], nn.Module], direction: Direction, layer: int) -> nn.Module:
    if direction == "both":
        return Sum(build(), Reversed(build()))
    return Reversed(build()) if direction == "alternating" and layer % 2 else build()


# The one place that joins a config class to what it builds from config, width and layer number; a new mixer is one more
# entry, and one more in `Mixer`.
BUILDERS: dict[type, Callable[[Any, int, int], nn.Module]] = {
    MemoryMixer: lambda config, width, layer: _directed(lambda: Memory(config.memory, width), config.direction, layer),
    GRUMixer: lambda config, width, layer: _directed(lambda: GRU(width), config.direction, layer),
    AttentionMixer: lambda config, width, layer: Attention(config, width),
    IdentityMixer: lambda config, width, layer: Identity(),
}


def build_mixer(config: object, width: int, layer: int = 0) -> nn.Module:
    """Build the sequence mixer a config describes: a module from `[S, N, D]` to `[S, N, D]`.

    Args:
        config: an instance of one of the config classes in `BUILDERS`.
        width: number of features D.
        layer: number of the layer it is for, from 0; alternating mixers turn around in odd ones.

    Raises:
        TypeError: if no builder is registered for the class of `config`.

    Example:
        >>> build_mixer(GRUMixer("both"), 8)(torch.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """
    builder = BUILDERS.get(type(config))
    if builder is None:
        known = ", ".join(sorted(kind.__name__ for kind in BUILDERS))
        raise TypeError(f"no sequence mixer is registered for {type(config).__name__}: use one of {known}")
    return builder(config, width, layer)
