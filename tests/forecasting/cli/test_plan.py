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


def test_the_settings_of_a_training_from_pretrained_weights(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    line = f"forecast train {data} --horizon 6 --steps 10 --out {tmp_path / 'run'} --dry-run"
    assert main(line.split()) == 0
    config.write_text(capsys.readouterr().out)
    assert main(["plan", "forecast", "--config", str(config)]) == 0
    assert "10 steps, then 4 with all rows" in capsys.readouterr().out
    for own in ("--lr 0.1", "--init none"):
        assert (
            main([*f"forecast train --config {config} --out {tmp_path / 'run'} --dry-run".split(), *own.split()]) == 2
        )
        assert "is of a training from pretrained weights" in capsys.readouterr().err


def test_what_is_missing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "forecast", "--horizon", "6"]) == 2
    assert "no data file is given" in capsys.readouterr().err
