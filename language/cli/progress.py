"""How far a text is read, on standard error: a bar, or a line now and then."""

import math
import sys
import time
from types import TracebackType
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from ..evaluation.perplexity import bits_per_byte, perplexity
from ..inference.text import TextTokens

ProgressStyle = Literal["bar", "lines", "none"]

_SECONDS = {"bar": 0.2, "lines": 10.0, "none": math.inf}


def loss_text(loss: float, tokens: int, text_bytes: float) -> str:
    """The mean loss of some text in its three units.

    Args:
        loss: of all tokens together, in nats.
        tokens: how many.
        text_bytes: of the text, in UTF-8.

    Example:
        >>> loss_text(20.0, tokens=20, text_bytes=20)
        'loss 1.0000 nats a token, perplexity 2.718, 1.4427 bits a byte'
    """
    mean = loss / tokens
    return (
        f"loss {mean:.4f} nats a token, perplexity {perplexity(mean):.3f}, "
        f"{bits_per_byte(loss, text_bytes):.4f} bits a byte"
    )


class ReadingProgress:
    """What to show while texts are read, for the time of a `with` block.

    Args:
        style: a bar, a line every ten seconds, or nothing.
    """

    def __init__(self, style: ProgressStyle) -> None:
        self._style: ProgressStyle = style
        self._bar = Progress(
            TextColumn("reading {task.fields[name]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[facts]}"),
            console=Console(stderr=True),
            disable=style != "bar",
        )
        self._task = self._bar.add_task("", total=None, name="", facts="")
        self._text: TextTokens | None = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> "ReadingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, text: TextTokens, tokens: int, loss: float) -> None:
        """Count in a piece.

        Args:
            text: what is read.
            tokens: of it so far.
            loss: of those, in nats, in all.
        """
        now = time.monotonic()
        if text is not self._text:
            self._text, self._began = text, self._told
        if now - self._told < _SECONDS[self._style]:
            return
        self._told = now
        # The text is made to tokens ahead of their reading: what is read of its bytes goes by their mean.
        read = text.text_bytes * tokens / text.tokens
        rate = tokens / max(now - self._began, 1e-9)
        facts = f"{tokens:,} tokens, {rate:,.0f}/s, {loss_text(loss, tokens, read)}"
        if self._style == "lines":
            print(f"{text.path.name}: {facts}", file=sys.stderr, flush=True)
        else:
            self._bar.update(self._task, completed=read, total=text.size, name=text.path.name, facts=facts)
