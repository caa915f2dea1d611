"""The verbs of a group of commands: a table, each entry loaded only when it is asked for."""

import difflib
import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from titans_seq.errors import UserError


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        options: where the class of its options stands, as `package.module:Class`; its docstring is the verb's help.
        handler: where its function stands, likewise; called with an instance of that class.
        help: one line for the group's help.
        examples: command lines for its help, after the program's name.
    """

    options: str
    handler: str
    help: str
    examples: tuple[str, ...]


def run_verb(verbs: Mapping[str, Verb], summary: str, argv: Sequence[str], prog: str) -> int:
    """Run one command line of a group and return its exit code.

    Args:
        verbs: the group's table.
        summary: one line that says what the group is for.
        argv: the arguments after the group's name.
        prog: the program name to show in the help.

    Raises:
        UserError: if there is no such verb, or the verb finds its input wrong; the message says what to do.

    Example:
        >>> run_verb({}, "Nothing yet.", ["--help"], "titans none")  # doctest: +ELLIPSIS
        usage: titans none VERB ...
        0
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(_help(verbs, summary, prog))
        return 0 if argv else 2
    name, rest = argv[0], argv[1:]
    if name not in verbs:
        close = difflib.get_close_matches(name, verbs, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"see {prog} --help"
        raise UserError(f"unknown verb '{name}': expected one of {', '.join(verbs)}; {hint}")
    try:
        options = _parse(verbs[name], rest, f"{prog} {name}")
    except SystemExit as end:  # help was asked for, or the parser has said what is wrong
        return end.code if isinstance(end.code, int) else 2
    _load(verbs[name].handler)(options)
    return 0


def _load(target: str) -> Any:
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def _parse(verb: Verb, arguments: Sequence[str], prog: str) -> Any:
    import tyro

    cls = _load(verb.options)
    examples = "\n".join(f"  {prog} {example}" for example in verb.examples)
    return tyro.cli(
        cls,
        prog=prog,
        args=arguments,
        description=f"{inspect.getdoc(cls)}\n\nexamples:\n{examples}",
        config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff),
    )


def _help(verbs: Mapping[str, Verb], summary: str, prog: str) -> str:
    width = max(map(len, verbs), default=0) + 2
    rows = "\n".join(f"  {name:<{width}}{verb.help}" for name, verb in verbs.items())
    firsts = "\n".join(f"  {prog} {name} {verb.examples[0]}" for name, verb in verbs.items())
    return (
        f"usage: {prog} VERB ...\n\n"
        f"{summary}\n\n"
        f"verbs:\n{rows}\n\n"
        "options:\n"
        f"  -h, --help   show this help; `{prog} VERB --help` shows a verb's\n\n"
        f"examples:\n{firsts}"
    )
