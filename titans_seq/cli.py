"""The `titans` command: a table of groups, each loaded only when it is asked for."""

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from titans_seq.ending import ending_on_sigterm
from titans_seq.errors import Terminated, UserError, choose
from titans_seq.extras import DISTRIBUTION, needing

EXIT_WRONG_INPUT = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE
EXIT_TERMINATED = 143  # 128 + SIGTERM


@dataclass(frozen=True)
class Group:
    """One group of commands.

    Args:
        target: where its entry stands, as `module:name`; called with the arguments that follow the
            group's name and with the program name to show in its help, it returns an exit code, or None for
            success.
        help: one line for `titans --help`.
        extra: the extra of the distribution that installs what the group needs, or None if the core suffices.
    """

    target: str
    help: str
    extra: str | None = None


GROUPS: dict[str, Group] = {
    "forecast": Group(
        "forecasting.cli.main:GROUP", "train, evaluate and use a forecaster on your own series", extra="forecasting"
    ),
    "lm": Group("language.cli.main:GROUP", "train, read with, evaluate and talk to language models", extra="language"),
    "dna": Group("genomics.cli.main:GROUP", "train, evaluate, use and explain classifiers of DNA", extra="genomics"),
    "inspect": Group("titans_seq.inspecting:COMMAND", "see whether the memories of any run are used, and how"),
    "plan": Group("titans_seq.plans:main", "what a training costs: parameters, FLOPs, memory, hours on a device"),
    "env": Group("titans_seq.env:main", "show versions, devices and the backend that would run"),
}

_REMEDIES = {
    errno.EEXIST: "a file has the name of a folder that is to be made: give another name",
    errno.ENOTDIR: "a part of this path is a file, not a folder: give another path",
    errno.EISDIR: "this is a folder, where a file is expected: name a file",
    errno.EACCES: "this user may not do that there: give another place, or change its permissions",
    errno.EROFS: "nothing can be written there: give another place",
    errno.ENOSPC: "make room, or write elsewhere",
    errno.ENAMETOOLONG: "give a shorter name",
}
"""What to do about an error of the operating system that no command has a message of its own for."""

EXAMPLES = """\
examples:
  titans forecast train data.csv --horizon 96 --context 96 --out runs/x
  titans forecast predict runs/x --out forecast.csv
  titans lm pretrain --preset tiny-mac --data shards/ --out runs/y
  titans lm --help
  titans dna train data/ --out runs/z
  titans inspect runs/y book.txt --out seen/
  titans plan --preset mac-340m --device h100
  titans plan dna data/
  titans env --json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `titans` command line and return its exit code.

    0 means success, 2 wrong input (a message on standard error says what to do), 130 an interrupt, 143 SIGTERM.

    Args:
        argv: the arguments after the program's name; None takes those of the process.

    Example:
        >>> main(["--version"])  # doctest: +ELLIPSIS
        titans-seq ...
        0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _mend_streams()
    try:
        with ending_on_sigterm():
            code = _run(arguments)
            # A reader that has gone away shows only when the buffer is written out.
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # What is still in the buffer would raise again at exit, so it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except UserError as error:
        for note in getattr(error, "__notes__", ()):
            print(f"note: {note}", file=sys.stderr)
        return _fail(str(error))
    except OSError as error:
        return _fail(_describe_os_error(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = f" ({str(error).splitlines()[0]})" if str(error) else ""
        return _fail(
            f"out of memory{reason}: take less at once or a smaller model; titans plan says what a training needs"
        )
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Terminated:
        print("terminated", file=sys.stderr)
        return EXIT_TERMINATED


def _mend_streams() -> None:
    """Put streams in place of those that were closed, and let none end the work over what it cannot encode."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the process lives
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: Sequence[str]) -> int:
    if not arguments:
        print(_help(), file=sys.stderr)
        return EXIT_WRONG_INPUT
    name, rest = arguments[0], arguments[1:]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name in ("-V", "--version"):
        print(f"{DISTRIBUTION} {_version()}")
        return 0
    if name not in GROUPS:
        choose(name, GROUPS, "option" if name.startswith("-") else "group", hint="see titans --help")
    return _run_group(name, GROUPS[name], rest)


def _run_group(name: str, group: Group, arguments: Sequence[str]) -> int:
    module_name, function_name = group.target.split(":")
    with needing(f"`titans {name}`", group.extra):
        entry = getattr(importlib.import_module(module_name), function_name)
        return entry(arguments, f"titans {name}") or 0


def _help() -> str:
    width = max(map(len, GROUPS)) + 2
    rows = "\n".join(f"  {name:<{width}}{group.help}" for name, group in GROUPS.items())
    return (
        "usage: titans GROUP ...\n\n"
        "Sequence models with the neural memory of Titans (arXiv 2501.00663).\n\n"
        f"groups:\n{rows}\n\n"
        "options:\n"
        "  -h, --help     show this help; `titans GROUP --help` shows a group's\n"
        "  -V, --version  show the version\n\n"
        f"{EXAMPLES}\n\n"
        "exit codes: 0 success, 2 wrong input, 130 interrupted, 143 terminated"
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "(a checkout that is not installed)"


def _describe_os_error(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    named = what if error.filename is None else f"{what}: {os.fspath(error.filename)!r}"
    return f"{named}: {_REMEDIES[error.errno]}" if error.errno in _REMEDIES else named


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether PyTorch, which is not imported here, or Python found no memory."""
    words = ("can't allocate memory", "not enough memory")
    return type(error).__name__ in ("MemoryError", "OutOfMemoryError") or any(word in str(error) for word in words)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return EXIT_WRONG_INPUT


if __name__ == "__main__":
    sys.exit(main())
