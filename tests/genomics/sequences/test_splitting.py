from pathlib import Path

import numpy as np
import pytest

from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.loading import load_splits
from genomics.sequences.splitting import k_folds, near_duplicate_groups, stratified_split
from genomics.sequences.values import Kind, LabelledSequences
from titans_seq.errors import UserError


def made(count: int = 100, kind: Kind = "classes") -> LabelledSequences:
    names = tuple(map(str, range(count)))
    if kind == "classes":
        labels, classes = np.arange(count) % 4 // 3, ("n", "y")
    elif kind == "multilabel":
        labels, classes = np.zeros((count, 2), dtype=np.float32), ("p", "q")
    else:
        labels, classes = np.arange(float(count)), ()
    return LabelledSequences(names, ("ACGT",) * count, labels, classes, kind)


KINDS: tuple[Kind, ...] = ("classes", "multilabel", "regression")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grouped", [False, True])
class TestEveryKind:
    def test_a_split_divides_all_and_repeats(self, kind: Kind, grouped: bool) -> None:
        data, groups = made(kind=kind), np.arange(100) // 2 if grouped else None
        rest, held = stratified_split(data, 0.2, 7, groups)
        assert sorted([*rest, *held]) == list(range(100))
        assert len(held) == pytest.approx(20, abs=4)
        assert stratified_split(data, 0.2, 7, groups)[1].tolist() == held.tolist()
        assert stratified_split(data, 0.2, 8, groups)[1].tolist() != held.tolist()
        if grouped:
            assert not set(rest // 2) & set(held // 2)

    def test_folds_hold_each_sequence_out_once(self, kind: Kind, grouped: bool) -> None:
        data, groups = made(kind=kind), np.arange(100) // 2 if grouped else None
        folds = list(k_folds(data, 5, 7, groups))
        assert sorted(index for _, held in folds for index in held) == list(range(100))
        for rest, held in folds:
            assert sorted([*rest, *held]) == list(range(100))
            assert len(held) == pytest.approx(20, abs=4)
            if grouped:
                assert not set(rest // 2) & set(held // 2)


@pytest.mark.parametrize("groups", [None, np.arange(100) // 4])
def test_classes_keep_their_mixture(groups: np.ndarray | None) -> None:
    data = made()
    assert data.labels[stratified_split(data, 0.2, 0, groups)[1]].mean() == pytest.approx(0.25, abs=0.01)
    for _, held in k_folds(data, 5, 0, groups):
        assert data.labels[held].mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8])
def test_shares_with_groups(share: float) -> None:
    assert len(stratified_split(made(), share, 0, np.arange(100) // 4)[1]) == pytest.approx(100 * share, abs=8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_one_large_group_leaves_the_share_as_it_was_asked_for(kind: Kind, share: float) -> None:
    groups = np.concatenate([np.zeros(400, dtype=np.int64), np.arange(1, 111)])
    rest, held = stratified_split(made(510, kind), share, 0, groups)
    assert sorted([*rest, *held]) == list(range(510))
    assert len(held) == pytest.approx(510 * share, abs=2)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_that_are_all_too_large_leave_sequences_on_both_sides(kind: Kind) -> None:
    rest, held = stratified_split(made(100, kind), 0.01, 0, np.arange(100) // 50)
    assert len(rest) == len(held) == 50


def test_what_cannot_be_divided() -> None:
    few = made(4)
    for act, message in (
        (
            lambda: stratified_split(few, 0.5, 0),
            "class 'y' has 1 sequences: dividing the data needs at least 2",
        ),
        (
            lambda: list(k_folds(few, 3, 0)),
            "class 'y' has 1 sequences: dividing the data needs at least 3",
        ),
        (lambda: list(k_folds(few, 1, 0)), "the number of folds must be at least 2, got 1"),
        (lambda: stratified_split(few, 1.0, 0), "the held-out share must be in (0, 1), got 1.0"),
        (
            lambda: stratified_split(made(), 0.1, 0, np.zeros(100)),
            "the sequences fall into 1 groups",
        ),
        (lambda: stratified_split(made(), 0.1, 0, np.zeros(9)), "9 group numbers for 100 sequences: expected one each"),
        (lambda: stratified_split(made(), 0.001, 0), "100 sequences cannot be divided so: "),
    ):
        with pytest.raises(UserError) as caught:
            act()
        assert str(caught.value).startswith(message)


class TestGroups:
    def test_overlaps_join_through_others_and_on_either_strand(self) -> None:
        random = np.random.default_rng(0)
        text = "".join(random.choice(list("ACGT"), 400))
        sequences = (text[:100], text[300:], text[50:150], reverse_complement(text[100:200]), text[300:])
        assert near_duplicate_groups(sequences, k=40).tolist() == [0, 1, 0, 0, 1]

    def test_short_sequences_are_alone_unless_equal_on_either_strand(self) -> None:
        assert near_duplicate_groups(("ACGT", "ACGA", "ACGT"), k=40).tolist() == [0, 1, 0]
        assert near_duplicate_groups(("ACGTTGCAAC", "GTTGCAACGT", "CGTTGCAACA"), k=40).tolist() == [0, 0, 1]
        assert near_duplicate_groups((), k=40).shape == (0,)

    def test_unknown_bases_join_nothing(self) -> None:
        assert near_duplicate_groups(("N" * 50, "N" * 60), k=40).tolist() == [0, 1]

    def test_real_windows_overlap(self, dna: Path) -> None:
        sequences = load_splits(dna / "gue/mouse_2").train.sequences
        sizes = np.bincount(near_duplicate_groups(sequences))
        assert len(sizes) == 2052
        assert sizes.max() == 566
