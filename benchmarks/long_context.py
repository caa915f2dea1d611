"""Small models on memory tasks: trained short, tested long, beside themselves without memory and attention.

    python -m benchmarks.long_context                                  # every row that is not there yet; hours
    python -m benchmarks.long_context --tasks induction-heads --parts 0

Each row is what `titans lm task` runs, with the settings that are that task's default. Attention over everything is
tested to 16 times the training length only: its time grows with the square.
"""

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
import tyro

from language.tasks import TASKS
from language.trials import Plan, Summary, default_settings, markdown, run_trials, summarise
from language.trials.models import NO_MEMORY, RECALL
from language.trials.progress import shown
from titans_seq.errors import UserError
from titans_seq.jsonl import read_rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "long_context.jsonl"
DATA = HERE.parents[1] / "shared" / "data" / "text"


@dataclass(frozen=True)
class Part:
    """Models that a task is run with, and how far.

    Attributes:
        task: its name.
        models: names of models.
        seeds: how many.
        times: no test is longer than so many times the training length; None for all.
        lr: learning rate; the task's default, which suits the memory, if None.
    """

    task: str
    models: tuple[str, ...]
    seeds: int
    times: int | None = None
    lr: float | None = None


PARTS = (
    Part("induction-heads", ("lmm",), 3),
    Part("induction-heads", (f"lmm{NO_MEMORY}", "transformer", "window"), 1, 16),
    Part("mqar-128-8", ("lmm",), 3, 4),
    Part("mqar-128-8", (f"lmm{NO_MEMORY}", "transformer", "window"), 1, 4),
    Part("mqar-128-8", ("transformer",), 1, 4, lr=1e-3),
    Part("niah-single-1", ("lmm",), 3, 16),
    Part("niah-single-1", (f"lmm{NO_MEMORY}", "transformer", "window"), 1, 16),
    Part("mqar-256-16", ("lmm",), 3, 4),
    Part("babilong-qa1", ("mag",), 3, 16),
    Part("babilong-qa1", (f"mag{NO_MEMORY}", "window"), 1, 16),
    Part("mqar-512-64", ("lmm", f"lmm{RECALL}"), 1, 1),
)


VARIANTS = ("lmm", "mac", "mag", "mal")
ROLES = {
    "with its memory": (*VARIANTS, *(f"{name}{RECALL}" for name in VARIANTS)),
    "the same without": tuple(f"{name}{NO_MEMORY}" for name in VARIANTS),
    "attention to everything": ("transformer",),
    "attention in a window": ("window",),
}
"""Columns of the overview, and the models they stand for."""


@dataclass(frozen=True)
class Arguments:
    """Run what has no row yet.

    Args:
        tasks: only these.
        parts: of the list of parts of these tasks, only those at these places.
        seeds: at most so many of each.
        out: rows, one JSON object a line.
        data: folder with babi and books in it.
    """

    tasks: tuple[str, ...] = tuple(dict.fromkeys(part.task for part in PARTS))
    parts: tuple[int, ...] = ()
    seeds: int = 3
    out: Path = RESULTS
    data: Path = DATA


def plans(arguments: Arguments) -> Iterator[Plan]:
    """What is to be run, in order."""
    chosen = [part for part in PARTS if part.task in arguments.tasks]
    for number, part in enumerate(chosen):
        if not arguments.parts or number in arguments.parts:
            longest = None if part.times is None else part.times * TASKS[part.task].train_length
            settings = default_settings(part.task).changed(lr=None if part.lr is None else (part.lr,))
            yield Plan(
                part.task,
                part.models,
                tuple(range(min(part.seeds, arguments.seeds))),
                settings,
                arguments.data,
                longest,
            )


def overview(summaries: Sequence[Summary]) -> str:
    """Mean scores in percent where each task was trained and where it was tested at the greatest length."""
    lines = [
        f"| task | length | {' | '.join(ROLES)} |",
        "|---" * (2 + len(ROLES)) + "|",
    ]
    for task in sorted({part.task for part in PARTS}):
        held = [summary for summary in summaries if summary.task == task]
        tested = {length for summary in held for length in summary.scores}
        trained = TASKS[task].train_length
        for length in sorted({trained, max(tested, default=trained)} & tested):
            cells = [_best(held, models, length) for models in ROLES.values()]
            lines.append(f"| {task}, trained at {trained:,} | {length:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _best(summaries: Sequence[Summary], models: Collection[str], length: int) -> str:
    """The score of the setting that validation prefers, if any was tested there."""
    held = [summary for summary in summaries if summary.rows[0]["model"] in models and length in summary.scores]
    if not held:
        return "-"
    chosen = max(held, key=lambda summary: fmean(row["training"]["validation"] for row in summary.rows))
    return f"{100 * chosen.scores[length][0]:.1f}"


def main(arguments: Arguments) -> None:
    """Run what is missing, and print the tables."""
    torch.set_num_threads(1)
    with shown("lines") as progress:
        for plan in plans(arguments):
            run_trials(plan, arguments.out, progress)
    print(markdown(summarise(read_rows(arguments.out))))


if __name__ == "__main__":
    try:
        main(tyro.cli(Arguments, description=__doc__))
    except UserError as error:
        sys.exit(f"error: {error}")
