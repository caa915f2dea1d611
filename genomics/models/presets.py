"""Encoders by name: for tests, near the sizes of published models of DNA, and a larger one."""

from dataclasses import dataclass
from typing import Literal

from titans_seq.blocks import BlockConfig, LMMConfig
from titans_seq.errors import UserError
from titans_seq.layers import GateConfig, NeuralMemoryConfig
from titans_seq.memory import preset

from .encoder import EncoderConfig
from .identity import IdentityBlockConfig
from .stem import StemConfig

Mixer = Literal["memory", "identity"]


@dataclass(frozen=True)
class Size:
    """What makes a size.

    Attributes:
        dim: width.
        depth: number of blocks.
        heads: of the memory.
        hidden: hidden width of the feed-forward; 8/3 of the width if None.
    """

    dim: int
    depth: int
    heads: int
    hidden: int | None = None


PRESETS = {
    "tiny": Size(16, 1, 2),
    "small": Size(128, 2, 4, hidden=160),  # HyenaDNA's on GenomicsBenchmarks: 2 layers of width 128, 436k parameters
    "medium": Size(104, 4, 4, hidden=112),  # Caduceus's there: 4 layers of width 118, 470k parameters
    "large": Size(256, 8, 8),
}
"""Sizes by name."""


def encoder_preset(name: str, mixer: Mixer = "memory") -> EncoderConfig:
    """Return an encoder by name, forward, with a stem.

    Args:
        name: a key of `PRESETS`.
        mixer: "memory", a linear Titans memory in chunks of 32 tokens, or "identity", none at all: the control.

    Raises:
        UserError: if there is no such preset or mixer.

    Example:
        >>> encoder_preset("small").depth
        2
    """
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}: expected one of {', '.join(PRESETS)}")
    size = PRESETS[name]
    if mixer not in ("memory", "identity"):
        raise UserError(f"unknown mixer {mixer!r}: expected memory or identity")
    block: BlockConfig = IdentityBlockConfig(size.hidden) if mixer == "identity" else memory_block(size)
    return EncoderConfig(size.dim, (block,), size.depth, dropout=0.1, stem=StemConfig())


def memory_block(size: Size) -> LMMConfig:
    """Return the block of the presets: gates that shut completely and see the token before."""
    gates = GateConfig(max_step=16.0, lr_bias=-1.0, decay_bias=-1.0, form="hard", source="convolved")
    memory = NeuralMemoryConfig(heads=size.heads, chunk_size=32, rule=preset("titans_linear"), gates=gates)
    return LMMConfig(memory, size.hidden)
