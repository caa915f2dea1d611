"""Naming places in the input: which file, which line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from .wording import enumerate_some

PARQUET_SUFFIXES = (".parquet", ".pq")


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
        """Return the source called `name`: a path, or None for a frame in memory."""
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
        """Return the number of the row at `position`."""
        return int(position) + self.first if self.lines is None else int(self.lines[int(position)])

    def place(self, position: Any) -> str:
        """Return the row at `position`, such as "line 7"."""
        return f"{self.unit} {self.number(position)}"

    def at(self, position: Any) -> str:
        """Return the row at `position` with the source's name before it."""
        return f"{self.name}, {self.place(position)}"

    def places(self, positions: Sequence[Any], limit: int = 5) -> str:
        """Return several rows, the first `limit` of them by number."""
        if len(positions) == 1:
            return self.place(positions[0])
        return f"{self.unit}s {enumerate_some([str(self.number(p)) for p in positions], limit)}"
