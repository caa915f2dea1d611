"""The commands of a group, and the options that several of them share; each command is loaded only when it runs."""

import contextlib
import importlib
import inspect
import io
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from tyro.conf import Positional, UseAppendAction, arg

from titans_seq.errors import UserError, choose, require_seed
from titans_seq.extras import check_packages
from titans_seq.progress import Progress, usual

if TYPE_CHECKING:
    from titans_seq.experiment.settings import Hardware, Runtime

T = TypeVar("T")

# An option that is left out says in its help what happens then; "default: None" would add nothing.
Maybe = Annotated[T | None, arg(help_behavior_hint="")]
Several = UseAppendAction[tuple[str, ...]]
(_POSITIONAL,) = Positional[str].__metadata__  # type: ignore[attr-defined]

# Options that stand among those around them, in the help too.
Inline = Annotated[T, arg(name="")]


@dataclass(frozen=True)
class Command:
    """One command; called with a command line, it runs.

    Attributes:
        options: class of its options, as `package.module:Class`; its docstring is the command's help. A method
            `defaults(self)` of it may return values of fields that a preset or a file gives: they are the defaults
            of what is not on the command line. One that has `RunOptions` as `run` says with a method `resumable(self)`
            which names a resumed run reads besides those of `RunOptions` and `Hardware`. A method `packages(self)`
            returns those that the handler comes to late, each with its extra: if one is missing, it does not begin.
        handler: its function, likewise; called with an instance of that class.
        help: one line for the group's help.
        examples: command lines for its help, after the program's name.
    """

    options: str
    handler: str
    help: str
    examples: tuple[str, ...]

    def __call__(self, argv: Sequence[str], prog: str) -> int:
        """Run one command line and return its exit code.

        Args:
            argv: the arguments after the command's name.
            prog: the program name to show in the help.

        Raises:
            UserError: if the command finds its input wrong; the message says what to do.
        """
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                options = _parse(self, argv, prog)
        except SystemExit as end:  # help was asked for, or the parser has said what is wrong
            if (error := _refusal(end)) is not None:
                raise error from end
            print(said.getvalue(), end="", file=sys.stderr)
            return end.code if isinstance(end.code, int) else 2
        if hasattr(options, "packages"):
            check_packages(f"`{prog}`", options.packages())
        _load(self.handler)(options)
        return 0


@dataclass(frozen=True)
class CommandGroup:
    """The commands of a group; called with a command line, it runs one of them.

    Attributes:
        summary: one line that says what the group is for.
        commands: by their names.
    """

    summary: str
    commands: Mapping[str, Command]

    def __call__(self, argv: Sequence[str], prog: str) -> int:
        """Run one command line and return its exit code.

        Args:
            argv: the arguments after the group's name.
            prog: the program name to show in the help.

        Raises:
            UserError: if there is no such command, or the command finds its input wrong; the message says what to do.

        Example:
            >>> CommandGroup("Nothing yet.", {})(["--help"], "titans none")  # doctest: +ELLIPSIS
            usage: titans none COMMAND ...
            0
        """
        if not argv or argv[0] in ("-h", "--help"):
            print(_help(self, prog))
            return 0 if argv else 2
        command = self.commands[choose(argv[0], self.commands, "command", hint=f"see {prog} --help")]
        return command(argv[1:], f"{prog} {argv[0]}")


@dataclass(frozen=True)
class SettingsOptions:
    """Where the settings come from: preset, then --config, then short flags, then --set."""

    config: Maybe[Path] = None
    """config.yaml of an earlier run, or its folder: its settings are taken where no option is given."""
    set: Annotated[Several, arg(metavar="PATH=VALUE")] = ()
    """Change any setting of model or training by its path in config.yaml, whatever preset, --config and flags say; give
    it once for each."""


@dataclass(frozen=True)
class RunOptions:
    """The run folder, and what is shown meanwhile."""

    out: Path
    """Folder of the run; nothing is written anywhere else."""
    resume: bool = False
    """Go on with the stopped run in --out, with its settings."""
    overwrite: bool = False
    """Replace the run in --out."""
    dry_run: bool = False
    """Show all settings as YAML, and stop before anything is trained or written."""
    logger: Maybe[str] = None
    """Log to tensorboard or wandb as well, through Lightning; wandb runs offline unless its own settings say not."""
    progress: Progress = field(default_factory=usual)
    """What to show meanwhile; in a file, lines if not given."""

    def runtime(self, hardware: "Hardware") -> "Runtime":
        """Return what training runs on and shows meanwhile."""
        from titans_seq.experiment.settings import Runtime

        return Runtime(hardware, self.progress, self.logger)


@dataclass(frozen=True)
class SeedOptions:
    """One training of each model a seed."""

    seeds: int = 1
    """Trainings of each model, with the seeds 0, 1, ..."""
    first_seed: int = 0
    """Begin with another seed."""

    def numbers(self) -> tuple[int, ...]:
        """Return the seeds.

        Raises:
            UserError: if there is none, or one is below 0.

        Example:
            >>> SeedOptions(seeds=3, first_seed=1).numbers()
            (1, 2, 3)
        """
        if self.seeds < 1:
            raise UserError(f"--seeds must be at least 1, got {self.seeds}")
        require_seed(self.first_seed, "--first-seed")
        return tuple(range(self.first_seed, self.first_seed + self.seeds))


