"""The four choices behind a neural memory (MIRAS, arXiv 2504.13173) and the state it carries."""

from titans_seq.memory._algorithm import Algorithm, Coefficients, GradientDescent, Momentum
from titans_seq.memory._architecture import (
    Architecture,
    LinearMemory,
    MLPMemory,
    apply_memory,
    initial_weights,
)
from titans_seq.memory._bias import L2, Bias
from titans_seq.memory._retention import NoRetention, Retention, WeightDecay
from titans_seq.memory._rule import MemoryRule
from titans_seq.memory._state import MemoryState

__all__ = [
    "L2",
    "Algorithm",
    "Architecture",
    "Bias",
    "Coefficients",
    "GradientDescent",
    "LinearMemory",
    "MLPMemory",
    "MemoryRule",
    "MemoryState",
    "Momentum",
    "NoRetention",
    "Retention",
    "WeightDecay",
    "apply_memory",
    "initial_weights",
]
