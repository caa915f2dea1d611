"""Cells to numbers: text, markers of missing values, signs of money and infinities are met here and nowhere later."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from titans_seq.errors import UserError

from .source import Source, column_of, counted, enumerate_some

pc: Any = pyarrow.compute  # whose functions are made when it is imported

NO_VALUE = ("", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "-NaN", "-nan", "null", "NULL", "None", "<NA>", "#N/A", "NaT")
"""Words that mean that there is no value, in a column of numbers."""
# Values that measuring stations write for "no value"; only pointed out, never replaced unasked.
_SUSPECTS = (-9999.0, -999.0, -99.99)
_MOST = 1e150
"""Largest magnitude: the square of a greater number is none."""
_AFFIXED = re.compile(r"([-+]?)\s*(\D*?)\s*([-+]?\d(?:[\d.,' ]*\d)?[.,]?(?:[eE][-+]?\d+)?)(\D*)")
_CURRENCY = re.compile(r"[A-Z]{3}|kr\.?|zł|Kč|Ft|lei|Fr\.?|Rs\.?|руб\.?|元|円|원")
_UNIT = re.compile(r" ?[%‰°]\w?| [^\W\d].*")
_STYLES = ((".", ","), (",", "."), (".", "'"), (",", " "), (".", " "), (",", "'"))


@dataclass(frozen=True)
class NumberStyle:
    """How a table writes its numbers. None finds it out.

    Args:
        decimal: the decimal sign.
        thousands: the sign between groups of digits.
        semicolons: whether the table's cells are separated by semicolons, as where the comma is the decimal sign.
    """

    decimal: str | None = None
    thousands: str | None = None
    semicolons: bool = False

    @property
    def plain(self) -> bool:
        """Whether numbers may be as a program writes them."""
        return self.decimal in (None, ".") and self.thousands is None


def to_numbers(
    frame: pd.DataFrame,
    names: Sequence[str],
    missing_values: Sequence[float | str],
    source: Source,
    style: NumberStyle = NumberStyle(),
) -> tuple[np.ndarray, list[str]]:
    """The named columns as float64 [N, K], NaN where a cell is empty or holds a marker, with notes.

    Raises:
        UserError: for text, an infinite or a huge value in a cell, with its column and line; for numbers that can be
            read in two ways.

    Example:
        >>> frame = pd.DataFrame({"a": ["1", "?"], "b": [2.0, -9999.0], "c": ["$1,200.50", "$900"]})
        >>> numbers, notes = to_numbers(frame, ["a", "b", "c"], ("?", -9999), Source.of(None))
        >>> numbers.tolist(), notes[0]
        ([[1.0, 2.0, 1200.5], [nan, nan, 900.0]], '2 cells marked as missing')
        >>> notes[1]
        "numbers in 'c': ',' between thousands; '$' is left out"
    """
    words = {str(mark) for mark in missing_values}
    marks = [float(word) for word in words if _is_number(word)]
    numbers = np.empty((len(frame), len(names)), order="F")
    marked, told = 0, dict[str, list[str]]()
    for at, name in enumerate(names):
        column = column_of(frame, name)
        if _is_text(column):
            values, worded, how = _text_column(column, name, words, source, style)
            marked += worded
            if how:
                told.setdefault(how, []).append(name)
        else:
            values = _number_column(column, name, source)
        hit = np.isin(values, marks) if marks else np.zeros(len(values), dtype=bool)
        values[hit] = np.nan
        marked += int(hit.sum())
        _refuse_huge(values, frame.index, name, source)
        numbers[:, at] = values
    notes = [f"{counted(marked, 'cell')} marked as missing"] if marked else []
    notes += [f"numbers in {enumerate_some([repr(n) for n in columns])}: {how}" for how, columns in told.items()]
    for suspect in _SUSPECTS:
        count = int((numbers == suspect).sum())
        if count:
            cells = f"{counted(count, 'cell')} of {suspect:g}"
            notes.append(f"{cells}, often a marker of missing values: if so, name it with --missing-value")
    return numbers, notes


def is_numeric(texts: Sequence[str]) -> bool:
    """Whether all texts are numbers, however they are written; none is not.

    Example:
        >>> is_numeric(["$5,179.00", "$3"]), is_numeric(["a", "1"])
        (True, False)
    """
    bare = [_bare(text) for text in texts if text not in NO_VALUE]
    return bool(bare) and (all(map(_is_number, bare)) or bool(_fitting(_affixes(bare)[0], NumberStyle())))


def _is_text(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column.dtype) and (
        column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)
    )


def _number_column(column: pd.Series, name: str, source: Source) -> np.ndarray:
    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    raise UserError(
        f"{source.name}: column {name!r} holds {kind}, not numbers: leave it out of --target, --known and --past"
    )


def _refuse_huge(values: np.ndarray, positions: pd.Index, name: str, source: Source) -> None:
    with np.errstate(invalid="ignore"):
        huge = np.flatnonzero(np.abs(values) > _MOST)
    if not len(huge):
        return
    place = f"{source.at(positions[huge[0]])}, column {name!r}"
    if np.isinf(values[huge[0]]):
        raise UserError(
            f"{place}: infinite value ({len(huge)} in the column): "
            "correct the cells, or empty them to mark the values as missing"
        )
    raise UserError(
        f"{place}: {values[huge[0]]:g} is too large, its square is no number any more: give the column in another "
        "unit, or leave it out of --target, --known and --past"
    )


def _text_column(
    column: pd.Series, name: str, words: set[str], source: Source, style: NumberStyle
) -> tuple[np.ndarray, int, str]:
    """The numbers of a column, how many cells are a marker written as a word, and how the numbers are written."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        cells = pa.array([str(text) for text in column.cat.categories], type=pa.large_string())
    else:
        if column.dtype == object:
            column = column.where(column.notna(), None).map(_plain_text, na_action="ignore")
        codes, cells = None, pa.array(column, type=pa.large_string(), from_pandas=True)
        cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    asks = style.semicolons and style.decimal is None and _all_groups(cells, ".")
    values = _cast(cells) if style.plain and not asks else None
    if values is not None:
        return values if codes is None else np.append(values, np.nan)[codes], 0, ""
    if codes is None:
        encoded = cells.dictionary_encode()
        cells, codes = encoded.dictionary, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    found = cells.to_pylist()
    texts = [str(text).strip() for text in found]
    empty = [text in NO_VALUE for text in texts]
    marked = [not gone and text in words for gone, text in zip(empty, texts, strict=True)]
    bare = [_bare(text) for text in texts]
    kept = [at for at in range(len(texts)) if not empty[at] and not marked[at]]
    numbers, how = _read_texts([bare[at] for at in kept], name, source, style)
    # The last place is that of empty cells, whose code is -1.
    table = np.full(len(texts) + 1, np.nan)
    table[kept] = numbers
    wrong = np.zeros(len(texts) + 1, dtype=bool)
    wrong[[at for at, value in zip(kept, numbers, strict=True) if np.isnan(value)]] = True
    at = np.flatnonzero(wrong[codes])
    if len(at):
        _refuse_text(column, name, at, source)
    return table[codes], int(np.array([*marked, False])[codes].sum()), how


