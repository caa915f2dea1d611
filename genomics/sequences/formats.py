"""Sequence files: FASTA, FASTQ, GenBank and plain lines, one record at a time, told apart by their content."""

import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TextIO

from Bio import BiopythonParserWarning, SeqIO
from Bio.Seq import UndefinedSequenceError
from Bio.SeqRecord import SeqRecord

from titans_seq.errors import UserError

from .alphabet import clean
from .bad_records import Refuse
from .opening import BROKEN_GZIP, broken_gzip, open_text, read_head
from .values import Record

Format = Literal["fasta", "fastq", "genbank", "plain", "table", "bed"]

PACKED = (".gz", ".bgz")
_OTHERWISE_PACKED = (".bz2", ".xz", ".zst", ".zip")
_FASTA = (".fa", ".fasta", ".fna", ".ffn", ".fas", ".fsa", ".frn")
_FASTQ = (".fq", ".fastq")
_GENBANK = (".gb", ".gbk", ".gbff", ".genbank")
_PLAIN = (".txt", ".seq")
_TABLE = (".csv", ".tsv")
_BED = (".bed",)
SUFFIXES = (*_FASTA, *_FASTQ, *_GENBANK, *_PLAIN, *_TABLE, *_BED)
"""Endings of files with sequences or places of sequences, without that of the compression."""

_SHOWN = 40


def base_name(path: Path) -> str:
    """Name of a file without the endings of its compression and its format.

    Example:
        >>> base_name(Path("data/positive.fa.gz")), base_name(Path("enhancer.cv.fa"))
        ('positive', 'enhancer.cv')
    """
    name = _unpacked(path, (*PACKED, *_OTHERWISE_PACKED))
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def is_sequence_file(path: Path) -> bool:
    """Whether the name of a file ends as those with sequences do; files that explain a folder do not count.

    One that is packed in a way that cannot be read counts, so that it is refused by name and not left out in silence.
    """
    name = _unpacked(path, (*PACKED, *_OTHERWISE_PACKED)).lower()
    return name.endswith(SUFFIXES) and not name.startswith(("readme", "license", "."))


def find_format(path: Path) -> Format:
    """Which kind of file it is, by its first line, and by its name where the line leaves a choice.

    Raises:
        UserError: if it cannot be opened, is empty, or its first line fits no format; a FASTA file with a comment
            before its first record is one such.
    """
    head = read_head(path)
    lines = [line for line in head.split("\n") if line.strip()]
    if not lines:
        raise UserError(f"{path}: the file is empty: expected sequences")
    first, name = lines[0], _unpacked(path).lower()
    if first.startswith(">"):
        return "fasta"
    if first.startswith("@"):
        return "fastq"
    if first.startswith("LOCUS"):
        return "genbank"
    if name.endswith(_BED):
        return "bed"
    if name.endswith(_TABLE):
        return "table"
    if name.endswith(_FASTA) or any(line.startswith(">") for line in lines):
        number = head.split("\n").index(first) + 1
        raise UserError(
            f"{path}, line {number}, before record 1: a FASTA file begins with '>', got {_shorten(first)!r}: remove "
            "the comment or other text before the first record"
        )
    if name.endswith((*_FASTQ, *_GENBANK)):
        begin = "@" if name.endswith(_FASTQ) else "LOCUS"
        raise UserError(f"{path}, line 1: expected a line that begins with '{begin}', got {_shorten(first)!r}")
    if any(mark in first for mark in "\t,;"):
        return "table"
    if first.strip().isalpha() or name.endswith(_PLAIN):
        return "plain"
    raise UserError(
        f"{path}, line 1: fits no format: expected FASTA ('>name'), FASTQ ('@name'), GenBank ('LOCUS'), a table with a "
        f"header, or one sequence a line, got {_shorten(first)!r}"
    )


def parse(path: Path, form: Format, refuse: Refuse) -> Iterator[Record]:
    """The records of a file of sequences.

    Args:
        path: the file.
        form: "fasta", "fastq", "genbank", or "plain", which has one sequence a line; empty lines are left out.
        refuse: what to do about a record that cannot be used.

    Raises:
        UserError: if the file is cut short or breaks its format, naming the record; from `refuse` also if a sequence
            is missing or is no DNA.
    """
    number = 0
    with open_text(path) as stream:
        entries = _entries(stream, form, read_head(path))
        while True:
            number += 1
            try:
                entry = next(entries, None)
            except BROKEN_GZIP as error:
                raise broken_gzip(path, f"record {number}", error) from error
            except (ValueError, BiopythonParserWarning) as error:
                problem = str(error).splitlines()[0].rstrip(".")
                raise UserError(
                    f"{path}, record {number}: not a whole {_TITLES[form]} record ({problem}): correct the record or "
                    "copy the file again"
                ) from error
            if entry is None:
                return
            name, text = entry
            place = f"{path}, record {number}" + (f" ({name})" if name else "")
            try:
                record = Record(name or str(number), clean(text, place), str(path), number)
            except UserError as error:
                refuse(error)
            else:
                yield record


_TITLES = {"fasta": "FASTA", "fastq": "FASTQ", "genbank": "GenBank", "plain": "plain"}


def _entries(stream: TextIO, form: Format, head: str) -> Iterator[tuple[str, str]]:
    """Name and text of each record."""
    for _ in itertools.takewhile(str.isspace, head.splitlines(keepends=True)):
        stream.readline()  # Biopython takes nothing but '>' for the first line
    if form == "plain":
        yield from (("", line) for line in stream if line.strip())
        return
    records = SeqIO.parse(stream, form)
    while True:
        with warnings.catch_warnings():
            # An odd header line is common and does no harm; an end that comes too early is a truncated file.
            warnings.simplefilter("ignore", BiopythonParserWarning)
            warnings.filterwarnings("error", "Premature end|Blank line", BiopythonParserWarning)
            record = next(records, None)
        if record is None:
            return
        yield record.id or "", _sequence(record)


def _sequence(record: SeqRecord) -> str:
    """Its sequence; none if the file states only a length."""
    try:
        return str(record.seq)
    except UndefinedSequenceError:
        return ""


def _unpacked(path: Path, endings: tuple[str, ...] = PACKED) -> str:
    name = path.name
    return next((name[: -len(suffix)] for suffix in endings if name.lower().endswith(suffix)), name)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
