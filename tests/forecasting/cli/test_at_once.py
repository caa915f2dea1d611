"""`titans forecast` on a data file: forecasts without a run, training from pretrained weights, updates."""

import functools
import itertools
import os
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import forecasting.model
from forecasting.cli import at_once, forecast_task
from forecasting.cli.reading_options import ColumnOptions, TextOptions
from forecasting.data import FrameOptions, SeriesData, Table, TableOptions, read_series_batches
from forecasting.data.number_texts import NumberStyle
from forecasting.data.source import Source
from forecasting.data.writing import write_frame
from forecasting.runs import pictures, runs
from forecasting.runs.fine_tuned import FineTuningRun, Rows
from forecasting.zero_shot.runs import PretrainingRun
from forecasting.zero_shot.settings import FineTuningConfig
from titans_seq.cli import main
from titans_seq.config import to_dict
from titans_seq.errors import UserError
from titans_seq.experiment.record import DataRecord, read_config, write_config

HORIZON = ["--horizon", "5", "--id", "shop"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shops of 60 days, as a long table with identifiers that look like numbers."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    season = 10 + np.sin(np.arange(60) * 2 * np.pi / 7)
    frames = [
        pd.DataFrame({"shop": shop, "day": days, "sold": season + 0.1 * rng.normal(size=60)}) for shop in ("007", "1E2")
    ]
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    pd.concat(frames).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of two steps, which is only read from."""
    out = tmp_path_factory.mktemp("runs") / "run"
    command = ["forecast", "train", str(data), *HORIZON, "--steps", "2", "--out", str(out), "--progress", "none"]
    assert main(command) == 0
    return out


def test_a_file_is_forecast_at_once(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "forecast.csv"
    assert main(["forecast", "predict", str(data), *HORIZON, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "written: " in said
    assert "intervals" in said
    forecast = pd.read_csv(out, dtype={"shop": str}, parse_dates=["day"])
    assert forecast["shop"].unique().tolist() == ["007", "1E2"]
    assert forecast["day"].iloc[0] == pd.Timestamp("2024-03-01")
    assert len(forecast) == 10
    assert forecast["mean"].between(8, 12).all()


def test_forecasts_are_cut_off_at_zero_where_asked(data: Path, tmp_path: Path) -> None:
    near = pd.read_csv(data, dtype={"shop": str})
    write_frame(tmp_path / "a.csv", near.assign(sold=near["sold"] - 9.9))
    lows = []
    for option in ([], ["--non-negative"]):
        command = ["forecast", "predict", str(tmp_path / "a.csv"), *HORIZON, "--levels", "0.01", "0.5", *option]
        assert main([*command, "--out", str(tmp_path / "f.csv")]) == 0
        lows.append(pd.read_csv(tmp_path / "f.csv")["0.01"].min())
    assert lows[0] < 0
    assert lows[1] == 0


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_long_file_is_forecast_in_parts(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    days = pd.date_range("2024-01-01", periods=30, freq="D")
    frames = [pd.DataFrame({"shop": f"{n:03}", "day": days, "sold": n + np.arange(30) / 8}) for n in range(40)]
    path, out = tmp_path / f"sales{suffix}", tmp_path / f"forecast{suffix}"
    write_frame(path, pd.concat(frames))
    command = ["forecast", "predict", str(path), *HORIZON, "--no-calibration"]
    assert main([*command, "--out", str(tmp_path / f"whole{suffix}")]) == 0
    monkeypatch.setattr(forecast_task, "read_series_batches", functools.partial(read_series_batches, rows=300))
    assert main([*command, "--out", str(out)]) == 0
    assert "... 40 series are forecast" in capsys.readouterr().out
    read = pd.read_parquet if suffix == ".parquet" else functools.partial(pd.read_csv, dtype={"shop": str})
    pd.testing.assert_frame_equal(read(out), read(tmp_path / f"whole{suffix}"), rtol=1e-4)
    # A fault in a later part leaves the earlier forecast as it was.
    before = out.read_bytes()
    write_frame(path, pd.concat([*frames, frames[0]]))
    assert main([*command, "--out", str(out)]) == 2
    assert "sort the file" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([path.name, out.name, f"whole{suffix}"])


def test_what_is_found_in_later_parts_of_a_long_file_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, days = np.random.default_rng(0), pd.date_range("2024-01-01", periods=60, freq="D")
    frames = [pd.DataFrame({"shop": f"{n:03}", "day": days, "sold": rng.normal(size=60)}) for n in range(8)]
    # The first part has no hole, the second and the third have some.
    write_frame(tmp_path / "a.csv", pd.concat([*frames[:3], *(frame.drop(index=[4, 5]) for frame in frames[3:])]))
    monkeypatch.setattr(forecast_task, "read_series_batches", functools.partial(read_series_batches, rows=130))
    assert main(["forecast", "predict", str(tmp_path / "a.csv"), *HORIZON, "--holes", "fill-missing"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "the file is long and comes in parts; of the first part:"
    assert "the first part is what all parts are calibrated on" in said
    assert len([line for line in said if line.startswith("note: part 2: ") and "inserted" in line]) == 1
    assert len([line for line in said if line.startswith("note: part ") and "inserted" in line]) == 1
    assert [line for line in said if "with counts of their own" in line and "inserted" in line]


def test_the_best_of_several_may_forecast(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("statsforecast")
    assert main(["forecast", "predict", str(data), *HORIZON, "--model", "best"]) == 0
    said = capsys.readouterr().out
    assert "mean of all" in said
    assert "is used" in said
    assert "add --out" in said


def test_a_backtest_counts_series_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = pd.date_range("2024-01-01", periods=30, freq="D")
    wave = np.sin(np.arange(30))
    write_frame(tmp_path / "a.csv", pd.DataFrame({"day": days, "north": wave, "south": -wave}))
    assert main(["forecast", "backtest", str(tmp_path / "a.csv"), "--horizon", "2", "--windows", "1"]) == 0
    assert "1 cutoff, horizon 2, 2 series" in capsys.readouterr().out


def test_a_backtest_of_a_file_ends_with_a_sentence(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "backtest", str(data), *HORIZON, "--windows", "2"]) == 0
    said = capsys.readouterr().out
    assert "2 cutoffs, horizon 5, 2 series" in said
    assert "is best here" in said


def test_a_file_is_drawn(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    assert main(["forecast", "plot", str(data), *HORIZON, "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_training_begins_with_the_shipped_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (run / "model" / "weights.safetensors").is_file()
    assert not (run / "checkpoints").exists()
    scores = pd.read_csv(run / "metrics.csv")
    assert {"zero-shot", "fine-tuned", "seasonal naive"} <= set(scores["model"])
    assert main(["forecast", "evaluate", str(run)]) == 0
    assert "fine-tuned" in capsys.readouterr().out


def test_info_describes_such_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "info", str(run)]) == 0
    said = capsys.readouterr().out
    assert "forecasts    5 steps" in said
    assert "identifiers  shop: 2 series (007 and 1E2)" in said
    assert "rows held out" in said


@pytest.mark.parametrize("options", [["--data", "other.csv"], ["--part", "validation"], ["--season", "3"]])
def test_evaluate_does_not_leave_options_out_of_account(
    run: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forecast", "evaluate", str(run), *options]) == 2
    assert f"titans forecast backtest {run}" in capsys.readouterr().err


def test_a_run_forecasts_and_takes_new_rows_in(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(run, tmp_path / "run"))
    frame = pd.read_csv(data, dtype={"shop": str}, parse_dates=["day"])
    later = frame[frame["day"] > "2024-02-25"].assign(day=lambda rows: rows["day"] + pd.Timedelta(days=4))
    longer = tmp_path / "longer.csv"
    pd.concat([frame, later]).to_csv(longer, index=False)
    assert main(["forecast", "predict", str(run), str(longer), "--out", str(tmp_path / "a.csv")]) == 0
    first = pd.read_csv(tmp_path / "a.csv", parse_dates=["day"])["day"].min()
    assert first == pd.Timestamp("2024-03-05")
    capsys.readouterr()
    assert main(["forecast", "update", str(run), str(longer)]) == 0
    assert "without training" in capsys.readouterr().out
    assert main(["forecast", "predict", str(run), "--out", str(tmp_path / "b.csv")]) == 0
    assert pd.read_csv(tmp_path / "b.csv", parse_dates=["day"])["day"].min() == first
    assert main(["forecast", "info", str(run)]) == 0
    assert f"updated      {longer}" in capsys.readouterr().out


def test_an_update_leaves_what_a_run_was_trained_on(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copytree(run, tmp_path / "run"))
    before = read_config(own, FineTuningRun)
    later = pd.DataFrame({"shop": "007", "day": ["2024-03-01"], "sold": 10.0})
    write_frame(tmp_path / "later.csv", later)
    assert main(["forecast", "update", str(own), str(tmp_path / "later.csv"), "--holes", "fill-missing"]) == 0
    capsys.readouterr()
    after = read_config(own, FineTuningRun)
    assert after.updated == Rows(
        DataRecord.of(tmp_path / "later.csv"), replace(before.options, holes="fill-missing"), before.table
    )
    assert replace(after, updated=None) == before
    assert main(["forecast", "train", "--config", str(own), "--out", "x", "--dry-run"]) == 0
    again = yaml.safe_load(capsys.readouterr().out)
    assert again | {"origin": None} == to_dict(before) | {"origin": None}


def test_of_two_updates_at_a_time_one_is_refused(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fcntl = pytest.importorskip("fcntl")
    own = Path(shutil.copytree(run, tmp_path / "run"))
    files = [path for path in own.rglob("*") if path.is_file()]
    before = [path.read_bytes() for path in files]
    other = os.open(own, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert main(["forecast", "update", str(own), str(data)]) == 2
    finally:
        os.close(other)
    assert "another process is writing into" in capsys.readouterr().err
    assert [path.read_bytes() for path in files] == before


def test_another_file_is_read_as_told_and_what_was_found_is_said(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copytree(run, tmp_path / "run"))
    frame = pd.read_csv(data, dtype={"shop": str}, parse_dates=["day"])
    later = frame[frame["day"] == "2024-02-29"].assign(day=pd.Timestamp("2024-03-01"), sold=-9999)
    pd.concat([frame, later])[::-1].to_csv(tmp_path / "marked.csv", index=False)
    forecasts = []
    for command in ("update", "predict"):
        words = [str(own), str(tmp_path / "marked.csv"), "--missing-value=-9999"]
        assert main(["forecast", command, *(words if command == "update" else words[:1])]) == 0
        said = capsys.readouterr().out
        assert ("2 cells marked as missing" in said) == (command == "update")
    forecasts = pd.read_csv(own / "forecast.csv")
    assert forecasts["mean"].between(8, 12).all()  # the marker is known for good
    frame[frame["day"].between("2024-02-01", "2024-02-05")].to_csv(tmp_path / "fixed.csv", index=False)
    assert main(["forecast", "update", str(own), str(tmp_path / "fixed.csv")]) == 0
    assert "2 series up to 2024-02-29: taken in" in capsys.readouterr().out
    hours = frame.assign(day=np.tile(pd.date_range("2024-01-01", periods=60, freq="h"), 2))
    write_frame(tmp_path / "hours.csv", hours)
    assert main(["forecast", "predict", str(own), str(tmp_path / "hours.csv")]) == 2
    assert "resample it to the model's step" in capsys.readouterr().err


def test_a_run_without_its_calibration(run: Path, tmp_path: Path) -> None:
    made = []
    for options in ([], ["--no-calibration"]):
        assert main(["forecast", "predict", str(run), *options, "--out", str(tmp_path / "a.csv")]) == 0
        made.append(pd.read_csv(tmp_path / "a.csv"))
    assert (made[0]["0.9"] - made[1]["0.9"]).abs().max() > 0
    assert made[0]["0.5"].tolist() == made[1]["0.5"].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "DATA", "--id", "shop"], "add --horizon"),
        (["predict", "DATA", "--horizon", "0", "--id", "shop"], "at least 1"),
        (["predict", "DATA", *HORIZON, "--out", "f.txt"], "written as .csv or .parquet"),
        (["predict", "DATA", *HORIZON, "--levels", "1.5"], "between"),
        (["predict", "DATA", *HORIZON, "--weights", "nowhere"], "no saved model"),
        (["train", "DATA", "--out", "x"], "add --horizon"),
        (["train", "DATA", *HORIZON, "--out", "x", "--init", "pretrained", "--context", "9"], "give --init none"),
        (
            ["train", "--config", "RUN", "--width", "8", "--weight-decay", "0.2", "--set", "refit=false", "--out", "x"],
            "and --width, --weight-decay, --set refit of a network of its own: leave out one of the two; the settings",
        ),
        (["train", "DATA", *HORIZON, "--out", "x", "--init", "none", "--set", "fine_tuning.lr=1"], "fine_tuning.lr is"),
        (["train", "DATA", *HORIZON, "--out", "x", "--set", "fine_tuning.lrr=1"], "did you mean 'lr'"),
        (["update", "DATA", "DATA"], "is no run that began with pretrained weights"),
        (["update", "nowhere", "DATA"], "nowhere: no such file or folder"),
        (["evaluate", "DATA"], "titans forecast backtest"),
        *(
            ([verb, "RUN/model"], "run/model holds a pretrained forecaster and no run on a data file: titans forecast")
            for verb in ("predict", "backtest", "plot", "evaluate", "info")
        ),
        (["train", "DATA", "--horizon", "0", "--id", "shop", "--out", "x"], "horizon must be at least 1"),
        (["train", "DATA", *HORIZON, "--out", "x", "--width", "8", "--steps", "9"], "--steps is for a training from"),
        (["predict", "DATA", *HORIZON, "--out", "DATA"], "is read, and would be written over"),
        (["backtest", "DATA", *HORIZON, "--out", "DATA"], "is read, and would be written over"),
        (["predict", "DATA", *HORIZON, "--model", "best", "--levels", "0.5", "1.5"], "must lie between 0 and 1"),
        (["predict", "RUN", "--horizon", "0"], "horizon must be at least 1"),
        (["train", "--resume", "--out", "RUN", "--steps", "9"], "leave out all options but --out, --statistics"),
        (["train", "--resume", "--out", "RUN", "--lr", "0.001"], "would not read --lr: leave out"),
        (["train", "OTHER", "--resume", "--out", "RUN"], "is not the file that the run in"),
    ],
)
def test_what_cannot_be_done_is_one_message(
    data: Path, run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stands_for = {"DATA": str(data), "RUN": str(run), "OTHER": str(run / "metrics.csv"), "RUN/model": f"{run}/model"}
    assert main(["forecast", *(stands_for.get(word, word) for word in arguments)]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (["--seed", "1"], {"seed": 1}),
        (["--lr", "0.001"], {"lr": 0.001}),
        (["--seed", "1", "--set", "fine_tuning.seed=2", "--set", "fine_tuning.blend=1"], {"seed": 2, "blend": 1.0}),
    ],
)
def test_the_settings_of_a_training_from_pretrained_weights_are_changed(
    run: Path, data: Path, options: list[str], changed: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_config(run, FineTuningRun).fine_tuning
    assert main(["forecast", "train", "--config", str(run), *options, "--out", "x", "--dry-run"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["fine_tuning"] == to_dict(replace(before, **changed))
    assert main(["forecast", "train", str(data), *HORIZON, *options, "--out", "x", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert yaml.safe_load(said)["fine_tuning"] == to_dict(replace(FineTuningConfig(), **changed))


@pytest.fixture(scope="module")
def own(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a network of its own, which is only read from."""
    out = tmp_path_factory.mktemp("runs") / "own"
    command = ["forecast", "train", str(data), *HORIZON, "--init", "none", "--context", "10", "--width", "8"]
    small = ["--layers", "1", "--epochs", "1", "--batches-per-epoch", "1", "--out", str(out), "--progress", "none"]
    assert main([*command, *small]) == 0
    return out


READING = {
    "time": ["day"],
    "id": ["shop"],
    "target": ["sold"],
    "known": ["price"],
    "past": ["price"],
    "static": ["town"],
    "freq": ["D"],
    "holes": ["interpolate"],
    "duplicates": ["last"],
    "missing_value": ["-999"],
    "date_format": ["%Y-%m-%d"],
    "time_zone": ["UTC"],
    "rows_are_steps": [],
    "round": [],
    "start": ["2024-01-01", "--freq", "D", "--rows-are-steps"],
    "separator": [","],
    "encoding": ["ascii"],
    "decimal": ["."],
    "thousands": ["'"],
    "skip_rows": ["0"],
    "sheet": ["a"],
}
"""A value of each option on reading, with what belongs to it."""


OF_EVERY_OPTION = itertools.product(
    enumerate(READING), enumerate(["DATA", "RUN", "OWN"]), enumerate(["predict", "plot"])
)


# Every option by everything that forecasts, every other one by predict and the rest by plot; the other halves are slow.
@pytest.mark.parametrize(
    ("option", "of", "verb"),
    [
        pytest.param(option, of, verb, marks=pytest.mark.slow if (i + j + k) % 2 else [])
        for (i, option), (j, of), (k, verb) in OF_EVERY_OPTION
    ],
)
def test_options_on_reading_act_on_the_file_of_known_covariates(
    data: Path, run: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, of: str, verb: str
) -> None:
    seen: list[tuple[FrameOptions, TableOptions]] = []
    tables: list[TableOptions] = []

    def read(path: Path, series: SeriesData, table: TableOptions) -> Table:
        tables.append(table)
        return Table(pd.DataFrame(), Source.of(None), NumberStyle(), ())

    def add(series: SeriesData, future: Table, options: FrameOptions, horizon: int) -> SeriesData:
        seen.append((options, tables[-1]))
        raise UserError("seen")

    for module in (at_once, forecasting.model, runs, pictures):
        for name, stands_in in (("with_known_future", add), ("read_future", read)):
            monkeypatch.setattr(module, name, stands_in, raising=False)
    frame = pd.read_csv(data, dtype={"shop": str}).assign(price=1.0, town="x")
    write_frame(tmp_path / "a.csv", frame.assign(price=np.arange(len(frame)) % 3))
    words = {"DATA": [str(tmp_path / "a.csv"), "--horizon", "5"], "RUN": [str(run)], "OWN": [str(own)]}[of]
    given = [f"--{option.replace('_', '-')}", *READING[option]]
    if option == "missing_value":
        given = ["--missing-value=-999"]
    if of == "DATA" and option != "id":
        given += ["--id", "shop"]
    assert main(["forecast", verb, *words, "--known-future", str(data), *given]) == 2
    columns, table = seen[0]
    field = {"missing_value": "missing_values"}.get(option, option)
    holds = getattr(columns if hasattr(columns, field) else table, field)
    wanted = READING[option][0] if READING[option] else True
    assert str(holds if isinstance(holds, str | int | bool) else holds[0]).removesuffix(".0") == str(wanted)


def test_every_option_on_reading_is_looked_at() -> None:
    assert set(READING) == {one.name for group in (ColumnOptions, TextOptions) for one in fields(group)}


def test_train_says_what_it_will_forecast_and_which_columns_it_leaves_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    static = pd.read_csv(data, dtype={"shop": str})
    static["city"] = np.where(static["shop"] == "007", "Rome", "Oslo")
    static["heat"] = np.arange(len(static)) % 3
    write_frame(tmp_path / "a.csv", static)
    command = ["forecast", "train", str(tmp_path / "a.csv"), *HORIZON, "--past", "heat", "--steps", "1"]
    assert main([*command, "--out", str(tmp_path / "run"), "--progress", "none"]) == 0
    said = capsys.readouterr().out
    assert said.index("targets      sold") < said.index("the run is in")
    assert "not used     city" in said
    assert "not used: city (static, with another label for every series: a name, from which nothing is learnt)" in said
    assert "heat: known up to now alone: pretrained forecasters use what was one horizon before" in said
    assert said.count("frequency D, inferred") == 1


def test_intervals_without_a_spread_are_not_said_to_lack_a_past(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = pd.date_range("2024-01-01", periods=63, freq="D")
    write_frame(tmp_path / "a.csv", pd.DataFrame({"day": days, "load": np.arange(63) % 7}))
    assert main(["forecast", "predict", str(tmp_path / "a.csv"), "--horizon", "2"]) == 0
    assert "30 past values, with forecasts of them that have a spread" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["predict", "backtest", "plot"])
def test_what_is_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert main(["forecast", verb, str(tmp_path / "nowhere"), "--horizon", "2"]) == 2
    assert "nowhere: no such file or folder" in capsys.readouterr().err
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.parquet").touch()
    assert main(["forecast", verb, str(tmp_path / "parts"), "--horizon", "2"]) == 2
    said = capsys.readouterr().err
    assert "parts is no run but a folder of 1 data files, such as a.parquet: name one of them, or join them" in said
    (tmp_path / "pretrained").mkdir()
    write_config(tmp_path / "pretrained", PretrainingRun())
    assert main(["forecast", verb, str(tmp_path / "pretrained"), "--horizon", "2"]) == 2
    said = capsys.readouterr().err
    assert f"--horizon 24 --weights {tmp_path / 'pretrained'} forecasts a file with it" in said
