"""Tokenizers: text to token ids and back, all at once or as the ids come."""

from .base import Decoder, Tokenizer, TokenizerInfo
from .loading import load_tokenizer
from .plain import ByteTokenizer, CharacterTokenizer
from .subword import JSONTokenizer, SentencePieceTokenizer

__all__ = [
    "ByteTokenizer",
    "CharacterTokenizer",
    "Decoder",
    "JSONTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "TokenizerInfo",
    "load_tokenizer",
]
