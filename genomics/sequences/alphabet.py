"""The letters of DNA: what is accepted in a file, the other strand, and numbers for a model."""

import re
from collections.abc import Callable

import numpy as np

from titans_seq.errors import UserError

BASES = "ACGTN"
"""The letters that a model sees; their places are the ids of `encode`."""

COMPLEMENT = (3, 2, 1, 0, 4)
"""Id of the base opposite each id."""

IUPAC = "ACGTRYSWKMBDHVN"
_OPPOSITE = str.maketrans(IUPAC, "TGCAYRSWMKVHDBN")

_SPACE = b" \t\n\r\v\f"
_INNER_BLANK = re.compile(r"[^\s][ \t\v\f]+[^\s]")
_PLACE = re.compile(r"\S+:\d[\d,]*-\d[\d,]*(\([+-]\))?")
_CERTAIN = 8
_BASES = b"ACGTN"
_GAPS = b"-."
_PROTEIN = frozenset("ABCDEFGHIKLMNPQRSTVWXYZ*")
_REFUSED = 0


def _table(pairs: dict[str, str]) -> bytes:
    table = bytearray([_REFUSED] * 256)
    for given, kept in pairs.items():
        table[ord(given)] = table[ord(given.lower())] = ord(kept)
    return bytes(table)


_CLEAN = _table({letter: letter for letter in IUPAC} | {"U": "T", "X": "N"})
_UNKNOWN = 255
_IDS = np.full(256, _UNKNOWN, dtype=np.uint8)
_IDS[list(IUPAC.encode())] = [BASES.find(letter) if letter in BASES else BASES.index("N") for letter in IUPAC]


def clean(text: str, name: str, notify: Callable[[str], object] = lambda what: None) -> str:
    """Return a sequence as the rest of the package expects it.

    The rules: white space at the ends of lines is removed, and sequences written as overlapping k-mers with blanks
    between them (DNABERT's files) are put together again; lower case (a soft mask) becomes upper case; U becomes T; X,
    which masks repeats, becomes N; the gaps `-` and `.` of an alignment are removed, since no base stands there; the
    IUPAC codes stay. Anything else is refused.

    Args:
        text: the sequence as it stands in a file.
        name: what to call it in messages, such as "a.fa, record 3 (chr1)".
        notify: called with a sentence if more than letters was changed.

    Raises:
        UserError: if nothing is left, there is another letter, most letters are ambiguity codes, as in a peptide, or
            blanks stand between letters that are no overlapping k-mers; the message names the record and the position,
            counted from 1 without white space.

    Example:
        >>> clean("acgu-RYn ", "r"), clean("ACGTA CGTAC GTACC", "r")
        ('ACGTRYN', 'ACGTACC')
        >>> clean("ACGQ", "a.fa, record 1 (r)")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: a.fa, record 1 (r): 'Q' at position 4 is no letter of DNA: expected A, C, G, T, \
U, N or another IUPAC code (gaps are removed); correct or remove the record
    """
    # A letter outside ASCII becomes "?", which is refused like any other.
    raw = text.encode("ascii", errors="replace").translate(_CLEAN, delete=_SPACE + _GAPS)
    if _REFUSED in raw:
        raise _refused(text, name)
    if not raw:
        raise UserError(f"{name}: no sequence: give it one or remove the record")
    if 2 * len(raw.translate(None, delete=_BASES)) > len(raw):
        raise UserError(
            f"{name}: most of its letters are no bases but codes such as {_first_code(raw)!r} (it looks like a "
            "protein: give the nucleotide sequence); correct or remove the record"
        )
    if any(gap in text for gap in "-."):
        notify("had gaps of an alignment, which were removed")
    if any(blank in text for blank in " \t\v\f") and _INNER_BLANK.search(text):
        raw = _joined(text, name, notify).encode()
    return raw.decode()


def reverse_complement(sequence: str) -> str:
    """Return the other strand, read in its own direction; the IUPAC codes have their own opposites.

    Args:
        sequence: a clean sequence.

    Example:
        >>> reverse_complement("AACGR")
        'YCGTT'
    """
    return sequence.translate(_OPPOSITE)[::-1]


def encode(sequence: str) -> np.ndarray:
    """Return the numbers of the bases: A, C, G, T are 0 to 3, every other IUPAC code is 4.

    Args:
        sequence: a clean sequence of T letters.

    Returns:
        int64 `[T]`.

    Raises:
        UserError: if it is not clean, for example in lower case; nothing is taken for N in silence.

    Example:
        >>> encode("ACGTR").tolist()
        [0, 1, 2, 3, 4]
    """
    ids = _IDS[np.frombuffer(sequence.encode("ascii", errors="replace"), dtype=np.uint8)]
    if ids.size and ids.max() == _UNKNOWN:
        at = int(np.argmax(ids == _UNKNOWN))
        raise UserError(f"{sequence[at]!r} at position {at + 1} cannot be encoded: clean the sequence first")
    return ids.astype(np.int64)


def decode(ids: np.ndarray) -> str:
    """Return the letters of some numbers; the inverse of `encode` up to ambiguity codes, which became N.

    Args:
        ids: whole numbers `[T]` from 0 to 4.

    Example:
        >>> decode(encode("ACGTR"))
        'ACGTN'
    """
    return np.frombuffer(BASES.encode(), dtype=np.uint8)[ids].tobytes().decode()


def _refused(text: str, name: str) -> UserError:
    letters = "".join(letter for letter in text if letter not in _SPACE.decode())
    letter_at = next(at for at, letter in enumerate(letters) if not _accepted(letter))
    seen = set(letters.upper())
    hint = ""
    if seen <= _PROTEIN and len(seen - set(IUPAC)) > 1:
        hint = " (it looks like a protein: give the nucleotide sequence)"
    if _PLACE.fullmatch(text.strip()):
        hint = " (it looks like a place on a genome: write places as BED, and give --reference)"
    return UserError(
        f"{name}: {letters[letter_at]!r} at position {letter_at + 1} is no letter of DNA{hint}: expected A, C, G, T, "
        "U, N or another IUPAC code (gaps are removed); correct or remove the record"
    )


def _joined(text: str, name: str, notify: Callable[[str], object]) -> str:
    """The sequence of which a text lists overlapping k-mers.

    It takes more than a few equal letters to tell overlapping k-mers from groups of letters.
    """
    kmers = [kmer.encode().translate(_CLEAN).decode() for kmer in text.split()]
    size = len(kmers[0])
    overlapping = all(len(one) == size and two.startswith(one[1:]) for one, two in zip(kmers, kmers[1:], strict=False))
    if overlapping and len(kmers[-1]) == size and (size - 1) * (len(kmers) - 1) >= _CERTAIN and len(set(kmers)) > 1:
        notify(f"written as overlapping {size}-mers with blanks between, which were put together again")
        return kmers[0] + "".join(kmer[-1] for kmer in kmers[1:])
    raise UserError(
        f"{name}: blanks stand between letters, the first after {kmers[0][:20]!r}, and what they divide is no series "
        "of overlapping k-mers: give the sequence without blanks"
    )


def _first_code(raw: bytes) -> str:
    return raw.translate(None, delete=_BASES)[:1].decode()


def _accepted(letter: str) -> bool:
    code = ord(letter)
    return code < len(_CLEAN) and (_CLEAN[code] != _REFUSED or code in _GAPS)
