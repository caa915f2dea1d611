"""Layers: everything around the memory operator that makes it a sequence mixer."""

from titans_seq.layers.attention import AttentionConfig, AttentionState, CausalAttention
from titans_seq.layers.convolution import CausalConvolution
from titans_seq.layers.feedforward import SwiGLU
from titans_seq.layers.fusion import Fusion, FusionName
from titans_seq.layers.gates import GateConfig, MemoryGates, largest_lr, scale_inner_steps
from titans_seq.layers.neural_memory import NeuralMemory
from titans_seq.layers.neural_memory_config import NeuralMemoryConfig
from titans_seq.layers.neural_memory_state import NeuralMemoryState
from titans_seq.layers.norm import RMSNorm

__all__ = [
    "AttentionConfig",
    "AttentionState",
    "CausalAttention",
    "CausalConvolution",
    "Fusion",
    "FusionName",
    "GateConfig",
    "MemoryGates",
    "NeuralMemory",
    "NeuralMemoryConfig",
    "NeuralMemoryState",
    "RMSNorm",
    "SwiGLU",
    "largest_lr",
    "scale_inner_steps",
]
