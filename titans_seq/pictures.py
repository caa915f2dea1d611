"""Writing pictures: which files there can be, and whole ones alone."""

import os
import warnings
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

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
    r"""Write a name from the user's data as matplotlib shows it: a dollar sign begins no formula.

    Example:
        >>> print(literal("$5 to $9"))
        \$5 to \$9
    """
    return text.replace("$", r"\$")


def save_picture(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure of matplotlib, whole or not at all.

    Raises:
        UserError: see `check_picture`.
        OSError: if it cannot be written.
    """
    check_picture(path)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # A name in letters that the font lacks is drawn as boxes; the tables beside the picture have it whole.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(temporary, dpi=130)
