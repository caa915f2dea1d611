from dataclasses import replace

import numpy as np
import pytest

from genomics.sequences.values import LabelledSequences
from genomics.tokens import Nucleotides
from genomics.training.data import LabelledLoader
from tests.genomics.small import labelled
from titans_seq.errors import UserError

DATA = labelled(60, 0)


def loader(shuffle: bool = True, rows: int = 8, tokens: int = 400, seed: int = 0) -> LabelledLoader:
    return LabelledLoader(DATA, Nucleotides(), rows, tokens, shuffle, seed)


def seen(batches: LabelledLoader) -> list[tuple[tuple[int, ...], int]]:
    found = []
    for (ids, lengths), labels in (((b.batch.ids, b.batch.lengths), b.labels) for b in batches):
        found += [
            (tuple(row[:length].tolist()), int(label)) for row, length, label in zip(ids, lengths, labels, strict=True)
        ]
    return found


def test_every_sequence_comes_once_an_epoch_with_its_label():
    expected = sorted(
        (tuple(Nucleotides().encode(sequence).tolist()), int(label))
        for sequence, label in zip(DATA.sequences, DATA.labels, strict=True)
    )
    for batches in (loader(), loader(shuffle=False)):
        assert sorted(seen(batches)) == expected


def test_the_order_is_a_function_of_seed_and_epoch():
    batches = loader()
    first = seen(batches)
    batches.set_epoch(1)
    second = seen(batches)
    batches.set_epoch(0)
    assert seen(batches) == first
    assert second != first
    assert seen(loader(seed=1)) != first
    assert seen(loader(shuffle=False)) == seen(loader(shuffle=False, seed=1))


def test_all_epochs_have_as_many_batches_as_the_loader_says():
    batches = loader()
    for epoch in range(5):
        batches.set_epoch(epoch)
        sizes = [batch.batch.ids.shape for batch in batches]
        assert len(sizes) == len(batches)
        assert all(rows <= 8 and (rows == 1 or rows * length <= 400) for rows, length in sizes)


def test_little_is_padding():
    batches = list(loader(rows=60, tokens=100_000))
    assert len(batches) == 1
    several = list(loader(rows=8))
    used = sum(int(batch.batch.lengths.sum()) for batch in several)
    assert used > 0.85 * sum(batch.batch.ids.numel() for batch in several)


def test_labels_that_would_poison_a_loss_are_refused():
    numbers = LabelledSequences(("a", "b"), ("ACG", "TTT"), np.array([1.0, np.nan]), (), "regression")
    with pytest.raises(UserError, match=r"record 2 \(b\) has the label nan: expected a finite number"):
        LabelledLoader(numbers, Nucleotides(), 2, 100)
    several = LabelledSequences(("a",), ("ACG",), np.array([[1.0, 0.5]], np.float32), ("x", "y"), "multilabel")
    with pytest.raises(UserError, match=r"record 1 \(a\) has the label 0.5: expected 0 or 1"):
        LabelledLoader(several, Nucleotides(), 2, 100)
    with pytest.raises(UserError, match="no sequence to read"):
        LabelledLoader(replace(DATA, names=(), sequences=(), labels=DATA.labels[:0]), Nucleotides(), 2, 100)


def test_processes_share_the_rows_of_each_batch():
    alone = list(loader(rows=7))
    shared = [list(LabelledLoader(DATA, Nucleotides(), 7, 400, True, 0, rank, 4)) for rank in range(4)]
    for whole, *parts in zip(alone, *shared, strict=True):
        assert sum(part.rows for part in parts) == whole.rows == len(whole.everyone)
        assert all(part.everyone.equal(whole.everyone) for part in parts)
        labels = sorted(label for part in parts for label in part.labels[: part.rows].tolist())
        assert labels == sorted(whole.labels.tolist())
        assert all(len(part.labels) >= 1 for part in parts)  # every process takes part in every step
