"""Windows of unlabelled sequences for pretraining: which a step reads is a function of seed and step alone."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from titans_seq.errors import UserError

from ..batching import Batch, pad
from ..sequences.values import Record
from ..tokens import Tokenizer
from .config import PretrainConfig

IGNORED = -100
"""Target where nothing is asked: the default `ignore_index` of PyTorch's cross entropy."""

_MOST_UNKNOWN = 0.5
_TRIES = 20


class PretrainBatch(NamedTuple):
    """Windows, and what is asked at each of their tokens.

    Attributes:
        batch: the windows.
        targets: int64 `[B, T]`, k-mers or `IGNORED`.
        asked: number of targets of all processes' windows; of one process, its own.
    """

    batch: Batch
    targets: Tensor
    asked: int


class Genome:
    """Hold sequences without labels as ids in memory, end to end; the last part of all tokens is for validation.

    Args:
        records: sequences of any lengths; one shorter than two tokens is left out.
        tokenizer: what encodes them.
        validation: share of the tokens, at the end, in [0, 1).

    Raises:
        UserError: if there is no sequence of two tokens.

    Example:
        >>> from genomics.tokens import Nucleotides
        >>> genome = Genome([Record("a", "ACGTACGT", "a.fa", 1)], Nucleotides(), validation=0.25)
        >>> [part.tolist() for part in genome.train], [part.tolist() for part in genome.validation]
        ([[0, 1, 2, 3, 0, 1]], [[2, 3]])
    """

    def __init__(self, records: Iterable[Record], tokenizer: Tokenizer, validation: float) -> None:
        small = np.min_scalar_type(tokenizer.vocabulary)
        parts = [ids for ids in (tokenizer.encode(record.sequence).astype(small) for record in records) if len(ids) > 1]
        if not parts:
            raise UserError("there is no sequence to pretrain on: expected at least one of two tokens")
        self.tokenizer = tokenizer
        self.tokens = sum(map(len, parts))
        """Number of tokens in all."""
        left = self.tokens - int(self.tokens * validation)
        self.train: list[np.ndarray] = []
        self.validation: list[np.ndarray] = []
        for ids in parts:
            self.train.append(ids[: max(left, 0)])
            self.validation.append(ids[max(left, 0) :])
            left -= len(ids)
        self.train = [ids for ids in self.train if len(ids) > 1]
        self.validation = [ids for ids in self.validation if len(ids) > 1]


class WindowLoader:
    """Yield the training batches of a whole run; Lightning saves and resumes it.

    Windows begin anywhere, in a sequence as likely as it is long; of those that are half unknown letters another is
    drawn.

    Args:
        genome: what they are cut from.
        config: the run.
        rank: number of this process, in [0, world).
        world: number of processes, which share the windows of each batch.
    """

    def __init__(self, genome: Genome, config: PretrainConfig, rank: int = 0, world: int = 1) -> None:
        self._parts, self._tokenizer, self._config = genome.train, genome.tokenizer, config
        self._place = rank, world
        starts = np.array([max(1, len(ids) - config.length + 1) for ids in self._parts])
        self._ends = np.cumsum(starts)
        self._step = 0

    def __len__(self) -> int:
        return self._config.steps

    def __iter__(self) -> Iterator[PretrainBatch]:
        while self._step < self._config.steps:
            self._step += 1
            yield shared(self.batch_at(self._step - 1), *self._place)

    def batch_at(self, step: int) -> PretrainBatch:
        """Return the batch of a step, from 0, of all processes together."""
        random = np.random.default_rng([self._config.seed, 0, step])
        windows = [self._window(random) for _ in range(self._config.rows)]
        return question(windows, self._tokenizer, self._config, random)

    def _window(self, random: np.random.Generator) -> np.ndarray:
        window = self._parts[0][:0]
        for _ in range(_TRIES):
            place = int(random.integers(self._ends[-1]))
            number = int(np.searchsorted(self._ends, place, side="right"))
            begin = place - (int(self._ends[number - 1]) if number else 0)
            window = self._parts[number][begin : begin + self._config.length]
            if (window == self._tokenizer.unknown).mean() < _MOST_UNKNOWN:
                break
        if self._config.both_strands and random.random() < 0.5:
            window = self._tokenizer.complement[window][::-1]
        return window

    def state_dict(self) -> dict[str, Any]:
        """Return where the run stands."""
        return {"step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._step = state["step"]


class ValidationLoader:
    """Yield the same windows in every round, side by side, with the same questions.

    Args:
        genome: its validation part is read.
        config: the run.
        rank: number of this process, in [0, world).
        world: number of processes, which share the windows of each batch.
    """

    def __init__(self, genome: Genome, config: PretrainConfig, rank: int = 0, world: int = 1) -> None:
        self._place = rank, world
        length = config.length
        cut = [ids[at : at + length] for ids in genome.validation for at in range(0, len(ids), length)]
        self._windows = [window for window in cut if len(window) > 1]
        self._tokenizer, self._config = genome.tokenizer, config

    def __len__(self) -> int:
        return -(-len(self._windows) // self._config.rows)

    def __iter__(self) -> Iterator[PretrainBatch]:
        for number in range(len(self)):
            windows = self._windows[number * self._config.rows : (number + 1) * self._config.rows]
            random = np.random.default_rng([self._config.seed, 1, number])
            yield shared(question(windows, self._tokenizer, self._config, random), *self._place)


def shared(batch: PretrainBatch, rank: int, world: int) -> PretrainBatch:
    """Return a process's windows of a batch; one that would have none reads the first, and is asked nothing.

    Args:
        batch: of all processes.
        rank: number of the process, in [0, world).
        world: number of processes.
    """
    if world == 1:
        return batch
    ids, lengths = batch.batch.ids, batch.batch.lengths
    targets = batch.targets
    if rank >= len(ids):
        return PretrainBatch(Batch(ids[:1], lengths[:1]), torch.full_like(targets[:1], IGNORED), batch.asked)
    return PretrainBatch(Batch(ids[rank::world], lengths[rank::world]), targets[rank::world], batch.asked)


def question(
    windows: list[np.ndarray], tokenizer: Tokenizer, config: PretrainConfig, random: np.random.Generator
) -> PretrainBatch:
    """Ask for the next token of each, or for hidden ones; unknown tokens are never asked for.

    Args:
        windows: ids `[T]` each.
        tokenizer: what they are of.
        config: the objective.
        random: for what is hidden.
    """
    batch = pad(windows, tokenizer.pad)
    ids = batch.ids.numpy()
    known = ids < tokenizer.unknown
    if config.objective == "next":
        following = np.full_like(ids, IGNORED)
        following[:, :-1] = np.where(known[:, 1:], ids[:, 1:], IGNORED)
        return _asked(batch, following)
    chosen = known & (random.random(ids.shape) < config.mask_share)
    targets = np.where(chosen, ids, IGNORED)
    fate = random.random(ids.shape)
    shown = np.where(chosen & (fate < 0.8), tokenizer.mask, ids)
    other = random.integers(tokenizer.unknown, size=ids.shape)
    shown = np.where(chosen & (fate >= 0.8) & (fate < 0.9), other, shown)
    return _asked(Batch(torch.from_numpy(shown), batch.lengths), targets)


def _asked(batch: Batch, targets: np.ndarray) -> PretrainBatch:
    return PretrainBatch(batch, torch.from_numpy(targets), int((targets != IGNORED).sum()))
