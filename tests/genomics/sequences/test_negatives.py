import itertools
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from genomics.sequences.bad_records import Refuse
from genomics.sequences.negatives import matched_negatives
from genomics.sequences.reference import Reference
from genomics.sequences.shuffling import dinucleotide_shuffle
from genomics.sequences.values import Interval
from tests.genomics.sequences.making import write
from titans_seq.errors import UserError


@pytest.mark.parametrize("sequence", ["", "A", "AC", "AAAA", "ACGTACGTTTGCAN", "ACGGTCA" * 30])
def test_shuffles_keep_pairs_of_neighbours(sequence: str) -> None:
    random, shuffled = np.random.default_rng(0), sequence
    for _ in range(5):
        shuffled = dinucleotide_shuffle(sequence, random)
        assert Counter(zip(shuffled, shuffled[1:], strict=False)) == Counter(zip(sequence, sequence[1:], strict=False))
        assert (shuffled[:1], shuffled[-1:]) == (sequence[:1], sequence[-1:])
    if len(sequence) > 100:
        assert shuffled != sequence


def test_each_shuffle_is_as_likely_as_any_other() -> None:
    sequence, random = "ACAGACCGGA", np.random.default_rng(0)

    def pairs(text: str) -> Counter[str]:
        return Counter(one + other for one, other in itertools.pairwise(text))

    def walks(path: str, left: Counter[str]) -> Iterator[str]:
        if not left.total():
            yield path
        for step in [step for step in left if step[0] == path[-1] and left[step]]:
            yield from walks(path + step[1], left - Counter([step]))

    possible = set(walks(sequence[0], pairs(sequence)))
    draws = 200 * len(possible)
    counts = Counter(dinucleotide_shuffle(sequence, random) for _ in range(draws))
    assert counts.keys() == possible
    assert len(possible) > 10
    # Chi-squared: its mean is the degrees of freedom, its variance twice that.
    free = len(possible) - 1
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < free + 4 * (2 * free) ** 0.5


def test_long_runs_of_letters_are_shuffled_at_once() -> None:
    sequence = "".join(f"{one * 499}{other}" for one, other in ("AC", "CG", "GT", "TA")) + "A" * 10
    shuffled = dinucleotide_shuffle(sequence, np.random.default_rng(0))
    assert Counter(itertools.pairwise(shuffled)) == Counter(itertools.pairwise(sequence))


def genome(folder: Path) -> Path:
    """Poor, rich and masked stretches of 1,000 bases, in turn."""
    random = np.random.default_rng(1)
    pieces = []
    for number in range(24):
        weak = 0.8 if number % 2 else 0.2
        text = "".join(random.choice(list("ATGC"), 1000, p=[weak / 2, weak / 2, (1 - weak) / 2, (1 - weak) / 2]))
        pieces.append(text.lower() if number % 4 > 1 else text)
    return write(folder / "g.fa.gz", f">chr1\n{''.join(pieces[:12])}\n>chr2\n{''.join(pieces[12:])}\n")


def test_negatives_have_the_composition_of_the_positives_and_lie_elsewhere(tmp_path: Path) -> None:
    positives = [Interval(f"p{n}", "1" if n % 2 else "chr2", 1000 * n + 200, 1000 * n + 300 + n, "+") for n in range(8)]
    found = matched_negatives(positives, genome(tmp_path), seed=3)
    assert [one.interval.name for one in found] == [interval.name for interval in positives]
    for one, positive in zip(found, positives, strict=True):
        assert one.interval.end - one.interval.start == positive.end - positive.start
        assert abs(one.found.gc - one.positive.gc) + abs(one.found.repeats - one.positive.repeats) < 0.15
    places = [one.interval for one in found] + [
        Interval(one.name, f"chr{one.contig.removeprefix('chr')}", one.start, one.end, "+") for one in positives
    ]
    for number, one in enumerate(places):
        for other in places[number + 1 :]:
            assert one.contig != other.contig or one.end <= other.start or other.end <= one.start


def test_what_has_no_place_is_refused(tmp_path: Path) -> None:
    reference = genome(tmp_path)
    with pytest.raises(UserError, match=r"chr9:5-9 is not on .*: the contig is not in it"):
        matched_negatives([Interval("x", "chr9", 5, 9, "+")], reference)
    with pytest.raises(UserError, match=r"the contig has 12,000 bases; give .* \(--skip-bad\)"):
        matched_negatives([Interval("x", "chr1", 5, 12_001, "+")], reference)
    left_out: list[str] = []
    both = [Interval("x", "chr9", 5, 9, "+"), Interval("y", "chr1", 5, 105, "+")]
    assert [one.interval.name for one in matched_negatives(both, reference, refuse=Refuse(True, left_out))] == ["y"]
    assert len(left_out) == 1


@pytest.mark.parametrize("name", ["g.fa", "g.fa.gz"])
def test_two_contigs_of_one_name_are_refused_by_all_that_read_a_reference(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, ">chr1\nACGTACGT\n>chr1\nGGTTGGTT\n>chr2\nACGTACGT\n")
    for read in (Reference, partial(matched_negatives, [Interval("x", "chr2", 0, 4, "+")])):
        with pytest.raises(UserError, match="two contigs are named 'chr1': rename or remove one"):
            read(path)
