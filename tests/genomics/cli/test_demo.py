from pathlib import Path

import pytest

from titans_seq.cli import main


@pytest.mark.usefixtures("blank_pictures")
def test_the_demonstration_runs_to_the_end(tmp_path: Path, capsys):
    assert main(["dna", "demo", "--out", str(tmp_path), "--count", "24", "--epochs", "1", "--preset", "tiny"]) == 0
    out = capsys.readouterr().out
    assert "4. titans dna explain" in out
    assert "small CNN" in out
    assert (tmp_path / "explained" / "mutagenesis.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "scores.csv").read_text().startswith("name,contig,start,end,strand,length,unknown,predicted,")


def test_too_few_sequences_are_refused(tmp_path: Path, capsys):
    assert main(["dna", "demo", "--out", str(tmp_path / "x"), "--count", "3"]) == 2
    assert "the number of sequences must be at least 2" in capsys.readouterr().err
