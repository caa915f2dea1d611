from collections import Counter

import pytest

from genomics.check import check, findings
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import LabelledSequences, Splits
from genomics.synthetic import motif_pairs, planted_motifs
from titans_seq.errors import UserError

MOTIF = "TGACTCAGCA"
FIRST, SECOND = ("GATAAGCATCTTGACG", "TTGCGCAACTGACCAT"), ("CCAATCGTACGGATTA", "AGGTCATGTTCACGCA")


def same(one: LabelledSequences, other: LabelledSequences) -> bool:
    return one.sequences == other.sequences and one.labels.tolist() == other.labels.tolist()


class TestPlantedMotifs:
    def test_a_seed_gives_the_same_and_another_does_not(self) -> None:
        assert same(planted_motifs(10, 60, 3), planted_motifs(10, 60, 3))
        assert not same(planted_motifs(10, 60, 3), planted_motifs(10, 60, 4))

    def test_the_motif_is_on_either_strand_of_one_class(self) -> None:
        data = planted_motifs(200, 60, 0, kept=1.0)
        strands = Counter()
        for sequence, label in zip(data.sequences, data.labels, strict=True):
            forward, backward = MOTIF in sequence, reverse_complement(MOTIF) in sequence
            assert (forward or backward) == bool(label)
            strands[forward] += int(label)
        assert strands[True] > 30
        assert strands[False] > 30

    def test_nothing_else_tells_the_classes_apart(self) -> None:
        data = planted_motifs(400, 60, 0)
        assert data.labels.sum() == 200
        assert findings(check(Splits(data))) == ()
        shares = [
            sum(sequence.count("A") for sequence, label in zip(data.sequences, data.labels, strict=True) if label == of)
            for of in (0, 1)
        ]
        assert shares[0] == pytest.approx(shares[1], rel=0.05)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"count": 1}, "the number of sequences must be at least 2, got 1"),
            ({"length": 9}, "a sequence of 9 bases has no room for a motif of 10: make it longer"),
            ({"kept": 1.5}, "the chance that a base is kept must be in \\[0, 1\\], got 1.5"),
        ],
    )
    def test_numbers_out_of_range(self, change: dict[str, float], message: str) -> None:
        with pytest.raises(UserError, match=message):
            planted_motifs(**({"count": 4, "length": 50, "seed": 0} | change))  # pyright: ignore[reportArgumentType]


class TestMotifPairs:
    def test_the_class_is_whether_the_halves_match(self) -> None:
        data = motif_pairs(40, 2000, distance=1000, seed=0)
        for sequence, label in zip(data.sequences, data.labels, strict=True):
            starts = {sequence.index(motif): motif for motif in FIRST}
            for start, motif in starts.items():
                second = sequence[start + 1000 : start + 1016]
                assert second in SECOND
                assert (SECOND.index(second) == FIRST.index(motif)) == bool(label)
            assert max(starts) - min(starts) == 500

    def test_every_sequence_has_every_motif_once(self) -> None:
        for sequence in motif_pairs(40, 400, distance=200, seed=0).sequences:
            assert [sequence.count(motif) for motif in (*FIRST, *SECOND)] == [1, 1, 1, 1]

    def test_both_orders_occur_in_both_classes(self) -> None:
        data = motif_pairs(200, 200, distance=100, seed=0)
        orders = Counter(
            (int(label), sequence.index(FIRST[0]) < sequence.index(FIRST[1]))
            for sequence, label in zip(data.sequences, data.labels, strict=True)
        )
        assert len(orders) == 4
        assert min(orders.values()) > 30

    def test_a_seed_gives_the_same(self) -> None:
        assert same(motif_pairs(4, 160, 64, 1), motif_pairs(4, 160, 64, 1))
        assert not same(motif_pairs(4, 160, 64, 1), motif_pairs(4, 160, 64, 2))

    @pytest.mark.parametrize(
        ("count", "length", "distance", "message"),
        [
            (4, 160, 63, "the distance must be at least 64 bases, four motifs, got 63"),
            (4, 111, 64, "two pairs at a distance of 64 need at least 112 bases, got 111"),
            (1, 160, 64, "the number of sequences must be at least 2, got 1"),
        ],
    )
    def test_numbers_out_of_range(self, count: int, length: int, distance: int, message: str) -> None:
        with pytest.raises(UserError, match=message):
            motif_pairs(count, length, distance, seed=0)

    def test_the_shortest_there_is(self) -> None:
        assert {len(sequence) for sequence in motif_pairs(4, 112, 64, 0).sequences} == {112}
