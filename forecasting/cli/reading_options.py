"""How the command line says what the columns of a file mean and how its text is written; light, as `options` is."""

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import OmitArgPrefixes

from titans_seq.commands import Maybe, Several

if TYPE_CHECKING:
    from ..data import FrameOptions, TableOptions


@dataclass(frozen=True)
class ColumnOptions:
    """What is not given is found out, or refused with the remedy in the message."""

    time: Several = ()
    """Column of dates or step numbers; several that make a date together (date and clock; year, month, day)."""
    id: Several = ()
    """Column that tells the series of a long table apart; several that do so together."""
    target: Several = ()
    """Column to forecast; all that have no other part if left out."""
    known: Several = ()
    """Column whose future is known, such as a price plan."""
    past: Several = ()
    """Column known only up to now."""
    static: Several = ()
    """Column that is the same in all rows of a series, such as a region; found if none is named."""
    freq: Maybe[str] = None
    """Step of the dates: h, 15min, D, B, W, MS as pandas writes it, M[15], D[MON-SAT], 15min[MON-FRI 09:30-16:00]."""
    holes: Maybe[Literal["refuse", "fill-missing", "interpolate"]] = None
    """Missing time steps: refuse them (the default), insert them as missing, or interpolate."""
    duplicates: Maybe[Literal["refuse", "mean", "last", "first"]] = None
    """Rows of the same time: refuse them (the default), or which to take."""
    missing_value: Several = ()
    """Marker that means "no value", such as -9999."""
    date_format: Maybe[str] = None
    """strptime format of the dates, such as %d/%m/%Y."""
    time_zone: Maybe[str] = None
    """Time zone of the clock times, such as Europe/Berlin."""
    rows_are_steps: bool = False
    """Leave the dates out: rows, in order of their dates, are the steps."""
    round: bool = False
    """Take each time to the nearest step, where stamps come a little late."""
    start: Maybe[str] = None
    """Date of the first row of a file without dates; needs --freq."""


@dataclass(frozen=True)
class TextOptions:
    """What is not given is found out."""

    separator: Maybe[str] = None
    """Character between cells."""
    encoding: Maybe[str] = None
    """Python codec name."""
    decimal: Maybe[Literal[".", ","]] = None
    """Decimal sign."""
    thousands: Maybe[str] = None
    """Sign between thousands, such as . in 1.234,50."""
    skip_rows: Maybe[int] = None
    """Lines before the header."""
    sheet: Maybe[str] = None
    """Sheet of an Excel file; the first if not given."""


@dataclass(frozen=True)
class ReadingOptions:
    """How a file is read."""

    columns: OmitArgPrefixes[ColumnOptions] = field(default_factory=ColumnOptions)
    text: OmitArgPrefixes[TextOptions] = field(default_factory=TextOptions)

    def frame(self, base: "FrameOptions") -> "FrameOptions":
        """Return what the columns mean: `base`, changed by the options that are given."""
        columns = self.columns
        return _changed(
            base,
            time=columns.time or None,
            id=columns.id or None,
            target=columns.target or None,
            known=columns.known or None,
            past=columns.past or None,
            static=columns.static or None,
            freq=columns.freq,
            holes=columns.holes,
            duplicates=columns.duplicates,
            missing_values=tuple(map(_number_or_text, columns.missing_value)) or None,
            date_format=columns.date_format,
            time_zone=columns.time_zone,
            rows_are_steps=columns.rows_are_steps or None,
            round=columns.round or None,
            start=columns.start,
        )

    def table(self, base: "TableOptions") -> "TableOptions":
        """Return how the table is written: `base`, changed by the options that are given."""
        return _changed(base, **{one.name: getattr(self.text, one.name) for one in fields(self.text)})


def _changed(config: Any, **changes: Any) -> Any:
    return replace(config, **{name: value for name, value in changes.items() if value is not None})


def _number_or_text(marker: str) -> float | str:
    try:
        return float(marker)
    except ValueError:
        return marker
