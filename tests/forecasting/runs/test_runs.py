import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from forecasting.data import FrameOptions, TableOptions
from forecasting.model import ForecastModel
from forecasting.runs.config import RunConfig
from forecasting.runs.runs import (
    backtest_run,
    evaluate_run,
    open_run,
    predict_run,
    train_run,
)
from forecasting.training.lightning_module import ForecastModule
from titans_seq.errors import UserError
from titans_seq.experiment.history import History
from titans_seq.experiment.record import read_config
from titans_seq.experiment.run_folder import last_checkpoint


class Killed(BaseException):
    """Stands for whatever ends a process."""


@pytest.fixture(scope="module")
def csv(wide_frame, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sold.csv"
    wide_frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(csv, tiny_config, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "x"
    train_run(csv, out, tiny_config())
    return out


@pytest.fixture(scope="module")
def whole(csv, tiny_config, tmp_path_factory) -> Path:
    """A run of two epochs that nothing stopped."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    train_run(csv, out, tiny_config(epochs=2))
    return out


def copied(run, out) -> Path:
    """A run of the test's own."""
    return Path(shutil.copytree(run, out))


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def weights(folder):
    return (folder / "model" / "weights.safetensors").read_bytes()


TRAINED = [
    "config.yaml",
    "log.jsonl",
    *(f"model/{name}" for name in ("card.md", "config.yaml", "state.json", "weights.safetensors")),
]


def test_a_run_holds_all_to_repeat_it_and_nothing_lies_elsewhere(csv, tiny_config, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    out = tmp_path / "runs" / "x"
    model = train_run(csv, out, tiny_config(epochs=2))
    assert files(out) == TRAINED
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    evaluate_run(out)
    backtest_run(out, windows=2)
    predict_run(out)
    assert set(files(out)) - set(TRAINED) == {
        "backtest.csv",
        "backtest_metrics.csv",
        "backtest_metrics.json",
        "forecast.csv",
        "metrics.csv",
        "metrics.json",
        "metrics_by_step.csv",
    }
    assert list(here.iterdir()) == []
    assert files(csv.parent) == ["sold.csv"]
    run = read_config(out, RunConfig)
    assert run.forecast == tiny_config(epochs=2)
    assert (run.options, run.table) == (FrameOptions(), TableOptions())
    assert (run.data.path, len(run.data.sha256)) == (str(csv), 64)
    assert run.origin.versions["torch"] == torch.__version__
    assert [row["epoch"] for row in model.history.rows] == [1, 2]
    assert History.read(out / "log.jsonl") == model.history
    # The configuration alone repeats the run.
    again = train_run(Path(run.data.path), tmp_path / "again", run.forecast, run.options, run.table)
    pd.testing.assert_frame_equal(again.predict(), model.predict(), check_exact=True)
    assert weights(tmp_path / "again") == weights(out)


def test_scores_are_written_as_csv_and_json(run):
    result = evaluate_run(run, season=7)
    written = json.loads((run / "metrics.json").read_text())
    assert (written["part"], written["windows"], written["season"]) == ("test", 22, 7)
    assert written["interval"] == [0.1, 0.9]
    assert list(written["scores"]) == result.table["model"].tolist()
    assert written["scores"]["repeat last"]["coverage"] is None
    assert written["scores"]["model"]["mse"] == result.table["mse"].iloc[0]
    pd.testing.assert_frame_equal(pd.read_csv(run / "metrics.csv"), result.table)
    pd.testing.assert_frame_equal(pd.read_csv(run / "metrics_by_step.csv"), result.by_step)


def test_backtests_are_written(run):
    result = backtest_run(run, windows=2)
    written = pd.read_csv(run / "backtest.csv", parse_dates=["cutoff", "day"])
    pd.testing.assert_frame_equal(written, result.forecasts.rename(columns={"time": "day"}))
    assert json.loads((run / "backtest_metrics.json").read_text())["windows"] == 2


def test_forecasts_are_written(run, csv, wide_frame, tmp_path):
    forecast = predict_run(run).frame
    written = pd.read_csv(run / "forecast.csv", parse_dates=["day"])
    pd.testing.assert_frame_equal(written, forecast)
    assert (run / "forecast.csv").read_text().splitlines()[1].startswith("a,2024-05-20,")
    new = tmp_path / "new.csv"
    wide_frame.head(100).to_csv(new, index=False)
    other = predict_run(run, new, tmp_path / "o.parquet", levels=(0.5,)).frame
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "o.parquet"), other)
    assert other["day"].iloc[0] == wide_frame["day"].iloc[100]
    with pytest.raises(UserError, match="a forecast is written as .csv or .parquet, got '.xlsx'"):
        predict_run(run, target=tmp_path / "o.xlsx")
    with pytest.raises(UserError, match="nothing.csv: no such file"):
        predict_run(run, tmp_path / "nothing.csv")


def test_known_covariates_of_a_run(wide_frame, tiny_config, tmp_path):
    frame = wide_frame.assign(price=1.0 * (wide_frame.index % 3))
    frame.to_csv(tmp_path / "data.csv", index=False)
    options = FrameOptions(known=("price",))
    train_run(tmp_path / "data.csv", tmp_path / "run", tiny_config(), options)
    with pytest.raises(UserError, match="the horizon of 7 steps needs 7"):
        predict_run(tmp_path / "run")
    days = pd.date_range("2024-05-20", periods=7)
    pd.DataFrame({"day": days, "price": 1.0}).to_csv(tmp_path / "future.csv", index=False)
    forecast = predict_run(tmp_path / "run", known_future=tmp_path / "future.csv").frame
    assert forecast["day"].tolist() == [*days, *days]


def test_new_rows_of_a_long_file_need_no_more_than_one_series(long_frame, tiny_config, tmp_path):
    long_frame.to_csv(tmp_path / "data.csv", index=False)
    train_run(tmp_path / "data.csv", tmp_path / "run", tiny_config())
    pieces = [long_frame[long_frame["shop"] == "x"].head(20), long_frame[long_frame["shop"] == "y"].tail(20)]
    pd.concat(pieces).to_csv(tmp_path / "new.csv", index=False)
    forecast = predict_run(tmp_path / "run", tmp_path / "new.csv").frame
    assert forecast["shop"].unique().tolist() == ["x", "y"]


def stop_after(epoch, monkeypatch):
    """Let the process "die" in the epoch after `epoch`, whose checkpoint has been written."""
    usual = ForecastModule.training_step

    def dying(self, batch, number):
        if self.current_epoch == epoch:
            raise Killed
        return usual(self, batch, number)

    monkeypatch.setattr(ForecastModule, "training_step", dying)


def test_a_killed_run_resumed_ends_bit_for_bit_the_same(csv, whole, tiny_config, tmp_path, monkeypatch):
    config = tiny_config(epochs=2)
    out = tmp_path / "killed"
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(Killed):
            train_run(csv, out, config)
    assert last_checkpoint(out / "checkpoints") is not None
    for use in (open_run, evaluate_run, predict_run, lambda out: train_run(csv, out, config)):
        with pytest.raises(UserError, match=r"was not finished \(it has no model/\).*train --resume --out"):
            use(out)
    resumed = train_run(None, out, None, resume=True)
    assert weights(out) == weights(whole)
    assert files(out) == TRAINED
    assert (out / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()
    pd.testing.assert_frame_equal(resumed.predict(), open_run(whole).predict(), check_exact=True)


def test_a_run_killed_before_its_first_checkpoint_starts_again(csv, whole, tiny_config, tmp_path, monkeypatch):
    out = tmp_path / "killed"
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(Killed):
            train_run(csv, out, tiny_config(epochs=2))
    shutil.rmtree(out / "checkpoints")
    train_run(None, out, None, resume=True)
    assert weights(out) == weights(whole)
    assert files(out) == TRAINED


def test_a_full_disk_at_the_end_loses_nothing(csv, whole, tiny_config, tmp_path, monkeypatch):
    config = tiny_config(epochs=2)

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    out = tmp_path / "full"
    with monkeypatch.context() as patch:
        patch.setattr("titans_seq.checkpoint.save", full)
        with pytest.raises(OSError, match="No space left"):
            train_run(csv, out, config)
    assert not (out / "model").exists()
    with pytest.raises(UserError, match="was not finished"):
        open_run(out)
    train_run(csv, out, config, resume=True)
    assert weights(out) == weights(whole)
    assert files(out) == TRAINED


def test_an_early_stopped_run_resumed_at_the_end_stays_as_it_is(csv, tiny_config, tmp_path, monkeypatch):
    base = tiny_config()
    config = replace(base, optimiser=replace(base.optimiser, lr=3.0, epochs=12, patience=1))
    train_run(csv, tmp_path / "whole", config)
    assert len(History.read(tmp_path / "whole" / "log.jsonl").rows) < 12
    out = tmp_path / "full"

    def killed(*arguments, **keywords):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ForecastModel, "save", killed)
        with pytest.raises(Killed):
            train_run(csv, out, config)
    train_run(None, out, None, resume=True)
    assert (out / "log.jsonl").read_bytes() == (tmp_path / "whole" / "log.jsonl").read_bytes()
    assert weights(out) == weights(tmp_path / "whole")


@pytest.mark.slow
def test_a_really_killed_process(csv, tmp_path, tiny_config):
    script = (
        "import sys; from pathlib import Path; from forecasting.runs.config import RunConfig\n"
        "from forecasting.runs.runs import train_run; from titans_seq.experiment.record import read_config\n"
        "import torch; torch.set_num_threads(1); run = read_config(Path(sys.argv[1]), RunConfig)\n"
        "train_run(Path(run.data.path), Path(sys.argv[2]), run.forecast)"
    )
    train_run(csv, tmp_path / "whole", tiny_config(epochs=60))
    out = tmp_path / "killed"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-c", script, str(tmp_path / "whole"), str(out)]
    process = subprocess.Popen(arguments, env=environment, cwd=tmp_path)
    while last_checkpoint(out / "checkpoints") is None:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train_run(None, out, None, resume=True)
    assert weights(out) == weights(tmp_path / "whole")
    assert files(out) == TRAINED


def test_a_failure_before_the_first_epoch_leaves_nothing(csv, tiny_config, tmp_path):
    with pytest.raises(UserError, match="the data has 140 rows, too few"):
        train_run(csv, tmp_path / "new" / "x", tiny_config(horizon=96))
    assert not (tmp_path / "new" / "x").exists()
    bad = tmp_path / "bad.csv"
    bad.write_text("day,sold\n2024-01-01,1\n2024-01-02,many\n")
    with pytest.raises(UserError, match="bad.csv, line 3"):
        train_run(bad, tmp_path / "y", tiny_config())
    assert not (tmp_path / "y").exists()


def test_overwrite_keeps_the_earlier_run_until_the_new_one_has_begun(csv, run, tiny_config, tmp_path, monkeypatch):
    out = copied(run, tmp_path / "x")
    evaluate_run(out)
    (out / "mine.txt").write_text("notes of the user")
    before, old = files(out), weights(out)
    with pytest.raises(UserError, match="already holds a trained model.*--overwrite"):
        train_run(csv, out, tiny_config(seed=1))
    with pytest.raises(UserError, match="too few"):
        train_run(csv, out, tiny_config(horizon=96), overwrite=True)
    assert files(out) == before
    assert weights(out) == old
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(Killed):
            train_run(csv, out, tiny_config(seed=1, epochs=2), overwrite=True)
    with pytest.raises(UserError, match="was not finished"):
        open_run(out)
    train_run(csv, out, tiny_config(seed=2), overwrite=True)
    assert files(out) == sorted([*TRAINED, "mine.txt"])
    assert weights(out) != old
    assert read_config(out, RunConfig).forecast.seed == 2


def test_folders_that_are_taken(csv, tiny_config, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("text")
    with pytest.raises(UserError, match="holds other files and no run"):
        train_run(csv, other, tiny_config(), overwrite=True)
    assert files(other) == ["thesis.txt"]
    with pytest.raises(UserError, match="is a file: give the name of a new folder"):
        train_run(csv, other / "thesis.txt", tiny_config())
    with pytest.raises(UserError, match="is not a run folder: it has no config.yaml"):
        open_run(other)
    with pytest.raises(UserError, match="is not a run folder: there is no such folder"):
        open_run(tmp_path / "nowhere")


def test_resuming_what_is_not_there_or_is_another(csv, run, tiny_config, tmp_path):
    with pytest.raises(UserError, match="there is no run to resume"):
        train_run(csv, tmp_path / "x", tiny_config(), resume=True)
    with pytest.raises(UserError, match="the run to resume has other settings"):
        train_run(csv, run, tiny_config(seed=5), resume=True)
    other = tmp_path / "other.csv"
    other.write_text("day,sold\n2024-01-01,1\n")
    with pytest.raises(UserError, match="is not the file that the run .* was started on"):
        train_run(other, run, None, resume=True)
    finished = train_run(csv, run, tiny_config(), resume=True)
    np.testing.assert_array_equal(finished.predict()["mean"], open_run(run).predict()["mean"])
    with pytest.raises(UserError, match="training needs a data file and settings"):
        train_run(None, tmp_path / "x", None)


def test_data_that_was_changed_or_is_gone(wide_frame, tiny_config, tmp_path):
    data = tmp_path / "data.csv"
    wide_frame.to_csv(data, index=False)
    out = tmp_path / "run"
    train_run(data, out, tiny_config())
    wide_frame.head(120).to_csv(data, index=False)
    with pytest.raises(UserError, match="data.csv was changed since training"):
        evaluate_run(out)
    assert evaluate_run(out, data_path=data).windows == 24 - 6
    after = predict_run(out)
    assert after.frame["day"].iloc[0] == wide_frame["day"].iloc[120]
    assert "was changed since training: the forecast follows its rows up to 2024-04-29" in after.notes[-1]
    wide_frame.rename(columns={"a": "z"}).assign(y=1.0).to_csv(data, index=False)
    with pytest.raises(UserError, match="no longer fits the model .*: restore it, or name the file to forecast"):
        predict_run(out)
    data.unlink()
    with pytest.raises(UserError, match="data.csv is gone: put it back"):
        backtest_run(out)
    gone = predict_run(out)
    assert (len(gone.frame), gone.data.total_length) == (14, 14)
    assert "is gone: the forecast follows the rows of training" in gone.notes[0]


def test_a_damaged_configuration(run, tmp_path):
    out = copied(run, tmp_path / "x")
    text = (out / "config.yaml").read_text()
    (out / "config.yaml").write_text(text.replace("horizon: 7", "horizon: seven"))
    with pytest.raises(UserError, match="config.yaml: forecast.horizon: expected a whole number, got 'seven'"):
        open_run(out)
    (out / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="config.yaml: damaged"):
        read_config(out, RunConfig)


def test_the_run_folders_of_earlier_versions_are_read(run, csv, tmp_path):
    old, today = tmp_path / "old", read_config(run, RunConfig)
    shutil.copytree(run, old)
    config = yaml.safe_load((old / "config.yaml").read_text())
    data = config.pop("data")
    optimiser = config["forecast"]["optimiser"]
    for name in ("least", "decay_share", "betas"):
        del optimiser[name]
    config["options"] |= {"time": None, "id": None}
    config |= {"data": data["path"], "sha256": data["sha256"], **config.pop("origin")}
    del config["command"]
    (old / "config.yaml").write_text(yaml.safe_dump(config))
    found = read_config(old, RunConfig)
    assert (found.forecast, found.data, found.origin.versions) == (today.forecast, today.data, today.origin.versions)
    state = json.loads((old / "model" / "state.json").read_text())
    (row,) = state.pop("log")
    series = state["series"]
    for name in ("id_columns", "time_columns", "unused"):
        del series[name]
    series["id_column"] = None
    for item in series["items"]:
        del item["ids"]
    names = ("loss", "validation_loss", "validation_mse", "validation_mae")
    state["fit"] = {"best_epoch": 0, "epochs": [[0, *(row[name] for name in names)]]}
    (old / "model" / "state.json").write_text(json.dumps(state))
    model = (old / "model" / "config.yaml").read_text()
    (old / "model" / "config.yaml").write_text(model.replace("version: 2", "version: 1"))
    history = open_run(old).history
    assert history.best_epoch == 1
    assert {name: history.best[name] for name in names} == {name: row[name] for name in names}
    pd.testing.assert_frame_equal(open_run(old).predict(), open_run(run).predict())
