"""Numbers as people write them: thousands, decimal commas, signs of money, percent and units."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from titans_seq.errors import UserError

from .plain_text import plain_signs
from .source import Source

NO_VALUE = (
    *("", "NA", "na", "N/A", "n/a", "NaN", "nan", "NAN", "Nan", "-NaN", "-nan", "null", "NULL", "Null"),
    *("None", "none", "NONE", "<NA>", "#N/A", "#n/a", "#NA", "NaT"),
)


"""Words that mean that there is no value, in a column of numbers."""


_AFFIXED = re.compile(r"([-+]?)\s*(\D*?)\s*([-+]?\d(?:[\d.,' ]*\d)?[.,]?(?:[eE][-+]?\d+)?)(\D*)")


_CURRENCY = re.compile(r"[A-Z]{3}|kr\.?|zł|Kč|Ft|lei|Fr\.?|Rs\.?|руб\.?|元|円|원")


_UNIT = re.compile(r" ?[%‰°]\w?| [^\W\d].*")


_STYLES = ((".", ","), (",", "."), (".", "'"), (",", " "), (".", " "), (",", "'"))


_SCALES = {"K": 1e3, "M": 1e6, "MN": 1e6, "MIO": 1e6, "B": 1e9, "BN": 1e9, "MRD": 1e9, "T": 1e12}


_NUMBER_LIKE = re.compile(r"[-+]?\d[\d.,' ]*([eE][-+]?\d+)?")


_PLAIN = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?")


_SCALED = re.compile(r"(.*\d)(?:([kKMBT]|mn|bn|Mio|Mrd)\.?)?")


@dataclass(frozen=True)
class NumberStyle:
    """How a table writes its numbers. None finds it out.

    Args:
        decimal: the decimal sign.
        thousands: the sign between groups of digits.
        semicolons: whether the table's cells are separated by semicolons, as where the comma is the decimal sign.
        shown: the decimal signs of other columns, by which numbers that could be two are read; of one sign, that one.
    """

    decimal: str | None = None
    thousands: str | None = None
    semicolons: bool = False
    shown: frozenset[str] = frozenset()

    @property
    def plain(self) -> bool:
        """Whether numbers may be as a program writes them."""
        return self.decimal in (None, ".") and self.thousands is None


_FLAGS = tuple(
    (yes, no)
    for yes, no in (word.split("/") for word in ("true/false", "yes/no", "y/n", "ja/nein", "oui/non", "sí/no", "si/no"))
)
"""Words for 1 and 0."""


def is_numeric(texts: Sequence[str]) -> bool:
    """Say whether all texts are numbers, however they are written; none is not.

    Example:
        >>> is_numeric(["$5,179.00", "$3"]), is_numeric(["a", "1"])
        (True, False)
    """
    bare = [bare_number(text) for text in texts if text not in NO_VALUE]
    return bool(bare) and (all(map(is_plain_number, bare)) or bool(_fitting(_affixes(bare)[0], NumberStyle())))


def bare_number(text: str) -> str:
    """Return a number without what programs and languages put about it: other digits, spaces, minus signs and so on."""
    text = plain_signs(text).translate(_SIGNS).strip().removeprefix("'")
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


def _scaled(texts: Sequence[str]) -> tuple[list[str], np.ndarray, str]:
    """The texts without a K, M or B for thousands, millions and milliards, what each stands for, and a note."""
    parts = [_SCALED.fullmatch(text) for text in texts]
    signs = sorted({part[2] for part in parts if part and part[2]})
    if None in parts or not signs:
        return list(texts), np.ones(len(texts)), ""
    factors = np.array([_SCALES[part[2].upper()] if part[2] else 1.0 for part in parts if part])
    said = ", ".join(f"{sign} is {_SCALES[sign.upper()]:,.0f}" for sign in signs)
    return [part[1] for part in parts if part], factors, said


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
            groups = rf"[1-9]\d{{0,2}}(\{thousands}\d{{2,3}})*\{thousands}\d{{3}}"
            pattern = rf"[-+]?({groups}|\d+)(\{decimal}\d*)?"
            if all(re.fullmatch(pattern, text) for text in texts) and any(thousands in text for text in texts):
                fits.append((decimal, thousands))
    return fits


def shown_decimal(texts: Sequence[str]) -> str | None:
    """Return the decimal sign that numbers leave no doubt of, None where they do, or are none.

    Example:
        >>> shown_decimal(["1.200", "3,50"]), shown_decimal(["1,234.5"]), shown_decimal(["1.200"]), shown_decimal(["3"])
        (',', '.', None, None)
    """
    decimals = {decimal for decimal, _ in _fitting(_affixes(_scaled(texts)[0])[0], NumberStyle())}
    return decimals.pop() if len(decimals) == 1 else None


@dataclass(frozen=True)
class Writing:
    """How the numbers of a column were read.

    Args:
        decimal: the decimal sign, None where no cell needs one.
        beside: what stands beside every number, or for it: "€", "kWh", "yes is 1".
        told: in words.
        doubt: a further reading to point out, in words.
    """

    decimal: str | None = None
    beside: str = ""
    told: str = ""
    doubt: str = ""


def read_numbers(texts: list[str], name: str, source: Source, style: NumberStyle) -> tuple[np.ndarray, Writing]:
    """Return the numbers of texts, NaN for one that is none, and how they are written."""
    for yes, no in _FLAGS if texts else ():
        if {text.casefold() for text in texts} <= {yes, no}:
            flags = np.array([float(text.casefold() == yes) for text in texts])
            return flags, Writing(beside=f"{yes} is 1", told="" if yes == "true" else f"{yes} is 1")
    bare, factors, scales = _scaled(texts)
    stripped, affix = _affixes(bare)
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
        return np.array(one_by_one) * factors, Writing()
    decimal, thousands = chosen
    said = [f"{thousands!r} between thousands"] if thousands and any(thousands in text for text in stripped) else []
    said += ["a decimal comma"] if decimal == "," and any("," in text for text in stripped) else []
    said += [scales] if scales else []
    if affix:
        said.append(f"{affix!r} is left out" + (", so 5% is 5" if affix == "%" else ""))
    doubt = ""
    if style.semicolons and decimal == "," and _grouped(stripped, ",") and not style.decimal and not style.shown:
        doubt = f"{texts[0]!r} is {readings[chosen][0]:g}: if it means thousands, give --thousands ,"
    needed = any("." in text or "," in text for text in stripped)
    return readings[chosen] * factors, Writing(decimal if needed else None, affix, "; ".join(said), doubt)


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
    usual = _usual(fits, style)
    if usual is not None:
        return usual
    at = next(i for i, text in enumerate(texts) if re.search(r"[.,' ]\d{3}$", text))
    shown = " or ".join(f"{readings[signs][at]:.12g}" for signs in fits[:2])
    sign = next((thousands for _, thousands in fits if thousands), ",")
    raise UserError(
        f"{source.name}, column {name!r}: {texts[at]!r} can be {shown}, and so can every cell of the column: "
        f"give --thousands {sign} or --decimal {sign}"
    )


def _usual(fits: Sequence[tuple[str, str | None]], style: NumberStyle) -> tuple[str, str | None] | None:
    """The reading of several that the rest of the table speaks for, None where nothing does."""
    if len(style.shown) == 1:
        return next(signs for signs in fits if signs[0] in style.shown)
    if style.semicolons and (",", None) in fits and not style.shown:
        return (",", None)  # The semicolon leaves the comma to the numbers.
    if not style.semicolons and (".", None) in fits and not style.shown:
        return (".", None)
    return None


def are_written_out(texts: Sequence[str]) -> bool:
    """Say whether texts may be numbers, and some have signs beside digits and one point: an exponent, or thousands.

    Example:
        >>> are_written_out(["1.7e+09"]), are_written_out(["1,700", "900"]), are_written_out(["1.5", "900"])
        (True, True, False)
    """
    return all(map(_NUMBER_LIKE.fullmatch, texts)) and not all(map(_PLAIN.fullmatch, texts))


def written_numbers(texts: Sequence[str], style: NumberStyle) -> np.ndarray | None:
    """Return numbers that times may be, without signs of money or units; None where a text is none.

    Where they could be two, and the table does not speak for one, a point is the decimal sign and a comma stands
    between thousands: times hardly have three decimals each.

    Example:
        >>> written_numbers(["1,960", "1,961"], NumberStyle()).tolist()
        [1960.0, 1961.0]
        >>> written_numbers(["1,960", "1,961"], NumberStyle(semicolons=True)).tolist()
        [1.96, 1.961]
    """
    bare = [bare_number(text) for text in texts]
    fits = _fitting(bare, style)
    if not fits:
        return None
    signs = _usual(fits, style) or next((one for one in fits if one == (".", None) or one[1]), fits[0])
    return np.array([_value(text, *signs) for text in bare])


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


def is_plain_number(word: str) -> bool:
    """Say whether a word is a number as programs write it."""
    try:
        float(word)
    except ValueError:
        return False
    return True
