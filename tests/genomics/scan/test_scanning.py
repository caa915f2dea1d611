from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genomics.runs.predictor import Predictor
from genomics.scan import Scan, ScanOptions, Stretch, Target, Window, open_track, scan, stretches, windows_of
from genomics.scan.tracks import check_contigs, sizes_of
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.bad_records import Refuse
from genomics.sequences.options import LoadOptions
from tests.genomics.sequences.making import write
from tests.genomics.small import classifier, random_sequence
from titans_seq.errors import UserError

SEQUENCE = random_sequence(95, np.random.default_rng(3))
CONTIG = Stretch("chr1", "chr1", 0, 95, ".", 95)
TARGET = Target("b", 1)


def windows(stretch: Stretch = CONTIG) -> list[Window]:
    return [Window(stretch, start, start + 30, SEQUENCE[start : start + 30]) for start in (0, 20, 40, 60, 65)]


def model(**changes) -> Predictor:
    return Predictor(classifier(**changes), ("a", "b", "c"), device="cpu")


def test_each_window_has_the_larger_score_of_its_strands():
    predictor = model()
    found = list(scan(predictor, windows(), TARGET))
    forward = predictor.predict_proba([window.sequence for window in windows()])[:, 1]
    backward = predictor.predict_proba([reverse_complement(window.sequence) for window in windows()])[:, 1]
    np.testing.assert_allclose([one.score for one in found], np.maximum(forward, backward), rtol=1e-6)
    assert [one.strand for one in found] == ["+" if a >= b else "-" for a, b in zip(forward, backward, strict=True)]
    np.testing.assert_allclose([one.score for one in scan(predictor, windows(), TARGET, "-")], backward, rtol=1e-6)


def test_a_model_of_both_strands_has_one_score():
    predictor = model(strands="average")
    found = list(scan(predictor, windows(), TARGET))
    assert {one.strand for one in found} == {"."}
    expected = predictor.predict_proba([window.sequence for window in windows()])[:, 1]
    np.testing.assert_allclose([one.score for one in found], expected, rtol=1e-6)


def test_the_strand_of_an_interval_turns_around():
    plus, minus = (list(scan(model(), windows(Stretch("x", "chr1", 0, 95, strand, 95)), TARGET)) for strand in "+-")
    assert all({one.strand, other.strand} == {"+", "-"} for one, other in zip(plus, minus, strict=True))


@pytest.mark.parametrize(("of_interval", "wanted"), [("+", "+"), ("+", "-"), ("-", "+"), ("-", "-")])
def test_the_strand_that_is_asked_for_is_that_of_the_contig(of_interval, wanted):
    predictor, held = model(), windows(Stretch("x", "chr1", 0, 95, of_interval, 95))
    read = [one.sequence if of_interval == wanted else reverse_complement(one.sequence) for one in held]
    found = list(scan(predictor, held, TARGET, wanted))
    np.testing.assert_allclose([one.score for one in found], predictor.predict_proba(read)[:, 1], rtol=1e-6)
    assert {one.strand for one in found} == {wanted}


def test_windows_of_n_are_left_out():
    unknown = Window(CONTIG, 0, 30, "N" * 16 + "A" * 14)
    assert len(list(scan(model(), [unknown, *windows()], TARGET))) == 5


def written(path: Path, **options) -> list[list[str]]:
    found = list(scan(model(), windows(), TARGET))
    with open_track(path, sizes_of([CONTIG]), TARGET, 20, **options) as write:
        for one in found:
            write(one)
    return [line.split("\t") for line in path.read_text().splitlines()] if path.suffix != ".bw" else []


def test_tracks(tmp_path: Path) -> None:
    scores = [f"{one.score:.6g}" for one in scan(model(), windows(), TARGET)]
    header, *rows = written(tmp_path / "a.tsv")
    assert header == ["name", "contig", "start", "end", "strand", "probability_b"]
    assert [row[1:4] for row in rows] == [["chr1", str(w.start), str(w.end)] for w in windows()]
    assert [row[5] for row in rows] == scores
    bed = written(tmp_path / "a.bed")
    assert [row[:4] for row in bed] == [["chr1", str(w.start), str(w.end), "b"] for w in windows()]
    assert [row[4] for row in bed] == [str(round(1000 * float(score))) for score in scores]
    middle = sorted(map(float, scores))[2]
    assert len(written(tmp_path / "a.bed", threshold=middle)) == 3
    head, *graph = written(tmp_path / "a.bedGraph")
    assert head[0].startswith("track type=bedGraph")
    assert [(int(row[1]), int(row[2])) for row in graph] == [(5, 25), (25, 45), (45, 65), (65, 85), (85, 90)]
    assert [row[3] for row in graph] == scores


