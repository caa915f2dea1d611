"""The one exception that means "the input is wrong, not the program", and the commonest reasons for it."""

from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what the user gave.

    The message says what is wrong, what was given, what was expected and what to do. The command line prints it
    without a traceback and exits with code 2.

    Example:
        >>> raise UserError("horizon must be at least 1, got 0: give --horizon a positive number of steps")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: horizon must be at least 1, got 0: give --horizon a positive number of steps
    """


class Terminated(BaseException):
    """The process was asked to end (SIGTERM); not an error, so nothing that handles errors catches it."""


def require_at_least(config: object, **least: float) -> None:
    """Refuse settings of which one is too small, or no number.

    Args:
        config: has the settings as attributes.
        least: the least value of each, by name.

    Raises:
        UserError: naming the first.

    Example:
        >>> from types import SimpleNamespace
        >>> require_at_least(SimpleNamespace(steps=0, seed=0), seed=0, steps=1)
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: steps must be at least 1, got 0
    """
    for name, smallest in least.items():
        if not getattr(config, name) >= smallest:
            raise UserError(f"{name} must be at least {smallest}, got {getattr(config, name)}")


def require_seed(seed: int, name: str = "seed") -> None:
    """Refuse a seed that PyTorch, NumPy or scikit-learn does not take.

    Raises:
        UserError: if it is below 0, or too large.

    Example:
        >>> require_seed(-1)
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: seed must be in [0, 2**32), got -1
    """
    if not 0 <= seed < 1 << 32:
        raise UserError(f"{name} must be in [0, 2**32), got {seed}")


def choose(name: str, known: Iterable[str], what: str, *, hint: str = "") -> str:
    """Return a name that is known, or refuse it with the nearest one.

    Args:
        name: what was given.
        known: the names there are.
        what: is named, for the message.
        hint: what to do where no known name is near.

    Raises:
        UserError: if the name is not known.

    Example:
        >>> choose("lmm", ("lmm", "mac"), "model")
        'lmm'
        >>> choose("lmn", ("lmm", "mac"), "model")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: unknown model 'lmn': expected one of lmm, mac; did you mean 'lmm'?
    """
    names = list(known)
    if name in names:
        return name
    more = did_you_mean(name, names) or (f"; {hint}" if hint else "")
    raise UserError(f"unknown {what} {name!r}: expected one of {', '.join(names)}{more}")


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return the end of a message that names the nearest known name; nothing if none is near.

    Example:
        >>> did_you_mean("widht", ["width", "depth"])
        "; did you mean 'width'?"
    """
    from difflib import get_close_matches

    names = {one.lower(): one for one in known if isinstance(one, str)}
    close = get_close_matches(name.lower(), names, n=1) if isinstance(name, str) else []
    return f"; did you mean {names[close[0]]!r}?" if close else ""
