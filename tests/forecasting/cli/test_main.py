import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest

from forecasting.cli import main as cli
from forecasting.cli import options as cli_options
from forecasting.cli.options import NetworkOptions, Task
from forecasting.cli.reading_options import ColumnOptions, ReadingOptions, TextOptions
from forecasting.cli.tables import score_text
from forecasting.data import FrameOptions, TableOptions
from forecasting.network.outputs import Point, Quantiles, StudentT
from forecasting.network.tokens import VariateConfig
from forecasting.runs.config import RunConfig
from forecasting.settings import presets
from forecasting.settings.config import ForecastConfig
from titans_seq.cli import main
from titans_seq.config import from_dict, parse_yaml
from titans_seq.experiment.record import read_config
from titans_seq.tables import align

pytestmark = pytest.mark.usefixtures("blank_pictures")
TINY = "--width 8 --layers 1 --epochs 1 --batches-per-epoch 2 --horizon 6 --context 12 --progress none".split()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two series of 120 days."""
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    steps = np.arange(120)
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=120, freq="D")})
    frame["north"] = 10 + np.sin(steps * 2 * np.pi / 7)
    frame["south"] = 5 + np.cos(steps * 2 * np.pi / 7)
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is only read from."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["forecast", "train", str(data), "--out", str(out), *TINY]) == 0
    return out


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run of the test's own."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


Answer = Callable[..., str]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Standard output of a command line that succeeds."""

    def answer(*arguments: object) -> str:
        capsys.readouterr()
        assert main(["forecast", *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return answer


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Answer:
    """The one message of a command line that is refused."""

    def answer(*arguments: object) -> str:
        capsys.readouterr()
        assert main(["forecast", *map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert error.count("error: ") == 1
        # What reading found before it is said first.
        assert all(line.startswith("note: ") for line in error[: error.index("error: ")].splitlines())
        assert "Traceback" not in error
        return error

    return answer


def test_help_loads_nothing_heavy_and_shows_examples():
    heavy = ("torch", "lightning", "numpy", "pandas", "matplotlib")
    code = (
        "import sys; from titans_seq.cli import main\n"
        "for words in (['--help'], *([name, '--help'] for name in sys.argv[1:])):\n"
        "    assert main(['forecast', *words]) == 0\n"
        "    print('loaded', [name for name in {heavy} if name in sys.modules])\n"
    ).replace("{heavy}", repr(heavy))
    done = subprocess.run([sys.executable, "-c", code, *cli.COMMANDS], capture_output=True, text=True, check=True)
    whole, *each, end = done.stdout.split("loaded []\n")
    assert end == ""
    for (name, verb), shown in zip(cli.COMMANDS.items(), each, strict=True):
        assert f"{name} " in whole
        assert verb.help in whole
        for text in (whole, shown):
            assert f"titans forecast {name} {verb.examples[0]}" in text


def test_without_a_verb_the_help_is_shown_and_it_fails(capsys: pytest.CaptureFixture[str]):
    assert main(["forecast"]) == 2
    assert "commands:" in capsys.readouterr().out


def test_the_options_know_the_mixers():
    hints = get_type_hints(NetworkOptions), get_type_hints(cli_options.Benchmark)
    assert get_args(get_args(hints[0]["mixer"])[0]) == presets.MIXERS
    assert get_args(hints[1]["mixer"]) == presets.MIXERS


def test_every_verb_has_options_and_a_handler():
    for verb in cli.COMMANDS.values():
        for target in (verb.options, verb.handler):
            module, name = target.split(":")
            assert getattr(importlib.import_module(module), name).__doc__


def test_from_file_to_forecast(data: Path, tmp_path: Path, output: Answer):
    out = tmp_path / "run"
    said = output("train", data, "--out", out, *TINY)
    assert "trained 1 epoch, the best was epoch 1: validation mse" in said
    assert f"titans forecast predict {out}" in said

    said = output("evaluate", out, "--season", 7)
    assert "test part: 19 windows, every one, season 7" in said
    for name in ("model", "repeat last", "seasonal naive 7", "closed-form linear"):
        assert f"\n{name} " in said
    assert json.loads((out / "metrics.json").read_text())["windows"] == 19
    assert "validation part: 7 windows" in output("evaluate", out, "--part", "validation")

    said = output("backtest", out, "--windows", 2)
    assert "2 windows from 2 cutoffs" in said

    target = tmp_path / "forecast.csv"
    assert f"written: {target}" in output("predict", out, "--out", target, "--levels", 0.2, 0.8)
    forecast = pd.read_csv(target, parse_dates=["day"])
    assert list(forecast.columns) == ["series", "day", "mean", "0.2", "0.8"]
    assert len(forecast) == 12
    assert forecast["day"].min() == pd.Timestamp("2024-04-30")

    picture = tmp_path / "a.png"
    said = output("plot", out, "--series", "south", "--out", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"written: {out / 'training.png'}" in said

    said = output("info", out)
    assert "6 steps from 12, Quantiles" in said
    assert "closed-form linear" in said
    assert {path.name for path in tmp_path.iterdir()} == {"run", "forecast.csv", "a.png"}


def test_a_run_is_repeated_from_its_configuration(run: Path, tmp_path: Path, output: Answer):
    copy, other = tmp_path / "copy", tmp_path / "other"
    output("train", "--config", run, "--out", copy, "--progress", "none")
    weights = "model/weights.safetensors"
    assert (copy / weights).read_bytes() == (run / weights).read_bytes()
    output("train", "--config", run / "config.yaml", "--out", other, "--seed", 1, "--progress", "none")
    assert (other / weights).read_bytes() != (run / weights).read_bytes()
    changed = read_config(other, RunConfig).forecast
    assert (changed.seed, changed.horizon, changed.network.width) == (1, 6, 8)


def test_resuming_a_finished_run_changes_nothing(run: Path, output: Answer):
    before = (run / "model" / "weights.safetensors").read_bytes()
    output("train", "--resume", "--out", run)
    assert (run / "model" / "weights.safetensors").read_bytes() == before


def test_a_run_whose_data_is_gone_still_forecasts_and_draws(run: Path, data: Path, output: Answer, refusal: Answer):
    config = (run / "config.yaml").read_text()
    assert str(data) in config
    (run / "config.yaml").write_text(config.replace(str(data), str(data.with_name("moved.csv"))))
    output("predict", run)
    output("plot", run)
    assert (run / "forecast.png").is_file()
    assert "moved.csv is gone: put it back" in refusal("evaluate", run)


def test_info_on_a_data_file(data: Path, output: Answer):
    said = output("info", data)
    assert "wide table, 2 series, frequency D" in said
    assert "time is column 'day'" in said


@pytest.fixture
def resolved(output: Answer) -> Callable[..., ForecastConfig]:
    """The configuration that a command line would train with."""

    def answer(*options: object) -> ForecastConfig:
        said = output("train", "d.csv", "--out", "x", "--horizon", 8, "--init", "none", "--dry-run", *options)
        return from_dict(parse_yaml(said)["forecast"], ForecastConfig)

    return answer


def test_a_setting_has_its_path_in_the_file_or_a_shorter_one(resolved: Callable[..., ForecastConfig], refusal: Answer):
    changed = resolved("--set", "forecast.seed=5", "--set", "batch_size=7")
    assert (changed.seed, changed.batch_size) == (5, 7)
    said = refusal("train", "d.csv", "--out", "x", "--horizon", 8, "--set", "network.mixer.kind=huber")
    assert "unknown kind 'huber', expected one of attention_mixer, gru_mixer, identity_mixer, memory_mixer" in said
    said = refusal("train", "d.csv", "--out", "x", "--horizon", 8, "--set", "table.separator=;")
    assert "--set table.separator: how the data is read is no setting of the forecaster: give the option" in said


def test_options_change_the_preset(resolved: Callable[..., ForecastConfig]):
    base = presets.find_preset("small")
    network = ("--mixer", "gru", "--tokens", "variate", "--normalise", "last-value", "--layers", 3)
    training = ("--lr", 0.5, "--validation-share", 0.3, "--no-calendar", "--batches-per-epoch", 9)
    config = resolved("--preset", "small", *network, *training, "--set", "network.dropout=0.4")
    assert (config.context, config.horizon) == (32, 8)
    assert config.network.tokens == VariateConfig()
    assert config.network.normalise.kind == "last_value"
    assert (config.network.layers, config.network.width, config.network.dropout) == (3, base.network.width, 0.4)
    assert (config.optimiser.lr, config.optimiser.epochs) == (0.5, base.optimiser.epochs)
    assert config.shares == (0.3, 0.2)
    assert not config.calendar
    assert config.batches_per_epoch == 9
    assert resolved("--context", 5).context == 5


def test_outputs(resolved: Callable[..., ForecastConfig]):
    assert resolved().output == Quantiles()
    assert resolved("--output", "point", "--loss", "mae").output == Point("mae")
    assert resolved("--output", "student-t").output == StudentT()
    assert resolved("--output", "quantiles", "--levels", 0.25, 0.75).output == Quantiles((0.25, 0.75))


def test_columns_change_what_a_configuration_says():
    columns = ColumnOptions(known=("price",), missing_value=("-9999", "?"), holes="fill-missing")
    base = FrameOptions(time="day", past=("rain",))
    reading = ReadingOptions(columns, TextOptions(decimal=","))
    assert reading.frame(base) == FrameOptions(
        time="day", known=("price",), past=("rain",), missing_values=(-9999.0, "?"), holes="fill-missing"
    )
    assert reading.table(TableOptions(separator=";")) == TableOptions(";", None, ",")


BAD_FILES = {
    "a missing column": ("day,a\n2024-01-01,1\n", ["--target", "b"], "'b'"),
    "text in a number column": ("day,a\n2024-01-01,1\n2024-01-02,two\n2024-01-03,3\n", [], "line 3"),
    "a horizon longer than the file": (
        "day,a\n" + "".join(f"2024-01-0{i},{i}\n" for i in range(1, 9)),
        [],
        "at least",
    ),
    "an empty file": ("", [], "empty"),
    "a header alone": ("day,a\n", [], "row"),
    "NaN everywhere": ("day,a\n" + "".join(f"2024-01-{i:02},\n" for i in range(1, 32)), [], "nothing at all"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_gets_one_message_and_leaves_nothing(name: str, tmp_path: Path, refusal: Answer):
    text, options, expected = BAD_FILES[name]
    path = tmp_path / "bad.csv"
    path.write_text(text)
    assert expected in refusal("train", path, "--out", tmp_path / "run", *TINY, *options)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--preset", "smalll"], "unknown preset 'smalll': expected one of small, default, large; did you mean"),
        (["--preset", "small", "--config", "x"], "--config and --preset both say how to train"),
        (["--config", "no/such.yaml"], "no/such.yaml: no such run folder or configuration"),
        (["--loss", "mae"], "--loss mae is for point forecasts: add --output point"),
        (["--output", "point", "--levels", "0.1", "0.9"], "--levels is for quantile forecasts"),
        (["--levels", "0.9", "0.1"], "levels must be strictly increasing"),
        (["--levels", "1.5"], "quantile levels must lie strictly between 0 and 1"),
        (["--horizon", "0"], "horizon must be at least 1, got 0"),
        (["--lr", "-1"], "lr must be above 0, got -1.0"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--width", "7"], "width"),
        (["--width", "0"], "width must be at least 1, got 0"),
        (["--layers", "-1"], "layers must be at least 1, got -1"),
        (["--validation-share", "0.9"], "shares must be two numbers"),
        (["--known", "price"], "price"),
        (["--resume"], "--resume goes on with the settings stored in the run"),
        (["--resume", "--statistics"], "--statistics: leave out all options but --out, --acc"),
    ],
)
def test_a_bad_option_gets_one_message_and_leaves_nothing(
    options: list[str], expected: str, data: Path, tmp_path: Path, refusal: Answer
):
    assert expected in refusal("train", data, "--out", tmp_path / "run", *TINY, *options)
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named(data: Path, tmp_path: Path, refusal: Answer):
    out = tmp_path / "run"
    assert "no horizon is given: add --horizon" in refusal("train", data, "--out", out)
    assert "no data file is given" in refusal("train", "--out", out, "--horizon", 3)
    assert "no-such.csv" in refusal("train", tmp_path / "no-such.csv", "--out", out, "--horizon", 3)
    assert "there is no run to resume" in refusal("train", "--resume", "--out", out)
    for verb in ("evaluate", "backtest", "predict", "plot"):
        assert "no such file or folder: check the path" in refusal(verb, out)
    assert "no-such" in refusal("info", tmp_path / "no-such")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["predict", "info"])
def test_a_saved_model_is_no_run(run: Path, verb: str, refusal: Answer):
    assert f"{run}/model holds a saved model and no run: name the run folder" in refusal(verb, run / "model")


def test_a_run_with_known_covariates_draws_with_their_future(
    data: Path, tmp_path: Path, output: Answer, refusal: Answer
):
    frame, out, future = pd.read_csv(data), tmp_path / "run", tmp_path / "future.csv"
    frame.assign(price=1.0).to_csv(tmp_path / "priced.csv", index=False)
    output("train", tmp_path / "priced.csv", "--known", "price", "--out", out, *TINY)
    days = pd.date_range("2024-04-30", periods=6, freq="D")
    pd.DataFrame({"day": days, "price": 2.0}).to_csv(future, index=False)
    for verb in ("predict", "plot"):
        assert "known" in refusal(verb, out)
        output(verb, out, "--known-future", future)


def test_a_half_written_run_is_named_with_the_remedy(run: Path, refusal: Answer):
    shutil.rmtree(run / "model")
    for verb in ("evaluate", "backtest", "predict", "plot", "info"):
        assert f"titans forecast train --resume --out {run}" in refusal(verb, run)
    (run / "config.yaml").write_text("forecast: [")
    assert "not valid YAML" in refusal("info", run)


def test_a_run_is_not_replaced_unasked(run: Path, data: Path, output: Answer, refusal: Answer):
    before = (run / "config.yaml").read_text()
    assert "overwrite" in refusal("train", data, "--out", run, *TINY)
    assert (run / "config.yaml").read_text() == before
    output("train", data, "--out", run, *TINY, "--overwrite", "--seed", 3)
    assert read_config(run, RunConfig).forecast.seed == 3


def test_bad_options_of_the_other_verbs(run: Path, data: Path, tmp_path: Path, refusal: Answer):
    before = sorted(run.iterdir())
    assert "no series is called 'west': expected one of north, south" in refusal("plot", run, "--series", "west")
    assert "expected a name that ends in .png" in refusal("plot", run, "--out", tmp_path / "a.gif")
    assert "history must be at least 1" in refusal("plot", run, "--history", 0)
    assert "written as .csv or .parquet" in refusal("predict", run, "--out", tmp_path / "a.txt")
    assert "quantile levels must lie between" in refusal("predict", run, "--levels", 0.999)
    assert "windows of a backtest must be at least 1" in refusal("backtest", run, "--windows", 0)
    assert "is a run folder: options on columns" in refusal("info", run, "--time", "day")
    assert "season must be at least 1" in refusal("evaluate", run, "--season", 0)
    bad = tmp_path / "bad.csv"
    bad.write_text("day,north\n2024-01-01,1\n2024-01-02,1\n2024-01-03,1\n")
    assert "the model forecasts 2 columns" in refusal("predict", run, bad)
    assert sorted(run.iterdir()) == before


def test_benchmark_refuses_before_it_trains(tmp_path: Path, refusal: Answer):
    place = ["--data-dir", tmp_path, "--download-to", tmp_path]
    assert "unknown benchmark 'ETTh9': did you mean ETTh" in refusal("benchmark", "ETTh9", *place)
    assert "no published plain address" in refusal("benchmark", "Weather", *place)
    assert "expected path=value" in refusal("benchmark", "ETTh1", *place, "--set", "lr")
    assert "lr: unknown field, expected one of network" in refusal("benchmark", "ETTh1", *place, "--set", "lr=1")
    assert not list(tmp_path.iterdir())


def test_benchmark_prints_and_appends(shared_data: Path, tmp_path: Path, output: Answer):
    fast = [f"--set={change}" for change in ("optimiser.epochs=1", "batches_per_epoch=2", "network.width=8")]
    place = ["--data-dir", shared_data / "forecasting", "--out", tmp_path, "--progress", "none"]
    said = output("benchmark", "Exchange", *place, *fast, "--mixer", "identity", "--seed", 5)
    assert "5,120 training, 665 validation, 1,422 test windows, every one scored" in said
    assert "closed-form linear" in said
    (line,) = (tmp_path / "forecasting.jsonl").read_text().splitlines()
    assert json.loads(line)["seed"] == 5


def test_a_mistyped_verb_or_option_is_answered(capsys: pytest.CaptureFixture[str], refusal: Answer):
    assert "unknown command 'trainn': expected one of " in refusal("trainn")
    assert "did you mean 'train'?" in refusal("trainn")
    assert main(["forecast", "train", "--horizn", "3", "--out", "x"]) == 2
    assert "--horizon" in capsys.readouterr().err
    assert main(["forecast", "train", "a.csv", "--out", "x", "--horizon", "many"]) == 2
    assert "many" in capsys.readouterr().err


def test_in_a_process_of_its_own_a_mistake_ends_with_2_and_no_traceback(tmp_path: Path):
    (tmp_path / "empty.csv").touch()
    # A mistake that is found before PyTorch is loaded, for that takes seconds.
    command = [sys.executable, "-m", "titans_seq.cli", "forecast", "train", "empty.csv", "--out", "run"]
    done = subprocess.run(
        [*command, "--lr", "-1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["empty.csv"]


def test_tables():
    table = pd.DataFrame({"model": ["model", "far"], "mse": [0.12345, 123456.0], "coverage": [0.8, np.nan]})
    assert score_text(table, (0.1, 0.9)).splitlines() == [
        "model       mse  coverage 0.1-0.9",
        "model    0.1235            0.8000",
        "far    1.23e+05                 -",
    ]
    assert align([["a"], ["bcd"]]) == "a\nbcd"


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("predict", ["--model", "best"]),
        ("predict", ["--no-calibration"]),
        ("predict", ["--horizon", "9"]),
        ("predict", ["--weights", "w"]),
        ("predict", ["--engine", "dask"]),
        ("backtest", ["--statistics"]),
        ("backtest", ["--horizon", "9"]),
        ("plot", ["--weights", "w"]),
    ],
)
def test_options_of_pretrained_forecasters_are_refused(run: Path, verb: str, options: list[str], refusal: Answer):
    said = refusal(verb, run, *options)
    assert f"{options[0]} is for a data file, or a run that began with pretrained weights" in said


def test_a_backtest_is_written_where_it_is_told(run: Path, tmp_path: Path, output: Answer):
    output("backtest", run, "--windows", "1", "--out", tmp_path / "b.parquet")
    assert len(pd.read_parquet(tmp_path / "b.parquet"))
    assert not (run / "backtest.csv").exists()


def test_the_help_of_train_names_the_defaults_that_are_applied() -> None:
    assert Task().optimiser == Task(init="none").known().optimiser
