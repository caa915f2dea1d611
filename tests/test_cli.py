import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from titans_seq import cli
from titans_seq.errors import UserError

LESS = "take less at once or a smaller model; titans plan says what a training needs"
CPU = "(DefaultCPUAllocator: can't allocate memory: 9 bytes)"
HEAVY = ("torch", "lightning", "numpy", "pandas", "tyro", "rich")


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


@pytest.fixture
def add_group(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a group `demo` into the table, whose entry is the function given."""

    def add(entry: Callable[[Sequence[str], str], int | None], extra: str | None = None) -> None:
        module = ModuleType("demo_group")
        vars(module)["main"] = entry
        monkeypatch.setitem(sys.modules, "demo_group", module)
        monkeypatch.setitem(cli.GROUPS, "demo", cli.Group("demo_group:main", "a demo", extra))

    return add


def failing(error: BaseException) -> Callable[[Sequence[str], str], int | None]:
    def entry(argv: Sequence[str], prog: str) -> int | None:
        raise error

    return entry


def loaded_by(arguments: list[str], before: str = "pass") -> set[str]:
    """Heavy packages that a `titans` command line loads in a process of its own."""
    code = (
        f"{before}; import sys; from titans_seq.cli import main; code = main(sys.argv[1:]); "
        f"print('loaded', *[name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "loaded"
    return set(last[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_by(arguments) == set()


@pytest.mark.parametrize("command", ["forecast train", "lm pretrain", "dna train", "dna pretrain"])
def test_the_help_of_a_training_loads_neither_torch_nor_its_like(command: str) -> None:
    assert loaded_by([*command.split(), "--help"]) <= {"tyro", "rich"}


def test_the_check_for_heavy_packages_can_fail() -> None:
    assert "numpy" in loaded_by(["--help"], before="import numpy")


def test_help_lists_every_group_and_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, group in cli.GROUPS.items():
        assert f"  {name} " in out
        assert group.help in out
    assert "titans forecast train data.csv --horizon 96" in out


def test_without_arguments_it_shows_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: titans GROUP" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "forecst",
            "error: unknown group 'forecst': expected one of forecast, lm, dna, inspect, plan, env; "
            "did you mean 'forecast'?\n",
        ),
        (
            "--verson",
            "error: unknown option '--verson': expected one of forecast, lm, dna, inspect, plan, env; "
            "see titans --help\n",
        ),
    ],
)
def test_unknown_group(given: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([given]) == 2
    assert capsys.readouterr().err == message


def test_group_gets_its_arguments_and_name(add_group: Callable[..., None]) -> None:
    seen: list[object] = []

    def entry(argv: Sequence[str], prog: str) -> None:
        seen.extend([list(argv), prog])

    add_group(entry)
    assert cli.main(["demo", "train", "--help"]) == 0
    assert seen == [["train", "--help"], "titans demo"]


def test_group_gives_the_exit_code(add_group: Callable[..., None]) -> None:
    add_group(lambda argv, prog: 3)
    assert cli.main(["demo"]) == 3


def test_missing_extra_names_the_install_command(
    add_group: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    add_group(failing(ModuleNotFoundError("No module named 'pandas'", name="pandas.api")), extra="forecasting")
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == (
        "error: `titans demo` needs the package 'pandas', which is not installed: "
        "run pip install 'titans-seq[forecasting]'\n"
    )


@pytest.mark.parametrize(
    ("line", "package", "extra"),
    [
        ("forecast demo --out {out}", "statsmodels", "forecasting"),
        ("forecast train a.csv --horizon 2 --statistics --out {out}", "statsforecast", "statistics"),
        ("forecast backtest a.csv --horizon 2 --hierarchy mint", "hierarchicalforecast", "hierarchies"),
        ("lm pretrain --data shards --out {out}", "matplotlib", "language"),
        ("lm task induction-heads --out {out}", "matplotlib", "language"),
        ("lm evaluate run a.txt --out {out}", "matplotlib", "language"),
        ("lm demo --out {out}", "matplotlib", "language"),
        ("dna explain run a.fa --out {out}", "matplotlib", "genomics"),
        ("dna motifs run a.fa --out {out}", "modiscolite", "motifs"),
        ("dna motifs run a.fa --out {out}", "memelite", "motifs"),
        ("dna demo --out {out}", "matplotlib", "genomics"),
    ],
)
def test_what_is_come_to_late_is_missed_before_anything_begins(
    line: str,
    package: str,
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert cli.main([word.format(out=tmp_path / "out") for word in line.split()]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith(
        f" needs the package '{package}', which is not installed: run pip install 'titans-seq[{extra}]'\n"
    )
    assert not (tmp_path / "out").exists()


def test_missing_module_of_our_own_is_a_defect(add_group: Callable[..., None]) -> None:
    add_group(failing(ModuleNotFoundError("gone", name="titans_seq.gone")), extra="forecasting")
    with pytest.raises(ModuleNotFoundError, match="gone"):
        cli.main(["demo"])


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("horizon must be at least 1, got 0"), 2, "error: horizon must be at least 1, got 0\n"),
        (OSError(28, "No space left on device"), 2, "error: No space left on device: make room, or write elsewhere\n"),
        (
            FileExistsError(17, "File exists", "out"),
            2,
            "error: File exists: 'out': a file has the name of a folder that is to be made: give another name\n",
        ),
        (OSError(5, "Input/output error"), 2, "error: Input/output error\n"),
        (
            PermissionError(13, "Permission denied", "runs/x"),
            2,
            "error: Permission denied: 'runs/x': this user may not do that there: give another place, or change its "
            "permissions\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (MemoryError(), 2, f"error: out of memory: {LESS}\n"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes\nat"),
            2,
            f"error: out of memory {CPU}: {LESS}\n",
        ),
        (OutOfMemoryError("CUDA out of memory."), 2, f"error: out of memory (CUDA out of memory.): {LESS}\n"),
    ],
)
def test_errors_become_one_line(
    add_group: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    message: str,
) -> None:
    add_group(failing(error))
    assert cli.main(["demo"]) == code
    assert capsys.readouterr().err == message


def test_a_defect_keeps_its_traceback(add_group: Callable[..., None]) -> None:
    add_group(failing(ValueError("a programming error")))
    with pytest.raises(ValueError, match="a programming error"):
        cli.main(["demo"])


def test_a_reader_that_has_gone_away_is_no_error() -> None:
    code = "import sys; from titans_seq import cli; cli._help = lambda: 'x' * 1_000_000; sys.exit(cli.main(['--help']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(timeout=60) == 141
    assert errors == ""


def titans(arguments: str, redirections: str = "", before: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """A `titans` command line in a shell, after some code."""
    code = f"{before}\nimport sys; from titans_seq.cli import main; sys.exit(main())"
    line = f'exec "$0" -c "$1" {arguments} {redirections}'
    command = ["sh", "-c", line, sys.executable, code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | env)


@pytest.mark.parametrize(("closed", "shown"), [("<&-", True), (">&-", False), ("2>&-", True), ("<&- >&- 2>&-", False)])
def test_a_closed_stream_changes_no_exit_code(closed: str, shown: bool) -> None:
    done = titans("--version", closed)
    assert (done.returncode, bool(done.stdout), done.stderr) == (0, shown, "")
    done = titans("nothing", closed)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "ascii:strict"])
def test_what_the_terminal_cannot_encode_is_shown_in_escapes(encoding: str) -> None:
    before = "import types, sys; sys.modules['demo'] = types.ModuleType('demo')\n"
    before += "sys.modules['demo'].main = lambda *_: print('written: sh\\u6f22')\n"
    before += "from titans_seq import cli; cli.GROUPS['demo'] = cli.Group('demo:main', 'a demo')"
    done = titans("demo", before=before, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout, done.stderr) == (0, "written: sh\\u6f22\n", "")
