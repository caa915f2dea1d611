"""Checks of what a member is built from and a layer given, whose messages say what was given and what would do."""

import functools
from dataclasses import fields
from numbers import Integral
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

if TYPE_CHECKING:
    from torch import Tensor


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


def check_types(config: object) -> None:
    """Raise ValueError if a switch is neither True nor False, or a member is of another class than its field's.

    Args:
        config: a dataclass. Its numbers, texts, tuples and protocols are not looked at.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Decay:
        ...     before_gradient: bool = False
        >>> check_types(Decay(before_gradient="no"))
        Traceback (most recent call last):
        ...
        ValueError: before_gradient must be True or False, got 'no'
    """
    for name, expected in _classes(type(config)):
        value = getattr(config, name)
        if not isinstance(value, expected):
            wanted = "True or False" if expected is bool else f"an instance of {expected.__name__}"
            called = f": call it, {value.__name__}()" if isinstance(value, type) else ""
            raise ValueError(f"{name} must be {wanted}, got {value!r}{called}")


def check_input(x: "Tensor", dim: int) -> None:
    """Raise ValueError if a layer's input is empty, of another width, or not `[B, T, dim]`.

    Example:
        >>> import torch
        >>> check_input(torch.zeros(2, 0, 8), 8)
        Traceback (most recent call last):
        ...
        ValueError: expected [B >= 1, T >= 1, 8], got (2, 0, 8)
    """
    if x.dim() != 3 or 0 in x.shape[:2] or x.shape[2] != dim:
        raise ValueError(f"expected [B >= 1, T >= 1, {dim}], got {tuple(x.shape)}")


@functools.cache
def _classes(cls: type) -> tuple[tuple[str, type], ...]:
    """Names of the fields that are switches or members, with their classes."""
    hints = get_type_hints(cls)
    named = [(field.name, hints[field.name]) for field in fields(cls)]  # type: ignore[arg-type]
    members = [(name, hint) for name, hint in named if isinstance(hint, type) and hint not in (int, float, str)]
    return tuple((name, hint) for name, hint in members if not getattr(hint, "_is_protocol", False))
