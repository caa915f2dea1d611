"""The tasks by name: how each is trained and tested, and where that comes from."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from titans_seq.errors import UserError

from . import babi, books, scan
from .babilong import BABILong
from .base import Task
from .copying import Copy, SelectiveCopying, VectorCopy
from .files import find_file
from .induction import InductionHeads
from .mad import Compression, InContextRecall, MADSelectiveCopying, Memorization
from .mad_fuzzy import FuzzyRecall
from .needle import Needle
from .parity import Parity
from .recall import MQAR
from .scan import SCAN
from .scoring import class_accuracy, exact_match, token_accuracy

Split = Literal["train", "test"]


@dataclass(frozen=True)
class TaskRecipe:
    """How one task is trained and tested.

    Attributes:
        summary: what a model must do, in a line.
        source: the paper, or papers, that the recipe follows.
        build: makes the task of a split; the second argument is the data folder, which tasks from files need.
        score: of outputs `[B, T, vocabulary]` or predictions `[B, T]` against targets, as the source reports it.
        train_length: tokens of a training sequence.
        test_lengths: ascending.
        warm_up_lengths: shorter lengths to train at first, ascending.
        train_examples: size of a fixed training set; None trains on fresh sequences.
        needs_data: whether `build` reads files.

    Example:
        >>> recipe = TASKS["mqar-64-4"]
        >>> recipe.needs_data, recipe.train_length
        (False, 64)
    """

    summary: str
    source: str
    build: Callable[[Split, Path], Task]
    score: Callable[[Tensor, Tensor], float]
    train_length: int
    test_lengths: tuple[int, ...]
    warm_up_lengths: tuple[int, ...] = ()
    train_examples: int | None = None
    needs_data: bool = False


def build_task(name: str, split: Split, data: Path | str | None = None) -> Task:
    """Make the task called `name`.

    Args:
        name: a key of `TASKS`.
        split: "train" or "test": they differ where training has its own form or its own files.
        data: folder with `babi`, `books` and `scan` in it, for the tasks that are made from files: bAbI tasks as
            `babi/en-10k/qa1_single-supporting-fact_train.txt` and so on, the books `books/pg2701.txt` (training) and
            `books/pg1342.txt` (tests), SCAN as `scan/tasks_train_simple.txt` and so on; each plain or with `.gz`.

    Raises:
        UserError: if there is no such task, or a file is missing.

    Example:
        >>> build_task("induction-heads", "train").vocabulary
        17
        >>> build_task("induction", "train")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: unknown task 'induction'; did you mean 'induction-heads'?
    """
    if name not in TASKS:
        close = difflib.get_close_matches(name, TASKS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"expected one of {', '.join(TASKS)}"
        raise UserError(f"unknown task {name!r}; {hint}")
    recipe = TASKS[name]
    if recipe.needs_data and data is None:
        raise UserError(
            f"{name} is made from files: give a data folder with babi, books and scan in it, that is {babi.SOURCE}; "
            f"pg2701.txt and pg1342.txt of {books.SOURCE}; {scan.SOURCE}"
        )
    return recipe.build(split, Path(data or "."))


def _multiples(length: int, largest: int = 64) -> tuple[int, ...]:
    """1, 2, 4, ... to `largest` times a length."""
    return tuple(length << doublings for doublings in range(largest.bit_length()))


def _mqar(length: int, pairs: int) -> TaskRecipe:
    return TaskRecipe(
        f"recall the values of {pairs} keys",
        "Zoology (arXiv 2312.04927), figure 2",
        lambda split, data: MQAR(pairs, tokens_a_pair=4),
        token_accuracy,
        length,
        _multiples(length),
        train_examples=100_000,
    )


_MAD = "MAD (arXiv 2403.17844)"


def _mad(
    summary: str, build: Callable[[Split, Path], Task], lengths: tuple[int, ...], train_examples: int = 12_800
) -> TaskRecipe:
    return TaskRecipe(summary, _MAD, build, class_accuracy, lengths[0], lengths, train_examples=train_examples)


def _training_book(data: Path) -> str:
    return find_file(data, ("books/pg2701.txt",), "the training book, Moby Dick", f"{books.SOURCE} (2701)")


def _book(split: Split, data: Path) -> str:
    if split == "train":
        return _training_book(data)
    return find_file(data, ("books/pg1342.txt",), "the test book, Pride and Prejudice", f"{books.SOURCE} (1342)")


def _needle(value: Literal["number", "uuid"], text: bool) -> TaskRecipe:
    def build(split: Split, data: Path) -> Task:
        if not text:
            return Needle(value)
        return Needle(value, _book(split, data), _training_book(data), random_start=split == "train")

    return TaskRecipe(
        f"repeat a {value} mentioned once in {'a book' if text else 'repeated noise'}",
        "RULER (arXiv 2404.06654), single needle",
        build,
        exact_match,
        512,
        _multiples(512),
        needs_data=text,
    )


_BABI_NAMES = {
    1: "single-supporting-fact",
    2: "two-supporting-facts",
    3: "three-supporting-facts",
    4: "two-arg-relations",
    5: "three-arg-relations",
}


def _babilong(number: int) -> TaskRecipe:
    def build(split: Split, data: Path) -> Task:
        file = f"qa{number}_{_BABI_NAMES[number]}_{split}.txt"
        places = (f"babi/en-10k/{file}", f"babi/en/{file}")
        facts = find_file(data, places, f"the bAbI file {file}", babi.SOURCE)
        return BABILong(facts, _book(split, data), _training_book(data))

    return TaskRecipe(
        f"answer from bAbI facts ({_BABI_NAMES[number].replace('-', ' ')}) hidden in a book",
        "BABILong (arXiv 2406.10149)",
        build,
        exact_match,
        1_024,
        _multiples(1_024, largest=16),
        warm_up_lengths=(256, 512),
        needs_data=True,
    )


def _scan(name: str) -> TaskRecipe:
    def build(split: Split, data: Path) -> Task:
        file = f"tasks_{split}_{name}.txt"
        return SCAN(find_file(data, (f"scan/{file}",), f"the SCAN file {file}", scan.SOURCE))

    # The longest line of any file: 9 words, a separator, 48 actions.
    return TaskRecipe(
        "turn commands into actions",
        "SCAN (arXiv 1711.00350)",
        build,
        exact_match,
        58,
        (58,),
        needs_data=True,
    )


FOLDERS = ("babi", "books", "scan")
"""Folders of the files that tasks are made from."""
TASKS: dict[str, TaskRecipe] = {
    "induction-heads": TaskRecipe(
        "say what followed the special token",
        "Mamba (arXiv 2312.00752), E.1",
        lambda split, data: InductionHeads(),
        token_accuracy,
        256,
        _multiples(64, largest=1_024),
    ),
    "mqar-64-4": _mqar(64, 4),
    "mqar-128-8": _mqar(128, 8),
    "mqar-256-16": _mqar(256, 16),
    "mqar-512-64": _mqar(512, 64),
    "selective-copying": TaskRecipe(
        "repeat 16 tokens scattered in noise",
        "Mamba (arXiv 2312.00752), E.1",
        lambda split, data: SelectiveCopying(),
        token_accuracy,
        4_096,
        _multiples(4_096, largest=16),
    ),
    # Training strings of up to 300 letters; tests of 300, 600, 1,200, 2,400.
    "copy": TaskRecipe(
        "repeat a string",
        "Repeat After Me (arXiv 2402.01032)",
        lambda split, data: Copy(packed=(1, 300) if split == "train" else None),
        exact_match,
        602,
        (602, 1_202, 2_402, 4_802),
    ),
    # Training on 1 to 20 vectors; tests of 10, 20, 30, 50, 120.
    "copy-vectors": TaskRecipe(
        "repeat binary vectors",
        "Neural Turing Machines (arXiv 1410.5401), 4.1",
        lambda split, data: VectorCopy(shortest=1 if split == "train" else None),
        token_accuracy,
        41,
        (21, 41, 61, 101, 241),
    ),
    # Training on 1 to 40 bits; tests of 40 to 256.
    "parity": TaskRecipe(
        "tell whether the ones are odd in number",
        "Neural Networks and the Chomsky Hierarchy (arXiv 2207.02098)",
        lambda split, data: Parity(shortest=1 if split == "train" else None),
        token_accuracy,
        41,
        (41, 65, 129, 257),
    ),
    "mad-in-context-recall": _mad(
        "recall values of keys seen before",
        lambda split, data: InContextRecall(training=split == "train"),
        (128, 256, 512, 1_024),
    ),
    "mad-fuzzy-recall": _mad(
        "recall where keys and values have several tokens",
        lambda split, data: FuzzyRecall(training=split == "train"),
        (128, 256, 512, 1_024),
    ),
    "mad-noisy-recall": _mad(
        "recall among noise",
        lambda split, data: InContextRecall(32, noise_tokens=16, noise=0.2, training=split == "train"),
        (128, 256, 512, 1_024),
    ),
    "mad-selective-copying": _mad(
        "repeat 16 tokens scattered among blanks", lambda split, data: MADSelectiveCopying(), (256, 512, 1_024)
    ),
    "mad-compression": _mad("put a sequence into one output", lambda split, data: Compression(), (32, 64, 128, 256)),
    "mad-memorization": _mad(
        "learn a fixed map by heart", lambda split, data: Memorization(), (32,), train_examples=256
    ),
    "niah-single-1": _needle("number", text=False),
    "niah-single-2": _needle("number", text=True),
    "niah-single-3": _needle("uuid", text=True),
    **{f"babilong-qa{number}": _babilong(number) for number in _BABI_NAMES},
    "scan-simple": _scan("simple"),
    "scan-length": _scan("length"),
    "scan-add-jump": _scan("addprim_jump"),
}
"""Every task by name."""
