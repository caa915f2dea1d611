"""Induction heads: what followed the special token when it came before?"""

from dataclasses import dataclass

import torch

from titans_seq.config import register

from .base import IGNORE, Task, TaskBatch, check_least, check_request


@register("induction_heads")
@dataclass(frozen=True)
class InductionHeads(Task):
    """Draw random symbols; a special token stands at a random place and at the end, where its follower is asked.

    Args:
        symbols: ordinary symbols, ids below `symbols`; the special token has the id `symbols`.

    Reference: Mamba (arXiv 2312.00752), appendix E.1: 16 symbols, trained at length 256, tested up to 1,048,576.

    Example:
        >>> ids, targets = InductionHeads(symbols=4).batch(1, 6, torch.Generator().manual_seed(0))
        >>> ids, targets
        (tensor([[0, 3, 1, 4, 3, 4]]), tensor([[-100, -100, -100, -100, -100,    3]]))
    """

    symbols: int = 16

    def __post_init__(self) -> None:
        check_least("symbols", self.symbols, 1)

    @property
    def vocabulary(self) -> int:
        """The symbols and the special token."""
        return self.symbols + 1

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences of at least 3 tokens; see `Task.batch`."""
        parts = {"special token": 1, "its follower": 1, "special token again": 1}
        check_request("induction heads", batch_size, length, parts)
        ids = torch.randint(self.symbols, (batch_size, length), generator=generator)
        place = torch.randint(length - 2, (batch_size, 1), generator=generator)
        ids.scatter_(1, place, self.symbols)
        ids[:, -1] = self.symbols
        targets = torch.full_like(ids, IGNORE)
        targets[:, -1:] = ids.gather(1, place + 1)
        return TaskBatch(ids, targets)
