"""predict, embed, explain, variants and help."""

import csv
import gzip
import io
import json
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from genomics.cli.main import COMMANDS
from genomics.runs import load_classifier
from genomics.sequences import opening
from tests.genomics.cli.conftest import TINY


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def test_predict_writes_a_row_a_sequence(titans, run, fasta, tmp_path):
    out = tmp_path / "scores.csv"
    code, printed, err = titans("predict", run, fasta, fasta, "--out", out, "--progress", "none")
    assert (code, err) == (0, "")
    header, *rows = read(out)
    place = ["contig", "start", "end", "strand", "length", "unknown"]
    assert header == ["name", *place, "predicted", "probability_background", "probability_motif"]
    assert [row[0] for row in rows] == ["one", "two", "three", "one#2", "two#2", "three#2"]
    assert [row[5:7] for row in rows[:3]] == [["10", "2"], ["12", "0"], ["7", "0"]]
    expected = load_classifier(run, "cpu").predict_proba(["ACGTACGTNN", "TTTTACGTGGCA", "GATTACA"])
    np.testing.assert_allclose([[float(cell) for cell in row[8:]] for row in rows[:3]], expected, rtol=1e-5)
    assert f"written: {out}, 6 sequences; 6 of them unlike those it was trained on\n" in printed
    assert "warning: the model was trained on sequences of 30 bases, at most 0.0% of them unknown" in printed
    assert "note: 3 records: has the name of an earlier record" in printed


def test_predict_says_what_the_model_does_not_see(titans, parts, fasta, tmp_path):
    run = tmp_path / "z"
    options = (*TINY, "--kmer", "8", "--places", "2", "--baselines", "none", "--bootstrap", "0")
    assert titans("train", parts, "--out", run, *options)[0] == 0
    _, printed, _ = titans("predict", run, fasta, "--out", tmp_path / "scores.csv", "--progress", "none")
    assert "note: 1 of them are shorter than a token of 8 bases" in printed
    assert "note: the model weighs what stands at each of the first 2 places" in printed
    for given in (("explain", run, fasta), ("marginalise", run, "--motif", "GATTACA", "--most", "2")):
        _, printed, _ = titans(*given, "--out", tmp_path / "e", "--progress", "none")
        assert "note: the model weighs what stands at each of the first 2 places" in printed


def test_predict_reads_intervals_and_named_columns(titans, run, tmp_path):
    (tmp_path / "ref.fa").write_text(">I\n" + "ACGTTGCA" * 20 + "\n")
    (tmp_path / "a.bed").write_text("I\t0\t20\tfirst\nI\t40\t60\tsecond\n")
    options = ("--reference", tmp_path / "ref.fa", "--window", "12", "--progress", "none")
    assert titans("predict", run, tmp_path / "a.bed", "--out", tmp_path / "a.csv", *options)[0] == 0
    rows = read(tmp_path / "a.csv")
    assert [row[:7] for row in rows[1:]] == [
        ["first", "I", "4", "16", ".", "12", "0"],
        ["second", "I", "44", "56", ".", "12", "0"],
    ]
    (tmp_path / "b.csv").write_text("id,mine\nx,ACGTACGTAC\n")
    assert titans("predict", run, tmp_path / "b.csv", "--out", tmp_path / "c.csv", "--sequence", "mine")[0] == 0


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(">I x\n" + "ACGTTGCAGT" * 40 + "\n>II\n" + "N" * 60 + "\n")
    return path


def test_a_contig_is_scanned_and_not_scored_once(titans, run, genome, tmp_path):
    code, printed, _ = titans("predict", run, genome, "--out", tmp_path / "a.csv", "--progress", "none")
    assert code == 0
    header, *rows = read(tmp_path / "a.csv")
    assert [row[1:5] for row in rows[:2]] == [["I", "0", "30", "+"], ["I", "15", "45", "+"]]
    assert rows[-2][1:4] == ["I", "370", "400"]
    assert rows[-1][:3] == ["II", "", ""]
    assert "note: 1 sequences of more than 300 bases were scanned in windows of 30 on the strand given" in printed
    assert "--stride 15, or a track for --out, reads both strands" in printed
    assert titans("predict", run, genome, "--whole", "--out", tmp_path / "a.csv", "--progress", "none")[0] == 0
    assert len(read(tmp_path / "a.csv")) == 3


