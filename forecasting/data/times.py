"""A column of times: where its values come from, and what they are read as."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .date_texts import Label
from .source import Source


@dataclass(frozen=True, eq=False)
class TimeColumn:
    """A column whose different values are read as times, as messages name it.

    Args:
        name: what it is called.
        source: where the rows come from.
        positions: where each value first lies in the source.
    """

    name: str
    source: Source
    positions: np.ndarray

    def at(self, number: int | np.integer) -> str:
        """Return the row of a value, with the source's name before it."""
        return self.source.at(self.positions[number])

    def cell(self, number: int | np.integer, shown: object) -> str:
        """Return a value, as it is shown, with its row before it and its column behind it."""
        return f"{self.at(number)}: {shown} in the time column {self.name!r}"


@dataclass(frozen=True, eq=False)
class Times:
    """The dates, or step numbers, of a column's different values.

    Args:
        index: one a value, int64 for step numbers; NaT never.
        written: how the column writes them, for a note.
        label: the period that each names as a whole, None where they name days or times.
        fields: year and number in the year of each label.
        second: where a time zone was given to clock times: what each means the second time a clock shows it.
        universal: whether the index, which has no zone, is in UTC.
        other: what the values could as well be, None where there is no such.
    """

    index: pd.Index
    written: str
    label: Label | None = None
    fields: tuple[np.ndarray, np.ndarray] | None = None
    second: pd.DatetimeIndex | None = None
    universal: bool = False
    other: "Times | None" = None
