"""Blocks: a sequence mixer and a channel mixer with residual connections."""

from titans_seq.blocks.attention import AttentionBlockConfig
from titans_seq.blocks.base import Block, BlockConfig, Mixer
from titans_seq.blocks.fla import FlaLayer, LayerCache
from titans_seq.blocks.lmm import LMMConfig
from titans_seq.blocks.mac import MACConfig, MACState, MemoryAsContext
from titans_seq.blocks.mag import MAGConfig, MemoryAsGate
from titans_seq.blocks.mal import MALConfig, MemoryAsLayer

__all__ = [
    "AttentionBlockConfig",
    "Block",
    "BlockConfig",
    "FlaLayer",
    "LMMConfig",
    "LayerCache",
    "MACConfig",
    "MACState",
    "MAGConfig",
    "MALConfig",
    "MemoryAsContext",
    "MemoryAsGate",
    "MemoryAsLayer",
    "Mixer",
]
