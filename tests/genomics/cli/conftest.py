"""Files and small trained runs that the tests of the verbs share."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from genomics.sequences.values import LabelledSequences
from genomics.synthetic import planted_motifs
from titans_seq.cli import main

TINY = ("--preset", "tiny", "--epochs", "1", "--device", "cpu", "--progress", "none")
FAST = ("--baselines", "quick", "--bootstrap", "20")


def write_table(path: Path, data: LabelledSequences) -> Path:
    """A table with names, sequences and classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sequence", "label"])
        for name, sequence, label in zip(data.names, data.sequences, data.labels, strict=True):
            writer.writerow([name, sequence, data.classes[label]])
    return path


@pytest.fixture
def titans(capsys: pytest.CaptureFixture[str], blank_pictures: None) -> Callable[..., tuple[int, str, str]]:
    """Run `titans dna` with arguments; gives exit code, output and errors.

    Without bootstrap, unless it is asked for.
    """

    def run(*arguments: object) -> tuple[int, str, str]:
        words = ["dna", *map(str, arguments)]
        draws = words[1] in ("train", "evaluate") and "--bootstrap" not in words
        code = main([*words, *["--bootstrap", "0"][: 2 * draws]])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv, dev.csv and test.csv."""
    folder = tmp_path_factory.mktemp("parts")
    for seed, (name, count) in enumerate({"train": 40, "dev": 16, "test": 20}.items()):
        write_table(folder / f"{name}.csv", planted_motifs(count, 30, seed))
    return folder


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One table that is not divided."""
    return write_table(tmp_path_factory.mktemp("table") / "all.csv", planted_motifs(60, 30, 5))


@pytest.fixture(scope="session")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and evaluated run."""
    out = tmp_path_factory.mktemp("runs") / "z"
    assert main(["dna", "train", str(parts), "--out", str(out), *TINY, *FAST]) == 0
    return out


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    """Three sequences of unlike lengths."""
    path = tmp_path / "new.fa"
    path.write_text(">one\nacgtacgtnn\n>two\nTTTTACGTGGCA\n>three\nGATTACA\n")
    return path
