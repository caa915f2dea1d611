import numpy as np
import pytest

from genomics.baselines.features import kmer_frequencies, one_hot_ends
from genomics.sequences.alphabet import reverse_complement

SEQUENCES = ["ACGTNACGGA", "TT", "", "GATTACARGATTACA"]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_kmers_are_those_of_a_loop(size: int) -> None:
    expected = np.zeros((len(SEQUENCES), 4**size))
    for row, sequence in enumerate(SEQUENCES):
        for start in range(len(sequence) - size + 1):
            kmer = sequence[start : start + size]
            if set(kmer) <= set("ACGT"):
                expected[row, int("".join(str("ACGT".index(base)) for base in kmer), 4)] += 100 / len(sequence)
    np.testing.assert_allclose(kmer_frequencies(SEQUENCES, [size], False).toarray(), expected, rtol=1e-12)


def test_several_sizes_stand_side_by_side() -> None:
    assert kmer_frequencies(SEQUENCES, [1, 4], False).shape == (4, 4 + 256)
    assert kmer_frequencies(["A"], [6], False).nnz == 0


def test_symmetric_kmers_are_the_same_on_both_strands() -> None:
    others = [reverse_complement(sequence) for sequence in SEQUENCES]
    given, turned = (kmer_frequencies(each, [1, 2, 3, 4], True).toarray() for each in (SEQUENCES, others))
    np.testing.assert_allclose(given, turned, rtol=1e-12)
    plain = kmer_frequencies(SEQUENCES, [1, 2, 3, 4], False)
    np.testing.assert_allclose(given.sum(1), np.asarray(plain.sum(1)).ravel(), rtol=1e-12)


def test_ends_are_anchored() -> None:
    rows = one_hot_ends(["ACG", "NA"], left=2, right=2).toarray().reshape(2, 4, 4)
    letters = [["".join("ACGT"[i] for i in np.flatnonzero(place)) for place in row] for row in rows]
    assert letters == [["A", "C", "G", "C"], ["", "A", "A", ""]]
