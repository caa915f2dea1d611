"""Deciding what each column of a table is: time, identifier, target or covariate."""

import difflib
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .clock_columns import PARTS, find_joined, is_part
from .date_numbers import date_numbers
from .id_columns import find_ids, is_row_number, is_sure_id, is_text
from .options import FrameOptions
from .pandas_columns import as_numbers, column_of
from .source import Source
from .timestamps import late_year, looks_like_dates, read_with_format, sample_of
from .wording import enumerate_some

_DATE_NAMES = re.compile(r"date|datetime|time|timestamp|ds|datum|fecha|data|日付|日期|날짜|zeit", re.IGNORECASE)
_TIME_NAMES = re.compile(
    r"(.*[ _.-])?(date|datetime|time|timestamp|ts|ds|epoch|unix|date_time|period|datum|fecha|日付|日期|날짜|zeit"
    r"|zeitpunkt|periode)"
    r"([ _.-].*)?|" + "|".join("|".join(map(re.escape, names)) for names in PARTS.values()),
    re.IGNORECASE,
)
_COUNTER_NAMES = re.compile(r"index|idx|row|rownum|no|nr|num|obs|t|step|time|n", re.IGNORECASE)
_PERIOD_NAMES = re.compile(
    "period|periode|" + "|".join("|".join(map(re.escape, names)) for names in PARTS.values()), re.IGNORECASE
)
_DIGIT = re.compile(r"\d")
_LEAST_YEARS = 5
"""Rows that a column of another name must have, to be taken for years or dates in numbers."""
_LEAST_STEPS = 10
"""Numbers that a first column of any name must have, to be taken for step numbers."""


@dataclass(frozen=True)
class Roles:
    """The part each column plays.

    Args:
        time: the columns that make the time, none where rows are in time order and carry no time.
        id: the columns that tell series apart, none for one series.
        targets: columns to forecast.
        known: known-future covariates.
        past: past covariates.
        unused: columns without a part.
        notes: what was found rather than told.
        static: columns that are the same in all rows of a series.
    """

    time: tuple[str, ...]
    id: tuple[str, ...]
    targets: tuple[str, ...]
    known: tuple[str, ...]
    past: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]
    static: tuple[str, ...] = ()


def find_roles(frame: pd.DataFrame, options: FrameOptions, source: Source) -> Roles:
    """Find the time, the identifiers and the targets where the options do not name them.

    Raises:
        UserError: for a name that the table does not have, a column in two parts, or a choice left to the
            user.

    Example:
        >>> frame = pd.DataFrame({"sold": [1, 2], "day": ["2020-01-01", "2020-01-02"]})
        >>> roles = find_roles(frame, FrameOptions(), Source.of(None))
        >>> roles.time, roles.targets
        (('day',), ('sold',))
    """
    named = _check_names(frame, options, source)
    notes: list[str] = []
    free = [name for name in frame.columns if name not in named]
    dropped = [name for name in free if _is_leftover(column_of(frame, name), name)]
    if dropped:
        notes.append(f"left out {enumerate_some([repr(name) for name in dropped])}: row numbers or nothing at all")
    free = [name for name in free if name not in dropped]
    time = tuple(options.time)
    if not time:
        time = _find_time(frame, free, options, source)
        if len(time) > 1:
            notes.append(f"columns {enumerate_some([repr(name) for name in time])} together are the time")
        else:
            found = (
                f"time is column {time[0]!r}"
                if time
                else "no time column found: rows are taken as steps in their order"
            )
            notes.append(found)
    rest = [name for name in free if name not in time]
    ids = tuple(options.id)
    if not ids:
        ids = find_ids(frame, rest, time, options, source)
        if len(ids) > 1:
            notes.append(f"columns {enumerate_some([repr(name) for name in ids])} together tell the series apart")
        elif ids:
            notes.append(f"column {ids[0]!r} tells the series apart")
    rest = [name for name in rest if name not in ids]
    told = options.static is not None and options.target is not None
    found, why = ((), dict[str, str]()) if told else _find_static(frame, rest, ids)
    static = found if options.static is None else options.static
    why |= dict.fromkeys([name for name in found if name not in static], "static, and not named with --static")
    targets = options.target
    if targets is None:
        targets, others = _find_targets(frame, rest, time, {*static, *why})
        why = {name: reason for name, reason in (why | others).items() if name not in targets}
    static = tuple(name for name in static if name not in targets)
    unused = tuple(name for name in rest if name not in targets and name not in static)
    for reason in dict.fromkeys(why.values()):
        notes.append(f"not used: {enumerate_some([name for name in why if why[name] == reason])} ({reason})")
    if options.target is not None and set(unused) - set(why):
        notes.append(f"columns not used: {enumerate_some([name for name in unused if name not in why])}")
    if not targets:
        why |= dict.fromkeys(dropped, "row numbers or nothing at all")
        other = sorted(named | {*time, *ids, *unused, *dropped})
        used = enumerate_some([f"{name} ({why[name]})" if name in why else name for name in other])
        raise UserError(
            f"{source.name}: no column is left to forecast beside {used}: add one, or name it with --target"
        )
    return Roles(time, ids, targets, options.known, options.past, unused, tuple(notes), static)


