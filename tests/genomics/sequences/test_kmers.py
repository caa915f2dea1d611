import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomics.sequences import kmers
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.kmers import canonical_kmers
from titans_seq.errors import UserError


def canonical(sequence: str, k: int) -> list[str]:
    """The k-mers as text, each the smaller of itself and its reverse complement."""
    found = [sequence[start : start + k] for start in range(len(sequence) - k + 1)]
    return [min(kmer, reverse_complement(kmer)) for kmer in found if set(kmer) <= set("ACGT")]


@given(
    st.lists(st.text(alphabet="ACGTN", min_size=1, max_size=80), min_size=1, max_size=4),
    st.sampled_from([1, 2, 3, 7, 16, 31, 32, 33, 40, 64]),
)
def test_numbers_are_equal_where_the_text_is(sequences: list[str], k: int) -> None:
    numbers, owners = (np.concatenate(column) for column in zip(*canonical_kmers(sequences, k), strict=True))
    texts = [(text, owner) for owner, sequence in enumerate(sequences) for text in canonical(sequence, k)]
    assert owners.tolist() == [owner for _, owner in texts]
    assert len(set(zip(numbers.tolist(), [text for text, _ in texts], strict=True))) == len(set(numbers.tolist()))
    assert len(set(numbers.tolist())) == len({text for text, _ in texts})


@pytest.mark.parametrize("k", [5, 40])
def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    random = np.random.default_rng(0)
    sequences = ["".join(random.choice(list("ACGT"), length)) for length in (60, 3, 50, 90, 45)]
    ((numbers, owners),) = canonical_kmers(sequences, k)
    monkeypatch.setattr(kmers, "_BASES_AT_ONCE", 70)
    pieces = list(canonical_kmers(sequences, k))
    assert len(pieces) > 1
    np.testing.assert_array_equal(np.concatenate([piece[0] for piece in pieces]), numbers)
    np.testing.assert_array_equal(np.concatenate([piece[1] for piece in pieces]), owners)


def test_nothing_has_no_kmers() -> None:
    assert list(canonical_kmers([], 3)) == []


@pytest.mark.parametrize("k", [0, 65])
def test_lengths_out_of_range(k: int) -> None:
    with pytest.raises(UserError, match=f"k-mers must have from 1 to 64 bases, got {k}"):
        list(canonical_kmers(["ACGT"], k))
