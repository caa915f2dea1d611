"""Two processes over gloo, as `--devices 2` starts them, against one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

# Batches of five windows, which two processes cannot share evenly; dropout differs in each.
OPTIONS = [
    *("--context", "12", "--epochs", "2", "--width", "8", "--batch-size", "5", "--batches-per-epoch", "3"),
    *("--set", "network.dropout=0", "--set", "network.head.dropout=0"),
]


def train(data: Path, out: Path, repository: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return titans(data.parent, repository, "train", str(data), "--horizon", "4", *options, "--out", str(out))


def titans(folder: Path, repository: Path, *options: str) -> subprocess.CompletedProcess[str]:
    # The processes run the same command again, which needs a file.
    script = folder / "titans.py"
    script.write_text("import sys\nfrom titans_seq.cli import main\nsys.exit(main())\n")
    environment = {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, script, "forecast", *options, "--accelerator", "cpu", "--progress", "none"],
        cwd=folder,
        env=environment,
        timeout=500,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path: Path, repository: Path) -> None:
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    values = 10 + np.sin(np.arange(90) * 2 * np.pi / 7) + 0.1 * np.random.default_rng(0).normal(size=90)
    data = tmp_path / "sales.csv"
    pd.DataFrame({"day": days, "sold": values}).to_csv(data, index=False)
    for name, devices in (("one", ()), ("two", ("--devices", "2"))):
        done = train(data, tmp_path / name, repository, *OPTIONS, *devices)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("the run is in") == 1
        log = [pd.read_json(tmp_path / which / "log.jsonl", lines=True) for which in ("one", name)]
        np.testing.assert_allclose(log[0]["loss"], log[1]["loss"], atol=1e-4)
    assert (tmp_path / "two" / "model").is_dir()


@pytest.mark.slow
def test_parameters_are_not_shared_out(tmp_path: Path, repository: Path) -> None:
    data = tmp_path / "a.csv"
    pd.DataFrame({"day": pd.date_range("2024-01-01", periods=60, freq="D"), "v": np.arange(60.0)}).to_csv(data)
    done = train(data, tmp_path / "run", repository, *OPTIONS, "--strategy", "fsdp")
    assert done.returncode == 2
    assert "use --strategy ddp" in done.stderr


@pytest.mark.slow
def test_batches_of_one_resolution_train_in_two_processes(tmp_path: Path, repository: Path) -> None:
    run = tmp_path / "p"
    small = ("network.width=8", "training.batches.tokens=128", "training.validation_pools=1")
    settings = [option for change in small for option in ("--set", change)]
    made = titans(tmp_path, repository, "pretrain", "--out", str(run), "--steps", "4", "--devices", "2", *settings)
    assert made.returncode == 0, made.stderr[-3000:]
    data = tmp_path / "a.csv"
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    pd.DataFrame({"day": days, "v": np.sin(np.arange(60.0))}).to_csv(data, index=False)
    tuned = train(data, tmp_path / "t", repository, "--init", str(run), "--steps", "3", "--devices", "2")
    assert tuned.returncode == 0, tuned.stderr[-3000:]
    assert (tmp_path / "t" / "model").is_dir()
