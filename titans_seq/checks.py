"""Checks of what a member is built from, whose messages say what was given and what would do."""

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
