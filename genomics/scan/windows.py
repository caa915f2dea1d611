"""Windows along contigs and intervals, read piece by piece, so that memory does not grow with a contig."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from titans_seq.errors import UserError

from ..sequences.alphabet import clean
from ..sequences.bad_records import Refuse
from ..sequences.entries import first_word
from ..sequences.formats import find_format
from ..sequences.loading import read_all
from ..sequences.opening import BROKEN_GZIP, broken_gzip, open_text
from ..sequences.options import LoadOptions
from ..sequences.reference import Reference, named_twice

_PIECE = 1 << 16


@dataclass(frozen=True)
class Stretch:
    """What is scanned from one end to the other: a contig, another record, or an interval of a reference.

    Args:
        name: of the record.
        contig: it lies on; the record's own name if it was not cut from a reference.
        start: its first base on the contig, from 0.
        size: its bases.
        strand: "-" if the other strand is read, else "+" or ".".
        contig_size: bases of the contig.

    Example:
        >>> peak = Stretch("peak_1", "chr2", 1000, 200, "-", 243_199_373)
        >>> peak.start + peak.size
        1200
    """

    name: str
    contig: str
    start: int
    size: int
    strand: str
    contig_size: int


@dataclass(frozen=True)
class Window:
    """A window of a stretch.

    Args:
        stretch: it lies in.
        start: its first base on the contig, from 0.
        end: the base after its last.
        sequence: on the stretch's strand.

    Example:
        >>> Window(Stretch("chr1", "chr1", 0, 9, ".", 9), 2, 6, "ACGT").sequence
        'ACGT'
    """

    stretch: Stretch
    start: int
    end: int
    sequence: str


@dataclass(frozen=True)
class Source:
    """A stretch with its sequence: whole, or as a FASTA file to read it from.

    Args:
        stretch: what it is.
        sequence: all of it; None if it is read from the file.
    """

    stretch: Stretch
    sequence: str | None


def stretches(paths: Iterable[Path], options: LoadOptions, refuse: Refuse) -> Iterator[tuple[Path, list[Source]]]:
    """Look through files for what there is to scan; contigs of FASTA files are checked and measured, not kept.

    Args:
        paths: the files.
        options: how they are read; the window is left out of account.
        refuse: what to do about a record that cannot be used.

    Yields:
        Each file with its stretches, in its order.

    Raises:
        UserError: if a file or a record cannot be read.
    """
    whole = LoadOptions(
        sequence=options.sequence, reference=options.reference, edges=options.edges, skip_bad=options.skip_bad
    )
    for path in paths:
        if find_format(path) == "fasta":
            found = [Source(stretch, None) for stretch in _contigs(path, refuse)]
        else:
            found = list(_records(path, whole, refuse))
        yield path, found


def windows_of(path: Path, sources: list[Source], window: int, stride: int) -> Iterator[Window]:
    """Cut windows out of the stretches of a file, in their order.

    The first begins with the stretch, each next `stride` bases later, and one more ends with the stretch if bases would
    be left over. A stretch shorter than a window is one. Windows of the other strand are those of its sequence, and
    come last to first, so that places on the contig rise.

    Args:
        path: the file.
        sources: its stretches.
        window: bases of a window, at least 1.
        stride: bases from one to the next, at least 1.

    Example:
        >>> source = Source(Stretch("peak", "chr1", 10, 6, "-", 99), "AACCGG")
        >>> [(one.start, one.sequence) for one in windows_of(Path("peaks.bed"), [source], window=4, stride=2)]
        [(10, 'CCGG'), (12, 'AACC')]
    """
    held = {source.stretch.name: source.stretch for source in sources if source.sequence is None}
    for source in sources:
        if source.sequence is not None:
            cut = cut_windows(source.stretch, [source.sequence], window, stride)
            yield from cut if source.stretch.strand != "-" else reversed(list(cut))
    for name, pieces in _fasta_pieces(path) if held else ():
        if name in held:
            yield from cut_windows(held.pop(name), pieces, window, stride)


def cut_windows(stretch: Stretch, pieces: Iterable[str], window: int, stride: int) -> Iterator[Window]:
    """Cut the windows of one stretch; see `windows_of`.

    Args:
        stretch: it.
        pieces: its sequence, in one piece or in many.
        window: bases of a window, at least 1.
        stride: bases from one to the next, at least 1.

    Example:
        >>> stretch = Stretch("a", "chr1", 10, 7, "+", 99)
        >>> [(one.start, one.sequence) for one in cut_windows(stretch, ["AACCGGT"], 4, 2)]
        [(10, 'AACC'), (12, 'CCGG'), (13, 'CGGT')]
    """
    held, first, start = "", 0, 0
    for piece in pieces:
        held += piece
        while start + window <= first + len(held):
            yield _window(stretch, start, held[start - first : start - first + window])
            start += stride
        # The last window may begin anywhere among the bases of one window.
        kept = max(min(start, first + len(held) - window), first)
        held, first = held[kept - first :], kept
    if start - stride + window < stretch.size or start == 0:
        begin = max(stretch.size - window, 0)
        yield _window(stretch, begin, held[begin - first :])


def window_count(size: int, window: int, stride: int) -> int:
    """Return how many windows `cut_windows` cuts out of a stretch.

    Example:
        >>> window_count(7, 4, 2), window_count(8, 4, 2), window_count(3, 4, 2)
        (3, 3, 1)
    """
    return 1 if size <= window else -(-(size - window) // stride) + 1


def _window(stretch: Stretch, start: int, sequence: str) -> Window:
    """Place a window that begins `start` bases into its stretch, read on the stretch's strand."""
    if stretch.strand == "-":
        end = stretch.start + stretch.size - start
        return Window(stretch, end - len(sequence), end, sequence)
    begin = stretch.start + start
    return Window(stretch, begin, begin + len(sequence), sequence)


