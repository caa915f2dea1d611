"""What is shown while trials run."""

import contextlib
from collections.abc import Iterator

from titans_seq.progress import Display, Progress

from . import trial


@contextlib.contextmanager
def shown(style: Progress) -> Iterator[trial.Progress]:
    """Show the progress of trials on standard error: one bar, a line for every score, or nothing.

    Example:
        >>> with shown("none") as progress:
        ...     progress("lmm, seed 0, lr 0.003", 1, 100, None)
    """
    latest = ""

    def tell(what: str, done: int, total: int, score: float | None) -> None:
        nonlocal latest
        if score is not None:
            latest = f", score {100 * score:.1f}%"
        if score is not None or (style == "bar" and display.is_time()):
            display.show(f"{what}: {done:,} of {total:,}{latest}", done, total)

    with Display(style) as display:
        yield tell
