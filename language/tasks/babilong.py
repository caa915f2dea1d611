"""BABILong: the facts of a bAbI story hidden, in order, between the sentences of a book."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
import torch

from titans_seq.config import register
from titans_seq.errors import UserError

from .babi import QA1_TO_QA5_WORDS, Question, read_babi
from .base import IGNORE, Task, TaskBatch, check_least, check_request
from .books import Book, read_book
from .draws import numpy_generator
from .words import WordVocabulary


class _Background(NamedTuple):
    """Long enough sentences of a book, one behind the other: tokens, and where sentences start."""

    tokens: np.ndarray
    starts: np.ndarray


@register("babilong")
@dataclass(frozen=True)
class BABILong(Task):
    r"""Draw background sentences with facts between them, then the question, whose last token asks for the answer.

    The background is a stretch of the book from a random sentence on, short sentences left out, its last sentence cut
    so that facts, background and question take exactly `length` tokens. Every fact goes before a background sentence
    or to the end, all places equally likely and drawn independently, then sorted. Questions with more than
    `length / fact_every` facts, or which do not fit, are left out. Within a batch no question comes twice before all
    did.

    Differences from the source: words are tokens; the length includes the question; a book that ends goes on from its
    beginning, where the source continues at another random place.

    Args:
        facts: bAbI file of one of the tasks 1 to 5.
        book: text file of the background.
        words_from: text file whose most frequent words the vocabulary has, besides those of bAbI; None means `book`.
            Training and test must name the same one.
        book_words: number of those words; others become one unknown token.
        least_sentence: tokens of the shortest background sentence.
        fact_every: tokens for each fact at least. The source limits facts to between a fifth and a tenth of the length.

    Reference: BABILong (arXiv 2406.10149), its code, and its appendix C for the limits.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     facts, book = pathlib.Path(folder, "qa"), pathlib.Path(folder, "book")
        ...     _ = facts.write_text("1 Mary went to the office.\n2 Where is Mary?\toffice\t1\n")
        ...     _ = book.write_text("It was a dark and stormy night. The rain fell in torrents.")
        ...     task = BABILong(str(facts), str(book), book_words=20, least_sentence=5)
        ...     ids, targets = task.batch(1, 16, torch.Generator().manual_seed(1))
        >>> task.words.decode(ids[0]), task.words.decode(targets[0, -1:])
        ('mary went to the office . the rain fell in torrents . where is mary ?', 'office')
    """

    facts: str
    book: str
    words_from: str | None = None
    book_words: int = 2_000
    least_sentence: int = 10
    fact_every: int = 10

    def __post_init__(self) -> None:
        check_least("book_words", self.book_words, 0)
        check_least("least_sentence", self.least_sentence, 1)
        check_least("fact_every", self.fact_every, 1)

    @property
    def vocabulary(self) -> int:
        """The unknown token, the words of bAbI, the book's most frequent words."""
        return len(self.words)

    @cached_property
    def words(self) -> WordVocabulary:
        """The vocabulary's words."""
        frequent = read_book(self.words_from or self.book).frequent_words(self.book_words)
        return WordVocabulary.of([*QA1_TO_QA5_WORDS, *frequent])

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences with room for at least one question and its facts; see `Task.batch`."""
        check_request("BABILong", batch_size, length, {"question": 1})
        chance = numpy_generator(generator)
        fitting = self._fitting(length)
        rounds = [chance.permutation(fitting) for _ in range(-(-batch_size // len(fitting)))]
        ids = np.empty((batch_size, length), dtype=np.int64)
        answers = np.empty(batch_size, dtype=np.int64)
        for row, number in enumerate(np.concatenate(rounds)[:batch_size]):
            facts, question, answers[row] = self._encoded[number]
            ids[row] = self._hide(facts, question, length, chance)
        targets = torch.full((batch_size, length), IGNORE)
        targets[:, -1] = torch.from_numpy(answers)
        return TaskBatch(torch.from_numpy(ids), targets)

    def _hide(
        self, facts: list[np.ndarray], question: np.ndarray, length: int, chance: np.random.Generator
    ) -> np.ndarray:
        """Return facts among background, then the question, `[length]`."""
        room = length - len(question) - sum(map(len, facts))
        tokens, starts = self._background
        first = starts[chance.integers(len(starts))]
        # Places between sentences, as distances from the first; the book repeats if it is short.
        laps = np.arange(1 + room // len(tokens) + 1) * len(tokens)
        distances = (starts + laps[:, None]).ravel() - first
        borders = np.append(distances[(distances >= 0) & (distances < room)], room)
        stretch = tokens.take(np.arange(first, first + room), mode="wrap")
        cuts = np.sort(chance.choice(borders, len(facts)))
        parts = np.split(stretch, cuts)
        mixed = [part for pair in zip(parts, [*facts, question], strict=True) for part in pair]
        return np.concatenate(mixed)

    @cached_property
    def _questions(self) -> tuple[Question, ...]:
        questions = read_babi(self.facts)
        used = {word for q in questions for sentence in (*q.facts, q.question, (q.answer,)) for word in sentence}
        if foreign := sorted(used.difference(QA1_TO_QA5_WORDS)):
            words = ", ".join(foreign[:5])
            raise UserError(f"{self.facts}: not a file of the bAbI tasks 1 to 5, whose vocabulary has no {words}")
        return questions

    @cached_property
    def _encoded(self) -> list[tuple[list[np.ndarray], np.ndarray, int]]:
        """Facts, question and answer as numbers."""
        # Stories repeat the same few sentences.
        encode = cache(self.words.encode)
        return [
            ([encode(fact) for fact in question.facts], encode(question.question), int(encode((question.answer,))[0]))
            for question in self._questions
        ]

    @cached_property
    def _sizes(self) -> np.ndarray:
        """Facts and tokens of every question with its facts, `[questions, 2]`."""
        return np.array([(len(q.facts), len(q.question) + sum(map(len, q.facts))) for q in self._questions])

    def _fitting(self, length: int) -> np.ndarray:
        """Numbers of the questions that may be asked at a length."""
        counts, tokens = self._sizes.T
        fitting = np.flatnonzero((counts * self.fact_every <= length) & (tokens <= length))
        if not len(fitting):
            need = np.maximum(counts * self.fact_every, tokens).min()
            raise UserError(
                f"BABILong: no question of {self.facts} fits into {length:,} tokens: the first does at length {need:,}"
            )
        return fitting

    @cached_property
    def _background(self) -> _Background:
        book: Book = read_book(self.book)
        sizes = np.diff(book.starts, append=len(book.words))
        long = sizes >= self.least_sentence
        if not long.any():
            raise UserError(
                f"{self.book}: no sentence of at least {self.least_sentence} words and signs: give another book, or a "
                "smaller least_sentence"
            )
        starts = np.cumsum(sizes[long]) - sizes[long]
        return _Background(self.words.encode(book.words)[np.repeat(long, sizes)], starts)
