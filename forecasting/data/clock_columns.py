"""Dates that stand in several columns: a day and a clock time, or year, month and day apart."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .pandas_columns import column_of
from .timestamps import sample_of

PARTS: dict[str, tuple[str, ...]] = {
    "year": (
        "year",
        "yr",
        "yyyy",
        "jahr",
        "année",
        "annee",
        "año",
        "ano",
        "anno",
        "rok",
        "år",
        "jaar",
        "год",
        "年",
        "年份",
    ),
    "half": ("half", "half-year", "halfyear", "halbjahr", "semester", "semestre", "semestr"),
    "quarter": ("quarter", "qtr", "quartal", "trimestre", "kwartał", "四半期", "季度"),
    "month": (
        "month",
        "mon",
        "mm",
        "monat",
        "mois",
        "mes",
        "mês",
        "mese",
        "miesiąc",
        "maand",
        "månad",
        "месяц",
        "月",
        "月份",
    ),
    "week": ("week", "wk", "kw", "woche", "semaine", "semana", "settimana", "周", "週"),
    "day": ("day", "dd", "tag", "jour", "día", "dia", "giorno", "dag", "день", "日"),
    "hour": (
        *("hour", "hr", "hh", "stunde", "heure", "hora", "ora", "uur", "timme", "час", "時", "时"),
        *("he", "hour_ending", "hour ending", "hourending"),
    ),
    "minute": ("minute", "minuto", "minuten", "分"),
}
"""What columns of parts of a date are called."""

_OTHER_PARTS = (
    "weekday",
    "dayofweek",
    "day_of_week",
    "dow",
    "dayofyear",
    "day_of_year",
    "weekofyear",
    "week_of_year",
    "wochentag",
)
_RANGES = {
    "half": (1, 2),
    "quarter": (1, 4),
    "month": (1, 12),
    "week": (1, 53),
    "day": (1, 31),
    "hour": (0, 24),
    "minute": (0, 59),
}
_CLOCK = re.compile(r"\d{1,2}([:.h]\d{2}([:.]\d{2}(\.\d+)?)?( ?[ap]\.?m\.?)?| ?[ap]\.?m\.?)", re.IGNORECASE)
_SPAN = re.compile(r"(?<=\d)\s*(?:-|–|to)\s*\d{1,2}[:.]\d{2}$")
"""The end of a span of time ("13:00-14:00")."""
_LETTERS = {
    "half": r"(h|s|half) ?",
    "quarter": r"(q|qtr|quarter|t|k) ?",
    "month": r"m",
    "week": r"(w|wk|kw|cw|week) ?",
    "hour": r"he ?",
}
"""What stands before the number of a part: an hour that ends ("HE01"), a quarter ("Q1")."""
_PERIODS = {"M": "month", "Q": "quarter", "S": "half"}
"""The parts that a column called period numbers, by their letter ("M01")."""


def find_joined(frame: pd.DataFrame, free: Sequence[str], dated: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that make a date together, none where one column does or none.

    Args:
        frame: the table.
        free: the columns that have no other part.
        dated: those of them that hold dates by themselves.

    Example:
        >>> frame = pd.DataFrame({"day": ["2024-01-01", "2024-01-01"], "time": ["06:00", "07:00"], "v": [1, 2]})
        >>> find_joined(frame, ["day", "time", "v"], ["day"])
        ('day', 'time')
        >>> find_joined(pd.DataFrame({"year": [2024, 2024], "month": [1, 2], "v": [1, 2]}), ["year", "month", "v"], [])
        ('year', 'month')
    """
    parts = {part: name for name in reversed(free) if (part := _part_of(column_of(frame, name), name))}
    if len(dated) == 1 and frame[dated[0]].duplicated().any() and _has_no_clock(column_of(frame, dated[0])):
        clocks = [name for name in free if name not in dated and _is_clock(column_of(frame, name))]
        if len(clocks) == 1:
            return (dated[0], clocks[0])
        if not clocks and "hour" in parts:
            return (dated[0], parts["hour"], *([parts["minute"]] if "minute" in parts else []))
    if dated or "year" not in parts:
        return ()
    for finer in (
        ("month", "day", "hour", "minute"),
        ("month", "day", "hour"),
        ("month", "day"),
        ("month",),
        ("half",),
        ("quarter",),
        ("week",),
    ):
        if all(part in parts for part in finer):
            return (parts["year"], *(parts[part] for part in finer))
    return ()


