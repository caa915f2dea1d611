"""DNA models with Titans' neural memory: from sequence files to a trained, evaluated, explained classifier.

The names below load on first use, so that the command line answers `--help` without loading PyTorch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .classifier import DNAClassifier
    from .ensemble import DNAEnsemble

_HOMES = {"DNAClassifier": ".classifier", "DNAEnsemble": ".ensemble"}

__all__ = ["DNAClassifier", "DNAEnsemble"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'genomics' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
