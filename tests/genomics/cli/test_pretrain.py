from pathlib import Path

import pytest
import yaml

from genomics.runs import load_encoder
from tests.genomics.cli.conftest import TINY
from tests.genomics.sequences.making import write

SHORT = ("--preset", "tiny", "--steps", "4", "--every", "2", "--length", "32", "--rows", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("genome") / "g.fa.gz", ">I\n" + "ACGGTTCAGA" * 80 + "\n")


@pytest.mark.parametrize("objective", ["next", "masked"])
def test_pretrain_then_train_from_it(titans, genome, table, tmp_path, objective):
    out = tmp_path / "p"
    code, printed, err = titans(
        "pretrain", genome, "--out", out, "--objective", objective, *SHORT, "--progress", "lines"
    )
    assert code == 0
    assert "step 4/4" in err
    assert "validation loss" in printed
    assert f"titans dna train data/ --init {out}" in printed
    assert load_encoder(out)[1].directions == ("both" if objective == "masked" else "forward")
    options = ("--epochs", "1", "--device", "cpu", "--progress", "none", "--baselines", "none")
    code, *_ = titans("train", table, "--init", out, "--out", tmp_path / "z", *options)
    assert code == 0
    assert yaml.safe_load((tmp_path / "z" / "config.yaml").read_text())["init"] == str(out)
    code, _, err = titans("train", table, "--init", out, "--out", tmp_path / "y", *TINY)
    assert (code, "--preset is that of the pretrained encoder" in err) == (2, True)
    for path, was, now in (("dim", 16, 24), ("blocks.0.memory.chunk_size", 32, 8)):
        other = ("--set", f"classifier.encoder.{path}={now}", "--dry-run")
        code, _, err = titans("train", table, "--init", out, "--out", tmp_path / "y", *options, *other)
        assert (code, f"another than the classifier's: classifier.encoder.{path} was {was}, is {now}" in err) == (
            2,
            True,
        )
    (tmp_path / "a.fa").write_text(">one\nACGTACGT\n")
    code, printed, _ = titans("embed", out, tmp_path / "a.fa", "--out", tmp_path / "e.csv", "--progress", "none")
    assert (code, "1 rows of 16 features" in printed) == (0, True)
    code, _, err = titans("predict", out, tmp_path / "a.fa", "--out", tmp_path / "s.csv")
    assert (code, "it is a pretrained encoder" in err) == (2, True)


def test_resume_finishes_a_run(titans, genome, tmp_path, monkeypatch):
    out = tmp_path / "p"

    def stopped(*arguments, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("genomics.runs.pretrain_runs.save_encoder", stopped)
        assert titans("pretrain", genome, "--out", out, *SHORT, "--progress", "none")[0] == 130
    code, _, err = titans("pretrain", genome, "--out", out, *SHORT)
    assert (code, "was not finished (it has no model/): finish it with --resume" in err) == (2, True)
    assert titans("pretrain", "--resume", "--out", out, "--progress", "none")[0] == 0
    assert load_encoder(out)[1].dim == 16
    for option in (genome, "--objective=masked"):
        code, _, err = titans("pretrain", option, "--resume", "--out", out)
        assert (code, f"would not read {str(option).partition('=')[0]}: leave out" in err) == (2, True)
    again = ("pretrain", genome, "--config", out, "--out", tmp_path / "q")
    for option in (("--preset", "large"), ("--mixer", "identity"), ("--stem", "none"), ("--kmer", 3), ("--stride", 2)):
        code, _, err = titans(*again, *option)
        assert (code, f"{option[0]} is that of the encoder in --config" in err) == (2, True)
    assert not (tmp_path / "q").exists()


def test_errors(titans, genome, tmp_path):
    code, _, err = titans("pretrain", "--out", tmp_path / "p")
    assert (code, "no file of sequences is given" in err) == (2, True)
    code, _, err = titans("pretrain", "-", "--out", tmp_path / "p")
    assert (code, "-: a run reads its data again, for --resume: write it to a file" in err) == (2, True)
    code, _, err = titans("pretrain", genome, "--out", tmp_path / "p", *SHORT, "--steps", "0")
    assert (code, "steps must be at least 1" in err) == (2, True)
    assert not (tmp_path / "p").exists()
