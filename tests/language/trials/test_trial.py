"""Trials as a whole: what is trained, what is written, what is not run twice, and what is shown."""

import json
from pathlib import Path

import pytest

from language.trials import Plan, TrialSettings, markdown, run_trials, summarise, tables, trial, trial_rows
from language.trials.picture import draw
from language.trials.report import cells, mean_scores
from titans_seq.errors import UserError
from titans_seq.jsonl import append_row, read_rows


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "trials.jsonl"


def test_a_model_with_memory_learns_a_small_task(tiny_task: str, small: TrialSettings, rows_file: Path) -> None:
    settings = small.changed(steps=200, batch=32, stop_at=1.0, lr=(2e-2,))
    row = run_trials(Plan(tiny_task, ("lmm",), (0,), settings), rows_file)[0]
    assert row["training"]["reached"]
    assert row["training"]["steps"] < 200
    assert row["test"][0] == {"length": 6, "sequences": 32, "score": 1.0}


def test_rows_say_what_was_done(tiny_task: str, small: TrialSettings, rows_file: Path) -> None:
    row = run_trials(Plan(tiny_task, ("window",), (3,), small, longest=12), rows_file)[0]
    assert json.loads(rows_file.read_text()) == row
    assert {name: row[name] for name in ("kind", "task", "model", "seed", "lr")} == {
        "kind": "trial",
        "task": "tiny",
        "model": "window",
        "seed": 3,
        "lr": 0.01,
    }
    assert row["settings"]["model"]["dim"] == 16
    assert row["settings"]["training"]["steps"] == 60
    assert [test["length"] for test in row["test"]] == row["test_lengths"] == [6, 12]
    assert row["training"]["history"][-1][0] == row["training"]["steps"]
    assert row["machine"]["threads"] == 1
    assert set(row["versions"]) == {"python", "titans-seq", "torch", "numpy"}
    assert row["parameters"] > 0
    assert set(row) >= {"commit", "date", "train_length"}


