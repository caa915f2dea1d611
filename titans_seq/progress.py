"""How far work has come, on standard error: a bar, a line now and then, or nothing."""

import math
import sys
import time
from types import TracebackType
from typing import Literal, Self

Progress = Literal["bar", "lines", "none"]

_SECONDS = {"bar": 0.2, "lines": 10.0, "none": math.inf}


def usual() -> Progress:
    """Return what training shows unless told otherwise: a bar in a terminal, lines elsewhere.

    In a file a bar would stand once for each step.
    """
    return "bar" if sys.stderr.isatty() else "lines"


class Display:
    """Show how far work has come, for the time of a `with` block.

    Looking at the clock is cheap, and drawing is not: ask whether it is time before putting together what to say.

    Args:
        style: a bar, a line every ten seconds, or nothing.
        keep: whether the bar stays as it was in the end; where standard error is no terminal, its end alone is shown.

    Example:
        >>> with Display("none") as display:
        ...     for number in range(1_000):
        ...         if display.is_time():
        ...             display.show(f"{number:,} of 1,000", number, 1_000)
    """

    def __init__(self, style: Progress, keep: bool = False) -> None:
        self._style: Progress = style
        self._keep = keep
        self.began = time.monotonic()
        """When it was made, by `time.monotonic`."""
        self._told = self.began

    def __enter__(self) -> Self:
        if self._style == "bar":
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=not self._keep)
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._style == "bar":
            self._bar.stop()

    def is_time(self) -> bool:
        """Say whether the user has not been told anything for a while."""
        return time.monotonic() - self._told >= _SECONDS[self._style]

    def show(self, text: str, done: float, total: float | None = None) -> None:
        """Say how far it is.

        Args:
            text: in words.
            done: of the bar, in units of any kind.
            total: of the bar; None if that is not known.
        """
        self._told = time.monotonic()
        if self._style == "lines":
            print(text, file=sys.stderr, flush=True)
        elif self._style == "bar":
            self._bar.update(self._task, description=text, completed=done, total=total)
