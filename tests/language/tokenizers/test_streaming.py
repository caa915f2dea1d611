"""A text in pieces becomes the tokens of the whole text."""

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import psutil
import pytest

from language.tokenizers import JSONTokenizer, SentencePieceTokenizer, Tokenizer
from language.tokenizers.streaming import encode_stream
from tests.language.making import train_json, train_pieces
from titans_seq.errors import UserError

PARTS = [
    "to be", " or not", "that is the question", "  ", "\n", "\n\n\n", "\t", "\r\n", "naïve", "日本語の", "テキスト",
    "🙂👩\u200d👩\u200d👧", "e\u0301", "....", "</s>", "<|endoftext|>", "x" * 40, " suffer", "1234567",
]  # fmt: skip


def mixed(parts: int, seed: int = 0) -> str:
    chosen = random.Random(seed)
    return "".join(chosen.choice(PARTS) for _ in range(parts))


def pieces(text: str, seed: int) -> Iterable[str]:
    chosen, at = random.Random(seed), 0
    while at < len(text):
        size = chosen.choice([1, 7, 100, 5000])
        yield text[at : at + size]
        at += size


def small(kind: str, folder: Path) -> Tokenizer:
    match kind:
        case "bpe pieces":
            return SentencePieceTokenizer(train_pieces(folder / "a.model"))
        case "collapsing pieces":
            options = {"normalization_rule_name": "nmt_nfkc", "remove_extra_whitespaces": True}
            return SentencePieceTokenizer(train_pieces(folder / "a.model", **options))
        case "byte-level json":
            return JSONTokenizer(train_json(folder / "a.json", ["<|endoftext|>"]))
        case _:
            return JSONTokenizer(train_json(folder / "a.json", ["</s>"], byte_fallback=True))


@pytest.mark.parametrize("kind", ["bpe pieces", "collapsing pieces", "byte-level json", "byte-fallback json"])
def test_small_tokenizers(tmp_path: Path, kind: str) -> None:
    tokenizer = small(kind, tmp_path)
    for seed, (block, context) in enumerate([(300, 100), (1000, 200), (257, 128)]):
        text = mixed(700, seed)
        streamed = list(encode_stream(tokenizer._encode, pieces(text, seed), block, context))
        assert len(streamed) > 4
        np.testing.assert_array_equal(np.concatenate(streamed), tokenizer._encode(text))


@pytest.mark.parametrize("name", ["gpt2", "mistral"])
def test_real_tokenizers_on_real_text(shared_data: Path, tmp_path: Path, name: str) -> None:
    tokenizer = real(shared_data, tmp_path, name)
    for text in (
        (shared_data / "text" / "wikitext-2" / "valid.txt").read_text(encoding="utf-8")[:60_000],
        Path(random.__file__).read_text(encoding="utf-8") + " " * 20_000 + mixed(2000),
    ):
        whole = tokenizer._encode(text)
        np.testing.assert_array_equal(tokenizer.encode_array(text), whole)
        for seed, (block, context) in enumerate([(5000, 700), (7_011, 2048)]):
            streamed = list(encode_stream(tokenizer._encode, pieces(text, seed), block, context))
            assert len(streamed) > 5
            np.testing.assert_array_equal(np.concatenate(streamed), whole)


def real(shared_data: Path, folder: Path, name: str) -> Tokenizer:
    tokenizers = shared_data / "text" / "tokenizers"
    if name == "mistral":
        pytest.importorskip("sentencepiece", reason="needs sentencepiece")
        return SentencePieceTokenizer(tokenizers / "mistral_v1_32k.model")
    library = pytest.importorskip("tokenizers", reason="needs tokenizers")
    model = library.models.BPE.from_file(str(tokenizers / "gpt2_encoder.json"), str(tokenizers / "gpt2_vocab.bpe"))
    made = library.Tokenizer(model)
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.save(str(folder / "tokenizer.json"))
    return JSONTokenizer(folder / "tokenizer.json")


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    """Encoded at once, this text takes a fifth of a gigabyte."""
    tokenizer = JSONTokenizer(train_json(tmp_path / "a.json", ["</s>"]))
    process, tokens = psutil.Process(), 0
    before = peak = process.memory_info().rss
    for ids in tokenizer.encode_pieces("to be or not to be\n" * 1000 for _ in range(40)):
        tokens += len(ids)
        peak = max(peak, process.memory_info().rss)
    assert tokens > 200_000
    assert peak - before < 60e6


def by_words(text: str) -> np.ndarray:
    return np.array([len(word) for word in text.split()])


@pytest.mark.parametrize(
    ("encode", "text"),
    [
        # One word that is longer than any block.
        (by_words, "x" * 5000),
        (by_words, "a b " * 200 + "x" * 3000 + " c d" * 200),
        # No token at all.
        (lambda text: np.array([1] * text.count("#")), "." * 5000 + "#" + "." * 5000),
        # Every token knows how long the text is.
        (lambda text: np.array([len(text)] * len(text)), "x y " * 500),
        (by_words, ""),
    ],
)
def test_what_cannot_be_cut_is_encoded_in_one(encode: Callable[[str], np.ndarray], text: str) -> None:
    streamed = list(encode_stream(encode, pieces(text, 0), block=100, context=20))
    assert np.concatenate([np.zeros(0, int), *streamed]).tolist() == encode(text).tolist()


def test_a_tokenizer_that_looks_far_ahead_is_refused() -> None:
    """Words are one longer where a bang comes anywhere behind them, which no context shows."""

    def encode(text: str) -> np.ndarray:
        return by_words(text) + ("!" in text)

    with pytest.raises(UserError, match="the tokenizer reads .* differently because of text far behind it"):
        list(encode_stream(encode, ["a b c d " * 100 + "!"], block=100, context=20))
