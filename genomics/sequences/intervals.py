"""Intervals of a genome: BED, peak and GFF files, tables of intervals, and their sequences in a reference."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from titans_seq.errors import UserError

from .alphabet import reverse_complement
from .bad_records import Refuse
from .formats import BED_HEADS, END, REGION, START, STRAND, SUMMIT, cells_of, unpacked
from .opening import BROKEN_GZIP, broken_gzip, open_text
from .options import LoadOptions
from .reference import Reference
from .tables import NAME, Row, Table
from .values import Interval

WIDTH = ("width", "length")

BED = ("chrom", "start", "end", "name", "score", "strand")
BROAD_PEAK = (*BED, "signalValue", "pValue", "qValue")
NARROW_PEAK = (*BROAD_PEAK, "peak")
BEDGRAPH = ("chrom", "start", "end", "value")
GFF = ("seqid", "source", "type", "start", "end", "score", "strand", "phase", "attributes")

_HOMER, _SAF = "peakid", "geneid"
_FROM_ONE = ("seqnames", _SAF, _HOMER)
"""Columns of tables that count from 1: those of R's GRanges, SAF (featureCounts) and HOMER."""
_GFF_CONTIGS = ("seqname", "seqid", "seq_id")
_GFF_NAMES = ("id", "name", "gene_id", "transcript_id")
_MOST_FILLED = 10_000_000
_BED_COLUMNS, _BEDPE_COLUMNS, _BED12, _BLOCKS = 3, 6, 12, 9
_STRANDS = {"": ".", ".": ".", "*": ".", "+": "+", "-": "-", "1": "+", "+1": "+", "-1": "-"}
_HOMER_STRANDS = {**_STRANDS, "0": "+", "1": "-"}
_GFF_STRANDS = {**_STRANDS, "?": "."}
# What a broken strand looks like, rather than something else than a strand: one sign, digit or letter, or a word.
_LIKE_STRAND = re.compile(
    r".|[+-]?\d(?:\.0*)?|plus|minus|fwd|rev|forward|reverse|sense|antisense|pos|positive|neg|negative|watson|crick"
    r"|top|bottom",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf", re.IGNORECASE)
_WHOLE = re.compile(r"\d+(?:\.\d*)?(?:e\+?\d{1,2})?", re.IGNORECASE)
_GFF_NAME = re.compile(r"(?:^|;\s*)(?:ID|Name|gene_id|transcript_id)([= ])\"?([^\";]+)")


@dataclass(frozen=True)
class IntervalColumns:
    """Numbers of the columns of a table of intervals; `name`, `strand`, `width` and `summit` may be missing.

    `first` is the number of a contig's first base, 0 or 1; where it is 1, `end` is part of the interval. `strands` says
    what is written for "+", "-" and ".".
    """

    name: int | None
    contig: int
    start: int
    end: int
    strand: int | None
    width: int | None
    summit: int | None
    first: int
    strands: Mapping[str, str]


def interval_columns(table: Table) -> IntervalColumns | None:
    """Return where a table holds intervals; None if it holds none.

    Coordinates count from 0 and `end` is not part of the interval, as in BED, but for tables with a column `seqnames`
    (R's GRanges), `GeneID` (SAF) or `PeakID` (HOMER), or with the columns of GFF: those count from 1, and `end` is part
    of it. A column `width` or `length` tells, as in MACS's tables. HOMER writes strands as "+" and "-", or as 0 and 1,
    where 1 is "-".
    """
    contig, start, end = table.find(REGION), table.find(START), table.find(END)
    if contig is None or start is None or end is None:
        return None
    name, strand, width, summit = (table.find(names) for names in (NAME, STRAND, WIDTH, SUMMIT))
    # HOMER's tables have the command behind the name: "PeakID (cmd=annotatePeaks.pl ...)".
    words = [column.lower().lstrip("# ").partition(" ")[0] for column in table.columns]
    first = int(not set(_FROM_ONE).isdisjoint(words))
    strands = _HOMER_STRANDS if _HOMER in words else _STRANDS
    if _is_gff(words):
        name, first, strands = table.find(_GFF_NAMES), 1, _GFF_STRANDS
    if name is None:
        name = next((words.index(word) for word in (_HOMER, _SAF) if word in words), None)
    return IntervalColumns(name, contig, start, end, strand, width, summit, first, strands)


def _is_gff(words: Sequence[str]) -> bool:
    """Say whether a table has GFF's own columns, as gtfparse, gffpandas and gffutils name them."""
    names = set(words)
    described = {"type", "attributes"} <= names or {"type", "attribute"} <= names
    return not names.isdisjoint(_GFF_CONTIGS) and (
        described or not names.isdisjoint({"feature", "source", "frame", "phase", "featuretype"})
    )


def interval_of(row: Row, columns: IntervalColumns, place: str, refuse: Refuse) -> Interval:
    """Return the interval in a row.

    Args:
        row: a row of the table.
        columns: where things stand.
        place: what to call the row in messages.
        refuse: is told of coordinates that count from 1, of a width that says nothing and of a missing summit.

    Raises:
        UserError: if a coordinate, the strand or the summit is unusable.
    """

    def cell(number: int | None) -> str:
        return "" if number is None else row.cells[number]

    start, end = cell(columns.start), cell(columns.end)
    first = columns.first
    if columns.width is not None and (size := _size(start, end)) is not None:
        width = _whole(cell(columns.width))
        if width in (size, size + 1):
            first = width - size
        else:
            refuse.note(
                f"has a width that is neither end - start nor one more: coordinates taken to count from {first} all "
                "the same"
            )
    strand = cell(columns.strand)
    found = _checked(cell(columns.name), cell(columns.contig), start, end, strand, place, first, columns.strands)
    if columns.summit is not None:
        found = _with_summit(found, cell(columns.summit), first, place, refuse)
    if first:
        refuse.note("coordinates taken to count from 1, end included, as R's GRanges, SAF, HOMER and MACS's tables do")
    return found


@dataclass(frozen=True)
class Line:
    """One line of a file of intervals.

    Args:
        number: its number among the lines of data, from 1.
        interval: what it holds.
        cells: by the name of the column.
    """

    number: int
    interval: Interval
    cells: Mapping[str, str]


def read_intervals(path: Path, form: Literal["bed", "gff"], refuse: Refuse) -> Iterator[Line]:
    """Read a file of intervals: BED, narrowPeak, broadPeak and bedGraph, or GFF and GTF.

    Column 10 is the summit where the file is named .narrowPeak, or the columns of a line are those of such a file.

    Args:
        path: the file, plain or gzipped.
        form: "bed" counts from 0 and leaves the end out, "gff" counts from 1.
        refuse: what to do about a line that cannot be used.

    Raises:
        UserError: if the file is cut short; from `refuse` also if a line is no interval.
    """
    number = 0
    types: Counter[str] = Counter()
    name = unpacked(path).lower()
    columns = NARROW_PEAK if name.endswith(".narrowpeak") else BROAD_PEAK
    if name.endswith((".bedgraph", ".bdg")):
        columns = BEDGRAPH
    parse = _gff_line if form == "gff" else partial(_bed_line, columns=columns, refuse=refuse)
    with open_text(path) as stream:
        try:
            for line in stream:
                if line.startswith("##FASTA"):
                    return
                if not line.strip() or line.startswith(BED_HEADS):
                    continue
                cells = cells_of(line)
                if not number and form == "bed" and _is_header(cells):
                    continue
                number += 1
                try:
                    parsed = Line(number, *parse(cells, f"{path}, record {number}"))
                except UserError as error:
                    refuse(error)
                    continue
                blocks = cells[_BLOCKS] if form == "bed" and len(cells) >= _BED12 else ""
                if blocks.isdecimal() and int(blocks) > 1:
                    refuse.note("has several blocks (BED12), and is read whole, with what lies between them")
                types[parsed.cells.get("type", "")] += 1
                yield parsed
        except BROKEN_GZIP as error:
            raise broken_gzip(path, f"record {number + 1}", error) from error
    if len(types) > 1:
        for kind in types.elements():
            refuse.note(f"is a feature of type {kind!r}: all types are read, each feature by itself")


def around_centre(interval: Interval, window: int) -> Interval:
    """Return an interval of a given length around the summit of another, or its middle if it has none.

    Of an even length, the centre begins its later half.

    Example:
        >>> around_centre(Interval("a", "chr1", 100, 200, "+"), 10)
        Interval(name='a', contig='chr1', start=145, end=155, strand='+', summit=None)
    """
    centre = (interval.start + interval.end) // 2 if interval.summit is None else interval.summit
    start = centre - window // 2
    return replace(interval, start=start, end=start + window)


def cut(
    interval: Interval, reference: Reference, options: LoadOptions, place: str, refuse: Refuse
) -> tuple[str, Interval]:
    """Return the sequence of an interval, or of the window around its centre, on its own strand; and where it lies.

    Args:
        interval: where.
        reference: the genome.
        options: the window, and what becomes of one that leaves its contig.
        place: what to call the interval in messages.
        refuse: is told of windows that were moved or filled.

    Raises:
        UserError: if it is not on the reference.
    """
    at = interval if options.window is None else around_centre(interval, options.window)
    try:
        size = len(reference.contig(at.contig))
        on_contig = 0 <= at.start and at.end <= size
        if on_contig or not (interval.start < size and interval.end > 0):
            return reference.window(at.contig, at.start, at.end, at.strand), at
        if options.edges == "fill":
            missing = max(-at.start, 0) + max(at.end - size, 0)
            if missing > _MOST_FILLED:
                raise UserError(
                    f"{missing:,} bases of it lie beyond contig {at.contig!r}, which has {size:,}, and at most "
                    f"{_MOST_FILLED:,} are filled with N: correct the interval, or give a smaller --window"
                )
            refuse.note("filled with N where it leaves its contig")
            inside = reference.window(at.contig, max(at.start, 0), min(at.end, size))
            filled = "N" * max(-at.start, 0) + inside + "N" * max(at.end - size, 0)
            return (reverse_complement(filled) if at.strand == "-" else filled), at
        if options.edges == "shift" and at.end - at.start <= size:
            refuse.note("shifted inward where it left its contig")
            start = min(max(at.start, 0), size - (at.end - at.start))
            at = replace(at, start=start, end=start + at.end - at.start)
            return reference.window(at.contig, at.start, at.end, at.strand), at
    except UserError as error:
        raise UserError(f"{place} ({interval.name}): {error}") from error
    what = "the interval" if options.window is None else f"the window of {options.window:,} bases around it"
    shift = "" if at.end - at.start > size else "move it inward (--edges shift), "
    raise UserError(
        f"{place} ({interval.name}): {what}, bases {at.start:,} to {at.end:,}, leaves contig {at.contig!r}, which has "
        f"{size:,}: {shift}fill it with N (--edges fill), or leave it out (--skip-bad)"
    )


def _is_header(cells: list[str]) -> bool:
    """Say whether a line names columns, as tables that were saved as BED do."""
    return len(cells) >= _BED_COLUMNS and cells[1].lower() in START and cells[2].lower() in END


def _bed_line(
    cells: list[str], place: str, columns: tuple[str, ...], refuse: Refuse
) -> tuple[Interval, dict[str, str]]:
    if len(cells) < _BED_COLUMNS:
        shown = "\t".join(cells)[:40]
        raise UserError(f"{place}: expected contig, start and end with tabs between, got {shown!r}: correct the line")
    contig, start, end = cells[:_BED_COLUMNS]
    if len(cells) >= _BEDPE_COLUMNS and all(cell.isdecimal() for cell in (start, end, *cells[4:6])):
        raise UserError(
            f"{place}: looks like a pair of places (BEDPE): give a line for each, with contig, start and end"
        )
    is_peak = columns == NARROW_PEAK or _is_peak(cells)
    known = NARROW_PEAK if is_peak else columns if len(cells) <= len(columns) else BED
    named = dict(zip(known, cells, strict=False))
    strand = named.get("strand", "")
    is_strand = is_peak or strand in _STRANDS or bool(_LIKE_STRAND.fullmatch(strand))
    interval = _checked(named.get("name", ""), contig, start, end, strand if is_strand else ".", place)
    if not is_strand:
        refuse.note("has something else than a strand in column 6, and is read as on the forward strand")
    if not is_peak and len(cells) >= len(NARROW_PEAK):
        refuse.note("has columns behind the sixth, which are not read: they are not those of a narrowPeak file")
    peak = named.get("peak", "-1")
    if peak != "-1":
        if not peak.isdecimal() or interval.start + int(peak) >= interval.end:
            raise UserError(
                f"{place}: summit {peak!r} in column 10: expected bases from the start on, or -1 for none: "
                "correct or remove the line"
            )
        if columns != NARROW_PEAK:
            refuse.note("has the columns of a narrowPeak file: the tenth is read as its summit")
        interval = replace(interval, summit=interval.start + int(peak))
    return interval, named


def _is_peak(cells: list[str]) -> bool:
    """Say whether a line has the columns of a narrowPeak file, whatever the file's name."""
    if len(cells) != len(NARROW_PEAK) or cells[5] not in _STRANDS or not all(map(_NUMBER.fullmatch, cells[6:9])):
        return False
    start, end, peak = cells[1], cells[2], cells[9]
    if not (start.isdecimal() and end.isdecimal() and (peak == "-1" or peak.isdecimal())):
        return False
    # Where the thick part and the colour of BED stand in columns 7 to 9, the tenth counts blocks.
    thick = cells[6].isdecimal() and cells[7].isdecimal() and cells[8] == "0"
    if thick and int(start) <= int(cells[6]) <= int(cells[7]) <= int(end):
        return False
    return int(peak) < int(end) - int(start)


def _gff_line(cells: list[str], place: str) -> tuple[Interval, dict[str, str]]:
    if len(cells) < len(GFF) - 1:
        raise UserError(f"{place}: expected the nine columns of a GFF file, with tabs between, got {len(cells)}")
    named: dict[str, str] = dict(zip(GFF, cells, strict=False))
    found = _GFF_NAME.search(named.get("attributes", ""))
    # GFF3, which writes key=value, escapes what separates; GTF does not.
    name = "" if found is None else (unquote(found[2]) if found[1] == "=" else found[2]).strip()
    at = _checked(name, named["seqid"], named["start"], named["end"], named["strand"], place, 1, _GFF_STRANDS)
    return at, named


def _checked(
    name: str,
    contig: str,
    start: str,
    end: str,
    strand: str,
    place: str,
    first: int = 0,
    strands: Mapping[str, str] = _STRANDS,
) -> Interval:
    """Return an interval that counts from 0; `first` is the number of the first base where it stands."""
    begin, stop = _whole(start), _whole(end)
    if begin is None or stop is None or not first <= begin < stop + first:
        raise UserError(
            f"{place}: start {start!r} and end {end!r}: expected whole numbers from {first}, the start smaller: "
            "correct or remove the line"
        )
    if strand not in strands:
        raise UserError(f"{place}: strand {strand!r}: expected '+', '-', '.', '*' or nothing: correct the line")
    at = begin - first
    shown = name if name not in ("", ".") else f"{contig}:{at}-{stop}"
    return Interval(shown, contig, at, stop, strands[strand])


def _with_summit(interval: Interval, summit: str, first: int, place: str, refuse: Refuse) -> Interval:
    """Return an interval with the summit in a cell; an empty cell is none."""
    if not summit:
        refuse.note("has no summit, and the middle takes its place")
        return interval
    at = _whole(summit)
    if at is None or not interval.start <= at - first < interval.end:
        raise UserError(
            f"{place}: summit {summit!r}: expected a base of the interval, {interval.start + first} to "
            f"{interval.end + first - 1}, or nothing for none: correct or remove the row"
        )
    return replace(interval, summit=at - first)


def _size(start: str, end: str) -> int | None:
    """Return how far apart two places are; None if one is no whole number."""
    begin, stop = _whole(start), _whole(end)
    return None if begin is None or stop is None else stop - begin


def _whole(text: str) -> int | None:
    """Return a whole number, also one written as 221.0 or 1e+05, as pandas and R do; None if it is none.

    Example:
        >>> _whole("221"), _whole("221.0"), _whole("1e+05"), _whole("221.5"), _whole("")
        (221, 221, 100000, None, None)
    """
    if not _WHOLE.fullmatch(text):
        return None
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else None
