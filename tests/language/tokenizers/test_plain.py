import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from language.tokenizers import ByteTokenizer, CharacterTokenizer
from titans_seq.errors import UserError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_bytes_come_back(text: str) -> None:
    tokenizer = ByteTokenizer()
    ids = tokenizer.encode(text)
    assert ids == list(text.encode())
    assert tokenizer.decode([*ids, tokenizer.end_of_document]) == text


@given(TEXTS.filter(bool))
def test_characters_come_back(text: str) -> None:
    tokenizer = CharacterTokenizer.build([text])
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.vocabulary == len(set(text)) + 1
    assert tokenizer.end_of_document not in ids
    assert tokenizer.decode([tokenizer.end_of_document]) == ""


@given(st.lists(st.integers(0, 256)))
def test_streamed_bytes_are_the_decoded_bytes_even_where_they_are_no_text(ids: list[int]) -> None:
    tokenizer = ByteTokenizer()
    pieces = list(tokenizer.decode_stream(ids))
    assert "".join(pieces) == tokenizer.decode(ids)
    assert all(pieces)


def test_a_character_comes_out_when_its_last_byte_is_there() -> None:
    decoder = ByteTokenizer().decoder()
    assert [decoder.push(byte) for byte in "a🙂".encode()] == ["a", "", "", "", "🙂"]
    assert decoder.finish() == ""


def test_a_character_that_is_never_completed_is_replaced_in_the_end() -> None:
    decoder = ByteTokenizer().decoder()
    assert [decoder.push(byte) for byte in "é".encode()[:1]] == [""]
    assert decoder.finish() == "\N{REPLACEMENT CHARACTER}"


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(UserError, match=r"the text holds U\+D800 at character 2, half of a surrogate pair"):
        ByteTokenizer().encode("ab\ud800")


@pytest.mark.parametrize("token", [-1, 257])
def test_an_id_outside_the_vocabulary_is_refused(token: int) -> None:
    with pytest.raises(ValueError, match=f"token {token} is not in the vocabulary: expected 0 to 256"):
        ByteTokenizer().decode([token])


def test_ids_may_be_any_integers() -> None:
    assert ByteTokenizer().decode(np.array([104, 105], dtype=np.uint16)) == "hi"


@pytest.mark.parametrize("text", ["abx", "xab", "ab\N{SNOWMAN}"])
def test_an_unknown_character_is_named(text: str) -> None:
    unknown = (set(text) - set("ab")).pop()
    with pytest.raises(UserError, match=rf"character '{unknown}' \(U\+{ord(unknown):04X}\) is not one of the .* 2:"):
        CharacterTokenizer("ab").encode(text)


@pytest.mark.parametrize("characters", ["", "ba", "aab"])
def test_characters_that_are_no_vocabulary_are_refused(characters: str) -> None:
    with pytest.raises(UserError, match="expected at least one character, each once and sorted"):
        CharacterTokenizer(characters)


def test_tiny_shakespeare_has_65_characters(shared_data) -> None:
    text = (shared_data / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    tokenizer = CharacterTokenizer.build([text])
    assert tokenizer.vocabulary == 66
    assert tokenizer.decode(tokenizer.encode(text)) == text
