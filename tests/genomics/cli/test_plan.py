"""`titans plan dna` counts what `titans dna train` would run."""

from pathlib import Path

import pytest

from genomics.cli.demo import write_data
from titans_seq.cli import main


def test_a_classifier_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data(tmp_path, 40)
    line = "--preset tiny --rows 8 --epochs 2 --device rtx4090"
    assert main(["plan", "dna", str(tmp_path), *line.split()]) == 0
    said = capsys.readouterr().out
    assert "7,384 parameters: 1 blocks of width 16" in said
    assert "on each of 1 x NVIDIA RTX 4090, 8 sequences of 60 tokens at once" in said
    assert "2 epochs of 40 sequences are 10 steps" in said


def test_data_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "dna"]) == 2
    assert "no data is given" in capsys.readouterr().err
