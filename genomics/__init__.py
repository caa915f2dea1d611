"""DNA models with Titans' neural memory: from sequence files to a trained, evaluated, explained classifier.

The names below load on first use, so that the command line answers `--help` without loading PyTorch.
"""

from typing import TYPE_CHECKING

from titans_seq.extras import lazy_names

if TYPE_CHECKING:
    from .classifier import DNAClassifier
    from .ensemble import DNAEnsemble

_HOMES = {"DNAClassifier": ".classifier", "DNAEnsemble": ".ensemble"}

__all__ = ["DNAClassifier", "DNAEnsemble"]

__getattr__ = lazy_names(__name__, _HOMES, "genomics")
