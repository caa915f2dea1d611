import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import forecasting as runner
from forecasting.benchmark import run as benchmarking
from forecasting.benchmark.datasets import BENCHMARKS
from forecasting.benchmark.run import run_benchmark, validation_loader
from forecasting.settings import presets
from forecasting.windows.arrays import ItemArrays
from forecasting.windows.cutting import Windows
from titans_seq.errors import UserError
from titans_seq.experiment.overrides import override
from titans_seq.jsonl import append_row, read_rows

FAST = {"optimiser.epochs": 2, "batches_per_epoch": 3, "network.width": 8, "validation_windows": 64}


@pytest.fixture(scope="module")
def ili_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up file in the place of the smallest set, whose splits and window counts are the real ones."""
    folder = tmp_path_factory.mktemp("data")
    benchmark = BENCHMARKS["ILI"]
    steps = np.arange(benchmark.rows)
    values = np.sin(steps[:, None] * 2 * np.pi / 52 + np.arange(7)) + 0.001 * steps[:, None]
    frame = pd.DataFrame({f"c{i}": values[:, i] for i in range(7)})
    frame.insert(0, "date", pd.date_range("2002-01-01", periods=benchmark.rows, freq="7D"))
    frame.to_csv(folder / benchmark.file, index=False)
    return folder


@pytest.fixture(autouse=True)
def _unhashed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BENCHMARKS, "ILI", replace(BENCHMARKS["ILI"], blob_sha1=None))


def test_one_run_gives_a_row_that_says_everything(ili_folder: Path):
    row = run_benchmark("ILI", ili_folder, 24, seed=3, overrides=FAST)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert (row["dataset"], row["horizon"], row["context"], row["mixer"], row["seed"]) == (
        "ILI",
        24,
        36,
        "memory",
        3,
    )
    assert row["windows"] == {"train": 617, "validation": 74, "test": 170}
    assert set(row["baselines"]) == {"repeat last", "closed-form linear"}
    for scores in (row["validation"], row["test"], *row["baselines"].values()):
        assert 0 < scores["mse"] < 10
        assert 0 < scores["mae"] < 10
    assert row["epochs"] == 2
    assert row["best_epoch"] in (0, 1)
    assert row["seconds"] >= row["seconds_per_epoch"] > 0
    assert row["seconds_per_epoch"] == pytest.approx(row["seconds"] / 2, abs=0.02)
    assert row["parameters"] > 1000
    assert row["config"]["optimiser"]["epochs"] == 2
    assert row["overrides"] == FAST
    again = run_benchmark("ILI", ili_folder, 24, seed=3, overrides=FAST, baselines=row["baselines"])
    assert again["test"] == row["test"]
    other = run_benchmark("ILI", ili_folder, 24, seed=4, mixer="identity", overrides=FAST, baselines={})
    assert other["test"] != row["test"]
    assert other["baselines"] == {}


def test_real_etth1(shared_data: Path):
    row = run_benchmark(
        "ETTh1", shared_data / "forecasting", 96, mixer="identity", overrides=FAST | {"optimiser.epochs": 1}
    )
    assert row["windows"]["test"] == 2785
    # Published for this baseline.
    assert row["baselines"]["closed-form linear"]["mse"] == pytest.approx(0.383, abs=5e-4)
    assert row["baselines"]["seasonal naive 24"]["mse"] == pytest.approx(0.512, abs=5e-4)


def test_the_test_part_is_read_once_after_training(ili_folder: Path, monkeypatch: pytest.MonkeyPatch):
    order = []
    fit, score = benchmarking.fit_network, benchmarking.evaluate_windows

    def traced_fit(*arguments, **options):
        order.append("fit")
        return fit(*arguments, **options)

    def traced_score(predict, windows):
        order.append(len(windows))
        return score(predict, windows)

    monkeypatch.setattr(benchmarking, "fit_network", traced_fit)
    monkeypatch.setattr(benchmarking, "evaluate_windows", traced_score)
    run_benchmark("ILI", ili_folder, 24, overrides=FAST, baselines={})
    assert order == ["fit", 74, 170]


def test_validation_loader_takes_about_so_many_windows():
    windows = Windows([ItemArrays(np.zeros((1000, 1), np.float32))], context=4, horizon=2)
    assert sum(len(batch) for batch in validation_loader(windows, 300)) == 512
    assert sum(len(batch) for batch in validation_loader(windows, None)) == len(windows)


def test_what_is_wrong_is_said_before_training(ili_folder: Path):
    with pytest.raises(UserError, match="unknown benchmark 'ETTh9': did you mean"):
        run_benchmark("ETTh9", ili_folder, 96)
    with pytest.raises(UserError, match="unknown mixer 'x'"):
        run_benchmark("ILI", ili_folder, 24, mixer="x")
    with pytest.raises(UserError, match="leave a part without windows"):
        run_benchmark("ILI", ili_folder, 500)
    with pytest.raises(UserError, match=r"ETTh1: no ETTh1\.csv or ETTh1\.csv\.gz in"):
        run_benchmark("ETTh1", ili_folder, 96)


def test_rows_are_appended_whole_by_many_writers(tmp_path: Path):
    path = tmp_path / "deep" / "rows.jsonl"
    writers = [threading.Thread(target=append_row, args=(path, {"seed": i, "x": "y" * 5000})) for i in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(row["seed"] for row in read_rows(path)) == list(range(20))
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_row(path, {"x": float("nan")})
    assert len(read_rows(path)) == 20


def test_a_broken_line_is_named(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a":\n')
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2: not JSON"):
        read_rows(path)
    path.write_text("[]\n")
    with pytest.raises(UserError, match="line 1: not a JSON object"):
        read_rows(path)
    assert read_rows(tmp_path / "none.jsonl") == []


def test_the_runner_skips_what_is_there_and_prints_the_table(
    ili_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    recipe = override(presets.BENCHMARK_DEFAULT, FAST)
    monkeypatch.setitem(presets.BENCHMARK_RECIPES, "ILI", recipe)
    out = tmp_path / "rows.jsonl"
    arguments = ["--datasets", "ILI", "--horizons", "24", "--seeds", "0", "1", "--out", str(out)]
    arguments += ["--data-dir", str(ili_folder)]
    assert runner.main(arguments) == 0
    assert [row["seed"] for row in read_rows(out)] == [0, 1]
    assert runner.main(arguments) == 0
    assert len(read_rows(out)) == 2
    assert "ILI 24 memory seed 0: there already" in capsys.readouterr().out

    assert runner.main(["--table", "--out", str(out)]) == 0
    table = capsys.readouterr().out
    scores = [row["test"]["mse"] for row in read_rows(out)]
    assert f"| ours, memory (2 seeds) | {np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}" in table
    assert "| closed-form linear | " in table
    assert "(170), look-back 36" in table

    # Rows of another recipe count for nothing.
    monkeypatch.setitem(presets.BENCHMARK_RECIPES, "ILI", override(recipe, {"optimiser.lr": 0.5}))
    assert runner.main(["--table", "--out", str(out)]) == 2
    assert "there are no rows made by the present recipes" in capsys.readouterr().err


def test_the_table_sets_the_published_rows_beside_ours():
    def row(horizon: int, seed: int, mse: float) -> dict:
        recipe = benchmarking.benchmark_run_recipe("ETTh1", horizon, "memory")
        return {
            "dataset": "ETTh1", "horizon": horizon, "context": 96, "mixer": "memory", "seed": seed,
            "windows": {"test": 2785}, "test": {"mse": mse, "mae": 0.4}, "overrides": {},
            "baselines": {"closed-form linear": {"mse": 0.438, "mae": 0.427}},
            "seconds": 60.0, "seconds_per_epoch": 6.0, "config": benchmarking.to_dict(recipe),
            "machine": {"device": "cpu", "threads": 1},
        }  # fmt: skip

    rows = [row(horizon, seed, 0.4 + seed / 100) for horizon in (96, 192, 336, 720) for seed in (0, 1)]
    lines = runner.tables([*rows, row(96, 2, 0.9)]).splitlines()
    # The mean over horizons leaves out the third seed, which has one horizon only.
    assert lines[4].endswith("| **0.405 ± 0.007 / 0.400 ± 0.000** | 6.0 | 60 |")
    assert "| closed-form linear | 0.438/0.427 | 0.438/0.427 | 0.438/0.427 | 0.438/0.427 | 0.438/0.427 | | |" in lines
    assert "| Titans LMM [T] | - | - | - | - | 0.420/0.421 | | |" in lines
    assert "| CycleNet-Linear [C] | 0.378/0.391 | 0.427/0.419 | 0.464/0.439 | 0.462/0.461 | 0.433/0.428 | | |" in lines
