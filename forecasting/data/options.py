"""What a user may say about a table: how its text is written, and what its columns mean."""

from dataclasses import dataclass
from typing import Literal, get_args

from titans_seq.errors import UserError

Holes = Literal["refuse", "fill-missing", "interpolate"]
Duplicates = Literal["refuse", "mean", "last", "first"]


@dataclass(frozen=True)
class TableOptions:
    """How a text table is written. None finds each out.

    Args:
        separator: the character between cells.
        encoding: a Python codec name.
        decimal: the decimal sign.

    Example:
        >>> TableOptions(separator=";", decimal=",").encoding is None
        True
    """

    separator: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and len(self.separator) != 1:
            raise UserError(f"separator must be one character, got {self.separator!r}")
        if self.decimal not in (None, ".", ","):
            raise UserError(f"decimal must be '.' or ',', got {self.decimal!r}")


@dataclass(frozen=True)
class FrameOptions:
    """What the columns of a table mean and how its faults are met.

    Args:
        time: the column of dates, or of whole step numbers. None looks for one.
        id: the column that tells the series of a long table apart. None looks for one.
        target: the columns to forecast. None takes every column that has no other part.
        known: columns whose future values are known (a price plan, holidays). Rows after the last target
            value give their future.
        past: columns known only up to now.
        freq: pandas alias of the step, such as "h" or "MS". None infers it.
        holes: what to do with missing time steps: refuse them, insert them as missing ("fill-missing";
            covariates keep their last value), or put a straight line through them ("interpolate"). Under the
            two repairs, covariates with empty cells are filled the same way.
        duplicates: what to do with rows of the same time: refuse them, take their mean, the last or the
            first.
        missing_values: markers that mean "no value", such as -9999 or "?".
        date_format: strptime format of the dates, such as "%d/%m/%Y". None finds it.

    Raises:
        UserError: for an unknown choice, or a bare string where a tuple of names is meant.

    Example:
        >>> FrameOptions(target=("sales",), known=("price",), holes="fill-missing").duplicates
        'refuse'
    """

    time: str | None = None
    id: str | None = None
    target: tuple[str, ...] | None = None
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    freq: str | None = None
    holes: Holes = "refuse"
    duplicates: Duplicates = "refuse"
    missing_values: tuple[float | str, ...] = ()
    date_format: str | None = None

    def __post_init__(self) -> None:
        for field, choices in (("holes", get_args(Holes)), ("duplicates", get_args(Duplicates))):
            if getattr(self, field) not in choices:
                raise UserError(f"{field} must be one of {', '.join(choices)}, got {getattr(self, field)!r}")
        for field in ("target", "known", "past", "missing_values"):
            if isinstance(getattr(self, field), str):
                given = getattr(self, field)
                raise UserError(f"{field} must be a tuple, got {given!r}: write ({given!r},)")
        if self.target == ():
            raise UserError("target names no column: leave it out to take every column, or name at least one")
