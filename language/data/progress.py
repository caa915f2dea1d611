"""A bar on standard error for `prepare`: how much of the input is read, and the tokens so far."""

import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType

from titans_seq.progress import Display

from .manifest import Source


class ShowProgress(Display):
    """Show the bar for the time of a `with` block; where standard error is no terminal, only its end."""

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__("bar", keep=True)
        self._before = [0, *accumulate(source.bytes for source in sources)]
        self._names = [Path(source.path).name for source in sources]
        self._done = self._source = self._tokens = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._done = self._before[-1]
        self._draw()
        super().__exit__(kind, error, trace)

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
        if self.is_time():
            self._draw()

    def _draw(self) -> None:
        rate = round(self._tokens / max(time.monotonic() - self.began, 1e-9))
        text = f"reading {self._names[self._source]}: {self._tokens:,} tokens, {rate:,}/s"
        self.show(text, self._done, self._before[-1])