def _check_names(frame: pd.DataFrame, options: FrameOptions, source: Source) -> set[str]:
    part_of: dict[str, str] = {}
    for part in ("time", "id", "target", "known", "past", "static"):
        for name in getattr(options, part) or ():
            if name not in frame.columns:
                close = difflib.get_close_matches(name, list(frame.columns), n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                one = len(frame.columns) == 1 and source.unit == "line"
                joined = "; if that is several columns, name what parts them with --separator" if one else ""
                raise UserError(
                    f"{source.name}: no column {name!r}, named as {part}{hint}: "
                    f"the columns are {enumerate_some(list(frame.columns))}{joined}"
                )
            if name in part_of:
                raise UserError(f"column {name!r} is named as {part_of[name]} and as {part}: give it one part")
            part_of[name] = part
    return set(part_of)


def _is_leftover(column: pd.Series, name: str) -> bool:
    """An empty column, or a nameless one that counts rows (a saved frame index)."""
    if column.iloc[:100].isna().all() and column.isna().all():
        return True
    if not name.startswith("Unnamed: "):
        return False
    texts = sample_of(column, 3)
    if not all(re.fullmatch(r"\d+", text) for text in texts) or texts[0] not in ("0", "1"):
        return False
    return bool((np.diff(as_numbers(column)) == 1).all())


def _find_time(frame: pd.DataFrame, free: Sequence[str], options: FrameOptions, source: Source) -> tuple[str, ...]:
    if options.date_format is not None:
        by_format = [name for name in free if _fits(column_of(frame, name), options.date_format)]
        if by_format:
            chosen = _prefer(by_format, source)
            return find_joined(frame, free, chosen) or chosen
        if free and not options.rows_are_steps:
            raise UserError(
                f"{source.name}: no column is written as {options.date_format}: correct --date-format, or name the "
                "column with --time"
            )
    dated = [name for name in free if looks_like_dates(column_of(frame, name))]
    joined = find_joined(frame, free, dated)
    if joined:
        return joined
    if dated:
        return _prefer(dated, source)
    for name in free:
        if _TIME_NAMES.fullmatch(name) and _as_dates(column_of(frame, name), name) is not None:
            return (name,)
    for name in free:
        if _is_regular(column_of(frame, name), name):
            return (name,)
    for name in free:
        if _is_undated(column_of(frame, name), name):
            # Left out as a time that is not read, where rows are steps.
            return (name if options.rows_are_steps else _check_steps(column_of(frame, name), name, source),)
    if len(free) > 1 and _counts_evenly(column_of(frame, free[0]), _LEAST_STEPS):
        if not is_sure_id(free[0]) or is_row_number(frame, free[0]):
            return (free[0],)
    return tuple(name for name in free if _COUNTER_NAMES.fullmatch(name) and _counts_evenly(column_of(frame, name)))[:1]


def _prefer(dated: Sequence[str], source: Source) -> tuple[str]:
    """The one of several columns of dates that is called so."""
    preferred = [name for name in dated if _TIME_NAMES.fullmatch(name)] if len(dated) > 1 else list(dated)
    if len(preferred) != 1:
        raise UserError(f"{source.name}: columns {enumerate_some(dated)} all hold dates: name one of them with --time")
    return (preferred[0],)


def _fits(column: pd.Series, date_format: str) -> bool:
    texts = sample_of(column)
    if date_format in ("%s", "%Q"):
        # Any number is a Unix time; those of dates have nine digits at least.
        return bool(texts) and all(re.fullmatch(r"\d{9,}(\.\d+)?", text) for text in texts)
    failures = read_with_format([text for text in texts if late_year(text) is None], date_format).failures
    return bool(texts) and 2 * failures <= len(texts)


def _numbers(column: pd.Series) -> np.ndarray | None:
    """The different values of a column in their order, None if one is no number."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        texts = sample_of(column, 5)
        if not texts or not all(re.fullmatch(r"\d+(\.\d+)?", text) for text in texts):
            return None
    values = as_numbers(np.asarray(column.dropna().unique(), dtype=object))
    return values if len(values) and np.isfinite(values).all() else None


def _as_dates(column: pd.Series, name: str) -> object | None:
    values = _numbers(column)
    return None if values is None else date_numbers(values, name)


def _is_regular(column: pd.Series, name: str) -> bool:
    """Whether numbers, whatever they are called, are dates without a gap: years, months, Unix times."""
    values = _numbers(column)
    if values is None or len(values) < _LEAST_YEARS or values.min() < 1700 or values.min() % 1 or values.max() % 1:
        return False
    dates = date_numbers(values, name)
    if dates is None or len(dates.index) < _LEAST_YEARS:
        return False
    months = dates.index.to_numpy().astype("datetime64[M]").astype(np.int64)
    steps = np.diff(months) if dates.label in ("Y", "M") else np.diff(dates.index.to_numpy().astype(np.int64))
    return bool((steps == steps[0]).all() and steps[0] > 0)


def _is_undated(column: pd.Series, name: str) -> bool:
    """Whether a column is called as times are, or as a period and holds text with a number."""
    if _DATE_NAMES.fullmatch(name):
        return True
    return bool(_PERIOD_NAMES.fullmatch(name)) and is_text(column) and all(map(_DIGIT.search, sample_of(column)))


def _counts_evenly(column: pd.Series, least: int = _LEAST_YEARS) -> bool:
    """Whether the different values of a column count on, by any step."""
    values = _numbers(column)
    if values is None or len(values) < least:
        return False
    steps = np.diff(values)
    return bool(steps[0] > 0 and (steps == steps[0]).all() and not (values % 1).any())


def _check_steps(column: pd.Series, name: str, source: Source) -> str:
    """A column called "date" without dates: step numbers if they count evenly, else for the user to say."""
    values = _numbers(column)
    if values is not None and (values == np.round(values)).all():
        if len(np.unique(np.diff(np.unique(values)))) <= 1 and not column.isna().any():
            return name
        shown = ", ".join(f"{value:.0f}" for value in values[:2])
        raise UserError(
            f"{source.name}: column {name!r} holds whole numbers ({shown}, ...), neither dates nor even steps: "
            "give --date-format if they are dates, take the rows as steps with --rows-are-steps, or name it with "
            "--target if they are values"
        )
    raise UserError(
        f"{source.at(column.index[0])}: {str(column.iloc[0])!r} in column {name!r} is not a date that is known: "
        "give --date-format, name the time column with --time, or take the rows as steps with --rows-are-steps"
    )


def _find_static(
    frame: pd.DataFrame, rest: Sequence[str], ids: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The columns that say something of whole series, and why others that do not change are not used."""
    if not ids:
        return (), {}
    codes = frame.groupby(list(ids), sort=False, observed=True, dropna=False).ngroup().to_numpy()
    found = [name for name in rest if _is_static(column_of(frame, name), codes)]
    why: dict[str, str] = {}
    for name in found:
        column = column_of(frame, name)
        if codes.max() == 0:
            why[name] = "the same in all rows"
        elif is_text(column) and column.nunique() == codes.max() + 1:
            why[name] = "static, with another label for every series: a name, from which nothing is learnt"
    return tuple(name for name in found if name not in why), why


def _find_targets(
    frame: pd.DataFrame, rest: Sequence[str], time: Sequence[str], still: Set[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The columns to forecast, and why others are not; those that never change (`still`) where there are no others."""
    why: dict[str, str] = {}
    changing = [name for name in rest if name not in still]
    for name in changing:
        column = column_of(frame, name)
        if is_text(column) and not any(map(_DIGIT.search, sample_of(column))):
            why[name] = "words, not numbers"
        elif time and looks_like_dates(column):
            why[name] = "dates, not numbers"
        elif time and is_part(column, name):
            why[name] = "a part of the date"
        elif (
            (time and is_row_number(frame, name))
            or (time and _COUNTER_NAMES.fullmatch(name) and _counts(column))
            or (not time and name == frame.columns[0] and len(rest) > 1 and _rises_evenly(column))
        ):
            why[name] = "counts the rows"
    left = tuple(name for name in changing if name not in why)
    return left or tuple(name for name in rest if name in still and not is_text(column_of(frame, name))), why


def _counts(column: pd.Series) -> bool:
    values = _numbers(column)
    return values is not None and len(values) > 1 and bool((np.diff(values) == 1).all())


def _rises_evenly(column: pd.Series) -> bool:
    """Whether the values of a column rise by one step from row to row, which may be a fraction."""
    values = _numbers(column)
    if values is None or len(values) < max(_LEAST_STEPS, len(column)):
        return False
    steps = np.diff(values)
    return bool(steps.min() > 0 and np.ptp(steps) < 1e-3 * steps[0])


def _is_static(column: pd.Series, codes: np.ndarray) -> bool:
    """Whether a column is constant within every series, and varies among them where there are several."""
    values = pd.factorize(column)[0]
    if codes.max() == 0:
        return len(codes) > 2 and values.max(initial=0) == 0 and values.min() == 0
    first = np.full(int(codes.max()) + 1, -1)
    first[codes[::-1]] = values[::-1]
    return bool(values.max(initial=0) > 0 and len(codes) > 2 * len(first) and (first[codes] == values).all())
