"""Layers: everything around the memory operator that makes it a sequence mixer."""

from titans_seq.layers.convolution import CausalConvolution
from titans_seq.layers.feedforward import SwiGLU
from titans_seq.layers.gates import GateConfig, MemoryGates, largest_lr
from titans_seq.layers.neural_memory import NeuralMemory, NeuralMemoryConfig, NeuralMemoryState

__all__ = [
    "CausalConvolution",
    "GateConfig",
    "MemoryGates",
    "NeuralMemory",
    "NeuralMemoryConfig",
    "NeuralMemoryState",
    "SwiGLU",
    "largest_lr",
]
