"""Labelled sequences as batches: encoded once, in buckets of like lengths, in an order that seed and epoch fix."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from titans_seq.errors import UserError

from ..batching import Batch, buckets, pad
from ..sequences.values import LabelledSequences
from ..tokens import Tokenizer

_LIKE = 1.1
"""Sequences of one batch differ in length by about this factor: in each epoch they meet others, and all epochs have
equally many batches."""


class LabelledBatch(NamedTuple):
    """Sequences and what is known about them.

    Attributes:
        batch: the sequences.
        labels: int64 `[B]` of classes, float32 `[B, L]` of several labels, float64 `[B]` of a regression.
        everyone: the labels of all processes' rows; of one process, the same.
        rows: number of rows that count: a process that has none of a small batch reads one of another's.
    """

    batch: Batch
    labels: Tensor
    everyone: Tensor
    rows: int


class LabelledLoader:
    """Iterate over the batches of labelled sequences; serve Lightning as a dataloader.

    Every sequence comes once an epoch.

    Args:
        data: the sequences, at least one.
        tokenizer: what encodes them.
        rows: most sequences of a batch.
        tokens: most tokens of a batch, padding included.
        shuffle: a new random order each epoch; otherwise the shortest come first.
        seed: of the order.
        rank: number of this process, in [0, world).
        world: number of processes, which share the rows of each batch.

    Raises:
        UserError: if there is no sequence, or a label is not finite, or neither 0 nor 1 among several labels.

    Example:
        >>> from genomics.tokens import Nucleotides
        >>> data = LabelledSequences(("a", "b"), ("ACGTA", "TTAAA"), np.array([0, 1]), ("no", "yes"), "classes")
        >>> [one.batch.lengths.tolist() for one in LabelledLoader(data, Nucleotides(), rows=2, tokens=100)]
        [[5, 5]]
    """

    batch_sampler = None
    """Lightning asks every loader that has a `sampler` for this too."""

    def __init__(
        self,
        data: LabelledSequences,
        tokenizer: Tokenizer,
        rows: int,
        tokens: int,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        check_labels(data)
        small = np.min_scalar_type(tokenizer.vocabulary)
        self._ids = [tokenizer.encode(sequence).astype(small) for sequence in data.sequences]
        lengths = np.array([len(ids) for ids in self._ids])
        self._rounded = np.ceil(_LIKE ** np.ceil(np.log(lengths) / np.log(_LIKE))).astype(np.int64)
        self._ends = np.cumsum([len(numbers) for numbers in buckets(self._rounded, rows, tokens)])[:-1]
        self._labels = torch.from_numpy(np.ascontiguousarray(data.labels))
        self._pad, self._shuffle, self._seed, self._epoch = tokenizer.pad, shuffle, seed, 0
        self._rank, self._world = rank, world

    @property
    def sampler(self) -> "LabelledLoader":
        """The object whose `set_epoch` Lightning calls when an epoch starts."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Select the order of epoch `epoch`, at least 0, for the next iteration."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._ends) + 1

    def __iter__(self) -> Iterator[LabelledBatch]:
        for numbers in self._batches():
            mine = numbers[self._rank :: self._world]
            read = mine if len(mine) else numbers[:1]
            batch = pad([self._ids[number] for number in read], self._pad)
            labels, everyone = (self._labels[torch.from_numpy(one)] for one in (read, numbers))
            yield LabelledBatch(batch, labels, everyone, len(mine))

    def _batches(self) -> list[np.ndarray]:
        order = np.arange(len(self._ids))
        random = np.random.default_rng([self._seed, self._epoch])
        if self._shuffle:
            random.shuffle(order)
        order = order[np.argsort(self._rounded[order], kind="stable")]
        batches = np.split(order, self._ends)
        return [batches[number] for number in random.permutation(len(batches))] if self._shuffle else batches


def check_labels(data: LabelledSequences) -> None:
    """Refuse data that nothing can be learnt from, or that would poison a loss.

    Raises:
        UserError: naming the record.
    """
    if not len(data):
        raise UserError("there is no sequence to read: expected at least one")
    rows = data.labels.reshape(len(data), -1)
    good = np.isfinite(rows) if data.kind == "regression" else (rows == rows.astype(np.int64))
    if data.kind == "multilabel":
        good = (rows == 0) | (rows == 1)
    bad = np.argwhere(~good)
    if len(bad):
        record, column = bad[0]
        expected = "0 or 1" if data.kind == "multilabel" else "a finite number"
        raise UserError(
            f"record {record + 1} ({data.names[record]}) has the label {rows[record, column]}: expected {expected}; "
            "correct it or leave the record out"
        )
