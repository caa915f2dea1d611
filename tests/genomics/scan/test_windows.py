import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from genomics.scan import stretches, windows, windows_of
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.bad_records import Refuse
from genomics.sequences.options import LoadOptions
from tests.genomics.sequences.making import write
from tests.genomics.small import random_sequence
from titans_seq.errors import UserError

CONTIGS = {
    "chr1": random_sequence(1_000, np.random.default_rng(0)),
    "chr2": random_sequence(30, np.random.default_rng(1)),
}
FASTA = "".join(
    f">{name} x\n" + "\n".join(s[i : i + 60].lower() for i in range(0, len(s), 60)) + "\n"
    for name, s in CONTIGS.items()
)


def cut(path: Path, window: int, stride: int, **options: object) -> list[tuple[str, int, int, str]]:
    refuse = Refuse(notes=Counter())
    ((_, found),) = stretches([path], LoadOptions(**options), refuse)  # pyright: ignore[reportArgumentType]
    return [(w.stretch.contig, w.start, w.end, w.sequence) for w in windows_of(path, found, window, stride)]


@pytest.mark.parametrize("piece", [7, 100, 1 << 16])
@pytest.mark.parametrize(("window", "stride"), [(100, 25), (101, 30), (50, 70), (40, 1000)])
def test_windows_cover_contigs_however_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, window: int, stride: int
) -> None:
    monkeypatch.setattr(windows, "_PIECE", piece)
    path = write(tmp_path / "g.fa.gz", FASTA)
    expected = []
    for name, sequence in CONTIGS.items():
        starts = list(range(0, max(len(sequence) - window, 0) + 1, stride))
        if starts[-1] + window < len(sequence):
            starts.append(len(sequence) - window)
        expected += [(name, s, min(s + window, len(sequence)), sequence[s : s + window]) for s in starts]
    assert cut(path, window, stride) == expected


def test_intervals_are_scanned_on_their_strand(tmp_path: Path) -> None:
    genome = write(tmp_path / "g.fa", FASTA)
    bed = write(tmp_path / "a.bed", "chr1\t100\t150\tx\t0\t-\n")
    found = cut(bed, 20, 15, reference=str(genome))
    assert [(start, end) for _, start, end, _ in found] == [(100, 120), (115, 135), (130, 150)]
    for contig, start, end, sequence in found:
        assert sequence == reverse_complement(CONTIGS[contig][start:end])


def test_contigs_without_a_name_have_their_number(tmp_path: Path) -> None:
    assert [row[0] for row in cut(write(tmp_path / "g.fa", ">\nACGT\n>\nGGCC\n"), 4, 4)] == ["1", "2"]


def test_what_would_move_positions_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    for text, message in (
        (">b\nAC-GT\n>a\nACGT\n", r"\(b\): has a gap"),
        (">a\nAC\n>a\nGG\n", "two contigs are named"),
    ):
        path = write(tmp_path / "g.fa", text)
        with pytest.raises(UserError, match=message):
            list(stretches([path], LoadOptions(), Refuse()))
        left_out: list[str] = []
        ((_, found),) = stretches([path], LoadOptions(), Refuse(True, left_out))
        assert ([source.stretch.name for source in found], len(left_out)) == (["a"], 1)
        assert [window.stretch.name for window in windows_of(path, found, 2, 1)] == ["a"] * (3 if "b" in text else 1)


def test_no_contig_stands_for_one_of_its_name_that_is_left_out(tmp_path: Path) -> None:
    left_out: list[str] = []
    path = write(tmp_path / "g.fa", ">a\nAC-GT\n>a\nGGTT\n>b\nACGT\n")
    ((_, found),) = stretches([path], LoadOptions(), Refuse(True, left_out))
    assert ([source.stretch.name for source in found], len(left_out)) == (["b"], 2)


def test_a_truncated_genome_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(FASTA.encode())[:-60])
    with pytest.raises(UserError, match="cut short or damaged"):
        list(stretches([path], LoadOptions(), Refuse()))
