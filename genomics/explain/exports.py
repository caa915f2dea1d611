"""Attributions for other tools: NumPy archives as TF-MoDISco and tangermeme read them, and bigWig tracks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from ..scan.tracks import big_wig
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
    order = sorted(range(len(places)), key=lambda number: (places[number].contig, places[number].start))
    held: list[tuple[str, int, np.ndarray]] = []
    for number in order:
        at, one = places[number], attributions[number]
        begin = at.start + one.start if at.strand != "-" else at.end - one.start - len(one.sequence)
        values = one.importance if at.strand != "-" else one.importance[::-1]
        if held and held[-1][0] == at.contig and begin < held[-1][1] + len(held[-1][2]):
            raise UserError(
                f"{at.name}: overlaps another sequence on {at.contig}; a bigWig file has one number a base: explain "
                "them one by one (--record), or leave bigwig out of --format"
            )
        held.append((at.contig, begin, values))
    with atomic_path(path) as temporary, big_wig(temporary, dict(sorted(sizes.items()))) as add:
        for contig, begin, values in held:
            for place, value in enumerate(values, begin):
                if 0 <= place < sizes[contig]:  # a window that was filled with N reaches beyond its contig
                    add(contig, place, place + 1, float(value))


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
