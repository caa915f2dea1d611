"""GluonTS datasets to series and back.

A GluonTS dataset is any iterable of dictionaries whose `start` is a pandas Period, so this module needs no
import of GluonTS; what it gives goes into `ListDataset` and straight into an estimator.
"""

import contextlib
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from titans_seq.errors import UserError

from .calendars import DAY, MONTHS, Ticks, calendar_of
from .date_parts import date_at
from .frequency import anchor, period_of, walk
from .series import Item, SeriesData


def from_gluonts(
    dataset: Iterable[Mapping[str, Any]], channels: tuple[str, ...] | None = None, first: int = 0
) -> SeriesData:
    """Turn a GluonTS dataset into series, one item for each entry.

    Months, quarters and years are dated by their first day; weeks by their last, as pandas dates "W-SUN".

    Args:
        dataset: entries with `start` (a Period) and `target` ([T], or [V, T] for several channels), and
            optionally `item_id`, `feat_dynamic_real` ([F, T + E]) and `past_feat_dynamic_real` ([P, T]).
        channels: names of the channels; None gives "value", or "0", "1", ... where there are several.
        first: number of the first entry, for messages and names.

    Raises:
        UserError: for an empty dataset, an entry without start or target, differing steps or widths, infinite
            values, or a covariate with a missing value.

    Example:
        >>> entry = {"start": pd.Period("2020-01", "M"), "target": np.array([1.0, 2.0]), "item_id": "a"}
        >>> data = from_gluonts([entry])
        >>> data.freq, data.items[0].index[0].date().isoformat()
        ('MS', '2020-01-01')
    """
    items: list[Item] = []
    freq = None
    for number, entry in enumerate(dataset, first):
        place = f"GluonTS entry {number} ({entry.get('item_id', 'no item_id')})"
        start = entry.get("start")
        if start is None or "target" not in entry:
            raise UserError(f"{place}: expected a start that is a pandas Period and a target, got {sorted(entry)}")
        if not isinstance(start, pd.Period):
            raise UserError(
                f"{place}: expected a start that is a pandas Period, got a {type(start).__name__}: give "
                "pd.Period(start, freq), with the step of the series as its freq"
            )
        with _business_days():
            step, begin = _date_alias(start), start.start_time
        if freq is not None and calendar_of(step) != calendar_of(freq):
            raise UserError(f"{place}: steps by {step}, the entries before it by {freq}: convert each step apart")
        freq = freq or step
        # Of several weeks, which a period may span, it is the end of the first.
        dated = cast(pd.Timestamp, begin + pd.Timedelta(days=6)) if period_of(step) == "W" else begin
        items.append(_item(entry, dated, step, str(entry.get("item_id", number)), place))
    if not items or freq is None:
        raise UserError("the GluonTS dataset is empty: expected at least one entry")
    names_seen = Counter(item.name for item in items)
    repeated = next((item.name for item in items if names_seen[item.name] > 1), None)
    if repeated is not None:
        raise UserError(f"{names_seen[repeated]} entries are called {repeated!r}: give each its own item_id")
    shapes = {(i.values.shape[1], i.known.shape[1], i.past.shape[1]) for i in items}
    if len(shapes) > 1:
        raise UserError(f"GluonTS entries differ in channels or covariates {sorted(shapes)}: give all of them the same")
    width, known, past = shapes.pop()
    names = channels or (("value",) if width == 1 else tuple(str(i) for i in range(width)))
    if len(names) != width:
        raise UserError(f"{len(names)} channel names were given for targets of {width} channels")
    known_names = tuple(f"feat_dynamic_real_{i}" for i in range(known))
    past_names = tuple(f"past_feat_dynamic_real_{i}" for i in range(past))
    return SeriesData(tuple(items), freq, names, known_names, past_names, "long", (f"frequency {freq}, from GluonTS",))


def to_gluonts(data: SeriesData) -> list[dict[str, Any]]:
    """Turn series into GluonTS entries; missing values stay NaN, as GluonTS marks them itself.

    Returns:
        Entries with `item_id`, `start`, `target` (float32 [T], or [V, T] for several channels) and, where
        there are covariates, `feat_dynamic_real` (float32 [F, T + E]) and `past_feat_dynamic_real` (float32
        [P, T]). GluonTS expects the known covariates of a target it predicts from to be E = horizon longer
        than the target.

    Raises:
        UserError: if the data has no dates, steps that no pandas Period has, or times of a zone whose clock changes
            meanwhile: a Period has no zone, and keeps the clock time alone.

    Example:
        >>> index = pd.date_range("2020-01-01", periods=2, freq="MS")
        >>> item = Item("a", index, np.ones((2, 1)), np.zeros((2, 0)), np.zeros((2, 0)))
        >>> to_gluonts(SeriesData((item,), "MS", ("value",), (), (), "long", ()))[0]["start"]
        Period('2020-01', 'M')
    """
    if data.freq is None:
        raise UserError("GluonTS needs dates and this data has step numbers only: give the table a time column")
    entries = []
    for item in data.items:
        _check_clock(item, data.freq)
        values = item.values.T if len(data.channels) > 1 else item.values[:, 0]
        entry = {
            "item_id": item.name,
            "start": _period(date_at(item.index, 0), data.freq),
            "target": values.astype(np.float32),
        }
        if data.known_names:
            entry["feat_dynamic_real"] = item.known.T.astype(np.float32)
        if data.past_names:
            entry["past_feat_dynamic_real"] = item.past.T.astype(np.float32)
        entries.append(entry)
    return entries


