"""Writing pictures: which files there can be, and whole ones alone."""

import os
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


def save_picture(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure of matplotlib, whole or not at all.

    Raises:
        UserError: see `check_picture`.
        OSError: if it cannot be written.
    """
    check_picture(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
