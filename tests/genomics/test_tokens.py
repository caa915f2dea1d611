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
def test_substitutions_are_those_of_a_score_that_adds_up_tokens(tokenizer: Tokenizer):
    sequence = "ACGTTGCAAGGTC"
    worth = np.random.default_rng(0).normal(size=tokenizer.vocabulary)
    ids = tokenizer.encode(sequence)
    changes = tokenizer.substitutions(np.tile(worth, (len(ids), 1)), ids, len(sequence))
    for place in range(len(sequence)):
        for number, base in enumerate("ACGT"):
            mutant = sequence[:place] + base + sequence[place + 1 :]
            expected = worth[tokenizer.encode(mutant)].sum() - worth[ids].sum()
            assert changes[place, number] == pytest.approx(expected)


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
