"""The four choices behind a neural memory (MIRAS, arXiv 2504.13173) and the state it carries.

Two words are used throughout. The *slots* of a layer are the matrices that an algorithm carries: its weights and, if
there is one, its momentum. The *anchor* is the weights at which an open chunk's gradients are taken: those that stood
when the chunk began.
"""

from titans_seq.memory.activation import ACTIVATIONS, Activation
from titans_seq.memory.algorithm import (
    Algorithm,
    GradientDescent,
    ImplicitGradientDescent,
    Momentum,
    Muon,
    Nesterov,
    SlidingWindow,
)
from titans_seq.memory.architecture import (
    NORM_EPS,
    Architecture,
    GatedMLPMemory,
    LinearMemory,
    MLPMemory,
    apply_memory,
    initial_weights,
    layer_norm,
    read_memory,
)
from titans_seq.memory.bias import L2, Bias, DotProduct, Huber, Lp
from titans_seq.memory.coefficients import Coefficients, Gates
from titans_seq.memory.presets import PRESETS, Preset, preset
from titans_seq.memory.retention import (
    ChannelDecay,
    ConstantDecay,
    ElasticNet,
    LqNormalisation,
    NoRetention,
    Retention,
    RowNormalisation,
    SoftmaxRetention,
    WeightDecay,
)
from titans_seq.memory.rule import MemoryRule
from titans_seq.memory.state import MemoryState

__all__ = [
    "ACTIVATIONS",
    "L2",
    "NORM_EPS",
    "PRESETS",
    "Activation",
    "Algorithm",
    "Architecture",
    "Bias",
    "ChannelDecay",
    "Coefficients",
    "ConstantDecay",
    "DotProduct",
    "ElasticNet",
    "GatedMLPMemory",
    "Gates",
    "GradientDescent",
    "Huber",
    "ImplicitGradientDescent",
    "LinearMemory",
    "Lp",
    "LqNormalisation",
    "MLPMemory",
    "MemoryRule",
    "MemoryState",
    "Momentum",
    "Muon",
    "Nesterov",
    "NoRetention",
    "Preset",
    "Retention",
    "RowNormalisation",
    "SlidingWindow",
    "SoftmaxRetention",
    "WeightDecay",
    "apply_memory",
    "initial_weights",
    "layer_norm",
    "preset",
    "read_memory",
]