def _cast(cells: pa.LargeStringArray) -> np.ndarray | None:
    """The cells as numbers, None if one is not written as programs write them."""
    try:
        values = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        gone = pc.is_in(cells, pa.array(NO_VALUE, pa.large_string()))
        try:
            values = pc.cast(pc.if_else(gone, None, cells), pa.float64())
        except pa.ArrowInvalid:
            return None
    return values.to_numpy(zero_copy_only=False).copy()


def _plain_text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)


def _all_groups(cells: pa.LargeStringArray, sign: str) -> bool:
    """Whether every cell with such a sign could have it between thousands, and there is one."""
    signed = cells.filter(pc.match_substring(cells, sign))
    groups = pc.match_substring_regex(signed, rf"^\s*[-+]?[1-9]\d{{0,2}}(\{sign}\d{{3}})+\s*$")
    return len(signed) > 0 and bool(pc.all(groups).as_py())


def _bare(text: str) -> str:
    """A number without what some programs and languages put about it: other digits, spaces and minus signs."""
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS).strip()
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    inside = re.fullmatch(r"\((.*\d.*)\)", text)
    if inside:
        return "-" + inside[1].strip()
    behind = re.fullmatch(r"([\d.,' ]*\d)-", text)
    return "-" + behind[1] if behind else text


_SIGNS = str.maketrans({"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{RIGHT SINGLE QUOTATION MARK}": "'", "`": "'"})


def _affixes(texts: Sequence[str]) -> tuple[list[str], str]:
    """The texts without the sign of money, percent or unit that all of them have before or behind, and that sign."""
    parts = [_AFFIXED.fullmatch(text) for text in texts]
    signs = {(part[2], part[4]) for part in parts if part}
    if None in parts or len(signs) != 1:
        return list(texts), ""
    before, behind = signs.pop()
    if not (_is_money(before) or not before) or not (_is_money(behind) or _UNIT.fullmatch(behind) or not behind):
        return list(texts), ""
    return [part[1] + part[3] for part in parts if part], (before or behind).strip()


def _is_money(sign: str) -> bool:
    """Whether a sign stands for a currency; letters that are stuck to a number are part of a name."""
    return any(unicodedata.category(c) == "Sc" for c in sign) or bool(_CURRENCY.fullmatch(sign.strip()))


