"""What is said where a package of an extra is not installed."""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from titans_seq.errors import UserError

DISTRIBUTION = "titans-seq"
OUR_PACKAGES = ("titans_seq", "forecasting", "genomics", "language")


@contextmanager
def needing(what: str, extra: str | None) -> Iterator[None]:
    """Turn a missing package of others, met within the block, into a message that says how to install it.

    A module of our own that is not found is a defect of the program, and deserves its traceback.

    Args:
        what: needs the package.
        extra: of the distribution that has it; None if the core suffices.

    Raises:
        UserError: if a package of others is missing.

    Example:
        >>> with needing("`titans forecast`", "forecasting"):  # doctest: +ELLIPSIS
        ...     import no_such_package
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: `titans forecast` needs the package 'no_such_package', ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if extra is None or not missing or missing in OUR_PACKAGES:
            raise
        raise UserError(
            f"{what} needs the package '{missing}', which is not installed: run pip install '{DISTRIBUTION}[{extra}]'"
        ) from error


def check_packages(what: str, packages: Mapping[str, str]) -> None:
    """Refuse to begin what would come to a missing package late. None is loaded here, as some take seconds.

    Args:
        what: needs them.
        packages: by name, each with the extra that has it.

    Raises:
        UserError: naming the first that is missing.

    Example:
        >>> check_packages("drawing", {"numpy": "all", "no_such_package": "all"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: drawing needs the package 'no_such_package', which is not installed: ...
    """
    for package, extra in packages.items():
        with needing(what, extra):
            if importlib.util.find_spec(package) is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