@pytest.mark.parametrize("name", ["a.bedGraph", "a.tsv", "a.bed"])
def test_a_genome_becomes_a_track(titans, run, genome, tmp_path, name):
    options = ("--window", "30", "--stride", "20", "--progress", "none")
    code, printed, _ = titans("predict", run, genome, "--out", tmp_path / name, *options)
    assert code == 0
    lines = (tmp_path / name).read_text().splitlines()
    assert len(lines) == 20 + (not name.endswith(".bed"))
    assert "20 windows of 30 bases, one each 20: motif" in printed
    assert "note: 3 windows are mostly unknown (N) and have no score" in printed
    assert "shorter" not in printed
    genome.write_text(">I\nACGTTGCAGT\n")
    code, printed, _ = titans("predict", run, genome, "--out", tmp_path / name, *options)
    assert "note: 1 of them are shorter than 30 bases" in printed


def test_a_scan_reads_a_pipe(titans, run, genome, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(genome.read_bytes()))))
    opening._copy_of_pipe.cache_clear()
    assert titans("predict", run, "-", "--stride", "20", "--out", tmp_path / "a.bed", "--progress", "none")[0] == 0
    opening._copy_of_pipe.cache_clear()
    assert titans("predict", run, genome, "--stride", "20", "--out", tmp_path / "b.bed", "--progress", "none")[0] == 0
    assert (tmp_path / "a.bed").read_text() == (tmp_path / "b.bed").read_text()


def test_a_simple_model_and_the_mean_of_several_predict(titans, run, fasta, tmp_path):
    out = tmp_path / "scores.csv"
    assert titans("predict", run, fasta, "--model", "kmers", "--out", out, "--progress", "none")[0] == 0
    header, *rows = read(out)
    assert sum(map(float, rows[0][8:])) == pytest.approx(1, abs=1e-5)
    for number in (1, 2):
        shutil.copytree(run, tmp_path / "cv" / f"fold-{number}")
    assert titans("predict", tmp_path / "cv", fasta, "--out", out, "--progress", "none")[0] == 0
    header, *rows = read(out)
    assert header[-2:] == ["spread_background", "spread_motif"]
    assert [row[-1] for row in rows] == ["0", "0", "0"]


def test_a_threshold_is_chosen_on_validation_and_used(titans, run, parts, fasta, tmp_path):
    kept = tmp_path / "z"
    shutil.copytree(run, kept)
    code, printed, _ = titans("decide", kept, "--by", "recall=1", "--progress", "none")
    assert code == 0
    assert "called motif from a probability of" in printed
    _, printed, _ = titans("predict", kept, fasta, "--out", tmp_path / "a.csv", "--progress", "none")
    assert "note: motif is predicted from a probability of" in printed
    threshold = json.loads((kept / "decision.json").read_text())["threshold"]
    for row in read(tmp_path / "a.csv")[1:]:
        assert row[7] == ("motif" if float(row[-1]) >= threshold else "background")
    evaluated = ("--baselines", "none", "--out", tmp_path / "v", "--progress", "none")
    _, printed, _ = titans("evaluate", kept, parts / "test.csv", *evaluated)
    assert "note: scored with the decision kept in the run (recall=1, on validation): motif from a p" in printed
    titans("predict", kept, parts / "test.csv", "--out", tmp_path / "t.csv", "--progress", "none")
    scored, predicted = read(tmp_path / "v" / "predictions.csv")[1:], read(tmp_path / "t.csv")[1:]
    assert [row[-3] for row in scored] == [row[-3] for row in predicted]
    np.testing.assert_allclose([float(row[-1]) for row in scored], [float(row[-1]) for row in predicted], rtol=1e-4)
    explained = ("--method", "saliency", "--out", tmp_path / "e", "--progress", "none")
    for name, row in zip(("one", "two"), read(tmp_path / "a.csv")[1:], strict=False):
        _, printed, _ = titans("explain", kept, fasta, "--record", name, *explained)
        shown = [float(part.split()[-1]) for part in printed.split(": ")[1].split(";")[0].split(", ")]
        np.testing.assert_allclose(shown, [float(cell) for cell in row[8:10]], rtol=2e-3)
        assert f"called {row[7]}, by the threshold" in printed
    titans("predict", kept, fasta, "--threshold", "0", "--out", tmp_path / "a.csv", "--progress", "none")
    assert {row[7] for row in read(tmp_path / "a.csv")[1:]} == {"motif"}
    assert titans("train", parts, "--out", kept, "--overwrite", *TINY, "--baselines", "none")[0] == 0
    assert not (kept / "decision.json").exists()  # that of the model before
    assert "mcc, f1, recall=0.9 or precision=0.9, got speed (--by)" in titans("decide", kept, "--by", "speed")[2]
    assert "asked for must be in (0, 1], got 1.5" in titans("decide", kept, "--by", "recall=1.5")[2]


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
    assert "saliency and mutagenesis agree: correlation " in printed
    again = ("--record", "three", "--method", "saliency", "--format", "svg", "--out", out, "--progress", "none")
    (out / "notes.txt").write_text("of the user")
    assert titans("explain", run, fasta, *again)[0] == 0
    assert sorted(path.name for path in out.iterdir()) == ["notes.txt", "saliency.csv", "saliency.svg"]