def join_times(columns: Sequence[pd.Series]) -> pd.Series:
    """Return the text of dates that stand in several columns; missing where a part is.

    Example:
        >>> join_times([pd.Series([2024, 2024], name="year"), pd.Series(["1", "12"], name="month")]).tolist()
        ['2024-1', '2024-12']
    """
    codes, parts = zip(*(pd.factorize(column) for column in columns), strict=True)
    key = codes[0].astype(np.int64)
    for code, values in zip(codes[1:], parts[1:], strict=True):
        key = key * (len(values) + 1) + code + 1
    rows, first = np.unique(key, return_index=True)
    names = [_part_of(column, str(column.name)) for column in columns]
    texts = []
    for row in first:
        if any(code[row] < 0 for code in codes):
            texts.append(None)
            continue
        cells = [values[code[row]] for code, values in zip(codes, parts, strict=True)]
        texts.append(_join(cells, names))
    return pd.Series(np.array(texts, dtype=object)[np.searchsorted(rows, key)], index=columns[0].index)


def is_part(column: pd.Series, name: str) -> bool:
    """Say whether a column repeats a part of the date, such as its month."""
    return _part_of(column, name) is not None or name.lower() in _OTHER_PARTS


def _part_of(column: pd.Series, name: str) -> str | None:
    part = next((part for part, names in PARTS.items() if name.lower() in names), None)
    if part is None:
        letters = {text[:1] for text in sample_of(column) if re.fullmatch(r"[MQS]\d{1,2}", text)} or {""}
        numbered = name.lower() in ("period", "periode", "periodo") and len(letters) == 1
        return _PERIODS.get(letters.pop()) if numbered else None
    texts = [_bare(text, part) for text in sample_of(column)]
    if part == "month" and texts and all(re.fullmatch(r"[^\W\d_]{3,}\.?", text) for text in texts):
        return part
    if not texts or not all(re.fullmatch(r"\d{1,4}", text) for text in texts):
        return None
    low, high = _RANGES.get(part, (1700, 2261))
    return part if all(low <= int(text) <= high for text in texts) else None


def _bare(text: str, part: str) -> str:
    """The number of a part of a date, without the point that a program added or the letters before it."""
    return re.sub(rf"^{_LETTERS.get(part, '')}(?=\d)", "", text.removesuffix(".0"), flags=re.IGNORECASE)


def _is_clock(column: pd.Series) -> bool:
    texts = [_SPAN.sub("", text) for text in sample_of(column)]
    return (
        bool(texts)
        and all(_CLOCK.fullmatch(text) for text in texts)
        and any(re.search("[:hm]", text, re.IGNORECASE) for text in texts)
    )


def _has_no_clock(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return bool((column.dropna().dt.normalize() == column.dropna()).all())
    return not any(re.search(r"\d[:h]\d\d", text.removesuffix(" 00:00:00")) for text in sample_of(column))


def _join(cells: Sequence[object], names: Sequence[str | None]) -> str:
    texts = [str(cell).strip() for cell in cells]
    texts = [_bare(text, name) if name else text for text, name in zip(texts, names, strict=True)]
    if names[0] != "year":
        day = texts[0].removesuffix(" 00:00:00")
        if names[1] is None:
            clock = re.sub(r"^(\d{1,2}) ?(?=[ap]\.?m)", r"\1:00 ", _SPAN.sub("", texts[1]), flags=re.IGNORECASE)
        else:
            clock = f"{texts[1]:0>2}:{texts[2] if len(texts) > 2 else '00':0>2}"
        return f"{day} {clock}"
    year, rest = texts[0], texts[1:]
    if names[1] == "half":
        return f"{year}-{6 * int(rest[0]) - 5}"
    if names[1] == "quarter":
        return f"{year}-Q{int(rest[0])}"
    if names[1] == "week":
        return f"{year}-W{rest[0]:0>2}"
    date = "-".join([year, *(part if not part.isdigit() or len(rest) == 1 else part.zfill(2) for part in rest[:2])])
    if len(rest) < 3:
        return date
    return f"{date} {rest[2]:0>2}:{rest[3] if len(rest) > 3 else '00':0>2}"
