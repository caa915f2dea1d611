"""Multi-query associative recall (MQAR): pairs first, then every key once more, somewhere."""

from dataclasses import dataclass

import torch

from titans_seq.config import register

from .base import IGNORE, Task, TaskBatch, check_least, check_request
from .draws import draw_distinct


@register("mqar")
@dataclass(frozen=True)
class MQAR(Task):
    """Draw key-value pairs, then each key once more; its value is the answer expected at this second appearance.

    Keys are different tokens of the lower half of the vocabulary (0 left out), values different tokens of the upper
    half. Queries stand 0, 2, 4, ... tokens behind the pairs; gap g = 1, 2, 3, ... of these has a chance proportional to
    g^(power - 1), and no gap is taken twice. All other places hold 0.

    Zoology's code also wants a vocabulary larger than the length, which nothing here depends on: longer sequences
    are drawn too, with the same pairs and wider gaps.

    Args:
        pairs: number of pairs, at least 1. The paper's sizes are (length, pairs) = (64, 4), (128, 8), (256, 16),
            (512, 64).
        size: of the vocabulary; each half must have room for the pairs.
        power: exponent of the gaps' law, above 0; 1 makes gaps uniform.
        random_filler: hold random tokens of the whole vocabulary, rather than 0, in all other places.
        tokens_a_pair: sequences with room for fewer than so many tokens a pair hold fewer pairs, at least 4; None
            keeps the pairs at every length. The sizes above have 16, 16, 16 and 8.

    Reference: Zoology (arXiv 2312.04927), section 4 and its code (`multiquery_ar`; figure 2 has no random filler).

    Example:
        >>> ids, targets = MQAR(pairs=2, size=12).batch(1, 10, torch.Generator().manual_seed(0))
        >>> ids
        tensor([[2, 8, 1, 6, 2, 0, 0, 0, 1, 0]])
        >>> targets
        tensor([[-100, -100, -100, -100,    8, -100, -100, -100,    6, -100]])
    """

    pairs: int = 8
    size: int = 8_192
    power: float = 0.01
    random_filler: bool = False
    tokens_a_pair: int | None = None

    def __post_init__(self) -> None:
        check_least("pairs", self.pairs, 1)
        if self.size // 2 - 1 < self.pairs:
            raise ValueError(
                f"size must be at least {2 * self.pairs + 2}, so that half of it has {self.pairs} different keys "
                f"besides 0, got {self.size}"
            )
        if self.tokens_a_pair is not None:
            check_least("tokens_a_pair", self.tokens_a_pair, 4)
        if not self.power > 0:
            raise ValueError(f"power must be above 0, got {self.power}")

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary."""
        return self.size

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences of an even number of tokens, at least four a pair; see `Task.batch`."""
        pairs = self.pairs if self.tokens_a_pair is None else min(self.pairs, max(1, length // self.tokens_a_pair))
        context = 2 * pairs
        parts = {f"{pairs} pairs": context, "queries two tokens apart": context}
        check_request("MQAR", batch_size, length, parts, even=True)
        half = self.size // 2
        keys = 1 + draw_distinct(batch_size, pairs, half - 1, generator)
        values = half + draw_distinct(batch_size, pairs, self.size - half, generator)
        places = context + 2 * self._gaps(batch_size, pairs, (length - context) // 2, generator)

        ids = torch.zeros(batch_size, length, dtype=torch.long)
        ids[:, 0:context:2] = keys
        ids[:, 1:context:2] = values
        ids.scatter_(1, places, keys)
        targets = torch.full_like(ids, IGNORE).scatter_(1, places, values)
        if self.random_filler:
            ids = torch.where(ids == 0, torch.randint(self.size, ids.shape, generator=generator), ids)
        return TaskBatch(ids, targets)

    def _gaps(self, rows: int, pairs: int, space: int, generator: torch.Generator) -> torch.Tensor:
        """Draw different gaps in [0, space), `[rows, pairs]`, from the power law."""
        weights = torch.arange(1, space + 1, dtype=torch.float64) ** (self.power - 1)
        # The k smallest of independent waiting times are k draws without replacement, in the order of drawing.
        waits = torch.empty(rows, space, dtype=torch.float64).exponential_(generator=generator) / weights
        return waits.topk(pairs, largest=False, sorted=True).indices
