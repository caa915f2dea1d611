"""Deciding which columns of a table tell its series apart."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from .clock_columns import is_part
from .number_texts import is_numeric
from .options import FrameOptions
from .pandas_columns import as_numbers, column_of
from .source import Source
from .timestamps import sample_of
from .wording import enumerate_some

_SURE_NAMES = re.compile(r"(?i:(.*[ _.-])?(id|sku)|id[ _.-].*|series[ _.-]name)|.*[a-z]I[dD]")
_NAMES = re.compile(r"series|item|store|sensor|group", re.IGNORECASE)
"""Names of identifiers, which may be those of values too."""
_STATE_NAMES = re.compile(
    r"(.*[ _.-])?(status|flag|quality|season|phase|event|holiday|note|comment|remark|weekday|weather|split|part"
    r"|partition|subset|set|regime|period|scenario|treatment|intervention|policy|stage|mode|state|shift|condition|label"
    r"|class|wave|campaign|promo|promotion|lockdown|anomaly|outlier|source)(e?s)?",
    re.IGNORECASE,
)
"""Names of words that say something of rows, and not of whole series."""
_FEW_REPEATS = 0.2
"""Share of the repeats of times that may remain within series: rows that were written twice."""
_BLOCK = 3
"""Rows for each value, on average, for a column to tell apart series that follow each other."""


class UndecidedError(UserError):
    """Nothing in a table shows which columns tell its series apart."""


def find_ids(
    frame: pd.DataFrame, rest: Sequence[str], time: Sequence[str], options: FrameOptions, source: Source
) -> tuple[str, ...]:
    """Find the columns that tell series apart: those within which no time repeats, or that are called so.

    Args:
        frame: the table.
        rest: columns that have no part yet.
        time: the columns of the time, none where there is no such.
        options: whether rows of the same time are merged, and what is to be forecast.
        source: where the table comes from, for messages.

    Raises:
        UndecidedError: if several could, or a column may and nothing shows whether it does.

    Example:
        >>> frame = pd.DataFrame({"day": [1, 2, 1, 2], "shop": [*"aabb"], "sold": [5, 6, 7, 8]})
        >>> find_ids(frame, ["shop", "sold"], ["day"], FrameOptions(), Source.of(None))
        ('shop',)
    """
    texts = [name for name in rest if is_text(column_of(frame, name))]
    called = [name for name in rest if is_sure_id(name) or _NAMES.fullmatch(name)]
    by_name = [name for name in called if not _has_fractions(frame, name) and not is_row_number(frame, name)]
    asked = list(dict.fromkeys(by_name + texts))
    codes = {name: pd.factorize(frame[name])[0] for name in (*time, *asked)}
    repeats = _repeats(codes, time) if time and (asked or options.duplicates != "refuse") else 0
    if repeats and asked:
        ids = _without_repeats(codes, [name for name in rest if name in asked], by_name, time, options, source)
        if ids:
            return ids
        for name in asked:
            down = codes | {name: pd.factorize(frame[name].ffill())[0]}
            if looks_merged(column_of(frame, name)) and not _repeats(down, [*time, name]):
                raise UndecidedError(
                    f"{source.name}: column {name!r} seems to tell the series apart, and only the first row of each "
                    "holds its name, as where cells are merged: fill each name down to all rows of its series"
                )
    if repeats and options.duplicates != "refuse" and options.target is None:
        # Rows that are merged do not show by their faults that they are of several series.
        may = [name for name in asked if _repeats(codes, [*time, name]) < repeats]
        may += [name for name in rest if name not in asked and _is_panel(frame, name, codes, time, repeats)]
        _refuse_undecided(may, "may tell apart rows of the same time, which would be merged", source)
    one = [name for name in asked if frame[name].nunique() == 1]
    found = [name for name in texts if name in by_name or name in one] + one
    if not repeats and not found and (options.target is not None or set(rest) - set(asked)):
        found = _find_in_turn(frame, by_name, texts, codes, options, source)
    return tuple(sorted(found, key=lambda name: name not in by_name))[:1]


def _without_repeats(
    codes: dict[str, np.ndarray],
    asked: Sequence[str],
    by_name: Sequence[str],
    time: Sequence[str],
    options: FrameOptions,
    source: Source,
) -> tuple[str, ...]:
    """The fewest columns within which no time repeats, or hardly one; else those called so that make repeats fewer."""
    repeats = _repeats(codes, time)
    left = {name: _repeats(codes, [*time, name]) for name in [*by_name, *asked]}
    apart = [name for name in left if not left[name]]
    if len(apart) > 1 and len([name for name in apart if name in by_name]) != 1:
        # Names of the same things (a code beside a label) are no choice.
        if len({codes[name].tobytes() for name in apart}) > 1:
            raise _several(apart, source)
    if apart:
        return (next((name for name in apart if name in by_name), apart[0]),)
    together = list(asked)
    least = _repeats(codes, [*time, *together])
    for name in reversed(asked):
        fewer = [other for other in together if other != name]
        if fewer and _repeats(codes, [*time, *fewer]) == least:
            together = fewer
    few = int(_FEW_REPEATS * repeats)
    nearly = [name for name in left if left[name] <= few]
    alone = next((name for name in nearly if name in by_name), min(nearly, key=lambda name: left[name], default=None))
    if not least:
        if alone is not None and options.duplicates != "refuse":
            raise UndecidedError(
                f"{source.name}: column {alone!r} alone may tell the series apart, or columns "
                f"{enumerate_some(together)} together: name them with --id"
            )
        return tuple(together)
    if alone is not None:
        return (alone,)
    return tuple(together) if least <= few else tuple(name for name in by_name if left[name] < repeats)


def _find_in_turn(
    frame: pd.DataFrame,
    by_name: Sequence[str],
    texts: Sequence[str],
    codes: dict[str, np.ndarray],
    options: FrameOptions,
    source: Source,
) -> list[str]:
    """The columns called as ids are where no two series have a row at the same time."""
    found = [name for name in by_name if is_sure_id(name) or _is_in_blocks(codes[name])]
    if len({codes[name].tobytes() for name in found}) > 1:
        raise _several(found, source)
    if found or options.target is not None:
        return found
    may = [name for name in by_name if _BLOCK * frame[name].nunique() <= len(frame)]
    for name in texts:
        says_of_rows = _STATE_NAMES.fullmatch(name) or is_part(column_of(frame, name), name)
        if _is_in_blocks(codes[name]) and not says_of_rows:
            may.append(name)
    _refuse_undecided(may, "may tell series apart that follow each other", source)
    return []


def _several(names: Sequence[str], source: Source) -> UndecidedError:
    return UndecidedError(
        f"{source.name}: columns {enumerate_some(names)} could each tell the series apart: name one of them with --id"
    )


def _refuse_undecided(names: Sequence[str], what: str, source: Source) -> None:
    if names:
        raise UndecidedError(
            f"{source.name}: column {enumerate_some([repr(name) for name in names])} {what}: name it with --id, or, "
            "if all rows are of one series, name what is to be forecast with --target"
        )


def _repeats(codes: dict[str, np.ndarray], names: Sequence[str]) -> int:
    """How many rows have the same values in all of the columns as a row before them."""
    key = codes[names[0]].astype(np.int64)
    for name in names[1:]:
        key = key * (int(codes[name].max(initial=0)) + 2) + codes[name] + 1
    return len(key) - len(pd.unique(key))


def _is_panel(frame: pd.DataFrame, name: str, codes: dict[str, np.ndarray], time: Sequence[str], repeats: int) -> bool:
    """Whether whole numbers come back at most times, and hardly one twice at a time, as numbers of series do."""
    if not _are_whole(frame, name):
        return False
    own = codes | {name: pd.factorize(frame[name])[0]}
    rows, values = len(frame), int(own[name].max(initial=0)) + 1
    often = values > 1 and values * (rows - repeats) <= 2 * rows
    return often and _repeats(own, [*time, name]) <= _FEW_REPEATS * repeats


def _is_in_blocks(codes: np.ndarray) -> bool:
    """Whether the rows of each value follow each other, some of them for each."""
    values = int(codes.max(initial=-1)) + 1
    changes = int((np.diff(codes) != 0).sum())
    return values > 1 and codes.min() >= 0 and changes == values - 1 and _BLOCK * values <= len(codes)


def looks_merged(column: pd.Series) -> bool:
    """Say whether hardly a cell but the first is filled, as where each name stands for the empty cells below it.

    Example:
        >>> looks_merged(pd.Series(["a", None, None, "b", None, None])), looks_merged(pd.Series(["a", None, "b"]))
        (True, False)
    """
    return bool(column.notna().iloc[0]) and 2 * int(column.isna().sum()) > len(column)


def is_row_number(frame: pd.DataFrame, name: str) -> bool:
    """Say whether a column that is called as identifiers are has another whole number in every row.

    Example:
        >>> is_row_number(pd.DataFrame({"id": [7, 8, 9]}), "id")
        True
    """
    return is_sure_id(name) and frame[name].nunique() == len(frame) > 1 and _are_whole(frame, name)


def is_sure_id(name: str) -> bool:
    """Say whether a column is called as nothing but identifiers are.

    Example:
        >>> is_sure_id("Item_ID"), is_sure_id("shopId"), is_sure_id("store"), is_sure_id("humid")
        (True, True, False, False)
    """
    return _SURE_NAMES.fullmatch(name) is not None


def _are_whole(frame: pd.DataFrame, name: str) -> bool:
    values = _numbers_of(column_of(frame, name))
    return values is not None and not (values % 1).any()


def _has_fractions(frame: pd.DataFrame, name: str) -> bool:
    values = _numbers_of(column_of(frame, name))
    return values is not None and bool((values % 1).any())


def _numbers_of(column: pd.Series) -> np.ndarray | None:
    """The different numbers of a column, None where it holds something else too."""
    if column.dtype.kind == "b" or not all(re.fullmatch(r"[-+.\deE]+", text) for text in sample_of(column)):
        return None
    values = as_numbers(np.asarray(column.dropna().unique(), dtype=object))
    return values if len(values) and np.isfinite(values).all() else None


def is_text(column: pd.Series) -> bool:
    """Say whether a column holds words, and neither numbers nor dates by its type.

    Example:
        >>> is_text(pd.Series(["north", "south"])), is_text(pd.Series(["1.5", "2"]))
        (True, False)
    """
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return False
    texts = sample_of(column)
    flags = {text.casefold() for text in texts} <= {"true", "false"}
    return bool(texts) and not flags and not any(is_numeric([text]) for text in texts)
