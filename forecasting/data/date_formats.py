"""Dates by a format that a user gave, and by numbers that count from 1970."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .date_texts import Label, Reading, label_months, label_periods, parse_column, years_of
from .pandas_columns import as_numbers


def read_format(texts: Sequence[str], date_format: str) -> Reading:
    """Read texts by a strptime format, which may also be "%s", "%Y-Q%q" or a week without a day.

    Raises:
        UserError: if it is no format, or leaves out the year.

    Example:
        >>> read_format(["2022-W01"], "%G-W%V").times.astype("M8[D]").tolist()
        [datetime.date(2022, 1, 3)]
    """
    directives = set(re.findall(r"%-?([A-Za-z%])", date_format))
    if directives & {"s", "Q"}:
        if date_format not in ("%s", "%Q"):
            raise UserError(f"date format {date_format!r}: %s and %Q stand alone: Unix seconds and milliseconds")
        unit = "s" if date_format == "%s" else "ms"
        return Reading(epoch_times(as_numbers(list(texts)), unit), f"written as {date_format}")
    if not directives & {"Y", "y", "G", "c", "x", "D"}:
        raise UserError(f"date format {date_format!r} has no year: add %Y, or %y for two digits")
    written = f"written as {date_format}"
    if "q" in directives:
        return _read_quarters(texts, date_format, written)
    label: Label | None = None
    given, used = list(texts), date_format
    if directives & {"V", "U", "W"} and not directives & {"u", "w", "a", "A"}:
        # strptime takes a week without a day for no week at all.
        ending = (" 1", " %u") if "V" in directives else (" 1", " %w")
        given, used = [f"{text}{ending[0]}" for text in texts], date_format + ending[1]
        label = "W" if "V" in directives else None
    elif not directives & {"d", "j", "e", "c", "x", "D", "V", "U", "W", "u", "w", "H", "I"}:
        label = "M" if directives & {"m", "b", "B"} else "Y"
    try:
        times = parse_column(given, used)
    except ValueError as error:
        raise UserError(f"date format {date_format!r} is none that is known ({error}): see strptime's") from error
    if label == "W":
        iso = pd.DatetimeIndex(times).isocalendar()
        year, week = (iso[part].fillna(0).to_numpy(dtype=np.int64) for part in ("year", "week"))
        return Reading(times, written, "W", (year, week - 1))
    if label == "Y":
        years = np.where(np.isnat(times), 0, times.astype("datetime64[Y]").astype(np.int64) + 1970)
        return Reading(times, written, "Y", (years, np.zeros_like(years)))
    return label_months(times, written, label)


def _read_quarters(texts: Sequence[str], date_format: str, written: str) -> Reading:
    parts = re.split(r"(%q|%Y|%y)", date_format)
    known = {"%q": "(?P<q>[1-4])", "%Y": r"(?P<y>\d{4})", "%y": r"(?P<y>\d{2})"}
    pattern = "".join(known.get(part, re.escape(part)) for part in parts)
    found = [re.fullmatch(pattern, text) for text in texts]
    years = years_of([match.groupdict() if match else {} for match in found])
    return label_periods(years, np.array([int(match["q"]) - 1 if match else 0 for match in found]), "Q", written)


def epoch_times(numbers: np.ndarray, unit: str) -> np.ndarray:
    """Unix times of a unit as datetime64[us]; NaT for NaN.

    Example:
        >>> str(epoch_times(np.array([1704067200.0]), "s")[0])[:13]
        '2024-01-01T00'
    """
    per = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "D": 86400e6}[unit]
    whole = np.where(np.isnan(numbers), 0, np.round(numbers * per)).astype(np.int64)
    return np.where(np.isnan(numbers), np.datetime64("NaT"), whole.astype("datetime64[us]"))
