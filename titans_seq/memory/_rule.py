"""A memory as a point in MIRAS's space: one value on each of four axes."""

from dataclasses import dataclass, field

from titans_seq.memory._algorithm import Algorithm, Momentum
from titans_seq.memory._architecture import Architecture, MLPMemory
from titans_seq.memory._bias import L2, Bias
from titans_seq.memory._retention import Retention, WeightDecay


@dataclass(frozen=True)
class MemoryRule:
    """The four choices behind a neural memory (arXiv 2504.13173, section 3); the defaults are Titans'.

    Args:
        architecture: what is stored.
        bias: the inner loss.
        retention: how it forgets.
        algorithm: how it learns.

    Example:
        >>> from titans_seq.memory import GradientDescent, LinearMemory, MemoryRule, NoRetention
        >>> delta_rule = MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent())
        >>> delta_rule.algorithm.slots
        1
    """

    architecture: Architecture = field(default_factory=MLPMemory)
    bias: Bias = field(default_factory=L2)
    retention: Retention = field(default_factory=WeightDecay)
    algorithm: Algorithm = field(default_factory=Momentum)
