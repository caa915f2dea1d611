"""The four choices behind a neural memory (MIRAS, arXiv 2504.13173) and the state it carries."""

from titans_seq.memory._algorithm import (
    Algorithm,
    GradientDescent,
    ImplicitGradientDescent,
    Momentum,
    Muon,
    Nesterov,
    SlidingWindow,
)
from titans_seq.memory._architecture import (
    Architecture,
    GatedMLPMemory,
    LinearMemory,
    MLPMemory,
    apply_memory,
    initial_weights,
    read_memory,
)
from titans_seq.memory._bias import L2, Bias, DotProduct, Huber, Lp
from titans_seq.memory._coefficients import Coefficients, Gates
from titans_seq.memory._presets import PRESETS, Preset, preset
from titans_seq.memory._retention import (
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
from titans_seq.memory._rule import MemoryRule
from titans_seq.memory._state import MemoryState

__all__ = [
    "L2",
    "PRESETS",
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
    "preset",
    "read_memory",
]
