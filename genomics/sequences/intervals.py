"""Places on a genome: BED files and tables of regions, cut out of a reference."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from titans_seq.errors import UserError

from .bad_records import Refuse
from .opening import BROKEN_GZIP, broken_gzip, open_text
from .reference import Reference
from .tables import NAME, Row, Table

REGION = ("region", "chrom", "chr", "chromosome", "contig", "seqname")
START = ("start", "chromstart", "chrom_start")
END = ("end", "chromend", "chrom_end", "stop")
STRAND = ("strand",)

_BED_COLUMNS = 3
_NOT_DATA = ("#", "track", "browser")


@dataclass(frozen=True)
class Interval:
    """A place on a genome.

    Args:
        name: what it is called.
        contig: name of the contig.
        start: its first base, from 0.
        end: the base after its last.
        strand: "+" or "-".
    """

    name: str
    contig: str
    start: int
    end: int
    strand: str


@dataclass(frozen=True)
class IntervalColumns:
    """Numbers of the columns of a table of intervals; `name` and `strand` may be missing."""

    name: int | None
    contig: int
    start: int
    end: int
    strand: int | None


def interval_columns(table: Table) -> IntervalColumns | None:
    """Where a table holds intervals; None if it holds none."""
    contig, start, end = table.find(REGION), table.find(START), table.find(END)
    if contig is None or start is None or end is None:
        return None
    return IntervalColumns(table.find(NAME), contig, start, end, table.find(STRAND))


def interval_of(row: Row, columns: IntervalColumns, place: str) -> Interval:
    """The interval in a row; coordinates count from 0 and `end` is not part of it; no strand is "+".

    Args:
        row: a row of the table.
        columns: where things stand.
        place: what to call the row in messages.

    Raises:
        UserError: if a coordinate or the strand is unusable.
    """
    name = row.cells[columns.name] if columns.name is not None else ""
    strand = row.cells[columns.strand] if columns.strand is not None else ""
    at = (row.cells[columns.contig], row.cells[columns.start], row.cells[columns.end])
    return _checked(name or f"{at[0]}:{at[1]}-{at[2]}", *at, strand, place)


def read_bed(path: Path, refuse: Refuse) -> Iterator[tuple[int, Interval]]:
    """The intervals of a BED file, each with its number from 1: contig, start, end, and maybe name, score, strand.

    Args:
        path: the file, plain or gzipped.
        refuse: what to do about a line that cannot be used.

    Raises:
        UserError: if the file is cut short; from `refuse` also if a line is no interval.
    """
    number = 0
    with open_text(path) as stream:
        try:
            for line in stream:
                if not line.strip() or line.startswith(_NOT_DATA):
                    continue
                number += 1
                try:
                    interval = _bed_line(line, f"{path}, record {number}")
                except UserError as error:
                    refuse(error)
                else:
                    yield number, interval
        except BROKEN_GZIP as error:
            raise broken_gzip(path, f"record {number + 1}", error) from error


def around_centre(interval: Interval, window: int) -> Interval:
    """An interval of a given length around the middle of another; of an even length, the middle begins its later half.

    Example:
        >>> around_centre(Interval("a", "chr1", 100, 200, "+"), 10)
        Interval(name='a', contig='chr1', start=145, end=155, strand='+')
    """
    start = (interval.start + interval.end) // 2 - window // 2
    return replace(interval, start=start, end=start + window)


def cut(interval: Interval, reference: Reference, window: int | None, place: str) -> str:
    """The sequence of an interval, on its own strand.

    Args:
        interval: where.
        reference: the genome.
        window: a length that replaces the interval's own, around its middle.
        place: what to call the interval in messages.

    Raises:
        UserError: if it is not on the reference.
    """
    at = interval if window is None else around_centre(interval, window)
    try:
        return reference.window(at.contig, at.start, at.end, at.strand)
    except UserError as error:
        raise UserError(f"{place} ({interval.name}): {error}") from error


def _bed_line(line: str, place: str) -> Interval:
    cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
    if len(cells) < _BED_COLUMNS:
        raise UserError(f"{place}: expected contig, start and end with tabs between, got {line.strip()[:40]!r}")
    contig, start, end = cells[:_BED_COLUMNS]
    name, _, strand = [*cells[_BED_COLUMNS:], "", "", ""][:3]
    return _checked(name if name not in ("", ".") else f"{contig}:{start}-{end}", contig, start, end, strand, place)


def _checked(name: str, contig: str, start: str, end: str, strand: str, place: str) -> Interval:
    if not (start.isdecimal() and end.isdecimal() and int(start) < int(end)):
        raise UserError(f"{place}: start {start!r} and end {end!r}: expected whole numbers from 0, the start smaller")
    if strand not in ("", ".", "+", "-"):
        raise UserError(f"{place}: strand {strand!r}: expected '+', '-', '.' or nothing")
    return Interval(name, contig, int(start), int(end), "-" if strand == "-" else "+")
