"""Lines of a table that are no rows of data: totals, averages, remarks below the last row, names below the header."""

import re

import numpy as np
import pandas as pd

from .columns import Roles
from .pandas_columns import column_of
from .source import Source
from .timestamps import looks_like_dates

_SUMMARY = (
    r"(grand|sub|overall|column|row|annual|year(ly)?)?[ -]?totals?|annual|yearly|full year|j-d|d-n|sums?|mean|"
    r"average|avg\.?|median|std|min(imum)?|max(imum)?|count|"
    r"(gesamt|end|zwischen)?summe|gesamt|insgesamt|durchschnitt|mittelwert|mittel|total général|somme|moyenne|suma|"
    r"promedio|media|média|totale|somma|totaal|gemiddelde|razem|średnia|toplam|ortalama|итого|всего|сумма|среднее|"
    r"合計|合计|总计|總計|平均|계|합계|평균"
)
_WHOLE = re.compile(_SUMMARY, re.IGNORECASE)
_PART = re.compile(rf"({_SUMMARY})\b.*|.*\b({_SUMMARY})", re.IGNORECASE)


def data_rows(frame: pd.DataFrame, roles: Roles, source: Source) -> tuple[np.ndarray, list[str]]:
    """Say which rows hold data, and note the others.

    Args:
        frame: the table, rows numbered by position.
        roles: the columns.
        source: where the rows stand.

    Returns:
        Bool `[N]`, and notes.

    Example:
        >>> frame = pd.DataFrame({"day": ["2024-01-01", "2024-01-02", "Total"], "v": ["1", "2", "3"]})
        >>> data_rows(frame, Roles(("day",), (), ("v",), (), (), (), ()), Source.of("a.csv"))
        (array([ True,  True, False]), ['line 4 sums up others: left out'])
    """
    kept = np.ones(len(frame), dtype=bool)
    if not roles.time or not _is_text(column_of(frame, roles.time[0])):
        return kept, []
    times = column_of(frame, roles.time[0])
    undated = _undated(times)
    if not undated.any():
        return kept, []
    empty = np.asarray(frame[[*roles.targets, *roles.known, *roles.past]].isna()).all(1)
    sums, repeated, blank = np.zeros_like(undated), np.zeros_like(undated), undated & times.isna().to_numpy()
    cells = times.loc[undated].astype(object)
    sums[undated] = cells.map(is_summary).to_numpy(bool)
    repeated[undated] = (cells == roles.time[0]).to_numpy(bool)
    for name in (*roles.id, *roles.static, *roles.unused) if blank.any() else ():
        cells = column_of(frame, name).loc[blank].astype(object).map(names_summary)
        sums[np.flatnonzero(blank)[cells.to_numpy(bool)]] = True
    remarks = undated & empty & ~sums & (_at_end(undated & (empty | sums)) | (np.arange(len(frame)) == 0))
    remarks &= ~blank & ~repeated
    notes = [
        f"{source.places(np.flatnonzero(rows).tolist())} {said if rows.sum() > 1 else one}: left out"
        for rows, one, said in (
            (sums, "sums up others", "sum up others"),
            (repeated, "repeats the header", "repeat the header"),
            (remarks, "holds words", "hold words"),
        )
        if rows.any()
    ]
    return ~(sums | repeated | remarks), notes


def is_summary(cell: object) -> bool:
    """Say whether a cell, or the name of a column, says that it sums others up.

    Example:
        >>> is_summary("Grand Total"), is_summary("Totality")
        (True, False)
    """
    return bool(_WHOLE.fullmatch(str(cell).strip(" :")))


def names_summary(cell: object) -> bool:
    """Say whether a cell says that it sums something up, and what.

    Example:
        >>> names_summary("shop 7 Total"), names_summary("Summe Nord"), names_summary("Totality")
        (True, True, False)
    """
    return bool(_PART.fullmatch(str(cell).strip(" :")))


def _is_text(column: pd.Series) -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)


def _undated(times: pd.Series) -> np.ndarray:
    """Rows whose time is empty, or words that are no date."""
    codes, values = pd.factorize(times)
    words = [isinstance(value, str) and not re.search(r"\d", value) for value in values]
    words = [word and not looks_like_dates(pd.Series([value])) for word, value in zip(words, values, strict=True)]
    return np.array([*words, True])[codes]


def _at_end(rows: np.ndarray) -> np.ndarray:
    """The last rows, as far as all are marked."""
    return np.logical_and.accumulate(rows[::-1])[::-1]
