"""How counts, lists and times are written in a message."""

import unicodedata
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
    """Return a count with its noun.

    Example:
        >>> counted(1, "row"), counted(3, "row")
        ('1 row', '3 rows')
    """
    return f"{count} {noun}" if count == 1 or noun.endswith("series") else f"{count} {noun}s"


def shortened(name: str, room: int) -> str:
    """Write a name on one line, with its middle left out where it is longer than `room` letters; wide ones are two.

    Example:
        >>> shortened("a   name on one line", 40), shortened("north/warehouse/boxes", 12), shortened("売上" * 9, 8)
        ('a name on one line', 'north/…boxes', '売上…上')
    """
    text = " ".join(name.split())
    room = room // 2 if any(unicodedata.east_asian_width(sign) in "WF" for sign in text) else room
    tail = room // 2 - 1
    return text if len(text) <= room else f"{text[: room - tail - 1]}…{text[-tail:]}"


def show_time(time: Any) -> str:
    """Return a date without a clock that stands at midnight, or a step number.

    Example:
        >>> show_time(pd.Timestamp("2020-01-02")), show_time(pd.Timestamp("2020-01-02 03:00")), show_time(7)
        ('2020-01-02', '2020-01-02 03:00:00', '7')
    """
    return str(time).removesuffix(" 00:00:00") if isinstance(time, pd.Timestamp) else str(time)
