import numpy as np
import pytest
from Bio.Seq import reverse_complement as biopython
from hypothesis import given
from hypothesis import strategies as st

from genomics.sequences.alphabet import BASES, COMPLEMENT, IUPAC, clean, decode, encode, reverse_complement
from titans_seq.errors import UserError

CLEAN = st.text(alphabet=IUPAC, min_size=1, max_size=50)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("acgtn", "ACGTN"),
        ("AUGc", "ATGC"),
        (" AC\nGT\r\n\t", "ACGT"),
        ("A-C..G-", "ACG"),
        ("ACGTACGTACRYSWKMBDHVN", "ACGTACGTACRYSWKMBDHVN"),
        ("ACG CGT GTA\nTAN ANC", "ACGTANC"),
        ("acgta cguac gtacc", "ACGTACC"),
        ("ACxX", "ACNN"),
    ],
)
def test_the_rules_of_cleaning(text: str, kept: str) -> None:
    assert clean(text, "r") == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AC1T", "r: '1' at position 3 is no letter of DNA: expected A, C, G, T, U, N"),
        ("AC GT\nA*", "r: '*' at position 6"),
        ("acñ", "r: 'ñ' at position 3"),
        ("AC\u00a0GT", "r: '\\xa0' at position 3"),
        ("MKVLAAGIEQ", "'L' at position 4 is no letter of DNA (it looks like a protein: give the nucleotide sequence)"),
        ("ACGTNKRSWYHDVM", "r: most of its letters are no bases but codes such as 'K' (it looks like a protein:"),
        ("ACG TGC ATT", "r: blanks stand between letters, the first after 'ACG', and what they divide is no series of"),
        ("ACGTACGTAC GTACGTACGT", "r: blanks stand between letters"),
        ("A C G T", "r: blanks stand between letters"),
        ("AA AA AA AA AA AA AA AA AA", "r: blanks stand between letters"),  # pairs, or one A more a time
        ("", "r: no sequence: give it one or remove the record"),
        ("--\n", "r: no sequence"),
    ],
)
def test_what_is_no_dna_is_refused_by_its_place(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        clean(text, "r")
    assert message in str(caught.value)


def test_one_stray_letter_is_not_called_a_protein() -> None:
    with pytest.raises(UserError) as caught:
        clean("ACGTACGTEACGT", "r")
    assert "protein" not in str(caught.value)


@given(CLEAN)
def test_the_other_strand_is_that_of_biopython_and_comes_back(sequence: str) -> None:
    assert reverse_complement(sequence) == biopython(sequence)
    assert reverse_complement(reverse_complement(sequence)) == sequence


@given(CLEAN)
def test_ids_and_their_complements_agree_with_letters(sequence: str) -> None:
    ids = encode(sequence)
    assert ids.dtype == np.int64
    assert decode(ids) == "".join(letter if letter in BASES else "N" for letter in sequence)
    np.testing.assert_array_equal(np.array(COMPLEMENT)[ids][::-1], encode(reverse_complement(sequence)))


@pytest.mark.parametrize("sequence", ["ACg", "ACU", "AC-", "ACñ"])
def test_what_is_not_clean_is_never_encoded_in_silence(sequence: str) -> None:
    with pytest.raises(UserError, match="at position 3 cannot be encoded: clean the sequence first"):
        encode(sequence)


def test_nothing_encodes_to_nothing() -> None:
    assert encode("").shape == (0,)
    assert decode(encode("")) == ""
