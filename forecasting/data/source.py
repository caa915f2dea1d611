"""Naming places in the input: which file, which line, how counts and lists are written in a message."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

PARQUET_SUFFIXES = (".parquet", ".pq")
_SUMMARY = (
    r"(grand|sub|overall|column|row|annual|year(ly)?)?[ -]?totals?|annual|yearly|full year|j-d|d-n|sums?|mean|"
    r"average|avg\.?|median|std|min(imum)?|max(imum)?|count|"
    r"(gesamt|end|zwischen)?summe|gesamt|insgesamt|durchschnitt|mittelwert|mittel|total général|somme|moyenne|suma|"
    r"promedio|media|média|totale|somma|totaal|gemiddelde|razem|średnia|toplam|ortalama|итого|всего|сумма|среднее|"
    r"合計|合计|总计|總計|平均|계|합계|평균"
)
_WHOLE = re.compile(_SUMMARY, re.IGNORECASE)
_PART = re.compile(rf"({_SUMMARY})\b.*|.*\b({_SUMMARY})", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """Where rows come from, so that a message can name them as the user sees them.

    A text file counts lines with the header as line 1; a Parquet file counts rows from 1; a frame in memory
    counts rows from 0, as `iloc` does. Positions are whole numbers of any type, 0 for the first row of data.

    Args:
        name: the path, or "the frame".
        unit: what its rows are called.
        first: number of the first row of data.
        lines: the line of each row, where they do not follow each other.

    Example:
        >>> Source.of("sales.csv").at(0), Source.of(None).at(0)
        ('sales.csv, line 2', 'the frame, row 0')
        >>> Source.of("sales.csv").places([3, 4, 9])
        'lines 5, 6 and 11'
    """

    name: str
    unit: Literal["line", "row"]
    first: int
    lines: Sequence[int] | None = None

    @classmethod
    def of(cls, name: str | None) -> "Source":
        """The source called `name`: a path, or None for a frame in memory."""
        if name is None:
            return cls("the frame", "row", 0)
        if name.lower().endswith(PARQUET_SUFFIXES):
            return cls(name, "row", 1)
        return cls(name, "line", 2)

    @property
    def stem(self) -> str:
        """A short name for the series of this source: the file's name up to its first dot."""
        return "series" if self.name == "the frame" else PurePath(self.name).name.split(".")[0] or "series"

    def number(self, position: Any) -> int:
        """The number of the row at `position`."""
        return int(position) + self.first if self.lines is None else int(self.lines[int(position)])

    def place(self, position: Any) -> str:
        """The row at `position`, such as "line 7"."""
        return f"{self.unit} {self.number(position)}"

    def at(self, position: Any) -> str:
        """The row at `position` with the source's name before it."""
        return f"{self.name}, {self.place(position)}"

    def places(self, positions: Sequence[Any], limit: int = 5) -> str:
        """Several rows, the first `limit` of them by number."""
        if len(positions) == 1:
            return self.place(positions[0])
        return f"{self.unit}s {enumerate_some([str(self.number(p)) for p in positions], limit)}"


def enumerate_some(names: Sequence[str], limit: int = 8, joint: str = ", ") -> str:
    """Join names for a sentence, cutting a long list short.

    Example:
        >>> enumerate_some(["a", "b", "c"]), enumerate_some(["a", "b", "c", "d"], limit=2)
        ('a, b and c', 'a, b and 2 more')
    """
    if len(names) > limit:
        return f"{joint.join(names[:limit])} and {len(names) - limit} more"
    return " and ".join(part for part in (joint.join(names[:-1]), names[-1]) if part) if names else "none"


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


def is_summary(cell: object) -> bool:
    """Whether a cell, or the name of a column, says that it sums others up.

    Example:
        >>> is_summary("Grand Total"), is_summary("Totality")
        (True, False)
    """
    return bool(_WHOLE.fullmatch(str(cell).strip(" :")))


def names_summary(cell: object) -> bool:
    """Whether a cell says that it sums something up, and what.

    Example:
        >>> names_summary("shop 7 Total"), names_summary("Summe Nord"), names_summary("Totality")
        (True, True, False)
    """
    return bool(_PART.fullmatch(str(cell).strip(" :")))


def column_of(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column called `name`, of which there is one; pandas leaves open whether there are several."""
    return cast(pd.Series, frame[name])


def as_numbers(values: Any) -> np.ndarray:
    """Values of any kind as float64, NaN for what is no number.

    Example:
        >>> as_numbers(["1e3", "x", 2]).tolist()
        [1000.0, nan, 2.0]
    """
    numbers: Any = pd.to_numeric(pd.Series(values), errors="coerce")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
