"""Books: plain text files as sentences of words."""

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from titans_seq.errors import UserError

from .files import read_text
from .words import split_words

_START = re.compile(r"^\*\*\* ?START OF.*$", re.MULTILINE)
_END = re.compile(r"^(?:\*\*\* ?END OF|End of (?:the )?Project Gutenberg)", re.MULTILINE)
_CREDIT = re.compile(r"\s*Produced by .*(?:\n.+)*")
SOURCE = "www.gutenberg.org, as plain text"
# A full stop, question or exclamation mark, perhaps a closing sign, and space; or an empty line.
_BORDER = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'\u2019\u201d)\]]))\s+|\n\s*\n")
_ABBREVIATED = re.compile(r"\b(?:mr|mrs|ms|dr|st|messrs|capt|col|gen|rev|hon|esq|vol|no|[a-z])\.$", re.IGNORECASE)


class Book(NamedTuple):
    """A text as words.

    Attributes:
        words: all of them, in order.
        starts: index of each sentence's first word, ascending, int64 `[sentences]`.
    """

    words: tuple[str, ...]
    starts: np.ndarray

    def frequent_words(self, count: int) -> list[str]:
        """Return the `count` most frequent words, most frequent first; of equally frequent ones the first to appear."""
        return [word for word, _ in Counter(self.words).most_common(count)]


@lru_cache(maxsize=4)
def read_book(path: str) -> Book:
    """Read a text file, without the header and footer that Project Gutenberg puts around it.

    Args:
        path: UTF-8 text, plain or ending in .gz.

    Raises:
        UserError: if the file is missing, unreadable, not UTF-8, or has no words.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "book.txt")
        ...     _ = file.write_text('"Well, Mr. Bennet?" He sat.')
        ...     book = read_book(str(file))
        >>> len(book.words), book.starts
        (11, array([0, 8]))
    """
    sentences = [
        words for text in split_sentences(_body(read_text(path, "a book", SOURCE))) if (words := split_words(text))
    ]
    if not sentences:
        raise UserError(f"{path}: no words in it: give a text file, a book for example")
    starts = np.cumsum([0, *map(len, sentences[:-1])])
    return Book(tuple(word for sentence in sentences for word in sentence), starts)


def split_sentences(text: str) -> list[str]:
    """Cut text into sentences by a plain rule: where a full stop, question or exclamation mark meets a space.

    An empty line ends one too, a heading for example; usual abbreviations and initials do not. Spaces in a sentence are
    kept as they are.

    Example:
        >>> split_sentences('"Is it let?" asked Mr. Hill. It was.')
        ['"Is it let?"', 'asked Mr. Hill.', 'It was.']
    """
    sentences: list[str] = []
    open_part = ""
    for part in _BORDER.split(text):
        open_part = f"{open_part} {part}" if open_part else part
        if not _ABBREVIATED.search(part):
            sentences.append(open_part)
            open_part = ""
    return [sentence for sentence in [*sentences, open_part] if sentence]


def _body(text: str) -> str:
    start = _START.search(text)
    begin = start.end() if start else 0
    if start and (credit := _CREDIT.match(text, begin)):
        begin = credit.end()
    end = _END.search(text, begin)
    return text[begin : end.start() if end else len(text)]
