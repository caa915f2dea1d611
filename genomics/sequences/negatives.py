"""Negatives that differ from positives in what is to be learnt alone: regions of a genome with the same composition."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError

from .bad_records import Refuse
from .reference import contig_name, reference_contigs
from .values import Interval

_CANDIDATES = 100


@dataclass(frozen=True)
class Composition:
    """What bases a region has, as shares in [0, 1].

    Attributes:
        gc: G and C among A, C, G and T.
        repeats: bases in lower case, as RepeatMasker writes repeats.
        unknown: letters that are not A, C, G or T.
    """

    gc: float
    repeats: float
    unknown: float


@dataclass(frozen=True)
class Negative:
    """A region chosen for a positive.

    Attributes:
        interval: the region, with the positive's name.
        positive: composition of the positive.
        found: its own.
    """

    interval: Interval
    positive: Composition
    found: Composition


def matched_negatives(
    positives: Sequence[Interval],
    reference: Path,
    seed: int = 0,
    candidates: int = _CANDIDATES,
    refuse: Refuse | None = None,
) -> list[Negative]:
    """Choose for each interval a region of the genome of its length, with like GC content and share of repeats.

    Of many random regions that overlap no positive and no other negative the likest is taken. Contigs are drawn by
    their lengths; regions with more unknown bases than the positive are left out.

    Args:
        positives: intervals on the reference, at least one of them.
        reference: FASTA file, plain or gzip, with repeats in lower case if they are to be matched.
        seed: of the choice.
        candidates: regions that are looked at for each positive, at least 1.
        refuse: what to do about a positive that is not on the reference; None raises the error.

    Returns:
        One for each positive that has one, in their order.

    Raises:
        UserError: if the reference cannot be read, or no positive is on it; from `refuse` also if one is not.
    """
    sizes = {name: len(text) for name, text in _contigs(reference)}
    names: dict[str, str] = {}
    positives = list(_on_reference(positives, sizes, names, reference, refuse or Refuse()))
    if not positives:
        raise UserError(f"none of the intervals is on {reference}: give the reference of the same assembly")
    lengths = np.array([interval.end - interval.start for interval in positives])
    contigs, bases = list(sizes), np.array(list(sizes.values()))
    room = np.maximum(bases - lengths.max() + 1, 0).astype(np.float64)
    if not room.sum():
        raise UserError(f"{reference}: no contig is as long as the longest interval ({int(lengths.max()):,} bases)")
    random = np.random.default_rng(seed)
    drawn = random.choice(len(contigs), (len(positives), candidates), p=room / room.sum())
    starts = (random.random(drawn.shape) * bases[drawn]).astype(int)
    compositions: list[Composition | None] = [None] * len(positives)
    shares = np.full((*drawn.shape, 3), np.nan)
    for name, text in _contigs(reference):
        table = _Sums(text)
        own = [n for n, interval in enumerate(positives) if names[interval.contig] == name]
        for n in own:
            compositions[n] = table.of(positives[n].start, positives[n].end)
        taken = _covered(len(text), [positives[n] for n in own])
        for n, k in np.argwhere(drawn == contigs.index(name)):
            start, end = int(starts[n, k]), int(starts[n, k] + lengths[n])
            if end <= len(text) and taken[end] == taken[start]:
                found = table.of(start, end)
                shares[n, k] = found.gc, found.repeats, found.unknown
    return list(_chosen(positives, compositions, shares, drawn, starts, contigs))


def _chosen(
    positives: Sequence[Interval],
    compositions: Sequence[Composition | None],
    shares: np.ndarray,
    drawn: np.ndarray,
    starts: np.ndarray,
    contigs: list[str],
) -> Iterator[Negative]:
    """Take for each positive the likest candidate that overlaps none taken before."""
    used: dict[str, list[tuple[int, int]]] = {}
    for n, interval in enumerate(positives):
        own = compositions[n]
        assert own is not None
        distance = np.abs(shares[n, :, 0] - own.gc) + np.abs(shares[n, :, 1] - own.repeats)
        distance[~(shares[n, :, 2] <= own.unknown)] = np.nan
        for k in np.argsort(distance):
            if np.isnan(distance[k]):
                break
            contig, start = contigs[drawn[n, k]], int(starts[n, k])
            end = start + interval.end - interval.start
            held = used.setdefault(contig, [])
            if all(end <= first or start >= last for first, last in held):
                held.append((start, end))
                place = replace(interval, contig=contig, start=start, end=end, summit=None)
                yield Negative(place, own, Composition(*map(float, shares[n, k])))
                break


class _Sums:
    """Running counts along a contig, so that any region's composition is a difference."""

    def __init__(self, text: str) -> None:
        letters = np.frombuffer(text.encode("ascii", errors="replace"), dtype=np.uint8)
        upper = letters & 0xDF
        strong = (upper == ord("G")) | (upper == ord("C"))
        known = strong | (upper == ord("A")) | (upper == ord("T")) | (upper == ord("U"))
        rows = (strong, known, letters >= ord("a"))
        self._sums = [np.concatenate([[0], np.cumsum(row, dtype=np.int32)]) for row in rows]

    def of(self, start: int, end: int) -> Composition:
        strong, known, lower = (int(row[end] - row[start]) for row in self._sums)
        size = end - start
        return Composition(strong / max(known, 1), lower / size, 1 - known / size)


def _covered(size: int, intervals: Sequence[Interval]) -> np.ndarray:
    """Return how many bases before each position some interval covers, `[size + 1]`."""
    covered = np.zeros(size + 1, dtype=np.int32)
    for interval in intervals:
        covered[interval.start + 1 : interval.end + 1] = 1
    return np.cumsum(covered, dtype=np.int32)


def _on_reference(
    positives: Sequence[Interval], sizes: dict[str, int], names: dict[str, str], reference: Path, refuse: Refuse
) -> Iterator[Interval]:
    """Give the intervals that are on the reference, and note what it calls their contigs."""
    for interval in positives:
        try:
            names[interval.contig] = _name_in(interval, sizes, reference)
        except UserError as error:
            refuse(error)
        else:
            yield interval


def _name_in(interval: Interval, sizes: dict[str, int], reference: Path) -> str:
    name = contig_name(interval.contig, sizes)
    if name is None or interval.end > sizes[name]:
        there = "is not in it" if name is None else f"has {sizes[name]:,} bases"
        raise UserError(
            f"{interval.name}: {interval.contig}:{interval.start:,}-{interval.end:,} is not on {reference}: the contig "
            f"{there}; give the reference of the same assembly, or leave such intervals out (--skip-bad)"
        )
    return name


def _contigs(reference: Path) -> Iterator[tuple[str, str]]:
    """Give name and letters of each contig, without the ends of lines."""
    for name, text in reference_contigs(reference):
        yield name, "".join(text.split())
