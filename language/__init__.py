"""Language models with Titans' neural memory: from text to a trained, evaluated, talking model.

The names below load on first use, so that the command line answers `--help` without loading PyTorch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .data.shards import prepare
    from .data.stream import SegmentStream
    from .data.token_shards import TokenShards
    from .model import LanguageModel
    from .tokenizers import load_tokenizer

_HOMES = {
    "LanguageModel": ".model",
    "SegmentStream": ".data.stream",
    "TokenShards": ".data.token_shards",
    "load_tokenizer": ".tokenizers",
    "prepare": ".data.shards",
}

__all__ = ["LanguageModel", "SegmentStream", "TokenShards", "load_tokenizer", "prepare"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'language' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
