"""Kinds of files with sequences or intervals, told apart by their content and their names."""

import re
from pathlib import Path
from typing import Literal

from titans_seq.errors import UserError

from .opening import read_head

Format = Literal["fasta", "fastq", "genbank", "embl", "plain", "table", "bed", "gff"]

PACKED = (".gz", ".bgz")
_OTHERWISE_PACKED = (".bz2", ".xz", ".zst", ".zip")
_FASTA = (".fa", ".fasta", ".fna", ".ffn", ".fas", ".fsa", ".frn")
_FASTQ = (".fq", ".fastq")
_GENBANK = (".gb", ".gbk", ".gbff", ".genbank")
_EMBL = (".embl",)
_PLAIN = (".txt", ".seq")
_TABLE = (".csv", ".tsv")
_BED = (".bed", ".narrowpeak", ".broadpeak", ".gappedpeak", ".bedgraph", ".bdg")
_GFF = (".gff", ".gff3", ".gff2", ".gtf")
SUFFIXES = (*_FASTA, *_FASTQ, *_GENBANK, *_EMBL, *_PLAIN, *_TABLE, *_BED, *_GFF)
"""Endings of files with sequences or intervals, without that of the compression."""

REGION = ("region", "chrom", "chr", "chromosome", "contig", "seqname", "seqnames", "seqid", "seq_id")
START = ("start", "chromstart", "chrom_start")
END = ("end", "chromend", "chrom_end", "stop")
STRAND = ("strand",)
SUMMIT = ("abs_summit",)
_BED_ORDER = (REGION, START, END, ("name",), None, STRAND)
"""Names of BED's columns in headers; those of the score say nothing."""

_SAM = ("@HD\t", "@SQ\t", "@RG\t", "@PG\t")
_SAM_LINE = re.compile(r"[^\t]+\t\d+\t[^\t]+\t\d+\t\d+\t(?:\*|(?:\d+[MIDNSHP=X])+)\t.*")
_OTHER_TEXT = {
    "CLUSTAL": "an alignment: write its sequences as FASTA",
    "##maf": "an alignment: write its sequences as FASTA",
    "# STOCKHOLM": "an alignment: write its sequences as FASTA",
    "#NEXUS": "an alignment: write its sequences as FASTA",
    "MEME version": "a file of motifs, which titans dna motifs takes as --database",
    "fixedStep": "a track of numbers (WIG) without sequences",
    "variableStep": "a track of numbers (WIG) without sequences",
    "{": "JSON: write a table (CSV) with a column of sequences",
    "[": "JSON: write a table (CSV) with a column of sequences",
}
BED_HEADS = ("#", "track", "browser")
_SHOWN = 40


def base_name(path: Path) -> str:
    """Return the name of a file without the endings of its compression and its format.

    Example:
        >>> base_name(Path("data/positive.fa.gz")), base_name(Path("enhancer.cv.fa"))
        ('positive', 'enhancer.cv')
    """
    name = unpacked(path, (*PACKED, *_OTHERWISE_PACKED))
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def is_sequence_file(path: Path) -> bool:
    """Say whether the name of a file ends as those with sequences do; files that explain a folder do not count.

    One that is packed in a way that cannot be read counts, so that it is refused by name and not left out in silence.
    """
    name = unpacked(path, (*PACKED, *_OTHERWISE_PACKED)).lower()
    return name.endswith(SUFFIXES) and not name.startswith(("readme", "license", "."))


def is_table(path: Path) -> bool:
    """Say whether the name of a file is that of a table."""
    return unpacked(path).lower().endswith(_TABLE)