def _fitting(texts: Sequence[str], style: NumberStyle) -> list[tuple[str, str | None]]:
    """The signs (decimal, thousands) by which all texts are numbers, and at least one needs the second."""
    fits: list[tuple[str, str | None]] = []
    for decimal in (".", ","):
        if style.decimal in (None, decimal) and style.thousands is None:
            pattern = rf"[-+]?(\d+(\{decimal}\d*)?|\{decimal}\d+)([eE][-+]?\d+)?"
            if all(re.fullmatch(pattern, text) for text in texts):
                fits.append((decimal, None))
    for decimal, thousands in _STYLES:
        if style.decimal in (None, decimal) and style.thousands in (None, thousands):
            groups = rf"\d{{1,3}}(\{thousands}\d{{2,3}})*\{thousands}\d{{3}}"
            pattern = rf"[-+]?({groups}|\d+)(\{decimal}\d*)?"
            if all(re.fullmatch(pattern, text) for text in texts) and any(thousands in text for text in texts):
                fits.append((decimal, thousands))
    return fits


def _read_texts(texts: list[str], name: str, source: Source, style: NumberStyle) -> tuple[np.ndarray, str]:
    """The numbers of texts, NaN for one that is none, and how they are written."""
    if {text.casefold() for text in texts} <= {"true", "false"}:
        return np.array([float(text.casefold() == "true") for text in texts]), ""
    stripped, affix = _affixes(texts)
    fits = _fitting(stripped, style)
    readings = {signs: np.array([_value(text, *signs) for text in stripped]) for signs in fits}
    distinct = {values.tobytes(): signs for signs, values in reversed(readings.items())}
    if len(distinct) > 1:
        chosen = _settle(texts, name, source, style, fits, readings)
    elif fits:
        chosen = fits[0]
    else:
        decimal = style.decimal or "."
        one_by_one = [_value(text, decimal, style.thousands) for text in texts]
        return np.array(one_by_one), ""
    decimal, thousands = chosen
    said = [f"{thousands!r} between thousands"] if thousands and any(thousands in text for text in stripped) else []
    said += ["a decimal comma"] if decimal == "," and any("," in text for text in stripped) else []
    if affix:
        said.append(f"{affix!r} is left out" + (", so 5% is 5" if affix == "%" else ""))
    if style.semicolons and decimal == "," and _grouped(stripped, ",") and style.decimal is None:
        said.append(f"{texts[0]!r} is {readings[chosen][0]:g}: if it means thousands, give --thousands ,")
    return readings[chosen], "; ".join(said)


def _settle(
    texts: list[str],
    name: str,
    source: Source,
    style: NumberStyle,
    fits: list[tuple[str, str | None]],
    readings: dict[tuple[str, str | None], np.ndarray],
) -> tuple[str, str | None]:
    """The reading of numbers such as 5.050 that could be two.

    Raises:
        UserError: if nothing tells them apart.
    """
    if style.semicolons and (",", None) in fits:
        return (",", None)  # The semicolon leaves the comma to the numbers.
    if not style.semicolons and (".", None) in fits:
        return (".", None)
    at = next(i for i, text in enumerate(texts) if re.search(r"[.,' ]\d{3}$", text))
    shown = " or ".join(f"{readings[signs][at]:.12g}" for signs in fits[:2])
    sign = next((thousands for _, thousands in fits if thousands), ",")
    raise UserError(
        f"{source.name}, column {name!r}: {texts[at]!r} can be {shown}, and so can every cell of the column: "
        f"give --thousands {sign} or --decimal {sign}"
    )


def _grouped(texts: Sequence[str], sign: str) -> bool:
    signed = [text for text in texts if sign in text]
    return bool(signed) and all(re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}(\{sign}\d{{3}})+", text) for text in signed)


def _value(text: str, decimal: str, thousands: str | None) -> float:
    if thousands:
        text = text.replace(thousands, "")
    if decimal == "," and "." in text:
        return np.nan
    try:
        return float(text.replace(decimal, "."))
    except ValueError:
        return np.nan


def _refuse_text(column: pd.Series, name: str, wrong: np.ndarray, source: Source) -> None:
    whole = len(wrong) == column.notna().sum()
    cell = str(column.iloc[wrong[0]])
    if whole:
        remedy = "name the columns to forecast with --target, or this one with --id if it tells series apart"
    else:
        remedy = "correct the cell, or give it as --missing-value if it means that there is no value"
    if re.search(r"\d", cell) and not re.search(r"[^\W\d_]{3}", cell):
        remedy += "; for another way of writing numbers see --decimal and --thousands"
    more = f" (and {len(wrong) - 1} more in this column)" if len(wrong) > 1 else ""
    raise UserError(f"{source.at(column.index[wrong[0]])}, column {name!r}: {cell!r} is not a number{more}: {remedy}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
