"""Writing pictures: which files there can be, and whole ones alone."""

import logging
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

_LOG = logging.getLogger(__name__)

FORMATS = (".png", ".pdf", ".svg")


def check_picture(path: str | os.PathLike[str]) -> None:
    """Make sure that a picture can be written under this name.

    Raises:
        UserError: if its suffix is none of `FORMATS`.

    Example:
        >>> check_picture("losses.gif")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: cannot draw to losses.gif: expected a name that ends in .png, .pdf, .svg
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise UserError(f"cannot draw to {os.fspath(path)}: expected a name that ends in {', '.join(FORMATS)}")


def literal(text: str) -> str:
    r"""A name from the user's data as matplotlib shows it: a dollar sign begins no formula.

    Example:
        >>> print(literal("$5 to $9"))
        \$5 to \$9
    """
    return text.replace("$", r"\$")


def save_picture(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure of matplotlib, whole or not at all.

    Letters that the font lacks are drawn in another font that is installed. Where there is none they are boxes, which
    is said once.

    Raises:
        UserError: see `check_picture`.
        OSError: if it cannot be written.
    """
    import matplotlib.text

    check_picture(path)
    texts = figure.findobj(matplotlib.text.Text)
    families, lacking = _families("".join(text.get_text() for text in texts))
    if len(families) > 1:
        for text in texts:
            text.set_fontfamily(families)
    if lacking:
        _LOG.warning(
            "no installed font has the letters %s: they are drawn as boxes (install one, such as Noto Sans CJK)",
            lacking,
        )
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(temporary, dpi=130)


def _families(letters: str) -> tuple[list[str], str]:
    """The families of fonts that have all letters, and the letters that none has."""
    from matplotlib import font_manager, rcParams

    wanted = {letter for letter in letters if not letter.isascii() and not letter.isspace()}
    families = list(rcParams["font.family"])
    wanted -= _letters(font_manager.findfont(font_manager.FontProperties()))
    # matplotlib's own font of last resort has a box for every letter.
    entries = [entry for entry in font_manager.fontManager.ttflist if not entry.name.startswith("Last Resort")]
    for entry in entries if wanted else ():
        found = wanted & _letters(entry.fname)
        if found:
            families.append(entry.name)
            wanted -= found
        if not wanted:
            break
    return families, "".join(sorted(wanted)[:10])


@lru_cache(maxsize=1024)
def _letters(font: str) -> frozenset[str]:
    """All letters that a font file has."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(font).get_charmap()))
    except (OSError, RuntimeError):  # a font that matplotlib lists and cannot read
        return frozenset()
