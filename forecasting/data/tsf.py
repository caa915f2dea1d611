"""The Monash archive's `.tsf` format: a header of attributes, then one series a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .date_parts import date_at
from .frequency import anchor, period_of, settle_frequency, snap, walk
from .number_texts import is_plain_number
from .reading import inner_name, read_text
from .series import Item, SeriesData
from .wording import counted

_UNITS = {
    "seconds": "s",
    "secondly": "s",
    "minutes": "min",
    "minutely": "min",
    "half_hourly": "30min",
    "hourly": "h",
    "daily": "D",
    "weekly": "W",
    "monthly": "MS",
    "quarterly": "QS",
    "yearly": "YS",
}
_START = "start_timestamp"


@dataclass(frozen=True)
class _Header:
    attributes: tuple[str, ...]
    freq: str | None
    first_line: int


def is_tsf(path: Path) -> bool:
    """Say whether a file, or the one that is packed in it, is called .tsf."""
    return inner_name(path).lower().endswith(".tsf")


def read_tsf(
    path: str | Path,
    freq: str | None = None,
    missing_values: Sequence[float | str] = (),
    encoding: str | None = None,
) -> SeriesData:
    r"""Read a Monash `.tsf` file; `?` is a missing value and series may differ in length.

    Args:
        path: a file ending in .tsf, also with .gz, .bz2 or .xz, or a .zip of one.
        freq: pandas alias of the step, for a file whose header does not say it or says it wrongly.
        missing_values: further markers that mean "no value", such as -9999 or "NA".
        encoding: a Python codec name; None finds it.

    Raises:
        UserError: if the file is missing, or a line of it is not as the format has it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.tsf"
        ...     _ = path.write_text(
        ...         "@attribute series_name string\n@attribute start_timestamp date\n"
        ...         "@frequency monthly\n@data\nT1:1979-01-01 00-00-00:1,?,3\n"
        ...     )
        ...     data = read_tsf(path)
        >>> data.freq, data.items[0].values.ravel().tolist()
        ('MS', [1.0, nan, 3.0])
    """
    path = Path(path)
    text, notes = read_text(path, encoding)
    lines = text.splitlines()
    header = _read_header(path, lines, freq)
    items: list[Item] = []
    named: dict[str, int] = {}
    moved = marked = 0
    for number in range(header.first_line, len(lines) + 1):
        line = lines[number - 1].strip()
        if not line or line.startswith("#"):
            continue
        place = f"{path}, line {number}"
        item, shifted, gone = _read_series(place, line, header, f"T{len(items) + 1}", missing_values)
        if item.name in named:
            raise UserError(
                f"{path}, line {number}: series {item.name!r} is already on line {named[item.name]}: rename one"
            )
        named[item.name] = number
        items.append(item)
        moved += shifted
        marked += gone
    if not items:
        raise UserError(f"{path}: no series after @data: the file may have been cut short")
    step = header.freq
    if step is not None:
        step = anchor(step, date_at(items[0].index, 0))
        notes.append(f"frequency {step}, " + ("given" if freq else "from the header"))
    else:
        notes.append("no start dates: values are taken as steps")
    if moved:
        notes.append(f"{counted(moved, 'start date')} moved to the beginning of a period")
    if marked:
        notes.append(f"{counted(marked, 'cell')} marked as missing")
    missing = sum(int(np.isnan(item.values).sum()) for item in items)
    if missing:
        notes.append(f"{counted(missing, 'value')} missing, to be masked")
    return SeriesData(tuple(items), step, ("value",), (), (), "long", tuple(notes))


def _read_header(path: Path, lines: list[str], given: str | None) -> _Header:
    attributes: list[str] = []
    freq = None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        tag = words[0].lower()
        if tag == "@data":
            if _START not in attributes:
                return _Header(tuple(attributes), None, number + 1)
            step = given or freq
            if step is None:
                raise UserError(f"{path}, line {number}: the header gives no @frequency: give it as freq")
            return _Header(tuple(attributes), settle_frequency(step, pd.DatetimeIndex([])), number + 1)
        if not tag.startswith("@"):
            raise UserError(f"{path}, line {number}: expected @attribute, @frequency or @data, got {line[:40]!r}")
        if tag == "@attribute":
            if len(words) != 3 or words[2].lower() not in ("string", "numeric", "date"):
                raise UserError(
                    f"{path}, line {number}: expected '@attribute name type' with a type of string, numeric "
                    f"or date, got {line.strip()[:60]!r}"
                )
            attributes.append(words[1])
        if tag == "@frequency":
            freq = _alias(words[1] if len(words) > 1 else "", f"{path}, line {number}")
    raise UserError(f"{path}: no @data line: not a .tsf file, or cut short")


def _alias(word: str, place: str) -> str:
    """The pandas alias of the header's word, which may begin with a count: "10_minutes"."""
    count, _, unit = word.lower().partition("_")
    if not count.isdigit():
        count, unit = "", word.lower()
    if unit not in _UNITS:
        raise UserError(
            f"{place}: unknown frequency {word!r}: expected one of {', '.join(_UNITS)}, or such as 10_minutes"
        )
    return count + _UNITS[unit]


