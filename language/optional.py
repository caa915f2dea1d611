"""Packages that only some inputs need: loaded when they are, with a message that says how to install them."""

import importlib
from typing import Any

from titans_seq.errors import UserError


def load_optional(package: str, purpose: str, extra: str = "language") -> Any:
    """Import a package of an extra.

    Args:
        package: name of its module.
        purpose: what needs it, to begin the message with.
        extra: which.

    Raises:
        UserError: if it is not installed.

    Example:
        >>> load_optional("no_such_package", "reading stone tablets")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: reading stone tablets needs the package 'no_such_package', which is not \
installed: run pip install 'titans-seq[language]'
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise
        raise UserError(
            f"{purpose} needs the package '{package}', which is not installed: run pip install 'titans-seq[{extra}]'"
        ) from error
