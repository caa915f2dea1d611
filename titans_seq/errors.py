"""The one exception that means "the input is wrong, not the program", and the commonest reason for it."""


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
