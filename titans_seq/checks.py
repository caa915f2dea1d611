"""Checks of what a member is built from, whose messages say what was given and what would do."""

from numbers import Integral
from typing import Any, get_args


def check_choice(name: str, value: object, choices: Any) -> None:
    """Raise ValueError if a value is none of a `Literal`'s.

    Example:
        >>> from typing import Literal
        >>> check_choice("form", "cubic", Literal["norm", "switch"])
        Traceback (most recent call last):
        ...
        ValueError: form must be one of norm, switch, got 'cubic'
    """
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}")


def check_whole(config: object, hint: str = "", **least: int) -> None:
    """Raise ValueError if one of some settings is no whole number, or too small.

    Args:
        config: has the settings as attributes.
        hint: what else would do, for the message.
        least: the least value of each, by name.

    Example:
        >>> from types import SimpleNamespace
        >>> check_whole(SimpleNamespace(heads=4, chunk_size=2.5), heads=1, chunk_size=1)
        Traceback (most recent call last):
        ...
        ValueError: chunk_size must be a whole number of at least 1, got 2.5
    """
    for name, smallest in least.items():
        value = getattr(config, name)
        if not isinstance(value, Integral):
            raise ValueError(f"{name} must be a whole number of at least {smallest}{hint}, got {value!r}")
        if int(value) < smallest:
            raise ValueError(f"{name} must be at least {smallest}{hint}, got {value}")
