"""What people get wrong: one message that says which record and what to do, exit code 2, and nothing half written."""

import gzip
from pathlib import Path

import pytest

from tests.genomics.cli.conftest import TINY
from tests.genomics.sequences.making import truncate, write

ROWS = [(f"s{number}", "ACGTTGCA" * 3, "ab"[number % 2]) for number in range(12)]


def table(rows: list[tuple[str, str, str]]) -> str:
    return "id,sequence,label\n" + "".join(",".join(row) + "\n" for row in rows)


def training_cases(folder: Path) -> dict[str, tuple[Path, str]]:
    """Data that cannot be trained on, and what is said about it."""
    missing = [*ROWS[:4], ("s4", "ACGTACGT", ""), *ROWS[5:]]
    protein = [*ROWS[:2], ("s2", "MKLVWERQEE", "a"), *ROWS[3:]]
    alone = [(name, sequence, "a") for name, sequence, _ in ROWS]
    cut = write(folder / "cut.csv.gz", table([(n, "ACGGT" * 400, y) for n, _, y in ROWS * 9]))
    write(folder / "classes" / "a.fa", ">one\nACGTACGT\n>two\nACCCAC\n")
    write(folder / "classes" / "b.fa", "; a comment\n>three\nACGTACGT\n")
    intervals = write(folder / "places.csv", "id,region,start,end,strand,label\n1,chr7,2,9,+,a\n2,I,1,5,+,b\n")
    return {
        "no label": (write(folder / "m.csv", table(missing)), "m.csv, row 5"),
        "one class": (write(folder / "o.csv", table(alone)), "are of one class, 'a'"),
        "protein": (write(folder / "p.csv", table(protein)), "p.csv, row 3"),
        "truncated": (truncate(cut), "the gzip file is cut short or damaged here"),
        "comment": (folder / "classes", "b.fa"),
        "no contig": (intervals, "contig 'chr7' is not in the reference"),
    }


@pytest.mark.parametrize("case", ["no label", "one class", "protein", "truncated", "comment", "no contig"])
def test_train_and_check(titans, tmp_path, case):
    reference = write(tmp_path / "in" / "ref.fa", ">I\nACGTACGTAC\n")
    path, message = training_cases(tmp_path / "in")[case]
    options = ("--reference", reference) if case == "no contig" else ()
    for verb in (("train", path, "--out", tmp_path / "out" / "z", *TINY), ("check", path, "--progress", "none")):
        code, out, err = titans(*verb, *options)
        assert code == 2, out
        assert message in err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("protein.fa", ">good\nACGT\n>bad\nMKLVWERQEE\n", "protein.fa, record 2 (bad)"),
        ("comment.fa", "; made by hand\n>one\nACGT\n", "comment.fa"),
        ("empty.fa", "", "empty.fa"),
    ],
)
def test_predict_and_embed(titans, run, tmp_path, name, text, message):
    path = write(tmp_path / name, text)
    for verb in ("predict", "embed"):
        code, _, err = titans(verb, run, path, "--out", tmp_path / "out.csv", "--progress", "none")
        assert code == 2
        assert message in err
        assert err.startswith("error: ")
        assert sorted(held.name for held in tmp_path.iterdir()) == [name]


def test_a_truncated_file_is_predicted_not_at_all(titans, run, tmp_path):
    text = "".join(f">s{number}\nACGTTGCAAT\n" for number in range(400))
    path = tmp_path / "cut.fa.gz"
    path.write_bytes(gzip.compress(text.encode())[:-40])
    code, _, err = titans("predict", run, path, "--out", tmp_path / "out.csv", "--progress", "none")
    assert code == 2
    assert "the gzip file is cut short or damaged here" in err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("verb", ["predict", "embed"])
def test_the_name_of_the_output_and_the_run_are_looked_at(titans, run, fasta, tmp_path, verb):
    code, _, err = titans(verb, run, fasta, "--out", tmp_path / "scores.txt")
    assert code == 2
    assert "expected the name of a file that ends in " in err
    assert ".csv" in err
    code, _, err = titans(verb, tmp_path, fasta, "--out", tmp_path / "scores.csv")
    assert (code, str(tmp_path) in err) == (2, True)
    code, _, err = titans(verb, run, "--out", tmp_path / "scores.csv")
    assert code == 2


