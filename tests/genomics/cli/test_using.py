"""predict, embed, explain, variants and help."""

import csv
from pathlib import Path

import numpy as np
import pytest

from genomics.cli.main import COMMANDS
from genomics.runs import load_classifier
from tests.genomics.cli.conftest import TINY


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def test_predict_writes_a_row_a_sequence(titans, run, fasta, tmp_path):
    out = tmp_path / "scores.csv"
    code, printed, err = titans("predict", run, fasta, fasta, "--out", out, "--progress", "none")
    assert (code, err) == (0, "")
    header, *rows = read(out)
    assert header == ["name", "predicted", "probability_background", "probability_motif"]
    assert [row[0] for row in rows] == ["one", "two", "three"] * 2
    expected = load_classifier(run, "cpu").predict_proba(["ACGTACGTNN", "TTTTACGTGGCA", "GATTACA"])
    np.testing.assert_allclose([[float(cell) for cell in row[2:]] for row in rows[:3]], expected, rtol=1e-5)
    assert printed == f"written: {out}, 6 sequences\n"


def test_predict_says_of_which_sequences_the_model_saw_nothing(titans, parts, fasta, tmp_path):
    run = tmp_path / "z"
    options = (*TINY, "--kmer", "8", "--baselines", "none", "--bootstrap", "0")
    assert titans("train", parts, "--out", run, *options)[0] == 0
    _, printed, _ = titans("predict", run, fasta, "--out", tmp_path / "scores.csv", "--progress", "none")
    assert "note: 1 of them are shorter than a token of 8 bases" in printed


def test_predict_reads_intervals_and_named_columns(titans, run, tmp_path):
    (tmp_path / "ref.fa").write_text(">I\n" + "ACGTTGCA" * 20 + "\n")
    (tmp_path / "a.bed").write_text("I\t0\t20\tfirst\nI\t40\t60\tsecond\n")
    options = ("--reference", tmp_path / "ref.fa", "--window", "12", "--progress", "none")
    assert titans("predict", run, tmp_path / "a.bed", "--out", tmp_path / "a.csv", *options)[0] == 0
    assert len(read(tmp_path / "a.csv")) == 3
    (tmp_path / "b.csv").write_text("id,mine\nx,ACGTACGTAC\n")
    assert titans("predict", run, tmp_path / "b.csv", "--out", tmp_path / "c.csv", "--sequence", "mine")[0] == 0


def test_embed_writes_features_of_sequences_and_of_steps(titans, run, fasta, tmp_path):
    out = tmp_path / "features.csv"
    assert titans("embed", run, fasta, "--out", out, "--progress", "none")[0] == 0
    header, *rows = read(out)
    assert header == ["name", *(f"feature_{number}" for number in range(1, 17))]
    expected = load_classifier(run, "cpu").embed(["ACGTACGTNN", "TTTTACGTGGCA", "GATTACA"])
    np.testing.assert_allclose([[float(cell) for cell in row[1:]] for row in rows], expected, rtol=1e-4, atol=1e-5)
    assert titans("embed", run, fasta, "--out", out, "--per-step", "--progress", "none")[0] == 0
    header, *rows = read(out)
    assert header[:2] == ["name", "position"]
    assert [(row[0], row[1]) for row in rows] == [
        *(("one", "1"), ("one", "10"), ("two", "1"), ("two", "10"), ("three", "1")),
    ]


