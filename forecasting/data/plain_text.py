"""Text in the letters and digits that programs write."""

import itertools
import unicodedata


def plain_signs(text: str) -> str:
    """Wide letters, ligatures and the digits of any script as ASCII has them; signs such as a raised 2 stay.

    A raised or circled number beside a number is a footnote, and no digit of it.

    Example:
        >>> plain_signs("\uff11\uff12.5"), plain_signs("\u0661\u0662"), plain_signs("12\u00b2")
        ('12.5', '12', '12\u00b2')
    """
    if text.isascii():
        return text
    parts = ((raised, "".join(part)) for raised, part in itertools.groupby(text, _is_raised))
    whole = "".join(part if raised else unicodedata.normalize("NFKC", part) for raised, part in parts)
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in whole)


def footnote_of(text: str) -> str | None:
    """Return the raised or circled number that a text holds, None where it holds none.

    Example:
        >>> footnote_of("5\u00b9"), footnote_of("51")
        ('\u00b9', None)
    """
    return next(filter(_is_raised, text), None)


def _is_raised(sign: str) -> bool:
    return unicodedata.category(sign) == "No"