def test_a_track_of_values_has_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "a.bedGraph"
    with open_track(path, {"chr1": 95}, Target("value", 0), 30) as add:
        assert add(Scan(CONTIG, 0, 30, "+", 1_000_012.346))
    assert path.read_text().splitlines()[1] == "chr1\t0\t30\t1000012.346"


def test_big_wig(tmp_path: Path) -> None:
    package = pytest.importorskip("pyBigWig", reason="needs the extra tracks")
    written(tmp_path / "a.bw")
    with package.open(str(tmp_path / "a.bw")) as file:
        assert file.chroms() == {"chr1": 95}
        assert [(start, end) for start, end, _ in file.intervals("chr1")] == [
            *((5, 25), (25, 45), (45, 65), (65, 85), (85, 90))
        ]


@pytest.mark.parametrize(("name", "places"), [("a.bedGraph", [(80, 95), None]), ("a.bed", [(75, 95), (90, 95)])])
def test_no_track_reaches_beyond_a_contig(tmp_path: Path, name: str, places: list[tuple[int, int] | None]) -> None:
    """As do windows of intervals that were filled with N."""
    filled = Stretch("x", "chr1", 75, 45, "+", 95)
    with open_track(tmp_path / name, {"chr1": 95}, TARGET, 20) as add:
        assert [add(Scan(filled, start, start + 30, "+", 0.5)) for start in (75, 90)] == list(map(bool, places))
    lines = [line.split("\t") for line in (tmp_path / name).read_text().splitlines()]
    held = [(int(line[1]), int(line[2])) for line in lines if len(line) > 1]
    assert held == [place for place in places if place is not None]


def test_what_cannot_be_written_or_scanned_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"a\.txt: expected the name of a file that ends in \.bed, \.bedgraph"),
        open_track(tmp_path / "a.txt", {}, TARGET, 20),
    ):
        pass
    with pytest.raises(UserError, match="--stride must be at least 1 base, got 0"):
        ScanOptions(10, 0)


def test_a_track_holds_all_windows_of_an_interval_on_either_strand(tmp_path: Path) -> None:
    """Places on the contig rise whatever the strand; of intervals that overlap the first has the bases."""
    genome = write(tmp_path / "g.fa", f">chr1\n{SEQUENCE}\n")
    for strand in "+-":
        bed = write(tmp_path / "a.bed", f"chr1\t0\t90\tx\t0\t{strand}\nchr1\t30\t60\ty\n")
        ((_, found),) = stretches([bed], LoadOptions(reference=str(genome)), Refuse())
        scans = list(scan(model(), windows_of(bed, found, 30, 30), TARGET))
        with open_track(tmp_path / "a.bedGraph", {"chr1": 95}, TARGET, 30) as add:
            assert [add(one) for one in scans] == [True, True, True, False]
        lines = [line.split("\t") for line in (tmp_path / "a.bedGraph").read_text().splitlines()[1:]]
        assert [(line[1], line[2]) for line in lines] == [("0", "30"), ("30", "60"), ("60", "90")]
        with open_track(tmp_path / "b.bed", {"chr1": 95}, TARGET, 30) as add:
            assert all([add(one) for one in scans])
        assert [line.split("\t")[3] for line in (tmp_path / "b.bed").read_text().splitlines()] == ["x", "x", "x", "y"]


def test_two_whole_contigs_of_one_name_are_no_track() -> None:
    part = replace(CONTIG, start=10, size=40)
    interval = replace(CONTIG, name="a gene")
    check_contigs([CONTIG, part, part, interval, interval])
    with pytest.raises(UserError, match=r"two contigs are named .*: scan one file a track"):
        check_contigs([CONTIG, replace(CONTIG, contig="other"), replace(CONTIG, size=50, contig_size=50)])
