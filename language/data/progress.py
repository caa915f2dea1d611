"""A bar on standard error for `prepare`: how much of the input is read, and the tokens so far."""

import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .manifest import Source

_SECONDS = 0.2


class ShowProgress:
    """The bar, shown for the time of a `with` block; where standard error is no terminal, only its end is."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._before = [0, *accumulate(source.bytes for source in sources)]
        self._bar = Progress(
            TextColumn("reading {task.fields[name]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[tokens]:,} tokens, {task.fields[rate]:,}/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._names = [Path(source.path).name for source in sources]
        self._task = self._bar.add_task("", total=self._before[-1], name="", tokens=0, rate=0)
        self._done = 0
        self._source = 0
        self._tokens = 0
        self._began = self._drawn = time.monotonic()

    def __enter__(self) -> "ShowProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._done = self._before[-1]
        self._draw()
        self._bar.stop()

    def advance(self, source: int, read: int, tokens: int) -> None:
        """Count in a document.

        Args:
            source: number of its file.
            read: bytes of that file that have been read.
            tokens: tokens of the document.
        """
        self._source = source
        self._done = self._before[source] + read
        self._tokens += tokens
        # A document takes microseconds, drawing the bar much longer.
        if time.monotonic() - self._drawn >= _SECONDS:
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        rate = round(self._tokens / max(self._drawn - self._began, 1e-9))
        name = self._names[self._source]
        self._bar.update(self._task, completed=self._done, name=name, tokens=self._tokens, rate=rate)
