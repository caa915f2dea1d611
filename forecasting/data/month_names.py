"""The names of months in many languages."""

import unicodedata
from functools import lru_cache

_LATIN = (
    *("en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "sv", "da", "nb", "fi", "tr", "ro", "hu", "hr", "sl"),
    *("id", "ms", "sk", "ca", "lt", "lv", "et", "is", "gl", "eu", "sq", "az", "sw", "fil", "ga"),
)


_CYRILLIC_GREEK = ("ru", "uk", "bg", "sr", "el")


_SPOKEN = {"mrz": 3, "mar": 3, "jan": 1, "janv": 1, "sept": 9, "jän": 1, "ene": 1, "set": 9, "okt": 10, "dez": 12}


@lru_cache(maxsize=64)
def month_numbers(words: frozenset[str]) -> dict[str, int] | None:
    """Return the numbers of month names, in the first language that knows all of them.

    Example:
        >>> month_numbers(frozenset({"janv", "fevr", "aout"}))["aout"], month_numbers(frozenset({"kwh"}))
        (8, None)
    """
    # Languages are loaded one by one, so those of another script are not asked.
    if any(len(word) < 2 for word in words) or len(words) > 24:
        return None
    foreign = any(unicodedata.name(word[0], "").startswith(("CYRILLIC", "GREEK")) for word in words)
    for language in _CYRILLIC_GREEK if foreign else _LATIN:
        names = _names(language)
        found = {word: _one_month(word, names) for word in words}
        if all(found.values()):
            return {word: number for word, number in found.items() if number}
    return None


def _one_month(word: str, names: dict[str, int]) -> int | None:
    if word in names:
        return names[word]
    begun = {number for name, number in names.items() if len(word) >= 3 and name.startswith(word)}
    return begun.pop() if len(begun) == 1 else _SPOKEN.get(word) if not begun else None


@lru_cache(maxsize=64)
def _names(language: str) -> dict[str, int]:
    from babel import Locale

    months = Locale.parse(language).months
    return {
        fold(name): number
        for use in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for number, name in months[use][width].items()
    }


def fold(word: str) -> str:
    """Return a word in small letters without accents and dots."""
    plain = unicodedata.normalize("NFD", word.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c)).rstrip(".")
