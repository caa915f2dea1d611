from pathlib import Path

import pytest

from language.tokenizers import ByteTokenizer, CharacterTokenizer, Tokenizer, TokenizerInfo, load_tokenizer
from tests.language.making import train_json, train_pieces
from titans_seq.errors import UserError


def test_bytes_need_no_file() -> None:
    assert load_tokenizer("bytes").info == TokenizerInfo("bytes", 257, 256, None)


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharacterTokenizer("\n abcé🙂")], ids=["bytes", "characters"])
def test_a_saved_tokenizer_is_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "model")
    loaded = load_tokenizer(tmp_path / "model")
    assert type(loaded) is type(tokenizer)
    assert loaded.info == tokenizer.info
    assert loaded.encode("ab c") == tokenizer.encode("ab c")
    assert loaded.files() == tokenizer.files()
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == sorted(tokenizer.files())


def test_saved_subword_tokenizers_are_the_same(tmp_path: Path) -> None:
    for number, path in enumerate((train_pieces(tmp_path / "a.model"), train_json(tmp_path / "a.json", ["</s>"]))):
        tokenizer = load_tokenizer(path)
        tokenizer.save(tmp_path / str(number))
        loaded = load_tokenizer(tmp_path / str(number))
        assert loaded.info == tokenizer.info
        assert loaded.encode("to be") == tokenizer.encode("to be")


def test_a_character_file_is_known_by_its_name(tmp_path: Path) -> None:
    CharacterTokenizer("abc").save(tmp_path)
    assert load_tokenizer(tmp_path / "characters.json").encode("c") == [2]


def test_a_file_that_was_exchanged_is_refused(tmp_path: Path) -> None:
    CharacterTokenizer("abc").save(tmp_path)
    (tmp_path / "characters.json").write_text('{"characters": "abe"}')
    with pytest.raises(UserError, match=r"characters\.json: not the file that was saved \(sha256 \w{64}, expected"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"letters": "ab"}', '{"characters": "ba"}', '{"characters": ["a"]}'])
def test_a_damaged_character_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "characters.json").write_text(content)
    with pytest.raises(UserError, match=r"characters\.json: not a saved character tokenizer"):
        load_tokenizer(tmp_path / "characters.json")


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown tokenizer 'byte': expected bytes, a SentencePiece .model file"):
        load_tokenizer("byte")
    with pytest.raises(UserError, match=r"no\.model: no such file: check the path of the tokenizer"):
        load_tokenizer(tmp_path / "no.model")
    with pytest.raises(UserError, match=r"holds no saved tokenizer: it has no tokenizer\.yaml"):
        load_tokenizer(tmp_path)


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.yaml").write_text("kind: runes\nvocabulary: 3\nend_of_document: 2\nsha256: null\n")
    with pytest.raises(UserError, match="unknown kind 'runes': expected one of bytes, characters, sentencepiece, json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.yaml").write_text("kind: bytes\n")
    with pytest.raises(UserError, match=r"tokenizer\.yaml: vocabulary: missing"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.yaml").write_text("kind: characters\nvocabulary: 3\nend_of_document: 2\nsha256: null\n")
    with pytest.raises(UserError, match=r"characters\.json: no such file"):
        load_tokenizer(tmp_path)
