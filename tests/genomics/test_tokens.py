import numpy as np
import pytest

from genomics.sequences.alphabet import COMPLEMENT, reverse_complement
from genomics.tokens import KMers, Nucleotides, Tokenizer
from titans_seq.config import from_yaml, to_yaml
from titans_seq.errors import UserError

SEQUENCE = "ACGTTGCANACCGGTTRACGTA"
ALL = [Nucleotides(), KMers(1), KMers(2), KMers(3), KMers(4, 2), KMers(3, 3)]


@pytest.mark.parametrize("tokenizer", ALL, ids=str)
def test_ids_are_k_mers_or_unknown(tokenizer: Tokenizer):
    k, step = tokenizer.width, tokenizer.step
    expected = []
    for at in range(0, len(SEQUENCE) - k + 1, step):
        letters = SEQUENCE[at : at + k]
        whole = all(letter in "ACGT" for letter in letters)
        expected.append(sum(4**i * "ACGT".index(x) for i, x in enumerate(letters[::-1])) if whole else 4**k)
    ids = tokenizer.encode(SEQUENCE)
    assert ids.dtype == np.int64
    assert ids.tolist() == expected


@pytest.mark.parametrize("tokenizer", [one for one in ALL if one.step == 1], ids=str)
def test_the_other_strand_is_the_complement_turned_around(tokenizer: Tokenizer):
    ids = tokenizer.encode(SEQUENCE)
    assert tokenizer.encode(reverse_complement(SEQUENCE)).tolist() == tokenizer.complement[ids][::-1].tolist()


@pytest.mark.parametrize("tokenizer", ALL, ids=str)
def test_the_complement_of_the_complement_is_the_token_itself(tokenizer: Tokenizer):
    complement = tokenizer.complement
    assert complement[complement].tolist() == list(range(tokenizer.vocabulary))
    assert [complement[x] for x in (tokenizer.unknown, tokenizer.pad, tokenizer.mask)] == [
        tokenizer.unknown,
        tokenizer.pad,
        tokenizer.mask,
    ]


def test_nucleotides_have_the_alphabets_ids():
    assert Nucleotides().complement[:5].tolist() == list(COMPLEMENT)
    assert Nucleotides().vocabulary == 7


def test_a_sequence_shorter_than_a_token_is_one_unknown_token():
    assert KMers(4).encode("ACG").tolist() == [256]


@pytest.mark.parametrize("tokenizer", ALL, ids=str)
@pytest.mark.parametrize("length", [1, 2, 7, 22])
def test_values_are_shared_out_among_bases(tokenizer: Tokenizer, length: int):
    values = np.arange(1.0, 1 + len(tokenizer.encode(SEQUENCE[:length])))
    shared = tokenizer.per_base(values, length)
    assert shared.shape == (length,)
    assert shared.sum() == pytest.approx(values.sum())


def test_values_of_overlapping_tokens_add_up():
    assert KMers(2).per_base(np.array([2.0, 4.0]), 3).tolist() == [1.0, 3.0, 2.0]


@pytest.mark.parametrize("tokenizer", ALL, ids=str)
def test_saved_and_read_again(tokenizer: Tokenizer):
    assert from_yaml(to_yaml(tokenizer), Tokenizer) == tokenizer


def test_an_empty_sequence_is_refused():
    with pytest.raises(UserError, match="has no bases"):
        Nucleotides().encode("")


@pytest.mark.parametrize(
    ("k", "stride", "message"),
    [
        (0, 1, r"k must be in \[1, 8\], got 0"),
        (9, 1, "got 9"),
        (3, 4, r"stride must be in \[1, k = 3\]"),
        (3, 0, "got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(k: int, stride: int, message: str):
    with pytest.raises(UserError, match=message):
        KMers(k, stride)
