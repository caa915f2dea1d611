"""Change a few fields of nested frozen dataclasses, named by their paths as in the YAML that they are saved as."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from titans_seq.config import from_dict, parse_yaml, to_dict
from titans_seq.errors import UserError
from titans_seq.registry import class_of

C = TypeVar("C")


def override(config: C, changes: Mapping[str, Any]) -> C:
    """Return a copy of a configuration with some values changed.

    Args:
        config: a dataclass that `titans_seq.config` can save.
        changes: new values by path, for example `{"optimiser.lr": 3e-3, "model.blocks.0.memory.chunk_size": 8}`. A
            number is a place in a list. A new `kind` drops the fields of the old one; where there was nothing, a path
            makes it.

    Raises:
        UserError: if a path names no field, or a value does not fit; the message says what does.

    Example:
        >>> from titans_seq.experiment.settings import OptimiserConfig
        >>> override(OptimiserConfig(), {"lr": 0.01}).lr
        0.01
        >>> override(OptimiserConfig(), {"clib": 0.5})
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: clib: unknown field, expected one of lr, schedule, least, warmup, decay_share, \
betas, weight_decay, clip; did you mean 'clip'?
    """
    if not changes:
        return config
    plain = to_dict(config)
    for path in sorted(changes, key=_outer_first):
        _put(plain, path.split("."), to_dict(changes[path]), path)
    return from_dict(plain, type(config))


def _outer_first(path: str) -> tuple[int, bool]:
    """Order changes so that none takes away another: an object, then its kind, then its fields."""
    steps = path.split(".")
    is_kind = len(steps) > 1 and steps[-1] == "kind"
    return len(steps) - is_kind, is_kind


def parse_changes(texts: Iterable[str]) -> dict[str, Any]:
    """Read changes from `path=value` texts; the values are YAML.

    Raises:
        UserError: if a text has no "=", or its value is not YAML.

    Example:
        >>> parse_changes(("optimiser.lr=3e-3", "network.cycle.periods=[24, 168]"))
        {'optimiser.lr': 0.003, 'network.cycle.periods': [24, 168]}
    """
    changes = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise UserError(f"--set {text!r}: expected path=value, such as optimiser.lr=3e-3")
        changes[path] = parse_yaml(f"value: {value}", f"--set {text}")["value"]
    return changes


def _put(plain: Any, steps: list[str], value: Any, path: str) -> None:
    """Put a value at a path into plain dictionaries and lists."""
    *before, last = steps
    for number, step in enumerate(before):
        done = ".".join(steps[: number + 1])
        if isinstance(plain, list):
            plain = plain[_index(plain, step, path)]
        elif isinstance(plain, dict):
            if plain.get(step) is None:
                plain[step] = {}
            plain = plain[step]
        if not isinstance(plain, (dict, list)):
            raise UserError(f"{path}: {done} is {plain!r}, which has no fields: set {done} itself")
    if isinstance(plain, list):
        plain[_index(plain, last, path)] = value
    elif last == "kind" and class_of(plain.get("kind")) is not None and plain["kind"] != value:
        plain.clear()
        plain["kind"] = value
    else:
        plain[last] = value


def _index(values: list[Any], step: str, path: str) -> int:
    if step.isdecimal() and int(step) < len(values):
        return int(step)
    raise UserError(f"{path}: {step!r} is no place in a list of {len(values)}: expected 0 to {len(values) - 1}")
