"""Language models with Titans' neural memory: from text to a trained, evaluated, talking model.

The names below load on first use, so that the command line answers `--help` without loading PyTorch.
"""

from typing import TYPE_CHECKING

from titans_seq.extras import lazy_names

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

__getattr__ = lazy_names(__name__, _HOMES, "language")
