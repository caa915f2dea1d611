"""Mechanistic architecture design (MAD): five of its six tasks; `mad_fuzzy` holds the sixth.

The source trains on a fixed set of examples (`TASKS` says how many) and scores with `scoring.class_accuracy`.
Reference: Mechanistic Design and Scaling of Hybrid Architectures (arXiv 2403.17844) and its code, mad-lab.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from titans_seq.config import register

from .base import IGNORE, Readout, Task, TaskBatch, check_least, check_request
from .draws import first_occurrence


@register("mad_recall")
@dataclass(frozen=True)
class InContextRecall(Task):
    """Draw key-value pairs that repeat; each value is asked whose key was shown before. With noise: noisy recall.

    Tokens: keys, values (half of what is left each), noise. Every sequence has its own map from keys to values; two
    keys may share a value. The last pair repeats a key of the sequence, so that something is always asked.

    The source leaves the last value out of the input and returns `length - 1` tokens; here it stays, and nothing is
    asked at its place.

    Args:
        size: of the vocabulary, noise tokens included.
        noise_tokens: of the vocabulary that are noise.
        noise: share of pairs, besides the last, that are two noise tokens, in [0, 1).
        training: ask for every next token, as the source does in training, rather than for repeated values only.

    Example:
        >>> ids, targets = InContextRecall(size=4).batch(1, 8, torch.Generator().manual_seed(1))
        >>> ids, targets
        (tensor([[1, 3, 1, 3, 0, 3, 1, 3]]), tensor([[-100, -100,    3, -100, -100, -100,    3, -100]]))
    """

    size: int = 16
    noise_tokens: int = 0
    noise: float = 0.0
    training: bool = False

    def __post_init__(self) -> None:
        check_least("noise_tokens", self.noise_tokens, 0)
        check_least("size", self.size, self.noise_tokens + 2)
        if not 0 <= self.noise < 1:
            raise ValueError(f"noise must be in [0, 1), got {self.noise}")
        if self.noise and not self.noise_tokens:
            raise ValueError(f"noise_tokens must be at least 1 where noise is above 0, got noise {self.noise}")

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary."""
        return self.size

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences of an even number of tokens, at least 4; see `Task.batch`."""
        check_request("in-context recall", batch_size, length, {"a pair": 2, "the same again": 2}, even=True)
        kinds = self.size - self.noise_tokens
        half, pairs, rows = kinds // 2, length // 2, torch.arange(batch_size).unsqueeze(1)
        keys = torch.randint(half, (batch_size, pairs), generator=generator)
        noisy = torch.rand(batch_size, pairs, generator=generator) < self.noise
        noisy[rows, torch.randint(pairs - 1, (batch_size, 1), generator=generator)] = False
        noisy[:, -1] = False
        # One of the keys shown, each with the same chance however often it was shown.
        shown = torch.zeros(batch_size, half + 1).scatter_(1, keys[:, :-1].where(~noisy[:, :-1], half), 1.0)
        keys[:, -1:] = shown[:, :half].multinomial(1, generator=generator)
        values = torch.randint(half, kinds, (batch_size, half), generator=generator).gather(1, keys)

        ids = torch.stack([keys, values], dim=2)
        if self.noise_tokens:
            fill = torch.randint(kinds, self.size, ids.shape, generator=generator)
            ids = torch.where(noisy.unsqueeze(2), fill, ids)
        ids = ids.flatten(1)
        if self.training:
            return TaskBatch(ids, next_tokens(ids))
        seen = first_occurrence(keys.where(~noisy, half)) < torch.arange(pairs)
        asked = torch.where(seen & ~noisy, values, IGNORE)
        return TaskBatch(ids, torch.stack([asked, torch.full_like(asked, IGNORE)], dim=2).flatten(1))


@register("mad_selective_copying")
@dataclass(frozen=True)
class MADSelectiveCopying(Task):
    """Draw data tokens with blanks between them, a copy token, then blanks, at which the data is expected in order.

    Tokens: data 0 to `size - 3`, blank, copy token. Every blank chooses the data token it stands before, each with
    the same chance; so the copy token follows the last data token directly.

    Args:
        copied: data tokens in a sequence, at least 1.
        size: of the vocabulary, at least 3.

    Example:
        >>> MADSelectiveCopying(copied=2, size=4).batch(1, 7, torch.Generator().manual_seed(0))
        TaskBatch(ids=tensor([[2, 0, 2, 1, 3, 2, 2]]), targets=tensor([[-100, -100, -100, -100, -100,    0,    1]]))
    """

    copied: int = 16
    size: int = 16

    def __post_init__(self) -> None:
        check_least("copied", self.copied, 1)
        check_least("size", self.size, 3)

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary."""
        return self.size

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences of at least two tokens for each copied one and one more; see `Task.batch`."""
        parts = {"data": self.copied, "copy token": 1, "answers": self.copied}
        check_request("MAD selective copying", batch_size, length, parts)
        blanks = length - 2 * self.copied - 1
        data = torch.randint(self.size - 2, (batch_size, self.copied), generator=generator)
        before = torch.randint(self.copied, (batch_size, blanks), generator=generator)
        counts = torch.zeros_like(data).scatter_add_(1, before, torch.ones_like(before))
        places = counts.cumsum(dim=1) + torch.arange(self.copied)
        ids = torch.full((batch_size, length), self.size - 2).scatter_(1, places, data)
        ids[:, -self.copied - 1] = self.size - 1
        targets = torch.full_like(ids, IGNORE)
        targets[:, -self.copied :] = data
        return TaskBatch(ids, targets)


@register("mad_compression")
@dataclass(frozen=True)
class Compression(Task):
    """Draw random tokens and a final compression token, from whose output alone the whole input is to be decoded.

    The targets are the input itself, so a model that is read position by position would only have to repeat what it
    sees: `readout` is "last". The source decodes with an MLP from the last output plus a sinusoidal position.

    Args:
        size: of the vocabulary, the compression token `size - 1` included, at least 2.

    Example:
        >>> Compression(size=4).batch(1, 4, torch.Generator().manual_seed(0))
        TaskBatch(ids=tensor([[2, 0, 2, 3]]), targets=tensor([[2, 0, 2, 3]]))
    """

    readout: ClassVar[Readout] = "last"
    size: int = 16

    def __post_init__(self) -> None:
        check_least("size", self.size, 2)

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary."""
        return self.size

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences of at least 2 tokens; see `Task.batch`."""
        check_request("compression", batch_size, length, {"a token": 1, "compression token": 1})
        ids = torch.randint(self.size - 1, (batch_size, length), generator=generator)
        ids[:, -1] = self.size - 1
        return TaskBatch(ids, ids.clone())


@register("mad_memorization")
@dataclass(frozen=True)
class Memorization(Task):
    """Draw keys, each followed by an insert token, which asks for its value; the map is the same in all sequences.

    Nothing in the sequence tells the value: training must put the map into the weights. Tokens: keys, values (half of
    `size - 1` each), the insert token `size - 1`.

    Args:
        size: of the vocabulary, at least 3.
        seed: of the map; 12345 gives the source's own.

    Example:
        >>> ids, targets = Memorization(size=9).batch(1, 4, torch.Generator().manual_seed(0))
        >>> ids, targets
        (tensor([[0, 8, 3, 8]]), tensor([[-100,    4, -100,    7]]))
    """

    size: int = 256
    seed: int = 12_345

    def __post_init__(self) -> None:
        check_least("size", self.size, 3)

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary."""
        return self.size

    @cached_property
    def values(self) -> torch.Tensor:
        """The value of every key, int64 `[keys]`."""
        chance = np.random.default_rng(self.seed)
        half = (self.size - 1) // 2
        # Shuffled as lists, which is how the source does it, for the same draws.
        keys, values = list(range(half)), list(range(half, self.size - 1))
        chance.shuffle(keys)
        chance.shuffle(values)
        return torch.tensor([value for _, value in sorted(zip(keys, values, strict=False))])

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences of an even number of tokens; see `Task.batch`."""
        check_request("memorization", batch_size, length, {"key": 1, "insert token": 1}, even=True)
        keys = torch.randint(len(self.values), (batch_size, length // 2), generator=generator)
        ids = torch.stack([keys, torch.full_like(keys, self.size - 1)], dim=2)
        targets = torch.stack([torch.full_like(keys, IGNORE), self.values[keys]], dim=2)
        return TaskBatch(ids.flatten(1), targets.flatten(1))


def next_tokens(ids: torch.Tensor) -> torch.Tensor:
    """Return targets that ask for every next token of `ids`, `[B, T]`, and for nothing at the end.

    Example:
        >>> next_tokens(torch.tensor([[4, 5, 6]]))
        tensor([[   5,    6, -100]])
    """
    targets = torch.full_like(ids, IGNORE)
    targets[:, :-1] = ids[:, 1:]
    return targets
