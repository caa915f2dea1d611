"""Databases of known motifs: files in the formats of MEME, JASPAR, HOMER, HOCOMOCO and TRANSFAC."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from titans_seq.errors import UserError

from ..sequences.opening import BROKEN_GZIP, broken_gzip, open_text, read_head

_BASES = "ACGT"
_NAMES = ("AC", "ID", "NA", "DE")
_UNEVEN = 1.05


class _Line(NamedTuple):
    number: int
    text: str


class _Known(NamedTuple):
    """A motif as it stands in a file: counts or shares, a row a position, in the order A, C, G, T."""

    name: str
    line: int
    rows: Sequence[Sequence[float]]


class _Record(NamedTuple):
    """What stands below a header that begins with ">", and the letters that its rows begin with, if they do."""

    header: _Line
    letters: list[str]
    rows: list[list[float]]


def read_database(path: Path) -> dict[str, np.ndarray]:
    """Read the motifs of a file, plain or gzip, by name, as shares of the bases A, C, G and T, each `[4, W]`.

    U is taken for T. Of motifs of one name, each but the first has a number behind it.

    Raises:
        UserError: if the file is missing, of another format, or holds no motif, or one that is no counts or shares.
    """
    reader = _reader(read_head(path))
    if reader is None:
        raise UserError(
            f"--database {path}: expected motifs in the format of MEME, JASPAR, HOMER, HOCOMOCO or TRANSFAC"
        )
    database: dict[str, np.ndarray] = {}
    try:
        for known in reader(_lines(path)):
            title = known.name or f"motif {len(database) + 1}"
            name, copies = title, 1
            while name in database:
                copies += 1
                name = f"{title} ({copies})"
            database[name] = _shares(known)
    except UserError as error:
        raise UserError(f"--database {path}, {error}") from error
    if not database:
        raise UserError(f"--database {path}: holds no motif")
    return database


def _reader(head: str) -> Callable[[Iterator[_Line]], Iterable[_Known]] | None:
    """Return what reads a file that begins so; None if nothing does."""
    lines = [line for text in head.splitlines() if (line := text.strip()) and not line.startswith("#")]
    if lines and lines[0].startswith(">"):
        return _headed
    if lines and lines[0].split()[0] in (*_NAMES, "VV", "XX"):
        return _transfac
    return _meme if any(line.startswith("MEME version") for line in lines) else None


def _lines(path: Path) -> Iterator[_Line]:
    with open_text(path) as stream:
        try:
            for number, text in enumerate(stream, 1):
                if text.strip() and not text.startswith("#"):
                    yield _Line(number, text.strip())
        except BROKEN_GZIP as error:
            raise broken_gzip(path, "while its motifs were read", error) from error


def _meme(lines: Iterator[_Line]) -> Iterator[_Known]:
    """Read MEME's minimal format, of which alphabet and background may be missing, or the program's whole output.

    See https://meme-suite.org/meme/doc/meme-format.html.
    """
    motifs: list[list[_Line]] = []
    for line in lines:
        if line.text.startswith("ALPHABET"):
            _check_alphabet(line, lines)
        elif line.text.split()[0] == "MOTIF":
            motifs.append([line])
        elif motifs:
            motifs[-1].append(line)
    for title, *held in motifs:
        at = next((at for at, line in enumerate(held) if line.text.startswith("letter-probability matrix")), None)
        if at is None:
            raise UserError(f"line {title.number}: {title.text[:40]!r} has no letter-probability matrix")
        # Log odds and dashes may stand before and behind.
        rows = itertools.takewhile(lambda line: re.match(r"[-+]?[.\d]", line.text), held[at + 1 :])
        shares = [_numbers(line, line.text.split()) for line in rows]
        width = re.search(r"\bw=\s*(\d+)", held[at].text)
        if width is not None and int(width[1]) != len(shares):
            raise UserError(f"line {held[at].number}: {len(shares)} rows of numbers follow, expected w= {width[1]}")
        # In the program's output what follows the identifier may be "width = 7".
        name = " ".join(word for word in title.text.split()[1:3] if word != "width")
        yield _Known(name, title.number, shares)


def _check_alphabet(line: _Line, lines: Iterator[_Line]) -> None:
    """Refuse letters other than those of DNA and RNA; of an alphabet that is spelled out, read to its end."""
    given = line.text.partition("=")[2].strip()
    if not line.text.startswith("ALPHABET="):
        letters: set[str] = set()
        for each in itertools.takewhile(lambda each: not each.text.startswith("END ALPHABET"), lines):
            text = re.sub(r'"[^"]*"', "", each.text)
            if "=" not in text:  # else it stands for others
                letters.update(part.strip()[:1] for part in text.split("~"))
        given = "".join(sorted(letters))
    if given.upper().replace("U", "T") != _BASES:
        raise UserError(
            f"line {line.number}: the alphabet is {given}, expected ACGT or ACGU: give motifs of DNA or RNA"
        )


def _headed(lines: Iterator[_Line]) -> Iterator[_Known]:
    """Read records that begin with ">": a row a base as JASPAR has them, or a row a position as HOMER and HOCOMOCO."""
    records: list[_Record] = []
    for line in lines:
        if line.text.startswith(">"):
            records.append(_Record(line, [], []))
            continue
        letter, *others = cells = re.sub(r"[\[\]|:]", " ", line.text).split() or [""]
        lettered = letter.upper() in (*_BASES, "U")
        if lettered:
            records[-1].letters.append(letter.upper().replace("U", "T"))
        records[-1].rows.append(_numbers(line, others if lettered else cells, None))
    bare = [record for record in records if not record.letters]
    by_position = bool(bare) and _are_positions(bare)
    for header, letters, rows in records:
        # JASPAR's name stands behind its identifier; what HOMER writes behind name and consensus are scores.
        name = " ".join(" ".join(header.text[1:].split("\t")[:2]).split())
        if letters or not by_position:
            if sorted(letters or _BASES) != list(_BASES) or len(rows) != 4 or len({*map(len, rows)}) > 1:
                raise UserError(f"line {header.number}: {name!r}: expected a row each of A, C, G and T, of one length")
            ordered = sorted(zip(letters or _BASES, rows, strict=True))
            rows = list(zip(*(row for _, row in ordered), strict=True))
        yield _Known(name, header.number, rows)


def _are_positions(records: Sequence[_Record]) -> bool:
    """Say whether rows without letters are one a position, rather than one a base.

    Raises:
        UserError: if they are neither, or may be both.
    """
    odd = next((one for one in records if len(one.rows) != 4), None)
    long = next((one for one in records if any(len(row) != 4 for row in one.rows)), None)
    if odd is not None and long is not None:
        raise UserError(
            f"line {odd.header.number}: {odd.header.text[:40]!r} has {len(odd.rows)} rows: expected four, a base each, "
            "or in all motifs rows of four numbers, a position each"
        )
    if odd is not None or long is not None:
        return long is None
    # All are of four by four: positions have sums alike, bases seldom.
    tables = [np.array(one.rows) for one in records]
    positions, bases = (all(_alike(table.sum(axis)) for table in tables) for axis in (1, 0))
    if positions == bases:
        raise UserError(
            f"line {records[0].header.number}: four rows of four numbers, which may be bases or positions: begin rows "
            "with their base, as JASPAR does (A [ 4 19 0 0 ])"
        )
    return positions


def _alike(sums: np.ndarray) -> bool:
    return bool(sums.max() <= _UNEVEN * sums.min())


def _transfac(lines: Iterator[_Line]) -> Iterator[_Known]:
    fields: dict[str, str] = {}
    rows: list[list[float]] = []
    order, first = list(_BASES), 0
    for line in (*lines, _Line(0, "//")):
        key, *cells = line.text.split()
        if key in (*_NAMES, "//") and rows:
            name = " ".join(fields[one] for one in ("AC", "ID") if one in fields)
            yield _Known(name or fields.get("NA") or fields.get("DE", ""), first, rows)
            fields, rows = {}, []
        if key in _NAMES:
            fields[key] = " ".join(cells)
        elif key in ("P0", "PO"):
            order = [letter.upper().replace("U", "T") for letter in cells[:4]]
            if sorted(order) != list(_BASES):
                raise UserError(f"line {line.number}: expected columns A, C, G and T, got {' '.join(cells[:4])}")
        elif key.isdigit():
            first = first if rows else line.number
            numbers = _numbers(line, cells[:4])
            rows.append([numbers[order.index(base)] for base in _BASES])


def _numbers(line: _Line, cells: Sequence[str], count: int | None = 4) -> list[float]:
    """Return cells as numbers, as many as are expected; None for any number of them."""
    try:
        found = [float(cell) for cell in cells]
    except ValueError:
        found = []
    if not found or count not in (None, len(found)):
        what = "numbers" if count is None else f"{count} numbers"
        raise UserError(f"line {line.number}: expected {what}, got {line.text[:40]!r}")
    return found


def _shares(known: _Known) -> np.ndarray:
    counts, place = np.array(known.rows, dtype=np.float64), f"line {known.line}: {known.name!r}"
    if not counts.size:
        raise UserError(f"{place} has no rows")
    if not np.isfinite(counts).all() or counts.min() < 0:
        raise UserError(f"{place} has numbers below 0: expected counts or shares of bases, not log odds")
    sums = counts.sum(1, keepdims=True)
    if not sums.all():
        raise UserError(f"{place} has only zeros at position {int(sums.argmin()) + 1}: leave it out")
    return (counts / sums).T
