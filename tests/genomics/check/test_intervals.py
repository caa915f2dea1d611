from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from genomics.check import check_intervals, findings, render
from genomics.sequences.intervals import Interval
from genomics.sequences.labelled_intervals import LabelledIntervals, holds_intervals, load_intervals
from genomics.sequences.options import LoadOptions
from tests.genomics.sequences.making import write
from tests.genomics.sequences.test_archive import make_archive
from titans_seq.cli import main
from titans_seq.errors import UserError

HEADER = "id,region,start,end,strand\n"


def drawn(count: int, seed: int) -> LabelledIntervals:
    random = np.random.default_rng(seed)
    places = []
    for number in range(count):
        start, length = random.integers(3000), random.integers(20, 220)
        places.append(Interval(str(number), f"chr{random.integers(2)}", int(start), int(start + length), "+"))
    return LabelledIntervals(tuple(places), random.integers(0, 2, count), ("no", "yes"))


def covers(one: Interval, other: Interval, k: int) -> bool:
    return one.contig == other.contig and min(one.end, other.end) - max(one.start, other.start) >= k


@pytest.mark.parametrize("k", [1, 40, 90])
def test_overlaps_are_those_that_comparing_all_pairs_finds(k: int) -> None:
    train, test = drawn(60, 0), drawn(40, 1)
    (found,) = check_intervals({"train": train, "test": test}, k).overlaps
    expected = [any(covers(one, other, k) for other in train.intervals) for one in test.intervals]
    assert 0 < sum(expected) < 40
    assert found.sharing == sum(expected)
    assert [held.share for held in found.classes] == [np.mean(np.array(expected)[test.labels == n]) for n in (0, 1)]
    (within,) = check_intervals({"train": train}, k).overlaps
    others = [any(covers(one, other, k) for other in train.intervals if other is not one) for one in train.intervals]
    assert within.sharing == sum(others)


def test_copies_and_conflicts_are_counted() -> None:
    at = [("chr1", 0, "+"), ("chr1", 0, "+"), ("chr1", 0, "-"), ("chr2", 0, "+")]
    train = LabelledIntervals(
        tuple(Interval("", contig, start, start + 50, strand) for contig, start, strand in at),
        np.array([0, 1, 0, 0]),
        ("no", "yes"),
    )
    report = check_intervals(
        {"train": train, "test": LabelledIntervals(train.intervals[2:], np.array([0, 1]), ("no", "yes"))}
    )
    (part, *_) = report.parts
    assert (part.duplicates, part.reversed, part.conflicting, part.unknown) == (1, 1, 3, None)
    (overlap,) = report.overlaps
    assert (overlap.exact, overlap.reversed, overlap.conflicting) == (2, 0, 2)
    assert check_intervals({"train": train}).overlaps[0].conflicting == 2
    assert "not A, C, G or T" not in render(report)


def test_lengths_that_tell_the_class_stand_out(tmp_path: Path) -> None:
    for part, count in (("train", 60), ("test", 30)):
        for name, length in (("yes", 200), ("no", 300)):
            rows = "".join(f"{i},chr1,{i * 1000},{i * 1000 + length},+\n" for i in range(count))
            write(tmp_path / f"{part}/{name}.csv.gz", HEADER + rows)
    assert holds_intervals(tmp_path)
    report = check_intervals(load_intervals(tmp_path))
    assert any(finding.startswith("Length alone predicts the class: accuracy 1.000") for finding in findings(report))


@pytest.mark.parametrize("name", ["a.bed", "a.csv"])
def test_a_file_of_places(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"chr1{s}{i * 100}{s}{i * 100 + 80}" for i in range(12) for s in ("\t" if name == "a.bed" else ",")]
    if name == "a.bed":
        path = write(tmp_path / "beds/yes.bed", "\n".join(rows)).parent
        write(path / "no.bed", "chr2\t5\t95\n")
    else:
        labels = [f"{row},{'yn'[i % 2]}" for i, row in enumerate(rows)]
        path = write(tmp_path / name, "chrom,start,end,label\n" + "\n".join(labels))
    assert main(["dna", "check", str(path), "--progress", "none"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("intervals alone are compared: give --reference")
    assert "train in the rest of it: 0 equal" in out


def test_a_window_and_other_names_of_contigs(tmp_path: Path) -> None:
    rows = "".join(f"{'chr' * (i % 2)}1,{100 * i},{100 * i + 20},{'yn'[i % 2]}\n" for i in range(6))
    path = write(tmp_path / "a.csv", "chrom,start,end,label\n" + rows)
    assert check_intervals(load_intervals(path)).overlaps[0].sharing == 0
    report = check_intervals(load_intervals(path, LoadOptions(window=150)))
    assert report.overlaps[0].sharing == 6
    assert report.parts[0].whole.shortest == 150


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (LoadOptions(kind="regression"), "by classes, not by labels of kind 'regression'"),
        (LoadOptions(labels=("label", "end")), "a.csv: intervals alone can be compared by one label, a class"),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, options: LoadOptions, message: str) -> None:
    path = write(tmp_path / "a.csv", "chrom,start,end,label\nchr1,5,90,1\n")
    with pytest.raises(UserError, match=message):
        load_intervals(path, options)


def test_archives_and_labelled_tables_are_no_lists_of_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = make_archive(tmp_path / "a.zip")
    assert main(["dna", "check", str(archive), "--progress", "none"]) == 0
    assert capsys.readouterr().out.startswith("train")
    for name in ("more_train", "more_test"):
        write(tmp_path / f"tables/{name}.csv", "chrom,start,end,label\nchr1,5,90,y\nchr1,5,90,n\n")
    with pytest.raises(UserError, match="has a column of labels, but the files of a folder are a class each"):
        load_intervals(tmp_path / "tables")
    with pytest.raises(UserError, match="at least 1 base in common to overlap, got k = 0"):
        check_intervals({"train": drawn(3, 0)}, k=0)


def test_bad_places_are_named_or_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "chrom,start,end,label\nchr1,5,90,y\nchr1,90,5,n\n")
    with pytest.raises(UserError, match=r"a.csv, row 2: start '90' and end '5'"):
        load_intervals(path)
    left_out: list[str] = []
    assert len(load_intervals(path, LoadOptions(skip_bad=True), left_out)["train"]) == 1
    assert len(left_out) == 1
    assert not holds_intervals(write(tmp_path / "b.csv", "seq,label\nACGT,y\n"))


@pytest.mark.slow
def test_the_published_promoters_share_their_negatives(dna: Path) -> None:
    report = check_intervals(load_intervals(dna / "genomic_benchmarks_intervals/human_nontata_promoters"), k=1)
    shares = {held.name: held.share for held in report.overlaps[0].classes}
    assert shares["negative"] == pytest.approx(0.996, abs=0.001)
    assert shares["positive"] == pytest.approx(0.07, abs=0.01)


def test_a_column_divides_intervals_as_it_does_sequences(tmp_path: Path) -> None:
    rows = [("y", "train"), ("n", "train"), ("y", "dev"), ("n", "test")]
    lines = "".join(f"chr1,{100 * number},{100 * number + 50},{y},{part}\n" for number, (y, part) in enumerate(rows))
    notes: Counter[str] = Counter()
    held = load_intervals(write(tmp_path / "a.csv", "chrom,start,end,label,split\n" + lines), notes=notes)
    assert [(part, found.labels.tolist()) for part, found in held.items()] == [
        ("train", [1, 0]),
        ("validation", [1]),
        ("test", [0]),
    ]
    assert notes == {"is in the part that a column names (train, validation or test)": 4}