def test_what_is_there_is_not_run_again(tiny_task: str, small: TrialSettings, rows_file: Path) -> None:
    plan = Plan(tiny_task, ("window", "lmm"), (0, 1), small.changed(steps=2))
    ran: list[str] = []

    def stop_in_the_third(what: str, done: int, total: int, score: float | None) -> None:
        if what not in ran:
            ran.append(what)
        if what.startswith("lmm, seed 0"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trials(plan, rows_file, stop_in_the_third)
    assert [(row["model"], row["seed"]) for row in read_rows(rows_file)] == [("window", 0), ("window", 1)]
    ran.clear()
    results = run_trials(plan, rows_file, lambda what, *_: ran.append(what))
    assert [(row["model"], row["seed"]) for row in results] == [("window", 0), ("window", 1), ("lmm", 0), ("lmm", 1)]
    assert not any(what.startswith("window") for what in ran)
    ran.clear()
    assert run_trials(plan, rows_file, lambda what, *_: ran.append(what)) == results
    assert not ran
    # Other settings are another run.
    assert len(run_trials(Plan(tiny_task, ("window",), (0,), small.changed(steps=3)), rows_file)) == 1
    assert len(read_rows(rows_file)) == 5


def test_validation_chooses_the_learning_rate(tiny_task: str, small: TrialSettings, rows_file: Path) -> None:
    plan = Plan(tiny_task, ("window",), (0, 1), small.changed(lr=(1e-6, 2e-2), steps=30))
    results = run_trials(plan, rows_file)
    assert [row["lr"] for row in results] == [2e-2, 2e-2]
    rows = read_rows(rows_file)
    assert [(row["kind"], row["lr"], row["test"] == []) for row in rows] == [
        ("search", 1e-6, True),
        ("search", 2e-2, True),
        ("trial", 2e-2, False),
        ("trial", 2e-2, False),
    ]
    searched, trained = rows[1], rows[2]
    assert searched["training"]["history"] == trained["training"]["history"]


def test_plans_that_cannot_work_are_refused(tiny_task: str, small: TrialSettings) -> None:
    with pytest.raises(UserError, match="unknown task 'inductionheads'"):
        Plan("inductionheads", ("lmm",), (0,), small)
    with pytest.raises(UserError, match="unknown model 'llm': .*; did you mean 'lmm'"):
        Plan(tiny_task, ("lmm", "llm"), (0,), small)
    with pytest.raises(UserError, match="at least one model and one seed"):
        Plan(tiny_task, (), (0,), small)
    with pytest.raises(UserError, match="longest must be at least 6, the shortest test of tiny, got 5"):
        Plan(tiny_task, ("lmm",), (0,), small, longest=5)
    with pytest.raises(UserError, match="data folder"):
        Plan("scan-simple", ("lmm",), (0,), small)


def test_files_of_results_that_are_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    with pytest.raises(UserError, match="no results there yet: run a trial first"):
        trial_rows(file)
    append_row(file, {"seed": 1})
    with pytest.raises(UserError, match="line 1: not the row of a trial, which has kind, task"):
        trial_rows(file)
    file.write_text('{"a": 1}\n{"a":\n')
    with pytest.raises(UserError, match="line 2: not JSON"):
        read_rows(file)
    file.write_text("[1]\n")
    with pytest.raises(UserError, match="line 1: not a JSON object"):
        read_rows(file)


def row_of(model: str, seed: int, scores: dict[int, float], **settings: object) -> dict[str, object]:
    return {
        "kind": "trial",
        "task": "tiny",
        "model": model,
        "seed": seed,
        "lr": 0.003,
        "settings": {"model": {"dim": 16, **settings}, "training": {"steps": 10}},
        "parameters": 1234,
        "train_length": 6,
        "training": {"steps": 10 + seed, "cpu_seconds": 2.0, "diverged": model == "mac"},
        "test": [{"length": length, "sequences": 8, "score": score} for length, score in scores.items()],
    }


ROWS = [
    row_of("lmm", 0, {6: 1.0, 12: 0.5}),
    row_of("lmm", 1, {6: 1.0, 12: 0.75}),
    {**row_of("lmm", 0, {}), "kind": "search"},
    row_of("mac", 0, {6: 0.25}),
    row_of("lmm", 0, {6: 0.5, 12: 0.25}, dim=32),
]


def test_seeds_are_put_together_and_settings_kept_apart() -> None:
    summaries = summarise(ROWS)
    assert [(summary.label, len(summary.rows)) for summary in summaries] == [
        ("lmm, dim 16", 2),
        ("mac", 1),
        ("lmm, dim 32", 1),
    ]
    assert summaries[0].scores == {6: (1.0, 1.0, 1.0), 12: (0.625, 0.5, 0.75)}
    assert mean_scores(summaries[1].rows) == {6: (0.25, 0.25, 0.25)}


def test_a_later_run_of_the_same_seed_replaces_the_earlier() -> None:
    summary = summarise([*ROWS, row_of("mac", 0, {6: 0.75})])[1]
    assert summary.scores == {6: (0.75, 0.75, 0.75)}


def test_a_shorter_run_takes_no_column_away_and_other_files_are_another_line() -> None:
    first, second = row_of("mac", 0, {6: 0.75, 12: 0.5}), row_of("mac", 0, {6: 0.25})
    assert summarise([first, second])[0].scores == {6: (0.25, 0.25, 0.25), 12: (0.5, 0.5, 0.5)}
    # Of a name that two parts of the settings have, both values count.
    assert len(summarise([row_of("mac", 0, {6: 1.0}, steps=1), row_of("mac", 1, {6: 0.0}, steps=2)])) == 2
    labels = [one.label for one in summarise([first | {"data": "a" * 64}, second | {"data": "b" * 64}])]
    assert labels == ["mac, data aaaaaaaa", "mac, data bbbbbbbb"]


def test_the_table_has_a_line_a_model_and_a_column_a_length() -> None:
    assert cells(summarise(ROWS)) == [
        ["model", "parameters", "seeds", "lr", "steps", "CPU s", "6", "12"],
        ["lmm, dim 16", "1,234", "2", "0.003", "10", "2", "100.0", "62.5 (50.0-75.0)"],
        ["mac", "1,234", "1", "0.003", "10 (diverged)", "2", "25.0", "-"],
        ["lmm, dim 32", "1,234", "1", "0.003", "10", "2", "50.0", "25.0"],
    ]
    text = markdown(summarise(ROWS))
    assert text.startswith("## tiny\n\n| model | parameters |")
    assert "| mac | 1,234 | 1 | 0.003 | 10 (diverged) | 2 | 25.0 | - |\n" in text
    assert [table.row_count for table in tables(summarise(ROWS))] == [3]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tiny.{suffix}"
    draw(summarise(ROWS), 6, path)
    assert path.stat().st_size > 1_000
    if suffix == "svg":
        assert "training length" in path.read_text()


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a name that ends in .png, .pdf, .svg"):
        draw(summarise(ROWS), 6, tmp_path / "tiny.jpeg")
    assert not list(tmp_path.iterdir())


def test_other_files_are_another_run(tmp_path: Path, small: TrialSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(trial, "_run", lambda plan, *_: ran.append(str(plan.data)) or {"score": len(ran)})
    for name, text in (("a", "IN: jump OUT: I_JUMP"), ("b", "IN: run OUT: I_RUN")):
        (tmp_path / name / "scan").mkdir(parents=True)
        for part in ("train", "test"):
            (tmp_path / name / "scan" / f"tasks_{part}_simple.txt").write_text(text)
    found = [
        run_trials(Plan("scan-simple", ("window",), (0,), small, tmp_path / name), tmp_path / "rows.jsonl")[0]["score"]
        for name in ("a", "b", "a")
    ]
    assert found == [1, 2, 1]