def short(path: str, values: Mapping[str, Any] | None = None) -> Any:
    """Make a field of options a short flag for one setting, None where it is not given; see `changes`.

    Args:
        path: of the setting, as in `--set`.
        values: what the flag's values stand for, where that is something else.
    """
    return field(default=None, metadata={"sets": path, "values": values or {}})


def changes(options: Any) -> dict[str, Any]:
    """Return the settings that short flags change, by path.

    Example:
        >>> @dataclass(frozen=True)
        ... class Options:
        ...     pooling: str | None = short("classifier.pooling")
        ...     strands: str | None = short("classifier.strands")
        >>> changes(Options(strands="average"))
        {'classifier.strands': 'average'}
    """
    flags = [one for one in fields(options) if "sets" in one.metadata]
    given = {one.metadata["sets"]: (getattr(options, one.name), one.metadata["values"]) for one in flags}
    return {path: values.get(value, value) for path, (value, values) in given.items() if value is not None}


def run_in_turn(group: CommandGroup, lines: Sequence[str], prog: str) -> None:
    """Show and run some command lines of a group, one after the other.

    Args:
        group: the group.
        lines: what follows the program's name, as it would be written in a shell.
        prog: the program name.

    Raises:
        UserError: one of them was refused; those after it do not run.

    Example:
        >>> run_in_turn(CommandGroup("", {}), ["--help"], "titans none")  # doctest: +ELLIPSIS
        <BLANKLINE>
        1. titans none --help
        usage: titans none COMMAND ...
    """
    for number, line in enumerate(lines, 1):
        print(f"\n{number}. {prog} {line}", flush=True)
        group(shlex.split(line), prog)


def _refusal(end: BaseException) -> UserError | None:
    """What a class of settings says of its values; the parser would put it into a box of its own."""
    while (cause := end.__cause__ or end.__context__) is not None:
        end = cause
        if isinstance(end, UserError):
            return end
    return None


def _load(target: str) -> Any:
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def _parse(command: Command, arguments: Sequence[str], prog: str) -> Any:
    import tyro

    cls = _load(command.options)
    examples = "\n".join(f"  {prog} {example}" for example in command.examples)

    def parse(**default: Any) -> Any:
        return tyro.cli(
            cls,
            prog=prog,
            args=arguments,
            description=f"{inspect.getdoc(cls)}\n\nexamples:\n{examples}",
            config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff),
            **default,
        )

    options = parse()
    if hasattr(options, "resumable") and options.run.resume:
        _check_resumed(options, arguments)
    known = options.defaults() if hasattr(options, "defaults") else {}
    # What is on the command line comes again, so that it wins even where it is what the plain default is.
    return parse(default=replace(_plain(options), **known)) if known else options


def _check_resumed(options: Any, arguments: Sequence[str]) -> None:
    """Refuse what is on the command line, whatever its value, and would not be read beside --resume."""
    names = ("out", *options.resumable(), "accelerator", "devices", "nodes", "strategy", "logger", "progress")
    files = dict(_positionals(options))
    flags = [f"--{name}" for name in names if name not in files]
    given = [one.partition("=")[0].replace("_", "-") for one in arguments if one.startswith("--")]
    unread = [flag for flag in given if flag not in (*flags, "--resume", "--device")]
    unread += [str(value) for name, values in files.items() if name not in names for value in values]
    if unread:
        raise UserError(
            f"--resume goes on with the settings stored in the run, and would not read {', '.join(unread)}: leave out "
            f"all options but {', '.join(flags)}, or train anew with --overwrite"
        )


def _positionals(options: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Names of the arguments without a flag, and the values given for each."""
    for one in fields(options):
        value = getattr(options, one.name)
        if is_dataclass(value):
            yield from _positionals(value)
        elif _POSITIONAL in getattr(one.type, "__metadata__", ()):
            yield one.name, value if isinstance(value, tuple) else () if value is None else (value,)


def _plain(options: Any) -> Any:
    """Options that are as if nothing were given, but for those that have no default."""
    return replace(options, **{one.name: _default(one, getattr(options, one.name)) for one in fields(options)})


def _default(one: Field[Any], given: Any) -> Any:
    if one.default is not MISSING:
        return one.default
    if one.default_factory is not MISSING:
        return one.default_factory()
    return _plain(given) if is_dataclass(given) else given


def _help(group: CommandGroup, prog: str) -> str:
    width = max(map(len, group.commands), default=0) + 2
    rows = "\n".join(f"  {name:<{width}}{command.help}" for name, command in group.commands.items())
    firsts = "\n".join(f"  {prog} {name} {command.examples[0]}" for name, command in group.commands.items())
    return (
        f"usage: {prog} COMMAND ...\n\n"
        f"{group.summary}\n\n"
        f"commands:\n{rows}\n\n"
        "options:\n"
        f"  -h, --help   show this help; `{prog} COMMAND --help` shows a command's\n\n"
        f"examples:\n{firsts}"
    )
