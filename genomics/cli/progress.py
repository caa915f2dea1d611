"""What verbs say meanwhile, on standard error: how many are done, what begins; and how records were read."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from titans_seq.progress import Display, Progress

T = TypeVar("T")

_SHOWN = 5


class Counter(Display):
    """Count what is done, for the time of a `with` block.

    Args:
        style: see `Display`.
        what: in words, such as "sequences read".
        total: how many there will be, if that is known.
    """

    def __init__(self, style: Progress, what: str, total: int | None = None) -> None:
        super().__init__(style)
        self._what, self._total = what, total

    def advance(self, done: int) -> None:
        """Say how many are done in all."""
        if self.is_time():
            of = "" if self._total is None else f" of {self._total:,}"
            rate = done / max(time.monotonic() - self.began, 1e-9)
            self.show(f"{done:,}{of} {self._what}, {rate:,.0f}/s", done, self._total)

    def count(self, values: Iterable[T]) -> Iterator[T]:
        """Give values on and count them."""
        for number, value in enumerate(values, 1):
            yield value
            self.advance(number)


def note(text: str, style: Progress) -> None:
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


def print_notes(notes: Mapping[str, int]) -> None:
    """Say what was done to records in reading them, and to how many."""
    for what, count in notes.items():
        print(f"note: {count:,} {'record' if count == 1 else 'records'}: {what}")
