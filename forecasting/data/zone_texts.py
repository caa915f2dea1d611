"""Offsets from UTC, and names of time zones, that stand behind clock times in a text."""

import re
from collections.abc import Sequence

import numpy as np

from titans_seq.errors import UserError

from .times import TimeColumn
from .zones import ABBREVIATED

_OFFSET = re.compile(
    r"(.*\d\d?:\d\d.*?|\d{8}[T ]?\d{4,6}) ?"
    rf"((?:UTC|GMT)?[+-]\d\d(?::?\d\d)?|Z|UTC|GMT|(?<= )(?:{'|'.join(ABBREVIATED)}))(?: ?\([^()]*\))?",
    re.IGNORECASE,
)
_END = re.compile(r"(?:[A-Za-z)]|[+-]\d\d(?::?\d\d)?)$")
"""How a text with an offset ends: most have none, which this tells faster."""
_SPAN = re.compile(r"(.*?(\d\d?):(\d\d)(?::00)?) ?[-–] ?(\d\d?):(\d\d)(?::00)?")
_ZONE = re.compile(r"(.*\d)(Z?) ?\[?((?:Africa|America|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[\w/+-]+)\]?")


def without_offset(text: str) -> str:
    """Return a date and time without the offset from UTC behind it.

    Example:
        >>> without_offset("2024-01-01 06:00+01:00"), without_offset("20240101T060000Z")
        ('2024-01-01 06:00', '20240101T060000')
    """
    found = _OFFSET.fullmatch(text) if _END.search(text[-6:]) else None
    return found[1] if found else text


def without_spans(texts: Sequence[str]) -> list[str] | None:
    """Spans of a day, all as long, by their beginning; None for others, and for clock times with an offset from UTC.

    Example:
        >>> without_spans(["2024-01-01 05:00-06:00", "2024-01-01 06:00-07:00"])
        ['2024-01-01 05:00', '2024-01-01 06:00']
        >>> without_spans(["2024-01-01 05:00-06:00", "2024-01-01 06:00-06:00"]) is None
        True
    """
    found = [_SPAN.fullmatch(text) for text in texts] if texts and _SPAN.fullmatch(texts[0]) else [None]
    if not all(found):
        return None
    begins = [int(match[2]) * 60 + int(match[3]) for match in found if match]
    ends = [int(match[4]) * 60 + int(match[5]) for match in found if match]
    sizes = {(end - begin) % 1440 for begin, end in zip(begins, ends, strict=True)}
    # One clock time alone does not tell a span from an offset.
    return (
        [match[1] for match in found if match] if len(sizes) == 1 and 0 not in sizes and len(set(begins)) > 1 else None
    )


def offsets(texts: Sequence[str], local: Sequence[str], column: TimeColumn) -> np.ndarray | None:
    """Minutes ahead of UTC of each text, None where none says so.

    Args:
        texts: dates and times.
        local: the same without their offsets.
        column: where they stand, for messages.

    Raises:
        UserError: if only some have an offset.
    """
    if all(map(str.__eq__, texts, local)):
        return None
    ends = [re.sub(r"\(.*", "", text[len(rest) :]).strip().upper() for text, rest in zip(texts, local, strict=True)]
    without = [at for at, end in enumerate(ends) if not end]
    if without:
        one = next(at for at, end in enumerate(ends) if end)
        raise UserError(
            f"{column.at(without[0])}: {texts[without[0]]!r} in column {column.name!r} has no offset from UTC, and "
            f"{texts[one]!r} ({column.source.place(column.positions[one])}) has one: give all of them one, or none"
        )
    minutes = {end: ABBREVIATED[end] if end in ABBREVIATED else _minutes(end) for end in set(ends)}
    return np.array([minutes[end] for end in ends])


def _minutes(offset: str) -> int:
    offset = re.sub("^(UTC|GMT|Z)", "", offset)
    if not offset:
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return (-1 if offset[0] == "-" else 1) * (int(digits[:2]) * 60 + int(digits[2:]))


def without_zone(texts: list[str]) -> tuple[list[str], str | None]:
    """Return texts without the name of the one zone that all of them bear, and that name; None where they bear none.

    Example:
        >>> without_zone(["2024-01-01 06:00 Europe/Berlin"]), without_zone(["2024-01-01T06:00+01:00[Europe/Paris]"])
        ((['2024-01-01 06:00'], 'Europe/Berlin'), (['2024-01-01T06:00+01:00'], 'Europe/Paris'))
    """
    if not texts or not _ZONE.fullmatch(texts[0]):
        return texts, None
    found = [_ZONE.fullmatch(text) for text in texts]
    named = {match[3] for match in found if match}
    if len(named) != 1 or not all(found):
        return texts, None
    return [match[1] + match[2] for match in found if match], named.pop()