def test_no_verb_writes_over_what_it_reads(titans, run, tmp_path):
    texts = {"a.csv": "seq\nACGTACGT\n", "ref.fa": ">I\nACGT\n", "a.vcf": "#CHROM\tPOS\n", "m/motifs.meme": "MEME\n"}
    for name, text in texts.items():
        write(tmp_path / name, text)
    table, reference, calls, motifs = (tmp_path / name for name in texts)
    for line in (
        ("predict", run, table, "--out", table),
        ("predict", run, table, "--stride", "4", "--out", tmp_path / "m" / ".." / "a.csv"),
        ("embed", run, table, "--out", table),
        ("negatives", reference, "--out", reference),
        ("variants", run, calls, "--reference", reference, "--out", calls),
        ("motifs", run, reference, "--database", motifs, "--out", motifs.parent),
    ):
        code, _, err = titans(*line)
        assert (code, "is read, and would be written over: give --out another name" in err) == (2, True), line
    assert {name: (tmp_path / name).read_text() for name in texts} == texts


def unused_options(folder: Path) -> dict[str, tuple[tuple[object, ...], str]]:
    """Command lines, but for the run, with an option that has no use, and what is said about it."""
    sequences = write(folder / "a.fa", ">one\nACGTACGTAC\n")
    reference = write(folder / "ref.fa", ">I\n" + "ACGTTGCA" * 9 + "\n")
    intervals = write(folder / "a.bed", "I\t0\t30\tx\n")
    labelled = write(folder / "t.csv", table(ROWS))
    classes = write(folder / "c" / "a.fa", ">one\nACGTACGTAC\n").parent
    write(classes / "b.fa", ">two\nACGTACCTAC\n")
    out, of_intervals = folder / "o.csv", "is for intervals (BED, peaks, GFF, or columns region, start, end), and"
    return {
        "reference": (("predict", sequences, "--reference", reference, "--out", out), of_intervals),
        "edges": (("embed", sequences, "--edges", "fill", "--out", out), of_intervals),
        "window": (("evaluate", labelled, "--window", 5), of_intervals),
        "window and classes": (("check", classes, "--window", 5), of_intervals),
        "sequence": (("predict", sequences, "--sequence", "seq", "--out", out), "names a column of a table"),
        "sequence of intervals": (
            ("predict", intervals, "--reference", reference, "--sequence", "seq", "--out", out),
            "names a column of a table",
        ),
        "label": (("check", classes, "--label", "label"), "are a class each: leave it out"),
        "strand": (("predict", sequences, "--strand", "-", "--out", out), "--strand is of scans"),
        "target": (("predict", sequences, "--target", "motif", "--out", out), "--target is of scans"),
        "whole": (("predict", sequences, "--whole", "--stride", 4, "--out", out), "a scan is of windows"),
        "threshold": (("predict", sequences, "--threshold", 0.4, "--stride", 4, "--out", out), "in a .bed file"),
        "edges of a scan": (("predict", sequences, "--edges", "fill", "--stride", 4, "--out", out), of_intervals),
        "part": (("evaluate", labelled, "--part", "validation"), "--part validation is of the run's own data"),
        "spacing": (("marginalise", "--motif", "ACG", "--spacing", "1:2", "--out", out), "between two motifs"),
        "background": (("marginalise", "--motif", "ACG", "--skip-bad", "--out", out), "name their file (--background)"),
        "shuffles": (("negatives", sequences, "--reference", reference, "--out", folder / "o.fa"), of_intervals),
        "folds": (("train", labelled, "--folds", 2, "--test-share", 0.2, "--out", out), "each fold is tested on its"),
        "objective": (("pretrain", sequences, "--objective", "next", "--mask-share", 0.2, "--out", out), "masked"),
    }


def test_an_option_without_use_is_refused(titans, run, tmp_path):
    for case, ((verb, *rest), message) in unused_options(tmp_path / "in").items():
        of_a_run = verb not in ("check", "negatives", "train", "pretrain")
        code, _, err = titans(verb, *([run] if of_a_run else []), *rest)
        assert (code, message in err) == (2, True), (case, err)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["a.bed", "a.fa", "c", "ref.fa", "t.csv"]


def test_shares_of_parts_that_the_data_has_are_refused(titans, parts, tmp_path):
    for option in ("--test-share", "--validation-share"):
        code, _, err = titans("train", parts, option, "0.3", "--out", tmp_path / "z", *TINY)
        assert (code, f"{option} 0.3 has no use, as the data has its own" in err) == (2, True)
    assert not (tmp_path / "z").exists()


def test_a_bad_record_can_be_left_out(titans, run, tmp_path):
    path = write(tmp_path / "a.fa", ">good\nACGT\n>bad\nMKLVWERQEE\n")
    code, out, _ = titans("predict", run, path, "--out", tmp_path / "o.csv", "--skip-bad", "--progress", "none")
    assert code == 0
    assert "left out: 1 records" in out
    assert "1 sequences" in out
