"""The records of sequence files, one at a time: FASTA, FASTQ, GenBank, EMBL and plain lines."""

import io
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from Bio import BiopythonParserWarning, SeqIO
from Bio.Seq import UndefinedSequenceError
from Bio.SeqIO.QualityIO import FastqGeneralIterator

from titans_seq.errors import UserError

from .alphabet import clean
from .bad_records import Refuse
from .formats import Format
from .opening import BROKEN_GZIP, broken_gzip, open_text
from .values import Record


def parse(path: Path, form: Format, refuse: Refuse) -> Iterator[Record]:
    """Read the records of a file of sequences.

    Args:
        path: the file.
        form: "fasta", "fastq", "genbank", "embl", or "plain", which has one sequence a line; empty lines are left out.
        refuse: what to do about a record that cannot be used.

    Raises:
        UserError: if the file is cut short; from `refuse` also if a record breaks the format, or its sequence is
            missing or no DNA, naming the record.
    """
    number = width = 0
    widths: Counter[int] = Counter()
    with open_text(path) as stream:
        entries = _entries(stream, form)
        while True:
            number += 1
            try:
                entry = next(entries, None)
            except BROKEN_GZIP as error:
                raise broken_gzip(path, f"record {number}", error) from error
            if entry is None:
                if form == "plain" and len(widths) == 2 and number > 3 and min(widths) == width and widths[width] == 1:
                    refuse.note(
                        "is shorter than all before it, which are as long as each other: lines are read as a sequence "
                        "each; if they are one, put a line '>name' above"
                    )
                return
            width = len(entry.text.strip())
            widths[width] += 1
            name = first_word(entry.title)
            place = f"{path}, record {number}" + (f" ({name})" if name else "")
            try:
                if entry.problem:
                    raise UserError(
                        f"{place}: not a whole {_TITLES[form]} record ({entry.problem}): correct the record or copy "
                        "the file again"
                    )
                text = entry.text
                if form == "fastq" and "." in text:
                    refuse.note("had the sign '.' of a base that was not read, which became N")
                    text = text.replace(".", "N")
                sequence = clean(text, place, refuse.note)
            except UserError as error:
                refuse(error)
            else:
                yield Record(name or str(number), sequence, str(path), number, title=entry.title)


_TITLES = {"fasta": "FASTA", "fastq": "FASTQ", "genbank": "GenBank", "embl": "EMBL", "plain": "plain"}


@dataclass(frozen=True)
class Entry:
    """A record as it stands in a file.

    Args:
        title: its header line, whose first word is its identifier; empty if it has none.
        text: its sequence, not cleaned.
        problem: what breaks the format, in words; empty if nothing does.
    """

    title: str
    text: str
    problem: str = ""


def fasta_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Read the records of a FASTA file, each with its lines as they stand, since blanks in them mean something.

    Args:
        lines: of the file; the first that is not empty begins with ">".
    """
    title, held = None, []
    for line in lines:
        if line.startswith(">"):
            if title is not None:
                yield Entry(title, "".join(held))
            title, held = line[1:].strip(), []
        else:
            held.append(line)
    if title is not None:
        yield Entry(title, "".join(held))


def first_word(title: str) -> str:
    """Return the identifier in the header line of a record.

    Example:
        >>> first_word(" seq 0"), first_word("")
        ('seq', '')
    """
    return next(iter(title.split()), "")


def _entries(lines: Iterable[str], form: Format) -> Iterator[Entry]:
    if form == "plain":
        return (Entry("", line) for line in lines if line.strip())
    if form == "fasta":
        return fasta_entries(lines)
    pieces = _fastq_pieces(lines) if form == "fastq" else _genbank_pieces(lines)
    return (_parsed(piece, form) for piece in pieces)


def _fastq_pieces(lines: Iterable[str]) -> Iterator[str]:
    """Cut a FASTQ file into records, so that one that is broken does no harm to those behind it.

    A record ends when there are as many quality letters as bases, or where the next one visibly begins: a line with
    "@" that is followed, two lines later, by one with "+".
    """
    ahead: deque[str] = deque()
    lines = iter(lines)

    def peek(place: int) -> str:
        while len(ahead) <= place:
            ahead.append(next(lines, ""))
        return ahead[place]

    def take() -> str:
        line = peek(0)
        ahead.popleft()
        return line

    def begins() -> bool:
        return peek(0).startswith("@") and peek(2).startswith("+")

    while peek(0):
        if not peek(0).strip():
            take()
            continue
        held, bases, qualities = [take()], 0, 0
        while peek(0) and peek(0)[0] not in "+@":
            bases += len(peek(0).strip())
            held.append(take())
        if peek(0).startswith("+"):
            held.append(take())
            qualities = len(peek(0).strip())
            held.append(take())  # whatever it begins with
            while peek(0) and qualities < bases and not begins():
                qualities += len(peek(0).strip())
                held.append(take())
        while peek(0).strip() and not peek(0).startswith("@"):
            held.append(take())
        yield "".join(held)


def _genbank_pieces(lines: Iterable[str]) -> Iterator[str]:
    """Cut a GenBank or EMBL file at the lines "//" that end its records."""
    held: list[str] = []
    for line in lines:
        held.append(line)
        if line.startswith("//"):
            yield "".join(held)
            held = []
    if any(line.strip() for line in held):
        yield "".join(held)


def _parsed(piece: str, form: Format) -> Entry:
    """Let Biopython read one record."""
    try:
        if form == "fastq":
            title, sequence, _ = next(FastqGeneralIterator(io.StringIO(piece)))
            return Entry(title.strip(), sequence)
        with warnings.catch_warnings():
            # An odd header line is common and does no harm; an end that comes too early is a truncated file.
            warnings.simplefilter("ignore", BiopythonParserWarning)
            warnings.filterwarnings("error", "Premature end|Blank line", BiopythonParserWarning)
            record = SeqIO.read(io.StringIO(piece), form)
    except (ValueError, BiopythonParserWarning) as error:
        return Entry("", "", str(error).splitlines()[0].rstrip("."))
    try:
        return Entry(record.id or "", str(record.seq))
    except UndefinedSequenceError:  # the file states a length and no bases
        return Entry(record.id or "", "")
