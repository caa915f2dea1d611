"""`titans plan forecast` counts what `titans forecast train` would run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from titans_seq.cli import main


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "data.csv"
    times = pd.date_range("2020-01-01", periods=120, freq="D")
    pd.DataFrame({"time": times, "y": np.sin(np.arange(120))}).to_csv(path, index=False)
    return path


def test_training_from_pretrained_weights(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "forecast", str(data), *"--horizon 6 --steps 10 --device a100 --measure".split()]) == 0
    said = capsys.readouterr().out
    assert "741,646 parameters: trained on from pretrained weights, 10 steps, then 4 with all rows" in said
    assert "on each of 1 x NVIDIA A100 80GB SXM" in said
    assert "are 14 steps and take" in said
    assert "measured on this machine's CPU" in said


def test_a_network_of_its_own(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "--horizon 6 --context 12 --width 8 --layers 1 --epochs 3 --batches-per-epoch 4 --batch-size 5"
    assert main(["plan", "forecast", str(data), *line.split()]) == 0
    said = capsys.readouterr().out
    assert "1 blocks of width 8, at most 3 epochs" in said
    assert "12 batches of 5 are 12 steps" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--context 12 --width 8 --layers 1 --epochs 3 --batches-per-epoch 4 --batch-size 5", "12 batches of 5 are 12"),
        ("--steps 10", "14 batches of 48 are 14"),
    ],
)
def test_devices_copy_the_model_and_take_as_many_steps(
    line: str, said: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "forecast", str(data), "--horizon", "6", *line.split(), "--devices", "2"]) == 0
    text = capsys.readouterr().out
    assert f"{said} steps" in text
    assert "a copy on each device" in text


def test_series_of_all_lengths_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecasting.cli.plan._DRAWN", 12)
    parts = [
        pd.DataFrame({"id": name, "time": pd.date_range("2020-01-01", periods=n, freq="D"), "y": np.sin(np.arange(n))})
        for name, n in (("a", 40), ("b", 40), ("c", 40), ("d", 600))
    ]
    pd.concat(parts).to_csv(tmp_path / "long.csv", index=False)
    assert main(["plan", "forecast", str(tmp_path / "long.csv"), "--horizon", "6", "--id", "id"]) == 0
    text = capsys.readouterr().out
    assert "for a mean batch of" in text


def test_the_settings_of_a_training_from_pretrained_weights(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    line = f"forecast train {data} --horizon 6 --steps 10 --out {tmp_path / 'run'} --dry-run"
    assert main(line.split()) == 0
    config.write_text(capsys.readouterr().out)
    assert main(["plan", "forecast", "--config", str(config)]) == 0
    assert "10 steps, then 4 with all rows" in capsys.readouterr().out
    for own in ("--width 8", "--init none"):
        assert (
            main([*f"forecast train --config {config} --out {tmp_path / 'run'} --dry-run".split(), *own.split()]) == 2
        )
        assert "is of a training from pretrained weights" in capsys.readouterr().err


def test_what_is_missing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "forecast", "--horizon", "6"]) == 2
    assert "no data file is given" in capsys.readouterr().err
