"""What is said where a package of an extra is not installed."""

from collections.abc import Iterator
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
