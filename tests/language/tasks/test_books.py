import gzip

import numpy as np
import pytest

from language.tasks.books import read_book, split_sentences
from language.tasks.words import WordVocabulary, split_words
from titans_seq.errors import UserError


def test_words_are_lower_case_and_signs_and_digits_stand_alone():
    assert split_words("It's 1813--“Don’t!” said _he_.") == [
        *["it's", "1", "8", "1", "3", "-", "-", "“", "don’t", "!", "”", "said", "he", "."]
    ]
    assert split_words("Ça va? naïve") == ["ça", "va", "?", "naïve"]
    assert split_words(" \n_ ") == []


def test_words_are_numbered_once_in_their_order():
    vocabulary = WordVocabulary.of(["b", "a", "b"])
    assert vocabulary.words == ("<unk>", "b", "a")
    assert len(vocabulary) == 3
    ids = vocabulary.encode(["a", "z", "b"])
    assert ids.dtype == np.int64
    assert ids.tolist() == [2, 0, 1]
    assert vocabulary.decode(ids) == "a <unk> b"
    assert vocabulary.encode([]).shape == (0,)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('"One?" said he. (Two.) Three', ['"One?"', "said he.", "(Two.)", "Three"]),
        ("Mr. and Mrs. Hill came. St. Ives was far.", ["Mr. and Mrs. Hill came.", "St. Ives was far."]),
        ("J. Smith wrote it. 3.5 is no end", ["J. Smith wrote it.", "3.5 is no end"]),
        ("Nobody came. Dr.", ["Nobody came.", "Dr."]),
        ("CHAPTER 1\n\nIt began.\n \nThen", ["CHAPTER 1", "It began.", "Then"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_sign_meets_a_space(text, sentences):
    assert split_sentences(text) == sentences


BOOK = """Header. By X.
*** START OF THIS PROJECT GUTENBERG EBOOK A ***
One two three.\r\nTwo is
more! * * *
*** END OF THIS PROJECT GUTENBERG EBOOK A ***
License. Too."""
CREDITED = """*** START OF THE BOOK ***

Produced by A. Reader and
others

Text. End
of all.

End of Project Gutenberg's Text
*** END OF THE BOOK ***"""


def test_a_book_has_no_header_and_footer(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(BOOK.encode("utf-8-sig")))
    book = read_book(str(path))
    assert book.words == ("one", "two", "three", ".", "two", "is", "more", "!", "*", "*", "*")
    assert book.starts.tolist() == [0, 4, 8]
    assert book.frequent_words(3) == ["*", "two", "one"]


def test_a_book_has_no_credits(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(CREDITED)
    assert read_book(str(path)).words == ("text", ".", "end", "of", "all", ".")


def test_a_text_without_marks_is_read_whole(tmp_path):
    path = tmp_path / "plain.txt"
    path.write_text("One. Two.")
    assert read_book(str(path)).words == ("one", ".", "two", ".")


def test_files_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"a book is missing: no file /nowhere/b.txt; get it from www.gutenberg.org"):
        read_book("/nowhere/b.txt")
    latin, empty = tmp_path / "latin.txt", tmp_path / "empty.txt"
    latin.write_bytes("na\xefve".encode("latin-1"))
    with pytest.raises(UserError, match="latin.txt: not UTF-8.* 0xef .*offset 2"):
        read_book(str(latin))
    empty.write_text("_ \n")
    with pytest.raises(UserError, match="empty.txt: no words in it: give a text file"):
        read_book(str(empty))


def test_real_books_are_cut_into_sensible_sentences(text_data):
    book = read_book(str(text_data / "books/pg1342.txt"))
    assert " ".join(book.words[:8]) == "pride and prejudice by jane austen chapter 1"
    assert " ".join(book.words[-12:]).endswith("had been the means of uniting them .")
    assert 120_000 < len(book.words) < 150_000
    sizes = np.diff(book.starts, append=len(book.words))
    assert 15 < np.median(sizes) < 25
    assert sizes.max() < 300
    assert "mr" in book.frequent_words(40)
    assert "gutenberg" not in book.words
