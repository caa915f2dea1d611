"""What a task is: a generator of token ids, with the answers expected from a model's output at each position."""

import abc
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from titans_seq.errors import UserError

IGNORE = -100
"""The target where nothing is asked: what `torch.nn.functional.cross_entropy` ignores unless told otherwise."""

Readout = Literal["position", "last"]


class TaskBatch(NamedTuple):
    """Sequences and what is asked of them.

    Attributes:
        ids: tokens, int64 `[B, T]`, in [0, vocabulary).
        targets: int64 `[B, T]`; `targets[:, t]` is the answer expected from the output at position t, which may use
            `ids[:, : t + 1]`, or `IGNORE` where nothing is asked.

    Example:
        >>> batch = TaskBatch(torch.tensor([[3, 1, 3]]), torch.tensor([[IGNORE, IGNORE, 1]]))
        >>> batch.ids.shape, int((batch.targets != IGNORE).sum())
        (torch.Size([1, 3]), 1)
    """

    ids: Tensor
    targets: Tensor


class Task(abc.ABC):
    """Draw sequences with known answers; its classes are frozen dataclasses and hold no random state.

    An answer of several tokens is laid out as in training a language model: its first tokens are fed back as input.
    A model whose every output is right under that feeding is exactly one that generates the whole answer greedily.

    Attributes:
        readout: "position" if an answer is read where it is asked; "last" if all of them are to be decoded, by
            position, from the output at the last position alone.
    """

    readout: ClassVar[Readout] = "position"

    @property
    @abc.abstractmethod
    def vocabulary(self) -> int:
        """Number of tokens: ids are smaller."""

    @abc.abstractmethod
    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences.

        Args:
            batch_size: number of sequences B, at least 1.
            length: tokens T of every sequence.
            generator: of the CPU; the same state gives the same batch.

        Raises:
            UserError: if the task has no sequences of this length.
        """


def check_request(task: str, batch_size: int, length: int, parts: Mapping[str, int], even: bool = False) -> None:
    """Refuse a batch that cannot be drawn.

    Args:
        task: what to call the task.
        batch_size: sequences asked for.
        length: tokens asked for.
        parts: what a sequence must hold at least, in tokens, by name.
        even: whether sequences consist of pairs.

    Raises:
        UserError: if there is nothing to draw, the parts do not fit, or pairs do not fill the length.

    Example:
        >>> check_request("copy", 1, 3, {"start": 1, "separator": 1, "string": 1, "its copy": 1})
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: copy: length must be at least 4 (start 1, separator 1, string 1, its copy 1), got 3
    """
    if batch_size < 1:
        raise UserError(f"{task}: batch_size must be at least 1, got {batch_size}")
    least = sum(parts.values())
    if length < least:
        listed = ", ".join(f"{name} {tokens:,}" for name, tokens in parts.items())
        raise UserError(f"{task}: length must be at least {least:,} ({listed}), got {length:,}")
    if even and length % 2:
        raise UserError(
            f"{task}: length must be even, because tokens come in pairs, got {length:,}: give {length + 1:,}"
        )


def check_least(name: str, value: int, least: int) -> None:
    """Raise ValueError if a setting is below its least value.

    Example:
        >>> check_least("symbols", 0, 1)
        Traceback (most recent call last):
        ...
        ValueError: symbols must be at least 1, got 0
    """
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
