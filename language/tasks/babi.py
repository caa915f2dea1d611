"""The bAbI tasks' files: short stories with questions."""

import re
from functools import lru_cache
from typing import NamedTuple

from titans_seq.errors import UserError

from .files import read_text
from .words import split_words

SOURCE = "the bAbI tasks 1-20, version 1.2 (for example github.com/siddk/entity-network, folder tasks)"
_LINE = re.compile(r"(\d+) (.*)")

# All words of tasks 1 to 5 (version 1.2, English), answers included.
QA1_TO_QA5_WORDS = tuple(
    """. ? apple back bathroom bedroom before bill daniel did discarded down dropped east football fred garden gave give
    got grabbed hallway handed is jeff john journeyed kitchen left mary milk moved north of office passed picked put
    received sandra south the there to took travelled up was went west what where who""".split()
)


class Question(NamedTuple):
    """A question with all facts of its story that come before it.

    Attributes:
        facts: sentences in order, each as lower-case words.
        question: as words.
        answer: one word.
    """

    facts: tuple[tuple[str, ...], ...]
    question: tuple[str, ...]
    answer: str


@lru_cache(maxsize=4)
def read_babi(path: str) -> tuple[Question, ...]:
    r"""Read the questions of one bAbI file: lines `ID text`, or `ID question<tab>answer<tab>supporting IDs`.

    An ID of 1 begins a new story. Facts read before an earlier question of the same story count for later ones too.

    Args:
        path: a task's file, plain or ending in .gz.

    Raises:
        UserError: if the file is missing or unreadable, has no question, or has a line of another form, by number.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "qa.txt")
        ...     _ = file.write_text("1 Mary got up.\n2 Who got up?\tMary\t1\n")
        ...     read_babi(str(file))
        (Question(facts=(('mary', 'got', 'up', '.'),), question=('who', 'got', 'up', '?'), answer='mary'),)
    """
    questions: list[Question] = []
    facts: tuple[tuple[str, ...], ...] = ()
    previous = 0
    for number, line in enumerate(read_text(path, "a bAbI file", SOURCE).splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None or int(match[1]) not in (1, previous + 1):
            expected = f"expected 'ID text' with ID 1 or {previous + 1}"
            raise UserError(f"{path}, line {number}: {expected}, got {line[:60]!r}: is it a bAbI file?")
        previous = int(match[1])
        facts = () if previous == 1 else facts
        text, *answer = match[2].split("\t")
        if not answer:
            facts = (*facts, tuple(split_words(text)))
        elif len(split_words(answer[0])) == 1:
            questions.append(Question(facts, tuple(split_words(text)), answer[0].lower()))
        else:
            raise UserError(
                f"{path}, line {number}: expected an answer of one word, got {answer[0]!r}: use tasks 1 to 5"
            )
    if not questions:
        raise UserError(f"{path}: no question in it: a question is followed by a tab and its answer")
    return tuple(questions)
