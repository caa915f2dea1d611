"""How counts, lists and times are written in a message."""

from collections.abc import Sequence
from typing import Any

import pandas as pd


def enumerate_some(names: Sequence[str], limit: int = 8) -> str:
    """Join names for a sentence, cutting a long list short.

    Example:
        >>> enumerate_some(["a", "b", "c"]), enumerate_some(["a", "b", "c", "d"], limit=2)
        ('a, b and c', 'a, b and 2 more')
    """
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part) if names else "none"


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "row"), counted(3, "row")
        ('1 row', '3 rows')
    """
    return f"{count} {noun}" if count == 1 or noun.endswith("series") else f"{count} {noun}s"


def show_time(time: Any) -> str:
    """A date without a clock that stands at midnight, or a step number.

    Example:
        >>> show_time(pd.Timestamp("2020-01-02")), show_time(pd.Timestamp("2020-01-02 03:00")), show_time(7)
        ('2020-01-02', '2020-01-02 03:00:00', '7')
    """
    return str(time).removesuffix(" 00:00:00") if isinstance(time, pd.Timestamp) else str(time)
