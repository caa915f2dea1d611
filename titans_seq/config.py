"""Frozen dataclasses to plain dictionaries and back, with tagged unions: what is saved beside the weights.

A class that stands for one choice among several is registered under a short name, its kind, with which its
dictionary then starts. A class that is not registered is known by the type hint of the field that holds it.
"""

import dataclasses
import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from titans_seq.errors import UserError, did_you_mean
from titans_seq.files import read_text
from titans_seq.registry import class_of, kind_of, kinds_within, register

__all__ = [
    "describe_differences",
    "differences",
    "from_dict",
    "from_yaml",
    "parse_yaml",
    "read_yaml",
    "register",
    "to_dict",
    "to_yaml",
]

T = TypeVar("T")

_SHOWN_CHANGES = 5

_SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def to_dict(config: Any) -> Any:
    """Turn a configuration into dictionaries, lists, numbers, strings, booleans and None.

    Args:
        config: a dataclass instance, or any nesting of tuples, lists and string-keyed mappings of such.

    Raises:
        TypeError: if it holds a value of another type, which a file could not give back.

    Example:
        >>> @register("doc-mlp")
        ... @dataclasses.dataclass(frozen=True)
        ... class MLP:
        ...     depth: int = 2
        >>> @dataclasses.dataclass(frozen=True)
        ... class Model:
        ...     width: int
        ...     memory: MLP
        >>> to_dict(Model(width=8, memory=MLP(depth=3)))
        {'width': 8, 'memory': {'kind': 'doc-mlp', 'depth': 3}}
    """
    if config is None or type(config) in _SCALARS:
        return config
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        kind = kind_of(type(config))
        tag = {} if kind is None else {"kind": kind}
        return tag | {field.name: to_dict(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, Mapping) and all(isinstance(key, str) for key in config):
        return {key: to_dict(value) for key, value in config.items()}
    if isinstance(config, (tuple, list)):
        return [to_dict(value) for value in config]
    raise TypeError(f"a configuration cannot hold {config!r} of type {type(config).__name__}")


def from_dict(data: Mapping[str, Any], expected: type[T] | None = None) -> T:
    """Rebuild what `to_dict` made.

    Args:
        data: the dictionary. Where no type hint fixes the class it needs a `kind`.
        expected: the class to build, if it is known; without it `data` must have a `kind`.

    Raises:
        UserError: naming the path (`memory.depth`) of an unknown kind or field, a missing field, or a value
            of the wrong type or refused by its class.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Grid:
        ...     sizes: tuple[int, ...]
        ...     rate: float = 0.5
        >>> from_dict({"sizes": [1, 2], "rate": 1}, Grid)
        Grid(sizes=(1, 2), rate=1.0)
        >>> from_dict({"sizes": [1, 2], "rat": 1}, Grid)
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: rat: unknown field, expected one of sizes, rate; did you mean 'rate'?
    """
    return _build_dataclass(data, expected, "")


def differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """Say in what two configurations differ, a line for each value.

    Args:
        before: what `to_dict` made.
        now: likewise.
        name: where in a larger configuration they stand.

    Example:
        >>> list(differences({"memory": {"heads": 2, "chunk_size": 16}}, {"memory": {"heads": 2, "chunk_size": 32}}))
        ['memory.chunk_size was 16, is 32']
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping) and before.keys() == now.keys():
        triples = [(key, before[key], now[key]) for key in now]
    elif isinstance(before, (list, tuple)) and isinstance(now, (list, tuple)) and len(before) == len(now):
        triples = [(str(i), *pair) for i, pair in enumerate(zip(before, now, strict=True))]
    else:
        if before != now:
            yield f"{name} was {_short(before)}, is {_short(now)}"
        return
    for key, old, new in triples:
        yield from differences(old, new, _join(name, key))


def describe_differences(before: Any, now: Any, name: str = "") -> str:
    """Say in what two configurations differ, at most five values, for a sentence.

    Args:
        before: a configuration, or what `to_dict` made of one.
        now: likewise.
        name: where in a larger configuration they stand.
    """
    changes = list(differences(to_dict(before), to_dict(now), name))
    more = f"; and {len(changes) - _SHOWN_CHANGES} more" if len(changes) > _SHOWN_CHANGES else ""
    return "; ".join(changes[:_SHOWN_CHANGES]) + more


def to_yaml(config: Any) -> str:
    """Write a configuration, or what `to_dict` made of one, as YAML text.

    Example:
        >>> print(to_yaml({"kind": "mlp", "depth": 2}), end="")
        kind: mlp
        depth: 2
    """
    return yaml.dump(to_dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str, source: str = "the configuration") -> dict[str, Any]:
    """Read YAML text that holds one mapping with string keys.

    Args:
        text: the text; `1e-3` is read as a number, which plain YAML 1.1 takes for a string.
        source: what to call the text in messages, a file name for example.

    Raises:
        UserError: if it is not YAML or has a key twice, naming the line, or is not such a mapping.

    Example:
        >>> parse_yaml("lr: 1e-3")
        {'lr': 0.001}
    """
    try:
        # A subclass of the safe loader: it makes plain values only.
        data = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # What is missing at the end is missing on the last line, not on one behind it.
        line = "" if mark is None else f", line {min(mark.line + 1, len(text.splitlines()))}"
        problem = getattr(error, "problem", None) or str(error)
        raise UserError(f"{source}{line}: not valid YAML ({problem}): correct it or restore the file") from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise UserError(f"{source}: expected a mapping of names to values, got {_describe(data)}")
    return data


def read_yaml(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a YAML file that holds one mapping with string keys; see `parse_yaml`.

    Raises:
        UserError: if it is damaged; the message names the file.
        OSError: if it cannot be opened.
    """
    return parse_yaml(read_text(path), str(path))


def from_yaml(text: str, expected: type[T] | None = None, source: str = "the configuration") -> T:
    """Rebuild a configuration from YAML text; see `from_dict` and `parse_yaml`.

    Raises:
        UserError: if the text is no such configuration; the message begins with `source`.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Step:
        ...     rate: float
        >>> from_yaml("rate: 1e-3", Step)
        Step(rate=0.001)
    """
    data = parse_yaml(text, source)
    try:
        return from_dict(data, expected)
    except UserError as error:
        raise UserError(f"{source}: {error}") from error


# The same in C, eight times as fast, where PyYAML was built with it.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):
    """Safe loader that refuses a key given twice, of which PyYAML keeps the last.

    It also reads 1e5 and 1.5e3 as numbers, and reads 2020-01-01, 10:30, 1:30.5 and 010 as text.
    """

    def construct_document(self, node: yaml.Node) -> Any:
        """Build the values; before that a mapping holds its own keys alone, and not what `<<` merges into it."""
        _refuse_repeated_keys(node)
        return super().construct_document(node)


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes text which `_Loader` would read as a float."""


def _refuse_repeated_keys(root: yaml.Node) -> None:
    nodes, seen = [root], set()
    while nodes:
        node = nodes.pop()
        if node in seen:  # several aliases may lead there, or one from within
            continue
        seen.add(node)
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            nodes += [value for _, value in node.value]
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE]
            first: dict[str, yaml.Node] = {}
            for key in keys:
                if first.setdefault(key.value, key) is not key:
                    before = first[key.value].start_mark.line + 1
                    problem = f"{key.value!r} is given twice, first on line {before}"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)


_MERGE = "tag:yaml.org,2002:merge"
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_READ_OTHERWISE = ("tag:yaml.org,2002:timestamp", _INT, _FLOAT)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag not in _READ_OTHERWISE]
    for first, resolvers in _SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _INT, re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)\Z"), list("-+0123456789")
)
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        _FLOAT,
        re.compile(
            r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
            r"|\.(?:inf|Inf|INF))\Z|\.(?:nan|NaN|NAN)\Z"
        ),
        list("-+0123456789."),
    )


def _build(value: Any, hint: Any, path: str) -> Any:
    """Give `value`, read from a file, the type that `hint` asks for."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return _build_dataclass(value, None, path) if isinstance(value, Mapping) and "kind" in value else value
    if origin is Literal:
        if value not in arguments:
            raise _wrong(path, value, "one of " + ", ".join(map(repr, arguments)), arguments)
        return value
    if origin in (Union, types.UnionType):
        return _build_union(value, arguments, path)
    if origin in (tuple, list, Sequence):
        return _build_sequence(value, origin, arguments, path)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(path, value, "a mapping of names to values")
        return {key: _build(item, arguments[1], _join(path, key)) for key, item in value.items()}
    if hint is types.NoneType:
        if value is not None:
            raise _wrong(path, value, "nothing (null)")
        return None
    if hint is float and type(value) is int:
        return float(value)
    if hint is int and isinstance(value, str) and re.fullmatch(r"[-+]?0[0-9]+", value):
        return int(value)  # as flags read it; YAML 1.1 takes 010 for 8, and 08 for text
    if hint in _SCALARS:
        if type(value) is not hint:
            raise _wrong(path, value, _SCALARS[hint])
        return value
    return _build_dataclass(value, hint, path)


def _build_union(value: Any, members: Sequence[Any], path: str) -> Any:
    classes = tuple(member for member in members if isinstance(member, type))
    if isinstance(value, Mapping) and "kind" in value and kinds_within(classes):
        return _build_dataclass(value, classes, path)
    if value is None and types.NoneType in members:
        return None
    problems = []
    for member in members:
        if member is not types.NoneType:
            try:
                return _build(value, member, path)
            except UserError as error:
                problems.append(str(error))
    raise UserError("; or ".join(problems))


def _build_sequence(value: Any, origin: Any, arguments: tuple[Any, ...], path: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _wrong(path, value, "a list")
    fixed = origin is tuple and arguments[-1:] != (...,)
    if fixed and len(value) != len(arguments):
        raise _wrong(path, value, f"a list of {len(arguments)}")
    hints = arguments if fixed else arguments[:1] * len(value)
    items = [_build(item, hint, f"{path}[{i}]") for i, (item, hint) in enumerate(zip(value, hints, strict=True))]
    return items if origin is list else tuple(items)


def _build_dataclass(value: Any, hint: Any, path: str) -> Any:
    """Build the dataclass that `value` describes; `hint` is the class or classes it must be, or None."""
    if not isinstance(value, Mapping):
        raise _wrong(path, value, "a mapping of names to values")
    cls = _choose_class(value, hint, path)
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    arguments = {}
    for name, item in value.items():
        if name == "kind" and kind_of(cls) is not None:
            continue
        if name not in fields:
            known = "one of " + ", ".join(fields) if fields else "no field at all"
            raise UserError(f"{_join(path, name)}: unknown field, expected {known}{did_you_mean(name, fields)}")
        arguments[name] = _build(item, hints[name], _join(path, name))
    for name, field in fields.items():
        has_default = (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        if not has_default and name not in arguments:
            raise UserError(f"{_join(path, name)}: missing, and it has no default: add it")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise UserError(f"{path}: {error}" if path else str(error)) from error


def _choose_class(value: Mapping[str, Any], hint: Any, path: str) -> Any:
    kind = value.get("kind")
    plain = isinstance(hint, type) and dataclasses.is_dataclass(hint)
    if plain and (kind is None or kind_of(hint) is None):
        return hint
    admitted = kinds_within(hint)
    if kind in admitted:
        return class_of(kind)
    what = "missing" if kind is None else f"unknown kind {kind!r}"
    known = "one of " + ", ".join(admitted) if admitted else "a registered kind, and there is none"
    raise UserError(f"{_join(path, 'kind')}: {what}, expected {known}{did_you_mean(kind, admitted)}")


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _wrong(path: str, value: Any, expected: str, choices: Iterable[Any] = ()) -> UserError:
    where = path or "the configuration"
    return UserError(f"{where}: expected {expected}, got {_describe(value)}{did_you_mean(value, choices)}")


def _describe(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("kind", "{...}"))
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
