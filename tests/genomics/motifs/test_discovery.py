import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from genomics.explain import Attribution
from genomics.motifs import Motif, MotifOptions, Site, discover
from genomics.motifs.discovery import joined, likeness
from genomics.motifs.matching import Match, match, occurrences
from genomics.motifs.report import Described, draw_logo, write_page, write_sites, write_table
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import Interval, Record
from tests.genomics.small import random_sequence
from titans_seq.errors import UserError

PLANTED = {"TGACTCAGCA": 1.0, "CCAATCGTAC": 0.7, "GGTCAAG.....TTGACGC": 0.8}
"""Motifs and what a base of each weighs; the last is a pair with five bases of any kind between."""


def planted(count: int) -> list[Attribution]:
    """Attributions of a model that reads these motifs, each in most sequences, and nothing else."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        sequence, changes = list(random_sequence(120, random)), random.normal(size=(120, 4)) * 0.02
        for number, (motif, weight) in enumerate(PLANTED.items()):
            if random.random() < 0.8:
                start = 40 * number + int(random.integers(20))
                for at, base in enumerate(motif, start):
                    if base != ".":
                        sequence[at] = base
                        changes[at] -= weight * (np.array(list("ACGT")) != base)
        own = changes[np.arange(120), ["ACGT".index(base) for base in sequence]]
        made.append(Attribution("".join(sequence), 0, "yes", changes - own[:, None]))
    return made


def exact(name: str, sequence: str) -> Motif:
    matrix = np.array([np.where(np.array(list("ACGT")) == base, 0.97, 0.01) for base in sequence])
    return Motif(name, matrix, matrix, (Site(0, 2, 2 + len(sequence), "-", 0.5),))


@pytest.mark.slow  # compiles for minutes on a machine that has never done so
def test_planted_motifs_are_found_whole() -> None:
    pytest.importorskip("modiscolite", reason="needs the extra motifs")
    found = discover(planted(200))
    for motif in PLANTED:
        known = re.compile(motif)
        held = [one for one in found if any(map(known.search, _both_strands(one.consensus)))]
        assert held, motif
        assert max(one.information for one in held) >= 0.9 * 2 * len(motif.replace(".", ""))
    pairs = itertools.combinations([one.matrix for one in found], 2)
    assert max(likeness(*pair).value for pair in pairs) < 0.85


def _both_strands(consensus: str) -> tuple[str, str]:
    return consensus.upper(), reverse_complement(consensus.upper())


def sited(word: str, count: int, sequence: str, place: int, strand: str = "+") -> tuple[Motif, Attribution]:
    """A motif with sites where a word stands in a sequence, all of one sequence; and that sequence's attribution."""
    site = Site(0, place, place + len(word), strand, 1.0)
    matrix = np.array([np.where(np.array(list("ACGT")) == base, 0.97, 0.01) for base in word])
    return Motif("", matrix, matrix, (site,) * count), Attribution(sequence, 0, "yes", np.zeros((len(sequence), 4)))


@pytest.mark.parametrize(
    ("word", "joins"),
    [
        ("TGACTCAGCA", True),
        ("TGACTCAG", True),  # without its end
        ("TGACTCAGCT", True),  # one base another
        (reverse_complement("GACTCAGCA"), True),
        ("TGACT", False),  # half of it
        ("TGACGTCAGT", False),
        ("CCAATCGTAC", False),
    ],
)
def test_near_copies_are_joined_in_place(word, joins):
    motif = "TGACTCAGCA"
    sequence = "AAAA" + motif + "CCCCC" + motif + "AAAA"
    whole, attribution = sited(motif, 3, sequence, 4)
    inside = motif.find(word[:4]) if word[:4] in motif else motif.find(reverse_complement(word)[:4])
    strand = "+" if word[:4] in motif else "-"
    copy, _ = sited(word, 1, sequence, 19 + max(inside, 0), strand)
    found = joined([copy, whole], [attribution])
    assert len(found) == (1 if joins else 2)
    if joins:
        assert [(site.start, site.end, site.strand) for site in found[0].sites] == [(4, 14, "+"), (19, 29, "+")]
        assert found[0].consensus == motif


@pytest.mark.slow
def test_motifs_are_counted_and_matched() -> None:
    pytest.importorskip("memelite", reason="needs the extra motifs")
    motifs = [exact("motif_1", "TGACTCAGCA"), exact("motif_2", "CCAATCGTAC")]
    sequences = ["A" * 20 + "TGACTCAGCA" + "A" * 9, "T" * 5 + reverse_complement("TGACTCAGCA") + "T" * 20, "A" * 40]
    assert (occurrences(motifs, sequences) > 0).tolist() == [[True, True, False], [False, False, False]]
    cut = "ACGTACGTAC" + "TGACTCAG"  # the motif runs over its end, and a longer sequence stands beside it
    assert occurrences(motifs, [cut, "A" * 40]).tolist() == [[0, 0], [0, 0]]
    short = [exact("motif_1", "TGACTC"), exact("motif_2", "GATA")]  # no match of theirs has p < 1e-4
    assert (occurrences(short, sequences) > 0).tolist() == [[True, True, False], [False, False, False]]
    database = {name: exact(name, text).matrix.T for name, text in (("AP1", "TGACTCA"), ("NFY", "CCAATCG"))}
    assert [held[0].name for held in match(motifs, database)] == ["AP1", "NFY"]


def test_the_report(tmp_path: Path) -> None:
    motif = exact("motif_1", "TGAC")
    found = [Described(motif, (Match("AP1 & co", 0.001),), {"no": 2, "yes": 5})]
    write_table(found, tmp_path / "a.tsv")
    head, row = (line.split("\t") for line in (tmp_path / "a.tsv").read_text().splitlines())
    assert dict(zip(head, row, strict=True)) | {"information": ""} == {
        **{"name": "motif_1", "consensus": "TGAC", "width": "4", "information": "", "seqlets": "1", "effect": "0.5"},
        **{"sequences_no": "2", "sequences_yes": "5", "match": "AP1 & co", "match_p_value": "0.001"},
    }
    place = Interval("r", "chr1", 100, 120, "-")
    write_sites(found, [Record("r", "A" * 20, "a.fa", 1, place, place)], tmp_path / "a.bed")
    assert (tmp_path / "a.bed").read_text() == "chr1\t114\t118\tmotif_1\t0\t+\t0.5\n"
    draw_logo(motif, tmp_path / "a.svg")
    write_page(found, [tmp_path / "a.svg"], "motifs", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "AP1 &amp; co" in page
    assert "data:image/svg+xml;base64," in page


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(UserError, match="window must be at least 3, got 2"):
        MotifOptions(window=2)
    with pytest.raises(UserError, match=r"the share of windows must be in \(0, 1\], got 0"):
        MotifOptions(most_windows=0.0)
