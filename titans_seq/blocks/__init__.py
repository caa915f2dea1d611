"""Blocks: a sequence mixer and a channel mixer with residual connections."""

from titans_seq.blocks.base import Block, Mixer
from titans_seq.blocks.lmm import LMMConfig, build_lmm

__all__ = ["Block", "LMMConfig", "Mixer", "build_lmm"]
