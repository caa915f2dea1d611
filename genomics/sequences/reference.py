"""A reference genome: pieces of its contigs by place and strand, without reading what is not asked for."""

import codecs
import re
from collections import OrderedDict
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from Bio import SeqIO

from titans_seq.errors import UserError

from .alphabet import clean, reverse_complement
from .entries import fasta_entries, first_word
from .formats import find_format
from .opening import BROKEN_GZIP, broken_gzip, is_ordinary_gzip, open_text, read_start, regular_file

_SHOWN = 8
_HELD_BASES = 300_000_000  # a little more than the longest human chromosome
_MITOCHONDRION = ("M", "MT", "MtDNA")


def bare_contig(contig: str) -> str:
    """Return the one name of a contig that goes by several: without "chr", and M for a mitochondrion.

    Example:
        >>> bare_contig("chr1"), bare_contig("1"), bare_contig("MtDNA")
        ('1', '1', 'M')
    """
    bare = contig.removeprefix("chr")
    return _MITOCHONDRION[0] if bare in _MITOCHONDRION else bare


def contig_name(contig: str, names: Container[str]) -> str | None:
    """Return which of some names a contig has: the same, or with or without "chr", or another of a mitochondrion.

    Example:
        >>> contig_name("1", ["chr1", "chrM"]), contig_name("MT", ["chr1", "chrM"]), contig_name("2", ["chr1"])
        ('chr1', 'chrM', None)
    """
    bare = bare_contig(contig)
    bases = _MITOCHONDRION if bare in _MITOCHONDRION else (bare,)
    wanted = (contig, *bases, *(f"chr{base}" for base in bases))
    return next((name for name in wanted if name in names), None)


def reference_contigs(path: Path) -> Iterator[tuple[str, str]]:
    """Give name and letters of each contig of a FASTA file, as they stand in it, one contig at a time.

    Raises:
        UserError: if it cannot be read, is not FASTA, or has two contigs of one name.
    """
    _check_form(path)
    seen: set[str] = set()
    with open_text(path) as stream:
        try:
            for entry in fasta_entries(line for line in stream if line.strip()):
                name = first_word(entry.title)
                if name in seen:
                    raise named_twice(path, name)
                seen.add(name)
                yield name, entry.text
        except BROKEN_GZIP as error:
            raise broken_gzip(path, f"record {len(seen) + 1}", error) from error


def named_twice(path: Path, name: str) -> UserError:
    """Return the error of two contigs of one name, between which no place can tell."""
    return UserError(f"{path}: two contigs are named {name!r}: rename or remove one")


class Reference:
    r"""Read contigs, and windows of them, from a FASTA file.

    A plain or bgzipped file is indexed, and a few contigs at a time are in memory; one that cannot be entered in the
    middle (ordinary gzip, a byte order mark, an old Mac's line ends) is read once and kept. Use it in a `with` block.

    Args:
        path: the file.

    Raises:
        UserError: if it cannot be read, is not FASTA, or has two contigs of one name; on reading a contig, if there are
            gaps in it, which would move all positions behind them.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a.fa").write_text(">chr1\nAACCGGTT\n")
        ...     with Reference(Path(folder) / "a.fa") as reference:
        ...         reference.window("1", 2, 5), reference.window("1", 2, 5, "-")
        ('CCG', 'CGG')
    """

    def __init__(self, path: Path) -> None:
        _check_form(path)
        self.path = path
        self._held: OrderedDict[str, str] = OrderedDict()
        self._bases = 0
        self._index: Any = None
        if is_ordinary_gzip(path) or _needs_decoding(path):
            self._contigs: Mapping[str, object] = self._read_all()
        else:
            self._contigs = self._index = self._indexed()

    def __enter__(self) -> "Reference":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._index is not None:
            self._index.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the contigs, in the order of the file."""
        return tuple(self._contigs)

    def find(self, contig: str) -> str | None:
        """Find the reference's own name of a contig, as `contig_name` does; None if it has none."""
        return contig_name(contig, self._contigs)

    def contig(self, name: str) -> str:
        """Return all of a contig.

        Raises:
            UserError: if the reference has none of this name; the message shows those it has.
        """
        found = self.find(name)
        if found is None:
            known = ", ".join(self.names[:_SHOWN]) + (", ..." if len(self.names) > _SHOWN else "")
            raise UserError(
                f"contig {name!r} is not in the reference {self.path}, which has {known}: give the reference of the "
                "same assembly, with the same names (a 'chr' in front may differ)"
            )
        return str(self._contigs[found]) if self._index is None else self._entered(found)

    def window(self, contig: str, start: int, end: int, strand: str = "+") -> str:
        """Return a piece of a contig.

        Args:
            contig: its name.
            start: first base, from 0.
            end: the base after the last.
            strand: "+", or "-" for the reverse complement.

        Raises:
            UserError: if there is no such contig or it is too short.
        """
        sequence = self.contig(contig)
        if not 0 <= start < end <= len(sequence):
            raise UserError(
                f"bases {start} to {end} are not all on contig {contig!r} of the reference {self.path}, which has "
                f"{len(sequence):,}: give the whole reference of the same assembly"
            )
        piece = sequence[start:end]
        return reverse_complement(piece) if strand == "-" else piece

    def _entered(self, name: str) -> str:
        """A contig of an indexed file, read unless it is still in memory."""
        if name not in self._held:
            self._held[name] = self._read(name)
            self._bases += len(self._held[name])
            while len(self._held) > 1 and self._bases > _HELD_BASES:
                self._bases -= len(self._held.popitem(last=False)[1])
        self._held.move_to_end(name)
        return self._held[name]

    def _read(self, name: str) -> str:
        try:
            text = self._index.get_raw(name).decode("utf-8", errors="replace").partition("\n")[2]
        except BROKEN_GZIP as error:
            raise broken_gzip(self.path, f"contig {name!r}", error) from error
        return self._cleaned(text, name)

    def _cleaned(self, text: str, name: str) -> str:
        place = f"{self.path}, contig {name!r}"
        gap = next((letter for letter in "-." if letter in text), None)
        if gap is not None:
            at = len("".join(text[: text.index(gap)].split())) + 1
            raise UserError(
                f"{place}: has a gap {gap!r} at position {at:,}, where no base stands: give the "
                "genome itself, not an alignment"
            )
        return clean(text, place)

    def _indexed(self) -> Any:
        try:
            return SeqIO.index(str(regular_file(self.path)), "fasta")
        except BROKEN_GZIP as error:
            raise broken_gzip(self.path, "while its contigs were looked up", error) from error
        except ValueError as error:
            raise _unusable(self.path, str(error)) from error

    def _read_all(self) -> dict[str, str]:
        return {name: self._cleaned(text, name) for name, text in reference_contigs(self.path)}


def _check_form(path: Path) -> None:
    form = find_format(path)
    if form != "fasta":
        raise UserError(f"{path}: a reference must be a FASTA file, this one is {form}: give the genome itself")


def _needs_decoding(path: Path) -> bool:
    """Whether a file is text that an index by bytes would not find its way in."""
    head = read_start(path)
    return head.startswith(codecs.BOM_UTF8) or (b"\r" in head and b"\n" not in head)


def _unusable(path: Path, problem: str) -> UserError:
    twice = re.match(r"Duplicate key '(.*)'", problem)
    if twice:
        return named_twice(path, twice[1])
    return UserError(f"{path}: cannot be used as a reference ({problem}): give a FASTA file")
