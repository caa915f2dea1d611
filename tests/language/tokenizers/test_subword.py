"""Tests with the tokenizer libraries; where one is not installed, its tests are skipped."""

import json
import sys
from pathlib import Path

import pytest

from language.tokenizers import JSONTokenizer, SentencePieceTokenizer, Tokenizer
from language.tokenizers.base import WindowDecoder
from tests.language.making import train_json, train_pieces
from titans_seq.errors import UserError

TEXT = "to be,  naïve 🙂 日本\n\tthe question"


@pytest.fixture(params=["sentencepiece", "byte-level json", "byte-fallback json"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> Tokenizer:
    match request.param:
        case "sentencepiece":
            return SentencePieceTokenizer(train_pieces(tmp_path / "small.model"))
        case "byte-level json":
            return JSONTokenizer(train_json(tmp_path / "tokenizer.json", ["<|endoftext|>"]))
        case _:
            return JSONTokenizer(train_json(tmp_path / "tokenizer.json", ["</s>"], byte_fallback=True))


def test_text_comes_back(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(TEXT)
    assert tokenizer.decode(ids) == TEXT
    assert max(ids) < tokenizer.vocabulary
    assert tokenizer.decode([*ids, tokenizer.end_of_document]) == TEXT


def test_streamed_text_is_the_decoded_text(tokenizer: Tokenizer) -> None:
    pieces = list(tokenizer.decode_stream(tokenizer.encode(TEXT)))
    assert "".join(pieces) == TEXT
    assert all(pieces)
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


def test_streaming_goes_on_after_an_end_of_document(tokenizer: Tokenizer) -> None:
    ids = [*tokenizer.encode("to be"), tokenizer.end_of_document, *tokenizer.encode(" or not")]
    assert "".join(tokenizer.decode_stream(ids)) == tokenizer.decode(ids)


def test_streaming_gives_out_what_is_no_text(tokenizer: Tokenizer) -> None:
    """The first byte of a character, again and again, and then text."""
    broken = tokenizer.encode("🙂")[-4:-3] * 40
    decoder = tokenizer.decoder()
    pieces = [decoder.push(token) for token in [*broken, *tokenizer.encode("to be")]]
    assert sum(map(len, pieces[:40])) >= 32
    assert "".join([*pieces, decoder.finish()]).endswith("to be")


def test_text_that_looks_like_the_end_of_a_document_is_text(tokenizer: Tokenizer) -> None:
    for name in ("</s>", "<|endoftext|>"):
        ids = tokenizer.encode(f"a{name}b")
        assert tokenizer.end_of_document not in ids


def test_the_end_is_the_files_own(tmp_path: Path) -> None:
    tokenizer = SentencePieceTokenizer(train_pieces(tmp_path / "a.model"))
    assert (tokenizer.vocabulary, tokenizer.end_of_document) == (300, 2)
    tokenizer = JSONTokenizer(train_json(tmp_path / "a.json", ["<pad>", "<eos>"]))
    assert (tokenizer.vocabulary, tokenizer.end_of_document) == (300, 1)


def test_a_file_without_an_end_gets_one_id_more(tmp_path: Path) -> None:
    tokenizer = SentencePieceTokenizer(train_pieces(tmp_path / "a.model", eos_id=-1))
    assert (tokenizer.vocabulary, tokenizer.end_of_document) == (301, 300)
    assert tokenizer.decode([300, *tokenizer.encode("to be"), 300]) == "to be"
    tokenizer = JSONTokenizer(train_json(tmp_path / "a.json", ["<pad>"]))
    assert (tokenizer.vocabulary, tokenizer.end_of_document) == (301, 300)
    assert tokenizer.decode([300, *tokenizer.encode("to be"), 300]) == "to be"


def test_nothing_is_cut_padded_or_added_whatever_the_file_says(tmp_path: Path) -> None:
    path = train_json(tmp_path / "a.json", ["</s>"])
    plain = JSONTokenizer(path).encode("to be or not")
    library = pytest.importorskip("tokenizers")
    changed = library.Tokenizer.from_file(str(path))
    changed.enable_truncation(2)
    changed.enable_padding(length=64)
    changed.post_processor = library.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    changed.save(str(path))
    assert JSONTokenizer(path).encode("to be or not") == plain


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b"\xff\xfe"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    pytest.importorskip("sentencepiece", reason="needs sentencepiece")
    with pytest.raises(UserError, match="file: not a SentencePiece model"):
        SentencePieceTokenizer(path)
    pytest.importorskip("tokenizers", reason="needs tokenizers")
    with pytest.raises(UserError, match="file: not a Hugging Face tokenizer"):
        JSONTokenizer(path)


@pytest.mark.parametrize(("cls", "package"), [(SentencePieceTokenizer, "sentencepiece"), (JSONTokenizer, "tokenizers")])
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cls: type[Tokenizer], package: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"needs the package '{package}', which is not installed: run pip install"):
        cls(path)  # pyright: ignore[reportCallIssue]


def test_the_mistral_tokenizer(shared_data: Path) -> None:
    pytest.importorskip("sentencepiece", reason="needs sentencepiece")
    tokenizer = SentencePieceTokenizer(shared_data / "text" / "tokenizers" / "mistral_v1_32k.model")
    assert (tokenizer.vocabulary, tokenizer.end_of_document) == (32_000, 2)
    text = (shared_data / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    ids = tokenizer.encode(text)
    assert abs(len(ids) - 361_972) <= 1  # as counted in the facts, with or without one token at the start
    assert tokenizer.decode(ids) == text
    assert "".join(tokenizer.decode_stream(ids[:2_000])) == tokenizer.decode(ids[:2_000])


@pytest.mark.slow  # test_streaming reads less text by it
def test_a_gpt2_tokenizer_file(shared_data: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers", reason="needs tokenizers")
    folder = shared_data / "text" / "tokenizers"
    model = library.models.BPE.from_file(str(folder / "gpt2_encoder.json"), str(folder / "gpt2_vocab.bpe"))
    made = library.Tokenizer(model)
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = library.decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = JSONTokenizer(tmp_path / "tokenizer.json")
    assert (tokenizer.vocabulary, tokenizer.end_of_document) == (50_257, 50_256)
    text = (shared_data / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    assert len(tokenizer.encode(text)) == 338_025


def test_a_window_decoder_waits_for_what_may_still_change() -> None:
    """Tokens that only mean something in pairs, the first of which reads as a replacement character."""

    def decode(tokens) -> str:
        text = "".join(map(str, tokens))
        return "".join(f"<{text[n : n + 2]}>" if n + 1 < len(text) else "\ufffd" for n in range(0, len(text), 2))

    decoder = WindowDecoder(decode)
    assert [decoder.push(token) for token in (1, 2, 3, 4, 5)] == ["", "<12>", "", "<34>", ""]
    assert decoder.finish() == "\ufffd"
    assert decoder.finish() == ""


def test_a_vocabulary_with_gaps_counts_up_to_its_last_id(tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers", reason="needs tokenizers")
    made = library.Tokenizer(library.models.WordLevel({"a": 0, "b": 7}, unk_token="a"))
    made.pre_tokenizer = library.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["type"] == "WordLevel"
    tokenizer = JSONTokenizer(tmp_path / "tokenizer.json")
    assert (tokenizer.vocabulary, tokenizer.end_of_document) == (9, 8)
    assert tokenizer.encode("b a") == [7, 0]


def test_a_model_that_holds_the_end_of_a_document_as_a_word_refuses_it_in_a_text(tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers", reason="needs tokenizers")
    words = {"<unk>": 0, "</s>": 1, "the": 2, "whale": 3}
    made = library.Tokenizer(library.models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<unk>", "</s>"])
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = JSONTokenizer(tmp_path / "tokenizer.json")
    assert tokenizer.encode("the whale sings") == [2, 3, 0]
    with pytest.raises(UserError, match="the text holds '</s>' written out, which this tokenizer takes for the end"):
        tokenizer.encode("the </s> whale")
