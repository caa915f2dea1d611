"""`titans inspect` on a run of each domain, and what it refuses."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genomics.runs.saving import save_classifier
from tests.genomics.small import classifier
from tests.language.small_models import save_run
from titans_seq.cli import main
from titans_seq.inspection.writing import COLUMNS

# One command draws its pictures as they are.
BLANK = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_run(tmp_path_factory.mktemp("runs") / "lm")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("to be or not to be, $that$ is the question")
    return path


def table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "summary.tsv", sep="\t")


@BLANK
def test_a_language_model(text_run: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "seen"
    assert main(["inspect", str(text_run), str(text), "--tokens", "24", "--queries", "3", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "text.txt: 24 tokens, 2 memories" in said
    assert "all 2 memories together: used" in said
    assert {path.name for path in out.iterdir()} == {
        "summary.tsv",
        "memories.npz",
        "overview.png",
        "memory-0.png",
        "memory-1.png",
    }
    found = table(out)
    assert (list(found), len(found)) == (list(COLUMNS), 4)
    numbers = np.load(out / "memories.npz")
    assert numbers["0/surprise"].shape == (1, 24, 2)
    assert numbers["1/shares"].shape == (3, 24, 2)
    assert "".join(numbers["labels"][1:4]) == "to\u2423"
    assert found["key_rank"][0] == pytest.approx(numbers["0/key_rank"][0, 0], rel=1e-5)
    # Once more into the same folder only where that is asked for.
    again = ["inspect", str(text_run), str(text), "--tokens", "8", "--queries", "2", "--out", str(out)]
    assert main(again) == 2
    assert "holds an earlier inspection: give another folder, or add --overwrite" in capsys.readouterr().err
    assert main([*again, "--overwrite", "--format", "svg"]) == 0
    assert not (out / "memory-0.png").exists()


def test_an_earlier_inspection_stays_until_the_new_one_is_whole(
    text_run: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "seen"
    out.mkdir()
    earlier = {"summary.tsv": "of before", "memory-0.png": "drawn before"}
    for name, content in earlier.items():
        (out / name).write_text(content)
    arguments = ["inspect", str(text_run), str(text), "--tokens", "8", "--queries", "2", "--overwrite"]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("titans_seq.inspection.pictures.draw_memory", full)
        assert main([*arguments, "--out", str(out)]) == 2
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([*arguments, "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert "needs the package 'matplotlib', which is not installed: run pip install 'titans-seq[language]'" in said.err
    assert said.out.count("memories together") == 1  # nothing was computed in vain
    assert {path.name: path.read_text() for path in out.iterdir()} == earlier


def test_a_dna_classifier_reads_a_record_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_classifier(tmp_path / "run" / "model", classifier({"directions": "both"}, outputs=2), ("no", "yes"), "# DNA")
    (tmp_path / "a.fa").write_text(">one\nACGT\n>two\nACGTACGTTTGACA\n")
    out = tmp_path / "seen"
    arguments = ["inspect", str(tmp_path / "run"), str(tmp_path / "a.fa"), "--out", str(out)]
    assert main([*arguments, "--part", "two"]) == 0
    assert "a.fa, two, 14 bases: 14 tokens" in capsys.readouterr().out
    assert np.load(out / "memories.npz")["0/surprise"].shape[:2] == (2, 14)  # from either end
    assert main([*arguments, "--part", "three", "--overwrite"]) == 2
    assert "has no record named 'three'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps = np.arange(120)
    days = pd.date_range("2024-01-01", periods=120, freq="D")
    path = tmp_path_factory.mktemp("series") / "data.csv"
    values = np.sin(steps * 2 * np.pi / 7)
    pd.DataFrame({"day": days, "north": values, "south": 3 + values}).to_csv(path, index=False)
    return path


@BLANK
def test_the_pretrained_forecaster(series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["inspect", "pretrained", str(series), "--out", str(tmp_path / "seen")]
    assert main(arguments) == 2
    assert "no horizon is given: add --horizon" in capsys.readouterr().err
    assert main([*arguments, "--horizon", "8", "--part", "south"]) == 0
    said = capsys.readouterr().out
    assert "data.csv, south, 8 steps ahead: 30 tokens, 4 memories" in said  # 112 steps and 8, by 4
    assert "the last 8 steps are held out, and forecast" in said
    assert np.load(tmp_path / "seen" / "memories.npz")["labels"][28:].tolist() == ["+0", "+4"]


@BLANK
def test_a_trained_forecaster(series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = tmp_path / "run", tmp_path / "seen"
    train = ["--horizon", "7", "--context", "28", "--init", "none", "--width", "16", "--layers", "2", "--epochs", "1"]
    train += ["--set", "network.mixer.direction=alternating", "--progress", "none"]
    assert main(["forecast", "train", str(series), *train, "--out", str(run)]) == 0
    assert main(["inspect", str(run), str(series), "--part", "south", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "2 memories" in said
    assert "standard deviations of the series" in said
    rows, tokens = np.load(out / "memories.npz")["1/surprise"].shape[:2]
    assert (rows, tokens) == (2, len(np.load(out / "memories.npz")["labels"]))
    assert main(["inspect", str(run), str(series), "--horizon", "9", "--out", str(out), "--overwrite"]) == 2
    assert "the run forecasts 7 steps" in capsys.readouterr().err


def no_run(run: Path, tmp_path: Path) -> Path:
    return tmp_path / "none"


def unfinished(run: Path, tmp_path: Path) -> Path:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.yaml").write_text("training:\n  steps: 3\n")
    return tmp_path / "half"


@pytest.mark.parametrize(
    ("run_of", "options", "message"),
    [
        (no_run, (), "is not there: give the folder of a run, or the word pretrained"),
        (unfinished, (), "holds no finished language model, DNA classifier or forecaster"),
        (lambda run, _: run, ("--horizon", "3"), "--horizon is for forecasters and DNA"),
        (lambda run, _: run, ("--tokens", "1"), "tokens must be at least 2, got 1"),
    ],
)
def test_what_does_not_fit_is_one_message(
    run_of: Callable[[Path, Path], Path],
    options: tuple[str, ...],
    message: str,
    text_run: Path,
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "seen"
    assert main(["inspect", str(run_of(text_run, tmp_path)), str(text), *options, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_an_empty_input_and_a_foreign_folder_are_refused(
    text_run: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.txt").write_text("")
    out = tmp_path / "seen"
    assert main(["inspect", str(text_run), str(tmp_path / "empty.txt"), "--out", str(out)]) == 2
    assert "holds no text" in capsys.readouterr().err
    assert main(["inspect", str(text_run), str(text), "--out", str(tmp_path)]) == 2
    assert "holds other files: give the name of a new or empty folder" in capsys.readouterr().err


def test_a_model_without_memory_is_refused(tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from language.inference.opening import TrainedModel
    from language.tokenizers import ByteTokenizer
    from titans_seq.blocks import AttentionBlockConfig
    from titans_seq.models import CausalLM, CausalLMConfig

    tokenizer = ByteTokenizer()
    model = CausalLM(CausalLMConfig(tokenizer.vocabulary, 16, (AttentionBlockConfig(),), 1)).eval()
    run = save_run(tmp_path / "plain", TrainedModel(model, tokenizer, 32))
    assert main(["inspect", str(run), str(text), "--out", str(tmp_path / "seen")]) == 2
    assert "there is nothing to inspect: the model has no neural memory" in capsys.readouterr().err
    assert not (tmp_path / "seen").exists()
