"""`titans lm task` on its own command line."""

from pathlib import Path

import pytest
import tyro

from language.cli.main import COMMANDS
from language.cli.task import TaskTrial, report, settings, task
from language.tasks import TASKS, InductionHeads, TaskRecipe, token_accuracy
from language.trials import Plan, default_settings
from titans_seq.errors import UserError

SMALL = "--dim 16 --window 4 --steps 2 --batch 4 --tests 8 --progress none".split()


def parse(*arguments: str) -> TaskTrial:
    return tyro.cli(
        TaskTrial, args=arguments, config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff), prog="titans lm task"
    )


@pytest.fixture
def tiny_task(monkeypatch: pytest.MonkeyPatch) -> str:
    recipe = TaskRecipe("", "", lambda split, data: InductionHeads(2), token_accuracy, 6, (6, 12))
    monkeypatch.setitem(TASKS, "tiny", recipe)
    return "tiny"


def test_a_trial_leaves_rows_a_table_and_a_picture(
    tiny_task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = tmp_path / "new"
    options = parse(tiny_task, "--model", "lmm", "--model", "window", "--seeds", "2", "--out", str(out), *SMALL)
    task(options)
    assert sorted(path.name for path in out.iterdir()) == ["tiny.md", "tiny.png", "trials.jsonl"]
    rows = (out / "trials.jsonl").read_text()
    assert len(rows.splitlines()) == 4
    shown = capsys.readouterr().out
    assert "lmm" in shown
    assert "window" in shown
    assert "12" in shown
    assert "…" not in shown
    assert (out / "tiny.md").read_text().count("\n| ") == 4
    task(options)
    assert (out / "trials.jsonl").read_text() == rows


def test_lines_of_progress(tiny_task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task(parse(tiny_task, "--model", "window", "--out", str(tmp_path), *SMALL[:-1], "lines"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("window, seed 0, lr 0.003: 2 of 2, score ")
    assert lines[-1].startswith("window, seed 0, lr 0.003, test at 12: 2 of 2, score ")


def test_a_bar_of_progress(tiny_task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task(parse(tiny_task, "--model", "window", "--out", str(tmp_path), *SMALL[:-2]))
    assert "written:" in capsys.readouterr().out


def test_the_tasks_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    task(parse("--list"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(TASKS)
    assert any(line.startswith("induction-heads") and "Mamba" in line for line in lines)


def test_what_is_not_given_is_the_tasks_own() -> None:
    assert settings(parse("mqar-128-8")) == default_settings("mqar-128-8")
    changed = settings(parse("mqar-128-8", "--lr", "1e-3", "1e-2", "--memory-rule", "deltanet", "--steps", "7"))
    assert changed.training.lr == (1e-3, 1e-2)
    assert changed.training.steps == 7
    assert changed.model.memory_rule == "deltanet"
    assert changed.model.dim == default_settings("mqar-128-8").model.dim


def test_mistakes_are_named_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "new"
    for arguments, message in (
        ((), "no task given: titans lm task --list shows all"),
        (("induction",), "unknown task 'induction'; did you mean 'induction-heads'"),
        (("parity", "--seeds", "0"), "--seeds must be at least 1, got 0"),
        (("parity", "--model", "gru"), "unknown model 'gru'"),
        (("parity", "--dim", "3"), "dim must be an even multiple of heads, got 3 and 2"),
        (("scan-simple",), "give a data folder"),
        (("parity", "--data", "texts"), "parity is made up: leave it out"),
    ):
        with pytest.raises(UserError, match=message):
            task(parse(*arguments, "--out", str(out)))
    assert not out.exists()
    with pytest.raises(UserError, match="no results there yet"):
        report(out, "parity")


@pytest.mark.parametrize("example", COMMANDS["task"].examples)
def test_examples_parse(example: str) -> None:
    options = parse(*example.split())
    if options.name is not None and options.data is None:
        assert Plan(options.name, options.model, (0,), settings(options)).models


def test_help_loads_no_torch(repository: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, tyro\nfrom language.cli.task import TaskTrial\n"
        "try:\n    tyro.cli(TaskTrial, args=['--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, capture_output=True)
