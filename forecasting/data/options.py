"""What a user may say about a table: how its text is written, and what its columns mean."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from titans_seq.errors import UserError

Holes = Literal["refuse", "fill-missing", "interpolate"]
Duplicates = Literal["refuse", "mean", "last", "first"]


@dataclass(frozen=True)
class TableOptions:
    """How a table is written. None finds each out.

    Args:
        separator: the character between cells.
        encoding: a Python codec name.
        decimal: the decimal sign.
        thousands: the sign between thousands, such as "." in 1.234,50.
        skip_rows: lines before the header.
        sheet: name of the sheet of an Excel file; None takes the first.

    Example:
        >>> TableOptions(separator=";", decimal=",").encoding is None
        True
    """

    separator: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: str | None = None
    skip_rows: int | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and len(self.separator) != 1:
            raise UserError(f"separator must be one character, got {self.separator!r}")
        if self.decimal not in (None, ".", ","):
            raise UserError(f"decimal must be '.' or ',', got {self.decimal!r}")
        if self.thousands not in (None, ".", ",", "'", " "):
            raise UserError(f"thousands must be one of . , ' or a space, got {self.thousands!r}")
        if self.thousands is not None and self.thousands == self.decimal:
            raise UserError(f"decimal and thousands are both {self.decimal!r}: give two signs")
        if self.skip_rows is not None and self.skip_rows < 0:
            raise UserError(f"skip_rows must be at least 0, got {self.skip_rows}")


@dataclass(frozen=True)
class FrameOptions:
    """What the columns of a table mean and how its faults are met.

    Messages name these options as the command line does: "--rows-are-steps" is `rows_are_steps=True`.

    Args:
        time: the column of dates, or of whole step numbers; several that make a date together (a date and a clock
            time; year, month and day). () looks for it.
        id: the column that tells the series of a long table apart, or several that do so together. () looks for it.
        target: the columns to forecast. None takes every column that has no other part.
        known: columns whose future values are known (a price plan, holidays). Rows after the last target
            value give their future.
        past: columns known only up to now.
        freq: alias of the step, such as "h" or "MS" (pandas), "M[15]" or "D[MON-SAT]" (see `calendars`). None infers
            it.
        holes: what to do with missing time steps: refuse them, insert them as missing ("fill-missing";
            covariates keep their last value), or put a straight line through them ("interpolate"; past covariates
            keep their last value). Under the two repairs, covariates with empty cells are filled the same way. At a
            past cutoff a hole that reaches across it is missing, and inserted values never count as what came true.
        duplicates: what to do with rows of the same time: refuse them, take their mean, the last or the
            first.
        missing_values: markers that mean "no value", such as -9999 or "?".
        date_format: strptime format of the dates, such as "%d/%m/%Y". None finds it.
        time_zone: the zone of the clock times, such as "Europe/Berlin"; times with an offset are converted to it.
        rows_are_steps: take the rows, in order of their dates, as steps, whatever their dates are.
        round: take each time to the nearest step: stamps that come a little late.
        start: the date of the first row of a table without dates; needs `freq`.
        static: columns that are the same in all rows of a series (a region, a size). None finds them; () takes none.

    Raises:
        UserError: for an unknown choice, or a bare string where a tuple of names is meant.

    Example:
        >>> FrameOptions(id="shop", target=("sales",), known=("price",), holes="fill-missing").id
        ('shop',)
    """

    time: str | tuple[str, ...] = ()
    id: str | tuple[str, ...] = ()
    target: tuple[str, ...] | None = None
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    freq: str | None = None
    holes: Holes = "refuse"
    duplicates: Duplicates = "refuse"
    missing_values: tuple[float | str, ...] = ()
    date_format: str | None = None
    time_zone: str | None = None
    rows_are_steps: bool = False
    round: bool = False
    start: str | None = None
    static: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for field in ("time", "id"):
            given = getattr(self, field)
            object.__setattr__(self, field, (given,) if isinstance(given, str) else tuple(given or ()))
        for field, choices in (("holes", get_args(Holes)), ("duplicates", get_args(Duplicates))):
            if getattr(self, field) not in choices:
                raise UserError(f"{field} must be one of {', '.join(choices)}, got {getattr(self, field)!r}")
        for field in ("target", "known", "past", "missing_values", "static"):
            if isinstance(getattr(self, field), str):
                given = getattr(self, field)
                raise UserError(f"{field} must be a tuple, got {given!r}: write ({given!r},)")
        if self.target == ():
            raise UserError("target names no column: leave it out to take every column, or name at least one")
        if self.start is not None and self.freq is None:
            raise UserError("--start dates the first row and needs the step: give --freq too, such as D or MS")
        if self.rows_are_steps and self.start is None and (self.freq or self.round or self.time_zone):
            raise UserError("--rows-are-steps leaves the dates out: leave out --freq, --round and --time-zone")


def upgraded_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return today's plain values of `FrameOptions` from those of earlier versions, where columns could be null."""
    return {name: value for name, value in options.items() if not (name in ("time", "id") and value is None)}