def find_format(path: Path) -> Format:
    """Return which kind of file it is, by its first line, and by its name where the line leaves a choice.

    A BED file under a header that names columns in another order than BED's is a table.

    Raises:
        UserError: if it cannot be opened, is empty, or its first line fits no format; a FASTA file with a comment
            before its first record is one such.
    """
    head = read_head(path)
    lines = [line for line in head.split("\n") if line.strip()]
    if not lines:
        raise UserError(f"{path}: the file is empty: expected sequences")
    first, name = lines[0], unpacked(path).lower()
    if first.startswith(">"):
        return "fasta"
    other = next((kind for start, kind in _OTHER_TEXT.items() if first.lstrip().startswith(start)), None)
    if other is not None:
        raise UserError(f"{path}: is {other}")
    if first.startswith(_SAM) or _SAM_LINE.fullmatch(first):
        raise UserError(f"{path}: is a SAM file or a list of intervals with its header: convert it to FASTQ or BED")
    if first.startswith("##fileformat=VCF"):
        raise UserError(f"{path}: holds variants (VCF), not sequences: score them with titans dna variants")
    if first.startswith("@"):
        return "fastq"
    if first.startswith("LOCUS"):
        return "genbank"
    if first.startswith("ID   "):
        return "embl"
    if name.endswith(_GFF) or first.startswith("##gff-version"):
        return "gff"
    if name.endswith(_BED) or _is_bed(lines):
        return "table" if _names_other_order(lines, path) else "bed"
    if name.endswith(_TABLE):
        return "table"
    if name.endswith(_FASTA) or any(line.startswith(">") for line in lines):
        number = head.split("\n").index(first) + 1
        remedy = "remove the comment or other text before the first record"
        if not any(line.startswith(">") for line in lines):
            remedy = "put a line '>name' above each sequence, or name a file of one sequence a line .txt"
        raise UserError(
            f"{path}, line {number}, before record 1: a FASTA file begins with '>', got {_shorten(first)!r}: {remedy}"
        )
    if name.endswith((*_FASTQ, *_GENBANK, *_EMBL)):
        begin = "@" if name.endswith(_FASTQ) else "LOCUS" if name.endswith(_GENBANK) else "ID"
        raise UserError(f"{path}, line 1: expected a line that begins with '{begin}', got {_shorten(first)!r}")
    first = next((line for line in lines if not is_remark(line)), first)
    if any(mark in first for mark in "\t,;") or names_columns(first.split(" ")):
        return "table"
    if first.strip().isalpha() or name.endswith(_PLAIN):
        return "plain"
    raise UserError(
        f"{path}, line 1: fits no format: expected FASTA ('>name'), FASTQ ('@name'), GenBank ('LOCUS'), a table with a "
        f"header, or one sequence a line, got {_shorten(first)!r}"
    )


def is_remark(line: str) -> bool:
    """Say whether a line above a table is a comment, or Excel's word on the separator.

    Example:
        >>> is_remark("# by MACS"), is_remark("sep=;"), is_remark("sequence;label")
        (True, True, False)
    """
    return line.startswith("#") or bool(re.fullmatch(r'"?sep=."?', line.strip()))


def names_columns(cells: list[str]) -> bool:
    """Say whether cells are the header of a table of sequences or intervals whose cells stand between blanks.

    Example:
        >>> names_columns(['"sequence"', '"label"']), names_columns(["ACGT", "ACGT"])
        (True, False)
    """
    names = {cell.strip('"').lower() for cell in cells}
    return len(cells) > 1 and not names.isdisjoint({"sequence", "seq", "seqnames", "chrom", *START})


def _is_bed(lines: list[str]) -> bool:
    """Say whether the first line of data is that of a BED file: a contig, and two numbers behind tabs."""
    data = next((line for line in lines if not line.startswith(BED_HEADS)), "")
    cells = data.split("\t")
    return len(cells) > 2 and cells[1].strip().isdecimal() and cells[2].strip().isdecimal()


def _names_other_order(lines: list[str], path: Path) -> bool:
    """Say whether a header above the intervals of a BED file names columns in another order than BED's.

    Raises:
        UserError: if there is one, and it does not stand right above them.
    """
    data = next((number for number, line in enumerate(lines) if not line.startswith(BED_HEADS)), len(lines) - 1)
    size = len(cells_of(lines[data]))
    heads = [number for number, line in enumerate(lines[: data + 1]) if _is_other_header(line, size)]
    if heads and (heads[-1] < data - 1 or not all(line.startswith("#") for line in lines[:data])):
        raise UserError(
            f"{path}: its header {_shorten(lines[heads[-1]])!r} names columns in another order than BED's: put it "
            "right above the intervals, without lines of tracks or a browser, or bring the columns into BED's order"
        )
    return bool(heads)


def _is_other_header(line: str, size: int) -> bool:
    """Say whether a line names the columns of intervals, `size` of them unless tabs tell it from prose."""
    names = [name.strip('"').lower() for name in cells_of(line.removeprefix("#").strip())]
    if ("\t" not in line and len(names) != size) or any(set(names).isdisjoint(kind) for kind in (REGION, START, END)):
        return False
    return not set(names).isdisjoint(SUMMIT) or any(
        kind and not set(names).isdisjoint(kind) and (len(names) <= place or names[place] not in kind)
        for place, kind in enumerate(_BED_ORDER)
    )


def cells_of(line: str) -> list[str]:
    r"""Return the cells of a line of intervals, between tabs or, where it has none, blanks.

    Example:
        >>> cells_of("chr1\t5\t9\ta b"), cells_of("chr1 5  9")
        (['chr1', '5', '9', 'a b'], ['chr1', '5', '9'])
    """
    return [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]


def unpacked(path: Path, endings: tuple[str, ...] = PACKED) -> str:
    """Return the name of a file without the ending of its compression."""
    name = path.name
    return next((name[: -len(suffix)] for suffix in endings if name.lower().endswith(suffix)), name)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