def test_explain_writes_tables_and_pictures(titans, run, fasta, tmp_path):
    out = tmp_path / "explained"
    code, printed, _ = titans("explain", run, fasta, "--record", "two", "--out", out, "--progress", "none")
    assert code == 0
    assert printed.startswith("two, 12 bases: background 0.")
    assert "explained: motif" in printed
    assert sorted(path.name for path in out.iterdir()) == [
        *("mutagenesis.csv", "mutagenesis.png", "saliency.csv", "saliency.png"),
    ]
    assert read(out / "mutagenesis.csv")[0] == ["position", "base", "importance", "A", "C", "G", "T"]
    assert "".join(row[1] for row in read(out / "saliency.csv")[1:]) == "TTTTACGTGGCA"
    assert (out / "saliency.png").read_bytes().startswith(b"\x89PNG")
    options = ("--span", "3", "5", "--method", "mutagenesis", "--target", "background", "--progress", "none")
    assert titans("explain", run, fasta, "--out", tmp_path / "part", *options)[0] == 0
    assert [row[0] for row in read(tmp_path / "part" / "mutagenesis.csv")[1:]] == ["3", "4", "5"]
    assert not (tmp_path / "part" / "saliency.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--record", "nobody"), "has no record named 'nobody'"),
        (("--target", "nothing"), "the model has no class or label 'nothing'"),
        (("--span", "5", "99"), "--span 5 99: expected first and last of the positions 1 to 10"),
    ],
)
def test_explain_refuses(titans, run, fasta, tmp_path, options, message):
    code, _, err = titans("explain", run, fasta, "--out", tmp_path / "e", *options)
    assert code == 2
    assert message in err
    assert not (tmp_path / "e").exists()


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "ref.fa"
    path.write_text(">chr1\n" + "ACGTTGCAAT" * 12 + "\n")
    return path


def test_variants_scores_alternatives(titans, run, reference, tmp_path):
    calls = tmp_path / "calls.vcf"
    calls.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n1\t41\trs1\tA\tC,GT\n1\t50\t.\tT\t<DEL>\n")
    code, out, _ = titans(
        *("variants", run, calls, "--reference", reference, "--out", tmp_path / "v.csv", "--progress", "none")
    )
    assert code == 0
    assert "windows of 30 bases" in out  # the median length it was trained on
    header, *rows = read(tmp_path / "v.csv")
    assert header[-3:] == ["score_motif", "alternative_motif", "reference_motif"]
    assert [row[5] for row in rows] == ["C", "GT", "<DEL>"]
    assert "symbolic allele" in out
    for row in rows[:2]:
        assert float(row[-3]) == pytest.approx(float(row[-2]) - float(row[-1]), abs=1e-4)


def test_variants_of_another_assembly_are_refused_by_line(titans, run, reference, tmp_path):
    calls = tmp_path / "calls.vcf"
    calls.write_text("#CHROM\tPOS\tID\tREF\tALT\nchr1\t41\t.\tG\tC\nchr9\t1\t.\tA\tC\n")
    given = ("variants", run, calls, "--reference", reference, "--out", tmp_path / "v.csv")
    code, _, err = titans(*given)
    assert code == 2
    assert f"{calls}, line 2: REF is G, the reference has A at chr1:41" in err
    calls.write_text("#CHROM\tPOS\tID\tREF\tALT\nchr9\t1\t.\tA\tC\n")
    code, _, err = titans(*given)
    assert "line 2: the reference has no contig 'chr9', only chr1" in err
    assert not (tmp_path / "v.csv").exists()


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_help_with_examples(titans, verb):
    code, out, _ = titans(verb, "--help")
    assert code == 0
    assert "examples:" in out
    assert f"titans dna {verb} {COMMANDS[verb].examples[0].split()[0]}" in out


def test_fetch_downloads_and_says_what_is_next(titans, tmp_path, monkeypatch):
    monkeypatch.setattr("genomics.sequences.archive.fetch", lambda name, folder: folder / f"{name}_v0.zip")
    code, out, _ = titans("fetch", "human_enhancers_cohn", "--out", tmp_path)
    assert code == 0
    assert f"titans dna train {tmp_path / 'human_enhancers_cohn_v0.zip'} --out runs/z" in out
    assert "human_ocr_ensembl\n" in titans("fetch", "--list")[1]
    code, _, err = titans("fetch")
    assert (code, "no data set is named: titans dna fetch --list shows all" in err) == (2, True)


def test_a_failing_skip_bad_says_what_was_left_out(titans, run, tmp_path):
    (tmp_path / "bad.fa").write_text(">one\nAC!\n")
    code, out, err = titans("predict", run, tmp_path / "bad.fa", "--skip-bad", "--out", tmp_path / "o.csv")
    assert (code, "there is no usable sequence" in err) == (2, True)
    assert "left out: 1 records that cannot be used" in out
    assert "bad.fa, record 1 (one)" in out


def test_the_group_lists_its_verbs(titans):
    code, out, _ = titans("--help")
    assert code == 0
    assert all(f"  {name} " in out for name in COMMANDS)
    code, _, err = titans("predct")
    assert (code, "did you mean 'predict'?" in err) == (2, True)
