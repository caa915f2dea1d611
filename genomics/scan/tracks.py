"""Scans as files: BED, bedGraph and bigWig for genome browsers, TSV for everything else."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from ..evaluation.values import number_text
from .scanning import Scan, Target
from .windows import Stretch

SUFFIXES = (".bed", ".bedgraph", ".bw", ".bigwig", ".tsv", ".csv")
COLUMNS = ("name", "contig", "start", "end", "strand")

_AT_ONCE = 10_000


def check_track(path: Path) -> None:
    """Refuse a name that no track can have, and bigWig without its package.

    Raises:
        UserError: if it is that of a folder, or ends otherwise.

    Example:
        >>> check_track(Path("scores.bedgraph"))
        >>> check_track(Path("scores.xlsx"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        titans_seq.errors.UserError: --out scores.xlsx: expected the name of a file that ends in .bed, ...
    """
    if path.is_dir() or path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {path}: expected the name of a file that ends in {', '.join(SUFFIXES)}")
    if path.suffix.lower() in (".bw", ".bigwig"):
        big_wig_package()


@contextmanager
def open_track(
    path: Path, sizes: dict[str, int], target: Target, stride: int, threshold: float | None = None
) -> Iterator[Callable[[Scan], bool]]:
    """Open a track, which is written whole or not at all; what is given says of each window whether it is in it.

    BED has a line a window, with the interval's name, or the target where a contig is scanned, and 1000 times the score
    as its score (0 of a regression); the score itself is a seventh column. bedGraph and bigWig have no place for
    windows that overlap: the score of a window stands at the `stride` bases in its middle, which tile the contig; where
    intervals overlap, the first has the base. None of these has places outside of a contig, into which windows that
    were filled with N reach. TSV and CSV have a row a window, with all that was read.

    Args:
        path: ends in one of `SUFFIXES`.
        sizes: bases of each contig, for bigWig.
        target: what was scanned for.
        stride: bases from one window to the next.
        threshold: BED leaves windows with a smaller score out; None for none.

    Raises:
        UserError: see `check_track`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path, contig = Path(folder) / "scores.bedgraph", Stretch("c", "c", 0, 9, ".", 9)
        ...     with open_track(path, {"c": 9}, Target("bound", 1), stride=2) as add:
        ...         added = add(Scan(contig, 2, 6, "+", 0.5))
        ...     path.read_text().splitlines()[1].split()
        ['c', '3', '5', '0.5']
    """
    check_track(path)
    suffix = path.suffix.lower()
    with atomic_path(path) as temporary:
        if suffix in (".bw", ".bigwig"):
            with big_wig(temporary, sizes) as add:
                yield _middles(stride, add)
            return
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            yield _text_writer(stream, suffix, target, stride, threshold)


def _text_writer(
    stream: TextIO, suffix: str, target: Target, stride: int, threshold: float | None
) -> Callable[[Scan], bool]:
    if suffix == ".bedgraph":
        stream.write(f'track type=bedGraph name="{target.name}"\n')
        return _middles(stride, lambda *row: stream.write("\t".join(_texts(row, target)) + "\n"))
    if suffix == ".bed":
        return lambda one: _bed_line(stream, one, target, threshold)
    writer = csv.writer(stream, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    writer.writerow([*COLUMNS, "value" if target.name == "value" else f"probability_{target.name}"])
    return lambda one: bool(writer.writerow(_texts([*_place(one), one.score], target)))


def sizes_of(stretches: Iterable[Stretch]) -> dict[str, int]:
    """Return the bases of each contig, in the order in which they first come."""
    return {stretch.contig: stretch.contig_size for stretch in stretches}


def check_contigs(stretches: Iterable[Stretch]) -> None:
    """Refuse contigs of one name, whose scores a track would take for those of one contig.

    Raises:
        UserError: if a contig is scanned whole twice.
    """
    # An interval may cover a whole contig too, once on each strand.
    whole = [one.contig for one in stretches if one.name == one.contig and one.size == one.contig_size]
    twice = next((name for name, count in Counter(whole).items() if count > 1), None)
    if twice is not None:
        raise UserError(f"two contigs are named {twice!r}: scan one file a track, or write a .tsv file")


def _place(one: Scan) -> list[str | int]:
    return [one.stretch.name, one.stretch.contig, one.start, one.end, one.strand]


def _texts(row: Iterable[str | int | float], target: Target) -> Iterator[str]:
    kind = "regression" if target.name == "value" else "classes"
    return (number_text(one, kind) if isinstance(one, float) else str(one) for one in row)


def _bed_line(stream: TextIO, one: Scan, target: Target, threshold: float | None) -> bool:
    if threshold is not None and one.score < threshold:
        return False
    thousandths = 0 if target.name == "value" else min(max(round(1000 * one.score), 0), 1000)
    name = target.name if one.stretch.name == one.stretch.contig else one.stretch.name
    row = [one.stretch.contig, *_on_contig(one, one.start, one.end), name, thousandths, one.strand, one.score]
    return bool(stream.write("\t".join(_texts(row, target)) + "\n"))


def _on_contig(one: Scan, start: int, end: int) -> tuple[int, int]:
    return max(start, 0), min(end, one.stretch.contig_size)


def _middles(stride: int, add: Callable[[str, int, int, float], object]) -> Callable[[Scan], bool]:
    """Give contig, start, end and score of the middle of each window, none of which overlaps the one before it."""
    last = ("", 0)
    seen: set[str] = set()

    def put(one: Scan) -> bool:
        nonlocal last
        contig = one.stretch.contig
        if contig != last[0] and contig in seen:
            raise UserError(f"contig {contig!r} comes in two files: scan one file a track")
        seen.add(contig)
        width = min(stride, one.end - one.start)
        start = one.start + (one.end - one.start - width) // 2
        begin, end = _on_contig(one, start, start + width)
        begin = max(begin, last[1]) if contig == last[0] else begin
        if begin >= end:
            return False
        add(contig, begin, end, one.score)
        last = (contig, end)
        return True

    return put


def big_wig_package() -> Any:
    """Return the package that writes bigWig files.

    Raises:
        UserError: if it is missing.
    """
    try:
        import pyBigWig
    except ModuleNotFoundError as error:
        raise UserError(
            "bigWig files need the package pybigwig: pip install 'titans-seq[tracks]', or write bedGraph"
        ) from error
    return pyBigWig


@contextmanager
def big_wig(path: Path, sizes: dict[str, int]) -> Iterator[Callable[[str, int, int, float], object]]:
    """Open a bigWig file to which contig, start, end and value are added, in the order of the contigs.

    Args:
        path: the file.
        sizes: bases of each contig.

    Raises:
        UserError: if the package for it is missing.
    """
    file = big_wig_package().open(str(path), "w")
    try:
        file.addHeader(list(sizes.items()))
        waiting: list[tuple[str, int, int, float]] = []

        def flush() -> None:
            if waiting:
                contigs, starts, ends, values = map(list, zip(*waiting, strict=True))
                file.addEntries(contigs, starts, ends=ends, values=values)
                waiting.clear()

        def add(contig: str, start: int, end: int, score: float) -> None:
            if len(waiting) >= _AT_ONCE or (waiting and waiting[-1][0] != contig):
                flush()
            waiting.append((contig, start, end, score))

        yield add
        flush()
    finally:
        file.close()