def _check_clock(item: Item, freq: str) -> None:
    """Refuse steps of hours or less across a clock change, behind which all would be dated an hour off."""
    calendar, index = calendar_of(freq), cast(pd.DatetimeIndex, item.index)
    if index.tz is None or not isinstance(calendar, Ticks) or not calendar.size % DAY:
        return
    offsets = (index.tz_localize(None) - index.tz_convert("UTC").tz_localize(None)).unique()
    if len(offsets) > 1:
        raise UserError(
            f"GluonTS knows no time zones, and the clock of {index.tz} changes within series {item.name!r}: read the "
            "times in UTC (time_zone='UTC')"
        )


@contextlib.contextmanager
def _business_days() -> Iterator[None]:
    """Keep pandas silent about periods of business days, which it means to drop but GluonTS needs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Period with BDay freq is deprecated", FutureWarning)
        yield


def _item(entry: Mapping[str, Any], first: pd.Timestamp, freq: str, name: str, place: str) -> Item:
    target = rows_of(entry["target"], "target", place)
    length = len(target)
    if not target.size:
        raise UserError(f"{place}: target is empty: expected a value for each step, or leave the entry out")
    known = _covariates(entry, "feat_dynamic_real", length, place)
    past = _covariates(entry, "past_feat_dynamic_real", length, place)
    try:
        return Item(name, walk(first, length, freq), target, known, past)
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error


def rows_of(values: Any, field: str, place: str) -> np.ndarray:
    """Return the values of an entry's field, a row a series of values, as float64 `[T, F]`.

    Raises:
        UserError: if they are no table of numbers; `field` and `place` name it.

    Example:
        >>> rows_of([1, 2, 3], "target", "entry 0").shape
        (3, 1)
    """
    try:
        rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise UserError(f"{place}: {field} is no table of numbers ({error})") from error
    if rows.ndim > 2:
        raise UserError(f"{place}: {field} has the shape {list(rows.shape)}, expected one row a series of values")
    return rows.T


def _covariates(entry: Mapping[str, Any], field: str, length: int, place: str) -> np.ndarray:
    if entry.get(field) is None:
        return np.zeros((length, 0))
    rows, is_known = rows_of(entry[field], field, place), field == "feat_dynamic_real"
    if rows.shape[1] and len(rows) < length:
        wanted = f"[F, {length} + horizon]" if is_known else f"[F, {length}]"
        advice = "transpose it" if rows.shape[1] >= length else "give each covariate a value for every step"
        raise UserError(
            f"{place}: {field} has the shape {list(rows.T.shape)}, expected {wanted}, a row a covariate, as the target "
            f"has {length} steps: {advice}"
        )
    rows = rows if is_known else rows[:length]
    refuse_not_finite(rows, field, place)
    return rows if rows.shape[1] else np.zeros((length, 0))


def refuse_not_finite(rows: np.ndarray, field: str, place: str) -> None:
    """Raise where a covariate, `[T, F]`, has a missing or an infinite value.

    Raises:
        UserError: naming the first.
    """
    wrong = np.argwhere(~np.isfinite(rows))
    if len(wrong):
        step, number = wrong[0]
        raise UserError(f"{place}: {field} has no finite value in row {number} at step {step}: fill it in")


def _date_alias(start: pd.Period) -> str:
    """The alias of dates that stand for such periods."""
    code = to_offset(start.freq).rule_code.split("-")[0]
    count = str(start.freq.n) if start.freq.n > 1 else ""
    if code in ("M", "ME", "Q", "QE", "Y", "YE", "A"):
        return anchor(f"{count}{code[0].replace('A', 'Y')}S", start.start_time)
    return anchor(start.freqstr, start.end_time)


def _period(first: pd.Timestamp, freq: str) -> pd.Period:
    """The period that starts or ends on the first date."""
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(-.+)?", freq)
    count, code = (found[1], found[2]) if found else ("", "")
    if code in ("MS", "ME"):
        alias = f"{count}M"
    elif code in ("QS", "YS"):
        # A period is named by the last month of its year, which is the one before the month it starts in.
        alias = f"{count}{code[0]}-{MONTHS[first.month - 2]}"
    elif code in ("QE", "YE"):
        alias = f"{count}{code[0]}-{MONTHS[first.month - 1]}"
    else:
        alias = freq
    try:
        with _business_days():
            return cast(pd.Period, pd.Period(first.tz_localize(None), freq=alias))
    except ValueError as error:
        raise UserError(f"GluonTS cannot step by {freq}: it needs a pandas Period, which has no such step") from error
