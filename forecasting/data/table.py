"""A table as it was read, before its columns are known."""

from dataclasses import dataclass

import pandas as pd

from titans_seq.errors import UserError

from .number_texts import NumberStyle
from .source import Source
from .timestamps import looks_like_dates


@dataclass(frozen=True, eq=False)
class Table:
    """A table as read.

    Args:
        frame: the cells, one row for each line after the header: text as it is written, or what a Parquet or Excel
            file gives.
        source: where the rows stand.
        style: how its text writes numbers, as far as that is known.
        notes: what was found out about the file.

    Example:
        >>> table = Table.of(pd.DataFrame({"day": ["2024-01-01"], "sold": ["1,5"]}), Source.of("a.csv"))
        >>> table.frame.columns.tolist()
        ['day', 'sold']
    """

    frame: pd.DataFrame
    source: Source
    style: NumberStyle
    notes: tuple[str, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame, source: Source) -> "Table":
        """Make the table of a frame: its names as text, its index as columns where that has a name or holds dates.

        Whole numbers without a name count the rows, and stay the index.

        Args:
            frame: made in memory, or read from a Parquet file. It is not changed.
            source: where its rows stand.

        Raises:
            UserError: if a column is called as the index is.

        Example:
            >>> frame = pd.DataFrame({"sold": [1, 2]}, index=pd.Index(["007", "010"], name="shop"))
            >>> list(Table.of(frame, Source.of(None)).frame.columns)
            ['shop', 'sold']
        """
        plain, index, notes = frame.copy(deep=False), frame.index, ()
        if isinstance(frame.columns, pd.MultiIndex):
            plain.columns = ["/".join(str(part) for part in name if str(part)) for name in frame.columns]
        else:
            plain.columns = [str(name) for name in frame.columns]
        if isinstance(index, pd.MultiIndex):
            names = [f"level_{at}" if name is None else str(name) for at, name in enumerate(index.names)]
        elif index.name is not None:
            names = [str(index.name)]
        else:
            names = ["time"] if looks_like_dates(pd.Series(index)) else []
        for name in names:
            if name in plain.columns:
                raise UserError(f"{source.name}: {name!r} is both the index and a column: drop one of them")
        if names:
            plain = plain.reset_index(names=names)
        elif not pd.api.types.is_integer_dtype(index.dtype):
            notes = ("the index has no name, and is left out: give it one (frame.index.name) to make it a column",)
        return cls(plain, source, NumberStyle(), notes)
