"""Changing a few fields of nested frozen dataclasses, named by their paths."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from titans_seq.errors import UserError

C = TypeVar("C")


def override(config: C, changes: Mapping[str, Any]) -> C:
    """A copy of nested frozen dataclasses with some fields changed.

    Args:
        config: the dataclass to start from.
        changes: new values by path, for example `{"optimiser.lr": 3e-3, "network.head.skip": True}`.

    Raises:
        UserError: a path names no field, or a value is of another type than the one it replaces.

    Example:
        >>> from forecasting.training.optimiser import OptimiserConfig
        >>> override(OptimiserConfig(), {"lr": 0.01}).lr
        0.01
    """
    for path, value in changes.items():
        config = _replace_at(config, path.split("."), value, path)
    return config


def _replace_at(config: Any, steps: list[str], value: Any, path: str) -> Any:
    names = _field_names(config)
    if steps[0] not in names:
        done = path.split(".")[: -len(steps)]
        where = f" of {'.'.join(done)}" if done else ""
        expected = f"one of {', '.join(names)}" if names else "nothing below it"
        raise UserError(f"override {path!r}: there is no field {steps[0]!r}{where}, expected {expected}")
    current = getattr(config, steps[0])
    new = _cast(current, value, path) if len(steps) == 1 else _replace_at(current, steps[1:], value, path)
    try:
        return replace(config, **{steps[0]: new})
    except ValueError as error:
        raise UserError(f"override {path!r}: {error}") from error


def _field_names(config: Any) -> list[str]:
    return [entry.name for entry in fields(config)] if is_dataclass(config) else []


def _cast(current: Any, value: Any, path: str) -> Any:
    if isinstance(value, list):
        value = tuple(value)
    if type(current) is float and type(value) is int:
        value = float(value)
    if current is not None and value is not None and type(value) is not type(current):
        raise UserError(
            f"override {path!r}: expected a value like {current!r} ({type(current).__name__}), got {value!r}"
        )
    return value
