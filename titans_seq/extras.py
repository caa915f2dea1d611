"""What is said where a package of an extra is not installed."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
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
        if (message := _how_to_install(what, error, extra)) is None:
            raise
        raise UserError(message) from error


@contextmanager
def importing(what: str, extra: str | None) -> Iterator[None]:
    """Do as `needing` for imports in Python, where others catch what Python raises.

    Raises:
        ModuleNotFoundError: if a package of others is missing; the message says how to install it.

    Example:
        >>> with importing("forecasting.ForecastModel", "forecasting"):  # doctest: +ELLIPSIS
        ...     import no_such_package
        Traceback (most recent call last):
        ...
        ModuleNotFoundError: forecasting.ForecastModel needs the package 'no_such_package', ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (message := _how_to_install(what, error, extra)) is None:
            raise
        raise ModuleNotFoundError(message, name=error.name) from error


def _how_to_install(what: str, error: ModuleNotFoundError, extra: str | None) -> str | None:
    """The message; None where the error deserves its traceback."""
    missing = (error.name or "").partition(".")[0]
    if extra is None or not missing or missing in OUR_PACKAGES:
        return None
    return f"{what} needs the package '{missing}', which is not installed: run pip install '{DISTRIBUTION}[{extra}]'"


def lazy_names(package: str, homes: Mapping[str, str], extra: str | None) -> Callable[[str], object]:
    """Make the `__getattr__` of a package whose names load on first use.

    Args:
        package: its name.
        homes: the module of each name, from the package on.
        extra: of the distribution that has what they need; None if the core suffices.

    Example:
        >>> lazy_names("titans_seq", {"write_text": ".files"}, None)("write_text").__name__
        'write_text'
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with importing(f"{package}.{name}", extra):
            return getattr(importlib.import_module(homes[name], package), name)

    return load


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
