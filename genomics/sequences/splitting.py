"""Dividing a data set: a held-out share, folds, and groups of sequences that must stay together."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import (
    KFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from titans_seq.errors import UserError

from .alphabet import reverse_complement
from .kmers import canonical_kmers
from .values import LabelledSequences

Indices = np.ndarray


def stratified_split(
    data: LabelledSequences, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[Indices, Indices]:
    """Hold out a share of a data set, with the same mixture of classes as the rest.

    Of several labels or numbers no mixture is kept. With groups the share is kept as far as their sizes allow.

    Args:
        data: the sequences, N of them.
        share: what is held out, in (0, 1).
        seed: of the choice.
        groups: for each sequence a number, `[N]`; those of one number stay together.

    Returns:
        Indices of the rest and of what is held out, each rising.

    Raises:
        UserError: if the share leaves nothing on one side, or a class or the groups are too few to divide.

    Example:
        >>> data = LabelledSequences(("",) * 8, ("A",) * 8, np.array([0, 1] * 4), ("a", "b"), "classes")
        >>> rest, held = stratified_split(data, 0.25, seed=0)
        >>> len(rest), sorted(data.labels[held].tolist())
        (6, [0, 1])
    """
    if not 0 < share < 1:
        raise UserError(f"the held-out share must be in (0, 1), got {share}")
    if data.kind == "classes":
        _check_classes(data, 2)
    if groups is not None:
        return _group_split(data, share, seed, _checked(groups, data))
    splitter: Any = StratifiedShuffleSplit if data.kind == "classes" else ShuffleSplit
    return next(_divided(splitter(n_splits=1, test_size=share, random_state=seed), data, groups))


def k_folds(
    data: LabelledSequences, k: int, seed: int, groups: np.ndarray | None = None
) -> Iterator[tuple[Indices, Indices]]:
    """Divide a data set into k parts and give each of them once as what is held out.

    Args:
        data: the sequences, N of them.
        k: number of parts, at least 2.
        seed: of the choice.
        groups: for each sequence a number, `[N]`; those of one number stay together.

    Yields:
        Indices of the rest and of what is held out, each rising.

    Raises:
        UserError: if k is less than 2, or more than the sequences of a class or the groups.

    Example:
        >>> data = LabelledSequences(("",) * 6, ("A",) * 6, np.array([0, 1] * 3), ("a", "b"), "classes")
        >>> [sorted(data.labels[held].tolist()) for _, held in k_folds(data, 3, seed=0)]
        [[0, 1], [0, 1], [0, 1]]
    """
    if k < 2:
        raise UserError(f"the number of folds must be at least 2, got {k}")
    if groups is not None:
        groups = _checked(groups, data, k)
    if data.kind == "classes":
        _check_classes(data, k)
    if groups is not None:
        splitter: Any = StratifiedGroupKFold
    else:
        splitter = StratifiedKFold if data.kind == "classes" else KFold
    yield from _divided(splitter(n_splits=k, shuffle=True, random_state=seed), data, groups)


def near_duplicate_groups(sequences: tuple[str, ...], k: int = 40) -> np.ndarray:
    """Put sequences together that overlap: those that share a k-mer on either strand, directly or through others.

    Args:
        sequences: N clean sequences. Those shorter than k share nothing unless they are equal, or one is the other's
            reverse complement.
        k: bases of the shared piece, in [1, 64]; short pieces are shared by chance and join everything.

    Returns:
        For each sequence the number of its group, int64 `[N]`, from 0 in the order of the first members.

    Example:
        >>> near_duplicate_groups(("AACCGGTA", "TTTTTTTT", "ACCGGTAC", "GTACCGGT"), k=7).tolist()
        [0, 1, 0, 0]
    """
    parents = list(range(len(sequences)))
    first: dict[str, int] = {}
    for index, sequence in enumerate(sequences):
        parents[index] = first.setdefault(min(sequence, reverse_complement(sequence)), index)
    for one, other in _shared(sequences, k):
        one, other = _root(parents, one), _root(parents, other)
        parents[max(one, other)] = min(one, other)
    roots = [_root(parents, index) for index in range(len(sequences))]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _shared(sequences: tuple[str, ...], k: int) -> Iterator[tuple[int, int]]:
    """Pairs of sequences with a common k-mer, enough of them to connect all that have it."""
    blocks = list(canonical_kmers(sequences, k))
    if not blocks:
        return
    numbers, owners = (np.concatenate(column) for column in zip(*blocks, strict=True))
    order = np.argsort(numbers, kind="stable")
    numbers, owners = numbers[order], owners[order]
    same = (numbers[1:] == numbers[:-1]) & (owners[1:] != owners[:-1])
    pairs = np.unique(np.stack([owners[:-1][same], owners[1:][same]], axis=1), axis=0)
    yield from ((int(one), int(other)) for one, other in pairs)


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _group_split(data: LabelledSequences, share: float, seed: int, groups: np.ndarray) -> tuple[Indices, Indices]:
    """Whole groups as near to the share, and for classes to their mixture, as they come.

    Of classes it is one of equal folds, unless large groups leave none that is near.
    """
    smaller = min(share, 1 - share)
    mixture = np.eye(len(data.classes))[data.labels] if data.kind == "classes" else np.ones((len(data), 1))
    wanted = mixture.sum(0) * smaller

    def distance(held: Indices) -> float:
        return float(np.abs(mixture[held].sum(0) - wanted).sum())

    held = _filled(mixture, wanted, seed, groups)
    if data.kind == "classes":
        count = min(max(2, round(1 / smaller)), len(np.unique(groups)))
        splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
        fold = min((fold for _, fold in _divided(splitter, data, groups)), key=distance)
        if distance(fold) <= max(wanted.sum() / 2, distance(held)):
            held = fold
    larger = np.setdiff1d(np.arange(len(data)), held)
    return (larger, held) if share == smaller else (held, larger)


def _filled(mixture: np.ndarray, wanted: np.ndarray, seed: int, groups: np.ndarray) -> Indices:
    """Whole groups in random order, each that has room, and then each that brings the sums nearer to what is wanted.

    Args:
        mixture: for each of N sequences what it counts as, `[N, C]`.
        wanted: sum of what is taken, `[C]`, at most half of all.
        seed: of the order.
        groups: for each sequence a number, `[N]`; at least two numbers.
    """
    _, members = np.unique(groups, return_inverse=True)
    sizes = np.zeros((members.max() + 1, mixture.shape[1]))
    np.add.at(sizes, members, mixture)
    taken, held = np.zeros(len(sizes), dtype=bool), np.zeros_like(wanted)
    order = np.random.default_rng(seed).permutation(len(sizes))
    for nearer in (False, True):
        for group in order[~taken[order]]:
            more = held + sizes[group]
            if (np.abs(more - wanted).sum() < np.abs(held - wanted).sum()) if nearer else (more <= wanted).all():
                taken[group], held = True, more
    if not taken.any():
        taken[np.abs(sizes - wanted).sum(1).argmin()] = True
    return np.flatnonzero(taken[members])


def _divided(splitter: Any, data: LabelledSequences, groups: np.ndarray | None) -> Iterator[tuple[Indices, Indices]]:
    mixed = data.labels if data.kind == "classes" else np.zeros(len(data), dtype=np.int64)
    try:
        for rest, held in splitter.split(mixed, mixed, groups):
            yield np.sort(rest), np.sort(held)
    except ValueError as error:
        raise UserError(f"{len(data)} sequences cannot be divided so: {error}") from error


def _check_classes(data: LabelledSequences, least: int) -> None:
    counts = np.bincount(data.labels, minlength=len(data.classes))
    rare = int(counts.argmin())
    if counts[rare] < least:
        raise UserError(
            f"class {data.classes[rare]!r} has {counts[rare]} sequences: dividing the data needs at least {least} of "
            "each class; add some, or leave the class out; if the labels are measurements, give --kind regression"
        )


def _checked(groups: np.ndarray, data: LabelledSequences, least: int = 2) -> np.ndarray:
    if len(groups) != len(data):
        raise UserError(f"{len(groups)} group numbers for {len(data)} sequences: expected one each")
    found = len(np.unique(groups))
    if found < least:
        raise UserError(f"the sequences fall into {found} groups of near-duplicates: expected at least {least}")
    return groups