def test_explain_reads_a_window_about_a_span_of_a_contig(titans, run, genome, tmp_path):
    out = tmp_path / "e"
    options = ("--span", "101", "120", "--format", "svg", "--format", "npz", "--progress", "none")
    code, printed, _ = titans("explain", run, genome, "--out", out, *options)
    assert code == 0
    assert "I, 30 bases of 400, in a window from 96: background" in printed
    assert [row[0] for row in read(out / "mutagenesis.csv")[1:]] == [str(place) for place in range(101, 121)]
    assert sorted(path.suffix for path in out.iterdir()) == [".csv", ".csv", ".npz", ".npz", ".svg", ".svg"]
    code, _, err = titans("explain", run, genome, "--record", "II", "--span", "1", "70", "--out", out)
    assert (code, "--span 1 70: expected first and last of the positions 1 to 60" in err) == (2, True)


def test_explain_all_records(titans, run, fasta, tmp_path):
    out = tmp_path / "e"
    code, _, _ = titans("explain", run, fasta, "--all", "--method", "saliency", "--out", out, "--progress", "none")
    assert code == 0
    with np.load(out / "saliency.npz") as held:
        assert held["one_hot"].shape == held["contributions"].shape == (3, 4, 12)
        assert held["names"].tolist() == ["one", "two", "three"]
        np.testing.assert_allclose(held["contributions"].sum(1), 0, atol=1e-5)
        importance = held["importance"]
    mean = read(out / "saliency.csv")[1:]
    assert [row[1] for row in mean] == ["3"] * 7 + ["2"] * 3 + ["1"] * 2
    assert float(mean[0][2]) == pytest.approx(importance[:, 0].mean(), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--record", "nobody"), "has no record named 'nobody': its records are 'one', 'two', 'three'"),
        (("--target", "nothing"), "the model has no class or label 'nothing'"),
        (("--span", "5", "99"), "--span 5 99: expected first and last of the positions 1 to 10"),
    ],
)
def test_explain_refuses(titans, run, fasta, tmp_path, options, message):
    code, _, err = titans("explain", run, fasta, "--out", tmp_path / "e", *options)
    assert code == 2
    assert message in err
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("package", [True, False])
def test_explain_says_first_that_no_big_wig_can_be_written(titans, run, tmp_path, package, monkeypatch):
    (tmp_path / "ref.fa").write_text(">I\n" + "ACGTTGCA" * 20 + "\n")
    (tmp_path / "a.bed").write_text("I\t0\t20\tfirst\nI\t19\t40\tsecond\n")
    monkeypatch.setitem(sys.modules, "pyBigWig", types.ModuleType("pyBigWig") if package else None)
    monkeypatch.setattr("genomics.explain.saliency", None)
    options = ("--reference", tmp_path / "ref.fa", "--all", "--format", "bigwig", "--out", tmp_path / "e")
    code, _, err = titans("explain", run, tmp_path / "a.bed", *options, "--progress", "none")
    said = "second: overlaps another sequence on I" if package else "bigWig files need the package pybigwig"
    assert (code, said in err) == (2, True)
    assert not (tmp_path / "e").exists()


def test_records_are_named_by_their_first_word_or_their_whole_header(titans, run, tmp_path):
    (tmp_path / "named.fa").write_text("> s 0\nACGTACGTAC\n>s 1 of two\nGGTTGGTTGG\n")
    options = ("--out", tmp_path / "e", "--method", "saliency", "--progress", "none")
    for name in ("s 1 of two", "s#2"):
        code, out, _ = titans("explain", run, tmp_path / "named.fa", "--record", name, *options)
        assert (code, "s#2, 10 bases: " in out) == (0, True)
    code, _, err = titans("explain", run, tmp_path / "named.fa", "--record", "s 2", *options)
    assert (code, "has no record named 's 2': its records are 's 0', 's 1 of two'" in err) == (2, True)


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
    assert header[-3:] == ["log_odds_change_motif", "log_odds_alternative_motif", "log_odds_reference_motif"]
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
