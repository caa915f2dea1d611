"""Names in letters that the standard font lacks: another font that is installed, or a word that there is none."""

import logging
from functools import lru_cache

from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

_LOG = logging.getLogger(__name__)


def choose_fonts(figure: Figure) -> None:
    """Give the texts of a figure fonts that have all their letters.

    Letters that no installed font has are drawn as boxes, which is said once.
    """
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    families, lacking = _families("".join(text.get_text() for text in texts))
    for text in texts if len(families) > 1 else ():
        text.set_fontfamily(families)
    if lacking:
        _LOG.warning(
            "no font here has the letters %s: they are drawn as boxes (install one, such as Noto Sans CJK)", lacking
        )


def _families(letters: str) -> tuple[list[str], str]:
    """The families of fonts that have all letters, and the letters that none has."""
    wanted = {letter for letter in letters if not letter.isascii() and not letter.isspace()}
    families = [str(name) for name in rcParams["font.family"]]
    wanted -= _letters(font_manager.findfont(font_manager.FontProperties()))
    # matplotlib's own font of last resort has a box for every letter.
    entries = [entry for entry in font_manager.fontManager.ttflist if not entry.name.startswith("Last Resort")]
    for entry in entries if wanted else ():
        found = wanted & _letters(entry.fname)
        if found:
            families.append(entry.name)
            wanted -= found
    return families, "".join(sorted(wanted)[:10])


@lru_cache(maxsize=1024)
def _letters(font: str) -> frozenset[str]:
    """All letters that a font file has."""
    try:
        return frozenset(map(chr, FT2Font(font).get_charmap()))
    except (OSError, RuntimeError):  # a font that matplotlib lists and cannot read
        return frozenset()
