"""The short names by which saved files know the classes of configurations."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_CLASSES: dict[str, type] = {}
_KINDS: dict[type, str] = {}


def register(kind: str) -> Callable[[type[T]], type[T]]:
    """Give a frozen dataclass its kind, as a class decorator: the name by which saved files know it.

    A class may then move or be renamed, and old files still load.

    Args:
        kind: the name; unique among all registered classes, and for ever, because saved files hold it.

    Raises:
        ValueError: if the name is taken, or the class is not a frozen dataclass or has a field called `kind`.

    Example:
        >>> from dataclasses import dataclass
        >>> @register("doc-linear")
        ... @dataclass(frozen=True)
        ... class Linear:
        ...     pass
        >>> kind_of(Linear), class_of("doc-linear") is Linear
        ('doc-linear', True)
    """

    def decorate(cls: type[T]) -> type[T]:
        parameters = getattr(cls, "__dataclass_params__", None)
        if parameters is None or not parameters.frozen:
            raise ValueError(f"{cls.__name__} must be a frozen dataclass: put @register above @dataclass(frozen=True)")
        if "kind" in getattr(cls, "__dataclass_fields__", {}):
            raise ValueError(f"{cls.__name__} has a field 'kind', the name that holds its tag: rename the field")
        taken = _CLASSES.get(kind)
        # A module that is imported again, after a failed import for example, registers its classes again.
        if taken is not None and _full_name(taken) != _full_name(cls):
            raise ValueError(f"kind '{kind}' is taken by {_full_name(taken)}: choose another name")
        _CLASSES[kind] = cls
        _KINDS[cls] = kind
        return cls

    return decorate


def kind_of(cls: type) -> str | None:
    """Return the name under which a class is registered itself (its bases don't count), or None."""
    return _KINDS.get(cls)


def class_of(kind: object) -> type | None:
    """Return the class that is registered under a name, or None."""
    return _CLASSES.get(kind) if isinstance(kind, str) else None


def kinds_within(hint: Any) -> list[str]:
    """Return the names of the registered classes that a type hint admits, in alphabetical order.

    Args:
        hint: a class or a tuple of classes; None or a protocol admits all.
    """
    if hint is None or getattr(hint, "_is_protocol", False):
        return sorted(_CLASSES)
    return sorted(kind for kind, cls in _CLASSES.items() if issubclass(cls, hint))


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
