"""Which part of a long sequence a model reads to explain a span of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from .mutagenesis import Attribution


@dataclass(frozen=True)
class Context:
    """A piece of a span, and the window about it that the model reads; positions from 0, ends not included."""

    start: int
    end: int
    window_start: int
    window_end: int


def contexts(size: int, start: int, end: int, window: int | None) -> Iterator[Context]:
    """Cut a span into pieces that have a window of a sequence about them.

    A span that fits into a window is one piece, in the middle of its window; a longer one is cut into pieces of half a
    window. Windows move inward at the ends of the sequence.

    Args:
        size: bases of the sequence.
        start: first base of the span, from 0.
        end: the base after its last, 0 <= start < end <= size.
        window: bases that the model reads; None for all of the sequence.

    Example:
        >>> list(contexts(1000, 500, 520, 100))
        [Context(start=500, end=520, window_start=460, window_end=560)]
        >>> [(one.start, one.end) for one in contexts(1000, 0, 120, 100)]
        [(0, 50), (50, 100), (100, 120)]
    """
    if window is None or window >= size:
        yield Context(start, end, 0, size)
        return
    step = window if end - start <= window else max(window // 2, 1)
    for begin in range(start, end, step):
        stop = min(begin + step, end)
        first = min(max((begin + stop - window) // 2, 0), size - window)
        yield Context(begin, stop, first, first + window)


def explain_span(
    explain: Callable[[str, tuple[int, int]], Attribution], sequence: str, parts: list[Context]
) -> Attribution:
    """Explain a span piece by piece, each in its window.

    Args:
        explain: gives the attribution of a stretch of a sequence, such as `mutagenesis` with its model and target.
        sequence: all of it.
        parts: from `contexts`, at least one.
    """
    found = [
        explain(sequence[one.window_start : one.window_end], (one.start - one.window_start, one.end - one.window_start))
        for one in parts
    ]
    letters = sequence[parts[0].start : parts[-1].end]
    changes = np.concatenate([one.changes for one in found])
    held = [one.members for one in found if one.members is not None]
    members = np.concatenate(held, 1) if held else None
    return replace(found[0], sequence=letters, start=parts[0].start, changes=changes, members=members)
