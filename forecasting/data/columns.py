"""Deciding what each column of a table is: time, id, target or covariate."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .options import FrameOptions
from .source import Source, enumerate_some
from .timestamps import column_of, date_number_format, looks_like_dates

_DATE_NAMES = ("date", "datetime", "time", "timestamp", "ds")
_TIME_NAMES = (*_DATE_NAMES, "date_time", "day", "week", "month", "quarter", "year", "period")
_ID_NAMES = (
    "unique_id",
    "item_id",
    "series_id",
    "id",
    "series",
    "item",
    "series_name",
    "store",
    "sensor",
    "group",
)


@dataclass(frozen=True)
class Roles:
    """The part each column plays.

    Args:
        time: the time column, None where rows are in time order and carry no time.
        id: the column that tells series apart, None for one series.
        targets: columns to forecast.
        known: known-future covariates.
        past: past covariates.
        notes: what was found rather than told.
    """

    time: str | None
    id: str | None
    targets: tuple[str, ...]
    known: tuple[str, ...]
    past: tuple[str, ...]
    notes: tuple[str, ...]


def find_roles(frame: pd.DataFrame, options: FrameOptions, source: Source) -> Roles:
    """Find the time column, the id column and the targets where the options do not name them.

    Raises:
        UserError: for a name that the table does not have, a column in two parts, or a choice left to the
            user.

    Example:
        >>> frame = pd.DataFrame({"sold": [1, 2], "day": ["2020-01-01", "2020-01-02"]})
        >>> roles = find_roles(frame, FrameOptions(), Source.of(None))
        >>> roles.time, roles.targets
        ('day', ('sold',))
    """
    named = _check_names(frame, options, source)
    notes: list[str] = []
    free = [name for name in frame.columns if name not in named]
    dropped = [name for name in free if _is_leftover(column_of(frame, name), name)]
    if dropped:
        notes.append(f"left out {enumerate_some([repr(name) for name in dropped])}: row numbers or nothing at all")
    free = [name for name in free if name not in dropped]

    time = options.time
    if time is None:
        time = _find_time(frame, free, source)
        notes.append(
            f"time is column {time!r}" if time else "no time column found: rows are taken as steps in their order"
        )
    rest = [name for name in free if name != time]
    series_id = options.id or _find_id(frame, rest, time, source)
    if series_id and options.id is None:
        notes.append(f"column {series_id!r} tells the series apart")
    rest = [name for name in rest if name != series_id]
    targets = options.target if options.target is not None else tuple(rest)
    if options.target is not None and rest:
        notes.append(f"columns not used: {enumerate_some(rest)}")
    if not targets:
        used = enumerate_some(sorted(named | {str(time)}))
        raise UserError(f"{source.name}: no column is left to forecast beside {used}: add one, or name it as target")
    return Roles(time, series_id, targets, options.known, options.past, tuple(notes))


def _check_names(frame: pd.DataFrame, options: FrameOptions, source: Source) -> set[str]:
    parts = [("time", options.time), ("id", options.id)]
    for part in ("target", "known", "past"):
        parts += [(part, name) for name in getattr(options, part) or ()]
    part_of: dict[str, str] = {}
    for part, name in parts:
        if name is None:
            continue
        if name not in frame.columns:
            close = difflib.get_close_matches(name, list(frame.columns), n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise UserError(
                f"{source.name}: no column {name!r}, named as {part}{hint}: "
                f"the columns are {enumerate_some(list(frame.columns))}"
            )
        if name in part_of:
            raise UserError(f"column {name!r} is named as {part_of[name]} and as {part}: give it one part")
        part_of[name] = part
    return set(part_of)


def _is_leftover(column: pd.Series, name: str) -> bool:
    """A nameless column: empty (a separator at the line's end) or counting rows (a saved frame index)."""
    if not name.startswith("Unnamed: "):
        return False
    if column.isna().all():
        return True
    counts = pd.api.types.is_integer_dtype(column.dtype)
    return counts and bool((np.diff(column.to_numpy()) == 1).all()) and int(column.iloc[0]) in (0, 1)


def _find_time(frame: pd.DataFrame, free: Sequence[str], source: Source) -> str | None:
    dated = [name for name in free if looks_like_dates(column_of(frame, name))]
    if len(dated) > 1:
        preferred = [name for name in dated if name.lower() in _TIME_NAMES]
        if len(preferred) != 1:
            raise UserError(f"{source.name}: columns {enumerate_some(dated)} all hold dates: name one of them as time")
        return preferred[0]
    if dated:
        return dated[0]
    for name in free:
        if name.lower() in _TIME_NAMES and date_number_format(column_of(frame, name)):
            return name
    for name in free:
        if name.lower() in _DATE_NAMES:
            return _check_steps(column_of(frame, name), name, source)
    return None


def _check_steps(column: pd.Series, name: str, source: Source) -> str:
    """A column called "date" without dates: step numbers if they count evenly, else for the user to say."""
    if pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any():
        if len(np.unique(np.diff(np.unique(column.to_numpy())))) <= 1:
            return name
        raise UserError(
            f"{source.name}: column {name!r} holds whole numbers ({column.iloc[0]}, {column.iloc[1]}, ...), "
            "neither dates nor even steps: name it as time if they are step numbers, as target if they are "
            "values, or turn them into dates"
        )
    raise UserError(
        f"{source.at(column.index[0])}: {str(column.iloc[0])!r} in column {name!r} is not a date: "
        "give date_format, or name the time column as time"
    )


def _find_id(frame: pd.DataFrame, rest: Sequence[str], time: str | None, source: Source) -> str | None:
    texts = [name for name in rest if _is_text(column_of(frame, name))]
    by_name = [name for name in rest if name.lower() in _ID_NAMES]
    if time is not None and frame[time].duplicated().any():
        apart = [name for name in dict.fromkeys(by_name + texts) if not frame.duplicated([time, name]).any()]
        if len(apart) > 1 and len([name for name in apart if name in by_name]) != 1:
            raise UserError(
                f"{source.name}: columns {enumerate_some(apart)} could each tell the series apart: "
                "name one of them as id"
            )
        if apart:
            return apart[0]
    return next((name for name in texts if name in by_name or frame[name].nunique() == 1), None)


def _is_text(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return False
    present = column.dropna()
    numbers: Any = pd.to_numeric(present, errors="coerce")
    return len(present) > 0 and bool(numbers.isna().all())
