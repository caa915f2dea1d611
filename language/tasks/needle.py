"""A needle in a haystack: RULER's three tasks with a single needle."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast, get_args

import numpy as np
import torch
from torch import Tensor

from titans_seq.config import register

from .base import IGNORE, Task, TaskBatch, check_least, check_request
from .books import read_book
from .words import WordVocabulary, split_words

Value = Literal["number", "uuid"]

_NEWLINE = "\n"
_TASK = """A special magic {value} is hidden within the following text. Make sure to memorize it. I will quiz you about
    the {value} afterwards."""
_NEEDLE = ("One of the special magic {value}s for", "is:")
_QUESTION = ("What is the special magic {value} for", "mentioned in the provided text?")
_ANSWER_PREFIX = ("The special magic {value} for", "mentioned in the provided text is")
_NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
_CHARACTERS = "0123456789abcdef-"
# Shares of the haystack's sentences before the needle, in percent.
_DEPTHS = np.linspace(0, 100, num=40).round().astype(int)


# Words that make keys such as misty-harbour: 64 adjectives and 64 nouns, 4,096 keys.
ADJECTIVES = tuple(
    """able amber ancient angry autumn bitter bold brave bright brittle calm careful clever cloudy cold crimson curious
    dusty eager early earnest empty faint fancy fierce foggy frozen gentle giant golden grand happy hidden hollow humble
    icy jolly keen lively lonely loyal lucky mellow mighty misty narrow noble odd pale patient plain polite proud purple
    quick quiet rapid rusty shy silver sleepy solid sturdy vivid""".split()
)

NOUNS = tuple(
    """acorn anchor arrow badger basket beacon blanket bottle branch bridge bucket button candle canyon carpet castle
    cellar cherry comet copper cradle desert dolphin dragon engine falcon feather ferry forest fountain glacier guitar
    hammer harbour helmet island jacket kettle ladder lantern lemon lizard magnet meadow mirror mountain needle ocean
    orchard parrot pebble pencil piano pillow pocket rabbit ribbon saddle sailor shadow spider temple thunder violin
    """.split()
)


@register("needle")
@dataclass(frozen=True)
class Needle(Task):
    """Put a sentence with a value for a key into a long text; the value is asked at the end, by characters.

    Instruction, haystack with the needle ("One of the special magic numbers for misty-harbour is: 4071382."), question,
    the beginning of the answer, and the value, of which all but the last character is fed. Only the value is asked.

    The haystack is a block of five short sentences, repeated on lines of its own, the needle before any one of them;
    or a text, the needle at one of 40 evenly spaced depths, between sentences.

    Differences from the source: words, digits and signs are tokens, all lower-case; exactly `length` tokens are used,
    the last line of noise being cut, with none reserved for an answer; keys come from a short list of our own; a text
    of your own stands in for the essays.

    Args:
        value: "number" (seven digits, the first not 0) or "uuid" (version 4, 36 characters).
        haystack: a text file, or None for the block of noise.
        words_from: text file whose most frequent words the vocabulary has, besides the layout's own; None means
            `haystack`. Training and test must name the same one.
        text_words: number of those words; others become one unknown token.
        random_start: begin the text at a random sentence, as is better for training; the source begins at the first.

    Reference: RULER (arXiv 2404.06654) and its code: `niah_single_1` is ("number", no haystack), `niah_single_2`
        ("number", a text), `niah_single_3` ("uuid", a text).

    Example:
        >>> task = Needle()
        >>> ids, targets = task.batch(1, 128, torch.Generator().manual_seed(0))
        >>> task.words.decode(ids[0, -7:]), task.words.decode(targets[0, -7:])
        ('is 2 9 3 0 3 9', '2 9 3 0 3 9 7')
    """

    value: Value = "number"
    haystack: str | None = None
    words_from: str | None = None
    text_words: int = 2_000
    random_start: bool = False

    def __post_init__(self) -> None:
        if self.value not in get_args(Value):
            raise ValueError(f"value must be one of {', '.join(get_args(Value))}, got {self.value!r}")
        check_least("text_words", self.text_words, 0)

    @property
    def vocabulary(self) -> int:
        """The unknown token, the layout's words, and the text's most frequent ones."""
        return len(self.words)

    @cached_property
    def words(self) -> WordVocabulary:
        """The vocabulary's words, the same for both kinds of value."""
        sentences = [_TASK, *_NEEDLE, *_QUESTION, *_ANSWER_PREFIX]
        layout = [
            word for value in get_args(Value) for text in sentences for word in split_words(text.format(value=value))
        ]
        source = self.words_from or self.haystack
        frequent = read_book(source).frequent_words(self.text_words) if source else []
        return WordVocabulary.of(
            [_NEWLINE, *layout, *split_words(_NOISE), *_CHARACTERS, *ADJECTIVES, *NOUNS, *frequent]
        )

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences with room for the layout and one block of noise; see `Task.batch`."""
        check_request("needle", batch_size, length, {"haystack": len(self._block)})
        value = self._draw_value(batch_size, generator)
        key = self._draw_key(batch_size, generator)
        lines = self.haystack is None
        before = self._rows([*self._sentence(_TASK), _NEWLINE], batch_size)
        stop = self._rows([".", _NEWLINE] if lines else ["."], batch_size)
        needle = torch.cat([self._around(key, _NEEDLE), value, stop], dim=1)
        close = self._rows([] if lines else [_NEWLINE], batch_size)
        after = torch.cat([close, self._around(key, _QUESTION), self._around(key, _ANSWER_PREFIX)], dim=1)

        parts = {"instruction": before.shape[1], "needle": needle.shape[1], "question": after.shape[1]}
        parts |= {"answer": value.shape[1] - 1}
        check_request("needle", batch_size, length, parts | {"haystack": len(self._block)})
        room = length - sum(parts.values())
        text, starts, places = self._draw_haystack(batch_size, room, generator)
        context = _insert(text, starts, room, needle, places)
        ids = torch.cat([before, context, after, value[:, :-1]], dim=1)
        targets = torch.full_like(ids, IGNORE)
        targets[:, -value.shape[1] :] = value
        return TaskBatch(ids, targets)

    def _draw_key(self, rows: int, generator: torch.Generator) -> Tensor:
        """Draw adjective, hyphen, noun, `[rows, 3]`."""
        adjectives, nouns = self._numbers(ADJECTIVES), self._numbers(NOUNS)
        adjective = adjectives[torch.randint(len(adjectives), (rows, 1), generator=generator)]
        noun = nouns[torch.randint(len(nouns), (rows, 1), generator=generator)]
        return torch.cat([adjective, self._rows("-", rows), noun], dim=1)

    def _draw_value(self, rows: int, generator: torch.Generator) -> Tensor:
        """Draw the characters of a value, `[rows, 7]` or `[rows, 36]`."""
        if self.value == "number":
            digits = torch.randint(10, (rows, 7), generator=generator)
            digits[:, :1] = torch.randint(1, 10, (rows, 1), generator=generator)
        else:
            digits = torch.randint(16, (rows, 32), generator=generator)
            digits[:, 12] = 4
            digits[:, 16] = 8 + digits[:, 16] % 4
            hyphen = torch.full((rows, 1), _CHARACTERS.index("-"))
            first, *others = digits.split([8, 4, 4, 4, 12], dim=1)
            digits = torch.cat([first, *(part for other in others for part in (hyphen, other))], dim=1)
        return self._numbers(_CHARACTERS)[digits]

    def _draw_haystack(self, rows: int, room: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw where in a text, which repeats, haystacks start, and how many of their tokens come before the needle.

        Returns:
            the text's tokens, `[N]`; starts and tokens before the needle, `[rows, 1]`.
        """
        if self.haystack is None:
            size = len(self._block)
            noise = self._block.repeat(room // size + 1)[:room]
            noise[-1] = self._block[-1]
            blocks = torch.randint(room // size, (rows, 1), generator=generator)
            return noise, torch.zeros_like(blocks), blocks * size
        text, sentences = self._text
        first = torch.zeros(rows, 1, dtype=torch.long)
        if self.random_start:
            first = torch.randint(len(sentences), (rows, 1), generator=generator)
        depths = torch.from_numpy(_DEPTHS)[torch.randint(len(_DEPTHS), (rows, 1), generator=generator)]
        starts = sentences[first]
        laps = torch.arange(2 + room // len(text)).unsqueeze(1) * len(text)
        borders = (sentences + laps).flatten()
        count = torch.searchsorted(borders, starts + room) - first
        skipped = count * depths // 100
        places = torch.where(skipped < count, borders[(first + skipped).clamp(max=len(borders) - 1)] - starts, room)
        return text, starts, places

    @cached_property
    def _text(self) -> tuple[Tensor, Tensor]:
        """The text's tokens, `[N]`, and where its sentences start."""
        book = read_book(cast(str, self.haystack))
        return torch.from_numpy(self.words.encode(book.words)), torch.from_numpy(book.starts)

    @cached_property
    def _block(self) -> Tensor:
        """One line of noise."""
        return self._numbers((*split_words(_NOISE), _NEWLINE))

    def _sentence(self, template: str) -> list[str]:
        return split_words(template.format(value=self.value))

    def _around(self, key: Tensor, sentence: tuple[str, str]) -> Tensor:
        """A sentence with a key, `[rows, 3]`, between its halves."""
        before, after = (self._rows(self._sentence(half), len(key)) for half in sentence)
        return torch.cat([before, key, after], dim=1)

    def _rows(self, words: Sequence[str], rows: int) -> Tensor:
        """The same words in every row, `[rows, words]`."""
        return self._numbers(words).expand(rows, -1)

    def _numbers(self, words: Sequence[str]) -> Tensor:
        return torch.from_numpy(self.words.encode(words))


def _insert(text: Tensor, starts: Tensor, room: int, needle: Tensor, places: Tensor) -> Tensor:
    """Take `room` tokens of a text from `starts` on, and put needles, `[B, n]`, before the `places`-th of them."""
    size = needle.shape[1]
    index = torch.arange(room + size)
    inside = (index >= places) & (index < places + size)
    taken = text[(starts + torch.where(index < places, index, index - size).clamp(min=0)) % len(text)]
    return torch.where(inside, needle.gather(1, (index - places).clamp(0, size - 1)), taken)
