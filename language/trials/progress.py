"""What is shown while trials run."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Literal

from . import trial


@contextlib.contextmanager
def shown(kind: Literal["bar", "lines", "none"]) -> Iterator[trial.Progress]:
    """Show the progress of trials on standard error: one bar, a line for every score, or nothing.

    Example:
        >>> with shown("none") as progress:
        ...     progress("lmm, seed 0, lr 0.003", 1, 100, None)
    """
    if kind == "none":
        yield lambda what, done, total, score: None
    elif kind == "lines":
        yield _line
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("score {task.fields[score]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            bar = bars.add_task("", total=None, score="-")

            def move(what: str, done: int, total: int, score: float | None) -> None:
                bars.update(bar, description=what, completed=done, total=total)
                if score is not None:
                    bars.update(bar, score=f"{100 * score:.1f}%")

            yield move


def _line(what: str, done: int, total: int, score: float | None) -> None:
    if score is not None:
        print(f"{what}: {done:,} of {total:,}, score {100 * score:.1f}%", file=sys.stderr, flush=True)
