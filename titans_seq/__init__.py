"""Titans (arXiv 2501.00663): neural memory for sequences that outgrow attention.

The names below load on first use, so that `import titans_seq` stays light.
"""

from typing import TYPE_CHECKING

from titans_seq.extras import lazy_names
from titans_seq.version import __version__

if TYPE_CHECKING:
    from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
    from titans_seq.memory import (
        GradientDescent,
        LinearMemory,
        MemoryRule,
        MemoryState,
        MLPMemory,
        NoRetention,
    )
    from titans_seq.models import Backbone, CausalLM, CausalLMConfig, generate, load_model
    from titans_seq.ops import memory_scan


_HOMES = {
    "Backbone": "titans_seq.models",
    "CausalLM": "titans_seq.models",
    "CausalLMConfig": "titans_seq.models",
    "GradientDescent": "titans_seq.memory",
    "LinearMemory": "titans_seq.memory",
    "MLPMemory": "titans_seq.memory",
    "MemoryRule": "titans_seq.memory",
    "MemoryState": "titans_seq.memory",
    "NeuralMemory": "titans_seq.layers",
    "NeuralMemoryConfig": "titans_seq.layers",
    "NoRetention": "titans_seq.memory",
    "generate": "titans_seq.models",
    "load_model": "titans_seq.models",
    "memory_scan": "titans_seq.ops",
}

__all__ = [
    "__version__",
    "Backbone",
    "CausalLM",
    "CausalLMConfig",
    "GradientDescent",
    "LinearMemory",
    "MLPMemory",
    "MemoryRule",
    "MemoryState",
    "NeuralMemory",
    "NeuralMemoryConfig",
    "NoRetention",
    "generate",
    "load_model",
    "memory_scan",
]


__getattr__ = lazy_names(__name__, _HOMES, None)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
