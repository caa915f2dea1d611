"""Small inputs that several tests of the language package make."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from language.data.token_shards import TokenShards
from language.tokenizers import load_tokenizer

CORPUS = ["to be or not to be that is the question", "whether it is nobler in the mind to suffer"] * 20
TEXTS = [f"document {n % 30}: " + "word " * (n % 7) for n in range(38)] + ["", " \n"]
"""Forty short documents, some of them equal, the last two without text."""


def write_lines(path: Path, texts: Iterable[str], field: str = "text") -> Path:
    """A JSON Lines file with one document for each text."""
    path.write_text("".join(json.dumps({"id": number, field: text}) + "\n" for number, text in enumerate(texts)))
    return path


def train_pieces(path: Path, **options: object) -> Path:
    """A small SentencePiece model with byte fallback; skips the test where the library is missing."""
    library = pytest.importorskip("sentencepiece", reason="needs sentencepiece: pip install 'titans-seq[language]'")
    model = io.BytesIO()
    defaults = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "vocab_size": 300}
    defaults |= {"model_type": "bpe", "byte_fallback": True}
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, minloglevel=2, **defaults | options
    )
    path.write_bytes(model.getvalue())
    return path


def train_json(path: Path, special: list[str], byte_fallback: bool = False) -> Path:
    """A small tokenizer.json; skips the test where the library is missing."""
    library = pytest.importorskip("tokenizers", reason="needs tokenizers: pip install 'titans-seq[language]'")
    if byte_fallback:
        tokens = [*(f"<0x{byte:02X}>" for byte in range(256)), *sorted(set("".join(CORPUS)) | {"▁"})]
        vocabulary = {token: number for number, token in enumerate(tokens)}
        tokenizer = library.Tokenizer(library.models.BPE(vocabulary, [], byte_fallback=True))
        tokenizer.normalizer = library.normalizers.Replace(" ", "▁")
        parts = [library.decoders.Replace("▁", " "), library.decoders.ByteFallback(), library.decoders.Fuse()]
        tokenizer.decoder = library.decoders.Sequence(parts)
        tokenizer.add_special_tokens(special)
    else:
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = library.decoders.ByteLevel()
        alphabet = library.pre_tokenizers.ByteLevel.alphabet()
        trainer = library.trainers.BpeTrainer(
            vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.save(str(path))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def decoded(folder: Path, split: str = "train") -> list[str]:
    """The documents of prepared shards as text."""
    opened = TokenShards.open(folder, split)  # pyright: ignore[reportArgumentType]
    tokenizer = load_tokenizer(folder)
    return [tokenizer.decode(opened[number]) for number in range(len(opened))]
