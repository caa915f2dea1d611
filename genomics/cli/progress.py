"""How far a verb has come, on standard error: a bar, or a line now and then; and what was left out."""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from .options import Progress as Style

T = TypeVar("T")

_SECONDS = {"bar": 0.2, "lines": 10.0, "none": math.inf}
_SHOWN = 5


class Counter:
    """Count what is done, for the time of a `with` block.

    Args:
        style: a bar, a line every ten seconds, or nothing.
        what: in words, such as "sequences read".
        total: how many there will be, if that is known.
    """

    def __init__(self, style: Style, what: str, total: int | None = None) -> None:
        self._style: Style = style
        self._what, self._total = what, total
        columns = (TextColumn("{task.fields[facts]}"), BarColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=style != "bar")
        self._task = self._bar.add_task("", total=total, facts="")
        self._began = self._told = time.monotonic()

    def __enter__(self) -> "Counter":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, done: int) -> None:
        """Say how many are done in all."""
        now = time.monotonic()
        if now - self._told < _SECONDS[self._style]:
            return
        self._told = now
        of = "" if self._total is None else f" of {self._total:,}"
        facts = f"{done:,}{of} {self._what}, {done / max(now - self._began, 1e-9):,.0f}/s"
        if self._style == "lines":
            print(facts, file=sys.stderr, flush=True)
        else:
            self._bar.update(self._task, completed=done, facts=facts)

    def count(self, values: Iterable[T]) -> Iterator[T]:
        """Give values on and count them."""
        for number, value in enumerate(values, 1):
            yield value
            self.advance(number)


def note(text: str, style: Style) -> None:
    """Say on standard error what begins now, unless nothing is to be shown."""
    if style != "none":
        print(text, file=sys.stderr, flush=True)


def print_left_out(left_out: Sequence[str]) -> None:
    """Say how many records `--skip-bad` left out, and why, for the first of them."""
    if not left_out:
        return
    print(f"left out: {len(left_out):,} records that cannot be used")
    for message in left_out[:_SHOWN]:
        print(f"  {message}")
    if len(left_out) > _SHOWN:
        print(f"  ... and {len(left_out) - _SHOWN:,} more")
