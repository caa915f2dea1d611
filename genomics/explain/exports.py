"""Attributions for other tools: NumPy archives as TF-MoDISco and tangermeme read them, and bigWig tracks."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from ..scan.tracks import big_wig, big_wig_package
from ..sequences.alphabet import encode
from ..sequences.values import Interval
from .mutagenesis import Attribution


def write_npz(attributions: Sequence[Attribution], names: Sequence[str], path: Path) -> None:
    """Write attributions as one archive.

    It holds `one_hot` and `contributions` (of each base at each position, less their mean) as float32 `[N, 4, L]` in
    the order A, C, G, T, `importance` `[N, L]`, `lengths` and `names` `[N]`; shorter sequences are filled up with 0.

    Args:
        attributions: N of them.
        names: of their records.
        path: .npz file.
    """
    lengths = np.array([len(one.sequence) for one in attributions])
    one_hot = np.zeros((len(attributions), 4, lengths.max()), dtype=np.float32)
    contributions, importance = np.zeros_like(one_hot), np.zeros((len(attributions), lengths.max()), dtype=np.float32)
    for row, one in enumerate(attributions):
        one_hot[row, :, : lengths[row]] = one_hot_bases(one.sequence).T
        contributions[row, :, : lengths[row]] = one.contributions.T
        importance[row, : lengths[row]] = one.importance
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary, one_hot=one_hot, contributions=contributions, importance=importance, lengths=lengths,
            names=np.array(list(names)),
        )  # fmt: skip


def one_hot_bases(sequence: str) -> np.ndarray:
    """Return one-hot bases, float32 `[T, 4]` in the order A, C, G, T; zeros where another letter stands.

    Example:
        >>> one_hot_bases("CN").tolist()
        [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    return np.eye(5, 4, dtype=np.float32)[encode(sequence)]


def write_big_wig(
    attributions: Sequence[Attribution], places: Sequence[Interval], sizes: dict[str, int], path: Path
) -> None:
    """Write the importance of each base at its place on a genome.

    Args:
        attributions: N of them.
        places: where each sequence lies; "-" if it is the other strand's. None may overlap another.
        sizes: bases of each contig.
        path: .bw file.

    Raises:
        UserError: if two sequences overlap, or the package for bigWig is missing.
    """
    parts = [
        on_genome(place, one.start, one.start + len(one.sequence))
        for place, one in zip(places, attributions, strict=True)
    ]
    check_big_wig(parts)
    held = sorted(zip(parts, attributions, strict=True), key=lambda each: (each[0].contig, each[0].start))
    with atomic_path(path) as temporary, big_wig(temporary, dict(sorted(sizes.items()))) as add:
        for part, one in held:
            for place, value in enumerate(one.importance[:: -1 if part.strand == "-" else 1], part.start):
                if 0 <= place < sizes[part.contig]:  # a window that was filled with N reaches beyond its contig
                    add(part.contig, place, place + 1, float(value))


def on_genome(place: Interval, start: int, end: int) -> Interval:
    """Return the bases of a genome that some bases of a sequence are of.

    Args:
        place: where the sequence lies.
        start: first base of the sequence, from 0, on its own strand.
        end: the base after the last.

    Example:
        >>> on_genome(Interval("a", "chr1", 100, 120, "-"), 0, 5).start
        115
    """
    if place.strand == "-":
        return replace(place, start=place.end - end, end=place.end - start)
    return replace(place, start=place.start + start, end=place.start + end)


def check_big_wig(parts: Sequence[Interval]) -> None:
    """Refuse bases that no bigWig file can hold, or that none can be written for want of a package.

    Raises:
        UserError: if two of them overlap, or the package for bigWig is missing.
    """
    big_wig_package()
    for one, other in itertools.pairwise(sorted(parts, key=lambda part: (part.contig, part.start))):
        if one.contig == other.contig and other.start < one.end:
            raise UserError(
                f"{other.name}: overlaps another sequence on {other.contig}; a bigWig file has one number a base: "
                "explain them one by one (--record), or leave bigwig out of --format"
            )


def mean_importance(attributions: Sequence[Attribution]) -> np.ndarray:
    """Return by position, from the first base on: how many sequences have it, mean importance and mean size of it.

    Args:
        attributions: at least one.

    Returns:
        float64 `[L, 3]`.
    """
    longest = max(len(one.sequence) for one in attributions)
    sums = np.zeros((longest, 3))
    for one in attributions:
        importance = one.importance
        sums[: len(importance)] += np.stack([np.ones(len(importance)), importance, np.abs(importance)], 1)
    return sums / np.concatenate([np.ones((longest, 1)), np.repeat(sums[:, :1], 2, 1)], 1)