def _read_series(
    place: str, line: str, header: _Header, default_name: str, missing_values: Sequence[float | str]
) -> tuple[Item, bool, int]:
    """The series of one line, whether its start had to be moved, and how many cells are a further marker."""
    *fields, numbers = line.split(":")
    if len(fields) != len(header.attributes):
        raise UserError(
            f"{place}: expected {len(header.attributes)} attributes ({', '.join(header.attributes)}) and the "
            f"values, parted by ':', got {len(fields)} before the values: correct the line"
        )
    attributes: dict[str, Any] = dict(zip(header.attributes, fields, strict=True))
    values, marked = _read_values(place, numbers, {str(one) for one in missing_values})
    name = attributes.get("series_name", default_name)
    index, moved = pd.RangeIndex(len(values)), False
    if header.freq is not None:
        start = pd.to_datetime(attributes[_START], format="%Y-%m-%d %H-%M-%S", errors="coerce")
        if pd.isna(start):
            raise UserError(
                f"{place}: {attributes[_START]!r} is not a {_START}: expected one such as 1979-01-01 00-00-00"
            )
        index = _dates(start, len(values), header.freq)
        moved = bool(index[0] != start)
    none = np.zeros((len(values), 0))
    return Item(name, index, values[:, None], none, none), moved, marked


def _read_values(place: str, numbers: str, words: set[str]) -> tuple[np.ndarray, int]:
    cells = numbers.replace("?", "nan").split(",")
    gone = [cell.strip() in words for cell in cells] if words else []
    cells = ["nan" if hit else cell for hit, cell in zip(gone, cells, strict=True)] if any(gone) else cells
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        at = next(i for i, cell in enumerate(cells) if not is_plain_number(cell))
        raise UserError(
            f"{place}: value {at + 1}, {cells[at].strip()!r}, is not a number: expected numbers or ?"
        ) from None
    marks = [float(word) for word in words if is_plain_number(word)]
    hit = np.isin(values, marks) if marks else np.zeros(len(values), dtype=bool)
    values[hit] = np.nan
    if np.isinf(values).any():
        raise UserError(
            f"{place}: value {int(np.argmax(np.isinf(values))) + 1} is infinite: write ? for a missing value"
        )
    if np.isnan(values).all():
        raise UserError(f"{place}: the series has no value at all: remove it")
    return values, sum(gone) + int(hit.sum())


def _dates(start: pd.Timestamp, length: int, freq: str) -> pd.DatetimeIndex:
    if period_of(freq) in "YQMWD":
        start = start.normalize()
    return walk(date_at(snap(pd.DatetimeIndex([start]), freq), 0), length, freq)