def _records(path: Path, options: LoadOptions, refuse: Refuse) -> Iterator[Source]:
    sizes: dict[str, int] = {}
    reference = None if options.reference is None else Path(options.reference)
    records = list(read_all([path], options, refuse.left_out, refuse.notes))
    # Tracks go along a contig once.
    records.sort(key=lambda record: ("", 0) if record.place is None else (record.place.contig, record.place.start))
    if reference is not None:
        with Reference(reference) as opened:
            for contig in {record.place.contig for record in records if record.place is not None}:
                sizes[contig] = len(opened.contig(contig))
    for record in records:
        at, size = record.place, len(record.sequence)
        if at is None:
            yield Source(Stretch(record.name, record.name, 0, size, ".", size), record.sequence)
        else:
            stretch = Stretch(record.name, at.contig, at.start, size, at.strand, sizes[at.contig])
            yield Source(stretch, record.sequence)


def _contigs(path: Path, refuse: Refuse) -> Iterator[Stretch]:
    """Measure the contigs of a FASTA file; one that cannot be used is left out whole."""
    seen: set[str] = set()
    for name, pieces in _fasta_pieces(path, refuse.note):
        try:
            if name in seen:
                raise named_twice(path, name)
            seen.add(name)  # also one that is left out: windows are cut by name, out of the first that has it
            size = sum(map(len, pieces))
            if not size:
                raise UserError(f"{path} ({name}): no sequence: give it one or remove the record")
        except UserError as error:
            if isinstance(error.__cause__, BROKEN_GZIP):  # what follows is lost, not one contig
                raise
            refuse(error)
        else:
            yield Stretch(name, name, 0, size, ".", size)


def _fasta_pieces(path: Path, note: Callable[[str], object] = lambda what: None) -> Iterator[tuple[str, Iterator[str]]]:
    """Give each contig of a FASTA file with its clean sequence, some ten thousand bases at a time."""
    with open_text(path) as stream:
        lines = _lines(stream, path)
        header = next((line for line in lines if line.strip()), "")

        def pieces(name: str) -> Iterator[str]:
            nonlocal header
            held: list[str] = []
            size = 0
            for line in lines:
                if line.startswith(">"):
                    header = line
                    break
                held.append(line)
                size += len(line)
                if size >= _PIECE:
                    yield _cleaned("".join(held), path, name, note)
                    held, size = [], 0
            if "".join(held).strip():
                yield _cleaned("".join(held), path, name, note)

        number = 0
        while header:
            number += 1
            name, header = first_word(header[1:]) or str(number), ""
            yield name, pieces(name)
            if not header:
                # What was not read, to find the next header: of a contig that was left out, perhaps.
                header = next((line for line in lines if line.startswith(">")), "")


def _lines(stream: TextIO, path: Path) -> Iterator[str]:
    try:
        yield from stream
    except BROKEN_GZIP as error:
        raise broken_gzip(path, "while its contigs were read", error) from error


def _cleaned(text: str, path: Path, name: str, note: Callable[[str], object]) -> str:
    gap = next((letter for letter in "-." if letter in text), None)
    if gap is not None:
        raise UserError(
            f"{path} ({name}): has a gap {gap!r}, where no base stands, so that positions behind it would be wrong: "
            "give the genome itself, not an alignment"
        )
    return clean(text, f"{path} ({name})", note)
