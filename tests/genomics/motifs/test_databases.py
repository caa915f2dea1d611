from pathlib import Path

import numpy as np
import pytest

from genomics.motifs import Motif
from genomics.motifs.databases import read_database
from genomics.motifs.matching import write_meme
from tests.genomics.sequences.making import write
from titans_seq.errors import UserError

MATRIX = np.array([[2, 1, 1, 6], [0, 1, 7, 2], [9, 0, 1, 0], [0, 8, 1, 1], [2, 3, 4, 1]]) / 10
"""Reads TGACG, a row a position, and is no other motif when it is turned."""

HEAD = (
    "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\nA 0.25 C 0.25 G 0.25 T 0.25\n\n"
)
SHARES = "letter-probability matrix: alength= 4 w= 5 nsites= 20 E= 0\n"
SPELLED = 'ALPHABET "DNA" DNA-LIKE\nA "~ =" CC0000 ~ T "Thymine" 008000\nC "C" ~ G "G"\nN "Any" = ACGT\nEND ALPHABET'


def rows(matrix: np.ndarray) -> str:
    return "".join(" ".join(f"{share:g}" for share in row) + "\n" for row in matrix)


def lettered(matrix: np.ndarray, letters: str) -> str:
    return "".join(f"{letter} [ {line} ]\n" for letter, line in zip(letters, rows(matrix).splitlines(), strict=True))


def numbered(matrix: np.ndarray) -> str:
    return "".join(f"{at:02} {' '.join(f'{count:g}' for count in 10 * row)} N\n" for at, row in enumerate(matrix))


def meme(head: str = HEAD, title: str = "MA1 x", shares: str = SHARES) -> str:
    return f"{head}MOTIF {title}\n{shares}{rows(MATRIX)}"


FILES = {
    "minimal": meme(),
    "no sites": meme(shares=SHARES.replace("nsites= 20", "nsites= 0")),
    "parts of sites": meme(shares=SHARES.replace("nsites= 20", "nsites= 20.5")),
    "nothing but the matrix": meme("MEME version 4\n\n", shares="letter-probability matrix:\n"),
    "no background": meme("MEME version 5.5.0 (Release)\n\nALPHABET= ACGT\n\n"),
    "RNA": meme(HEAD.replace("ACGT", "ACGU").replace("T 0", "U 0")),
    "an alphabet spelled out": meme(HEAD.replace("ALPHABET= ACGT", SPELLED)),
    "a comment above": "# mine\n" + meme(),
    "the program's output": meme(
        "****\nMEME - Motif discovery tool\n****\n" + HEAD,
        "MA1 x width = 5 sites = 20",
        f"log-odds matrix: alength= 4 w= 2\n-12 30 1 2\n1 2 3 4\n----\n{SHARES}",
    )
    + "------\nTime 1.0 secs.\n",
    "JASPAR": f">MA1\tx\n{lettered(10 * MATRIX.T, 'ACGT')}",
    "JASPAR without letters": f">MA1 x\n{rows(10 * MATRIX.T)}",
    "JASPAR in another order, of RNA": f">MA1 x\n{lettered(10 * MATRIX.T[::-1], 'UGCA')}",
    "HOMER": f">MA1\tx\t6.04\t-100\t0\tT:1(1%)\n{rows(MATRIX)}",
    "HOMER of few and of four rows": f">MA1\tx\t6\n{rows(MATRIX)}>A\ty\t6\n{rows(MATRIX[:2])}>B\tz\n{rows(MATRIX[:4])}",
    "HOCOMOCO": f">MA1 x\n{rows(1234.5 * MATRIX)}",
    "TRANSFAC": f"VV  x\nXX\n//\nAC  MA1\nXX\nID  x\nXX\nP0      A      C      G      T\n{numbered(MATRIX)}XX\n//\n",
    "TRANSFAC of another order": f"ID  MA1 x\nPO  T  G  C  A\n{numbered(MATRIX[:, ::-1])}XX\n//\n",
    "STAMP": f"DE\tMA1\tx\n{numbered(MATRIX)}XX\nDE\tMA2\ty\n{numbered(MATRIX[:2])}XX\n",
}


@pytest.mark.parametrize("which", FILES)
def test_each_format_gives_the_same_motif(tmp_path: Path, which: str) -> None:
    (name, shares), *_ = read_database(write(tmp_path / "a", FILES[which])).items()
    assert name == "MA1 x"
    np.testing.assert_allclose(shares, MATRIX.T, atol=1e-3)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_meme([Motif("motif_1", MATRIX, MATRIX)], tmp_path / "a.meme")
    ((name, shares),) = read_database(tmp_path / "a.meme").items()
    assert name == "motif_1 TGACg"
    np.testing.assert_allclose(shares, MATRIX.T)


def test_four_rows_of_four_numbers_are_told_apart_by_their_sums(tmp_path: Path) -> None:
    for table in (MATRIX[:4], MATRIX[:4].T):
        ((_, shares),) = read_database(write(tmp_path / "a", f">x\n{rows(table)}")).items()
        np.testing.assert_allclose(shares, MATRIX[:4].T)
    with pytest.raises(UserError, match="line 1: four rows of four numbers, which may be bases or positions"):
        read_database(write(tmp_path / "a", f">x\n{rows(np.eye(4)[[3, 2, 0, 1]])}"))


def test_motifs_of_one_name_are_all_kept(tmp_path: Path) -> None:
    database = read_database(write(tmp_path / "a", meme() + meme("", "MA1 x") + meme("", "MA2") + meme("", "")))
    assert list(database) == ["MA1 x", "MA1 x (2)", "MA2", "motif 4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", ": expected motifs in the format of MEME, JASPAR, HOMER, HOCOMOCO or TRANSFAC"),
        (HEAD, ": holds no motif"),
        (HEAD.replace("ACGT", "ACDE"), ", line 3: the alphabet is ACDE, expected ACGT or ACGU"),
        (HEAD + "MOTIF a\nlog-odds matrix: w= 1\n1 2 3 4\n", ", line 10: 'MOTIF a' has no letter-probability matrix"),
        (meme(shares=SHARES.replace("w= 5", "w= 6")), ", line 11: 5 rows of numbers follow, expected w= 6"),
        (meme() + "0.1 0.9\n", ", line 17: expected 4 numbers, got '0.1 0.9'"),
        (f">x\n{rows(MATRIX - 0.5)}", ", line 1: 'x' has numbers below 0: expected counts or shares of bases"),
        (f">x\n{rows(MATRIX)}>y\n{rows(MATRIX[:, :3])}", ", line 1: '>x' has 5 rows: expected four, a base each"),
        (f">x\n{rows(MATRIX * [[1], [0], [1], [1], [1]])}", ", line 1: 'x' has only zeros at position 2"),
        (f">x\n{lettered(MATRIX.T, 'ACGA')}", ", line 1: 'x': expected a row each of A, C, G and T, of one length"),
        (">x\nACGTTGACA\n", ", line 2: expected numbers, got 'ACGTTGACA'"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_database(write(tmp_path / "a", text))
    assert f"--database {tmp_path / 'a'}{message}" in str(caught.value)
