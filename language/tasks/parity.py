"""Parity: is the number of ones odd?"""

from dataclasses import dataclass

import torch

from titans_seq.config import register

from .base import IGNORE, Task, TaskBatch, check_least, check_request
from .draws import draw_lengths

_EQUALS, _PAD = 2, 3


@register("parity")
@dataclass(frozen=True)
class Parity(Task):
    """Draw random bits and then an equals sign, at which 1 is expected if the ones are odd in number, else 0.

    Tokens: the bits 0 and 1, the equals sign 2, padding 3 behind it.

    The source draws one length for each batch, here every sequence has its own.

    Args:
        shortest: fewest bits, at least 1; every sequence's number is uniform from there to `length - 1`. None gives
            all of them `length - 1` bits.

    Reference: Neural Networks and the Chomsky Hierarchy (arXiv 2207.02098), parity check: trained on up to 40 bits.

    Example:
        >>> Parity().batch(1, 5, torch.Generator().manual_seed(0))
        TaskBatch(ids=tensor([[1, 1, 0, 1, 2]]), targets=tensor([[-100, -100, -100, -100,    1]]))
    """

    shortest: int | None = None

    def __post_init__(self) -> None:
        check_least("shortest", 1 if self.shortest is None else self.shortest, 1)

    @property
    def vocabulary(self) -> int:
        """Two bits, the equals sign, padding."""
        return 4

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences of at least 2 tokens; see `Task.batch`."""
        check_request("parity", batch_size, length, {"bits": self.shortest or 1, "equals sign": 1})
        counts = draw_lengths(batch_size, self.shortest, length - 1, generator)
        place = torch.arange(length)
        bits = torch.randint(2, (batch_size, length), generator=generator).where(place < counts, 0)
        ids = bits.where(place < counts, _PAD).where(place != counts, _EQUALS)
        targets = torch.full_like(ids, IGNORE).scatter_(1, counts, bits.sum(1, keepdim=True) % 2)
        return TaskBatch(ids, targets)
