import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from language.inference.text import STANDARD_INPUT, TextTokens, blocks, text_pieces
from language.tokenizers import ByteTokenizer, CharacterTokenizer, SentencePieceTokenizer
from tests.language.making import CORPUS, train_pieces
from titans_seq.errors import UserError

TEXT = "naïve 日本 🙂\r\nend\n"


@pytest.mark.parametrize("size", range(1, 9))
def test_a_text_in_pieces_is_the_text(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode())
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    for path in tmp_path.iterdir():
        pieces = list(text_pieces(path, size))
        assert "".join(pieces) == TEXT, path
        assert all(pieces)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("content", "byte", "offset"), [(b"good \xff", "0xff", 5), (b"12345\xe6\x97", "0xe6", 5), (b"\xa9", "0xa9", 0)]
)
def test_bad_bytes_are_named_with_their_place(
    tmp_path: Path, content: bytes, byte: str, offset: int, size: int
) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.txt: not UTF-8: byte {byte} at offset {offset}: convert"):
        list(text_pieces(tmp_path / "a.txt", size))


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.txt", "no such file"),
        (tmp_path, "is a folder: expected one text file"),
        (tmp_path / "a.zip", r"\.zip files are not read"),
        (tmp_path / "a.txt.gz", "broken gzip file"),
        (tmp_path / "a.jsonl", "titans lm prepare reads such files: give plain text"),
        (tmp_path / "empty.txt", "holds no text"),
    ):
        (tmp_path / "a.zip").write_bytes(b"PK")
        (tmp_path / "a.jsonl").write_text('{"text": "a"}')
        (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"text " * 100)[:20])
        (tmp_path / "empty.txt").write_bytes(b"")
        with pytest.raises(UserError, match=message):
            list(TextTokens(path, ByteTokenizer()))


def test_standard_input_is_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    tokens = TextTokens(STANDARD_INPUT, ByteTokenizer())
    assert np.concatenate(list(tokens)).tolist() == list(TEXT.encode())
    assert tokens.size is None
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    with pytest.raises(UserError, match="^standard input: not UTF-8"):
        list(text_pieces(STANDARD_INPUT))


def test_tokens_are_those_of_the_whole_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join([*CORPUS, TEXT])
    (tmp_path / "a.txt").write_bytes(text.encode())
    monkeypatch.setattr("language.inference.text._BLOCK", 7)
    pieces = SentencePieceTokenizer(train_pieces(tmp_path / "tokenizer.model"))
    for tokenizer in (ByteTokenizer(), CharacterTokenizer.build([text]), pieces):
        tokens = TextTokens(tmp_path / "a.txt", tokenizer)
        assert np.concatenate(list(tokens)).tolist() == tokenizer.encode(text)
        assert tokens.text_bytes == tokens.size == len(text.encode())
        assert tokens.tokens == len(tokenizer.encode(text))


def test_an_unknown_character_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc?")
    with pytest.raises(UserError, match=r"a\.txt, after byte 0: character '\?'"):
        list(TextTokens(tmp_path / "a.txt", CharacterTokenizer("abc")))


@given(st.lists(st.lists(st.integers(0, 9))), st.integers(1, 7))
def test_blocks_hold_the_same_tokens(arrays: list[list[int]], size: int) -> None:
    made = list(blocks(iter([np.array(array, dtype=np.uint8) for array in arrays]), size))
    assert [token for block in made for token in block] == [token for array in arrays for token in array]
    assert all(len(block) == size for block in made[:-1])
    assert all(block.dtype == np.int64 and 0 < len(block) <= size for block in made)
