"""Read variant calls from VCF files, a line at a time."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from titans_seq.errors import UserError

from ..sequences.bad_records import Refuse
from ..sequences.opening import BROKEN_GZIP, broken_gzip, open_text

_COLUMNS = ("CHROM", "POS", "ID", "REF", "ALT")
_BASES = re.compile(r"[ACGTRYSWKMBDHVN]+")
_SYMBOLIC = re.compile(r"<[^<>]*>|\*|[^\[\]]*[\[\]][^\[\]]+[\[\]][^\[\]]*|\.[A-Z]+|[A-Z]+\.")


@dataclass(frozen=True)
class Variant:
    """One line of a VCF file.

    Attributes:
        line: of the file, from 1.
        contig: CHROM.
        position: POS of the first base of `reference`, from 1; 0 and one past the end are the telomeres.
        name: ID; "." for none.
        reference: REF in upper case.
        alternatives: ALT in upper case where they are bases; also symbolic ones (`<DEL>`, `*`, break ends), none for
            ".".
        cells: all columns of the line as they stand in the file.

    Example:
        >>> variant = Variant(7, "chr1", 1000, "rs1", "A", ("G", "<DEL>"))
        >>> variant.reference, variant.alternatives[0]
        ('A', 'G')
    """

    line: int
    contig: str
    position: int
    name: str
    reference: str
    alternatives: tuple[str, ...]
    cells: tuple[str, ...] = field(default=(), compare=False, repr=False)


def is_symbolic(allele: str) -> bool:
    """Say whether an alternative is not spelled out in bases.

    Example:
        >>> [is_symbolic(allele) for allele in ("ACG", "<DEL>", "*", "G]17:198982]")]
        [False, True, True, True]
    """
    return _BASES.fullmatch(allele) is None


def read_vcf(path: Path | str, refuse: Refuse | None = None) -> Iterator[Variant]:
    r"""Read the variants of a VCF file in its order; plain, gzip or bgzip, with or without a header.

    Args:
        path: the file.
        refuse: what to do about a line that is no variant; None raises the error.

    Raises:
        UserError: if the file is missing or damaged; from `refuse` also if a line is no variant, naming it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a.vcf").write_text("#CHROM\tPOS\tID\tREF\tALT\nI\t5\t.\tA\tC,<DEL>\n")
        ...     next(read_vcf(Path(folder) / "a.vcf"))
        Variant(line=2, contig='I', position=5, name='.', reference='A', alternatives=('C', '<DEL>'))
    """
    refuse = refuse or Refuse()
    for number, line in _lines(Path(path)):
        if line.startswith("#") or _is_header(line):
            continue
        try:
            yield _parse(line.split("\t"), number, f"{path}, line {number}")
        except UserError as error:
            refuse(error)


def _is_header(line: str) -> bool:
    """Say whether a line names the columns without the sign that should stand before them."""
    return tuple(cell.strip().upper() for cell in line.split("\t")[:2]) == _COLUMNS[:2]


def read_header(path: Path | str) -> list[str]:
    """Read the lines of a VCF file that begin with "#"; empty if it has none.

    Raises:
        UserError: if the file is missing or damaged.
    """
    return [line for _, line in itertools.takewhile(lambda item: item[1].startswith("#"), _lines(Path(path)))]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the number and the text of each line that is not empty."""
    number = 0
    with open_text(path) as stream:
        while True:
            number += 1
            try:
                line = stream.readline()
            except BROKEN_GZIP as error:
                raise broken_gzip(path, f"line {number}", error) from error
            if not line:
                return
            if line.strip():
                yield number, line.rstrip("\n")


def _parse(cells: list[str], number: int, place: str) -> Variant:
    if len(cells) < len(_COLUMNS):
        raise UserError(
            f"{place}: has {len(cells)} of the columns {', '.join(_COLUMNS)} that a VCF file begins with, separated "
            "by tabs: give a VCF file, or correct the line"
        )
    contig, position, name, reference, alternatives = (cell.strip() for cell in cells[: len(_COLUMNS)])
    if not position.isascii() or not position.isdigit():
        raise UserError(f"{place}: POS must be a whole number from 0 on, got {position!r}: correct or remove the line")
    reference = reference.upper()
    if not _BASES.fullmatch(reference):
        raise UserError(f"{place}: REF must be bases, got {reference!r}: correct or remove the line")
    alleles = () if alternatives in (".", "") else tuple(alternatives.split(","))
    alleles = tuple(allele.upper() if _BASES.fullmatch(allele.upper()) else allele for allele in alleles)
    for allele in alleles:
        if is_symbolic(allele) and not _SYMBOLIC.fullmatch(allele):
            raise UserError(
                f"{place}: ALT must be bases, '*', a symbol in angle brackets or a break end, got {allele!r}: correct "
                "or remove the line"
            )
    return Variant(number, contig, int(position), name, reference, alleles, tuple(cells))
