"""Files and small trained runs that the tests of the verbs share."""

import contextlib
import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from genomics.sequences.values import LabelledSequences
from genomics.synthetic import planted_motifs
from tests.conftest import pictures_left_blank
from titans_seq.cli import main

_HEAD = ("--strands", "given", "--words", "0")
TINY = ("--preset", "tiny", "--epochs", "1", *_HEAD, "--device", "cpu", "--progress", "none")
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


@dataclass(frozen=True)
class Trained:
    """A run folder that is only read from, and what its training said."""

    out: Path
    printed: str
    err: str


def train(data: Path, out: Path, *options: str) -> Trained:
    """Train as a fixture that is shared."""
    printed, err = io.StringIO(), io.StringIO()
    with pictures_left_blank(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(err):
        assert main(["dna", "train", str(data), "--out", str(out), *TINY, *options]) == 0
    return Trained(out, printed.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def trained(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A trained and evaluated run."""
    return train(parts, tmp_path_factory.mktemp("runs") / "z", *FAST, "--progress", "lines")


@pytest.fixture(scope="session")
def run(trained: Trained) -> Path:
    """Its folder."""
    return trained.out


@pytest.fixture(scope="session")
def trained_folds(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A cross-validation of two folds."""
    out = tmp_path_factory.mktemp("folds") / "cv"
    return train(table, out, "--folds", "2", "--baselines", "none", "--bootstrap", "0")


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    """Three sequences of unlike lengths."""
    path = tmp_path / "new.fa"
    path.write_text(">one\nacgtacgtnn\n>two\nTTTTACGTGGCA\n>three\nGATTACA\n")
    return path
