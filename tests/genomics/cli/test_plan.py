"""`titans plan dna` counts what `titans dna train` would run."""

import re
from pathlib import Path

import numpy as np
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


def write_unlike(path: Path) -> None:
    """Many short sequences and some long ones, of two classes."""
    random = np.random.default_rng(0)
    lengths = [20] * 96 + [400] * 16
    rows = ["".join(random.choice(list("ACGT"), length)) for length in lengths]
    path.write_text("sequence,label\n" + "".join(f"{row},{number % 2}\n" for number, row in enumerate(rows)))


def found(said: str, pattern: str) -> float:
    match = re.search(pattern, said)
    assert match is not None, said
    return float(match[1].replace(",", ""))


def test_all_sizes_of_batches_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_unlike(tmp_path / "data.csv")
    line = f"{tmp_path / 'data.csv'} --preset tiny --rows 8 --epochs 1 --device rtx4090 --strands given"
    rates = []
    for seed in (0, 1, 2):
        assert main(["plan", "dna", *line.split(), "--seed", str(seed)]) == 0
        said = capsys.readouterr().out
        assert "8 sequences of 400 tokens at once" in said
        assert "for a mean batch of" in said
        rates.append(found(said, r"measured: ([\d,]+) sequences a second"))
    assert max(rates) < 1.1 * min(rates)


def test_devices_copy_the_model_and_share_each_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data(tmp_path, 40)
    line = f"{tmp_path} --preset tiny --rows 8 --epochs 2 --final"

    def said(devices: int) -> str:
        assert main(["plan", "dna", *line.split(), "--devices", str(devices)]) == 0
        return capsys.readouterr().out

    one, two = said(1), said(2)
    assert "4 sequences of 60 tokens at once" in two
    assert "a copy on each device" in two
    weights = [found(text, r"AdamW +([\d.]+) MB") for text in (one, two)]
    assert weights[0] == weights[1] == round(16 * 7384 / 1e6, 2)
    for text in (one, two):
        assert "2 epochs of 40 sequences and as many of all" in text


def test_data_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "dna"]) == 2
    assert "no data is given" in capsys.readouterr().err
