"""MAD's fuzzy in-context recall: keys and values are motifs of several tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.config import register

from .base import IGNORE, Task, TaskBatch, check_least, check_request
from .draws import draw_distinct, first_occurrence


@register("mad_fuzzy_recall")
@dataclass(frozen=True)
class FuzzyRecall(Task):
    """Draw pairs of a key motif and a value motif; every token of a value is asked if its key was shown before.

    A motif is 1 to `motif` different tokens. Tokens: keys, values (half of `size - 1` each), padding `size - 1`, which
    stands in front. Values have any motif size; keys in tests all have the largest, in training any. The sequence ends
    with the repetition of one of its pairs, so that something is always asked.

    The source draws the pair that is repeated first and puts it where a random place lies, which rarely fails; here it
    is the pair that is drawn there.

    Args:
        size: of the vocabulary, padding included.
        motif: largest motif size of keys and values.
        training: draw key motifs of all sizes and ask for every next token, padding too, as the source's training does.

    Example:
        >>> ids, targets = FuzzyRecall(size=9, motif=2).batch(1, 12, torch.Generator().manual_seed(2))
        >>> ids
        tensor([[8, 8, 8, 8, 8, 2, 0, 4, 5, 2, 0, 4]])
        >>> targets[0, -4:]
        tensor([-100, -100,    4,    5])

    Reference: MAD (arXiv 2403.17844) and its code, mad-lab.
    """

    size: int = 16
    motif: int = 3
    training: bool = False

    def __post_init__(self) -> None:
        check_least("motif", self.motif, 1)
        check_least("size", self.size, 2 * self.motif + 1)

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary."""
        return self.size

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences with room for three pairs of the largest motifs; see `Task.batch`."""
        widest = 2 * self.motif
        check_request("fuzzy recall", batch_size, length, {"three pairs of the largest motifs": 3 * widest})
        most = length // (2 if self.training else self.motif + 1) + 1
        half = (self.size - 1) // 2
        keys, key_sizes = self._draw_motifs(batch_size, most, half, 1 if self.training else self.motif, generator)
        values, value_sizes = self._draw_motifs(batch_size, most, self.size - 1 - half, 1, generator)
        values = values + half

        # A key keeps the value it came with first; absent tokens of a motif are zeros of its code.
        digits = torch.where(torch.arange(self.motif) < key_sizes.unsqueeze(2), keys + 1, 0)
        first = first_occurrence((digits * (half + 1) ** torch.arange(self.motif)).sum(dim=2))
        values = values.take_along_dim(first.unsqueeze(2), dim=1)
        value_sizes = value_sizes.gather(1, first)

        # The first pair at or behind a random place comes again at the end; pairs are kept while there is room for it.
        sizes = key_sizes + value_sizes
        starts = sizes.cumsum(dim=1) - sizes
        place = torch.randint(length - 3 * widest + 1, (batch_size, 1), generator=generator)
        repeated = torch.searchsorted(starts, place)
        kept = starts < length - sizes.gather(1, repeated) - widest
        index = torch.arange(most).expand_as(kept)
        last = torch.ones_like(repeated, dtype=torch.bool)
        seen = torch.cat([(first < index) & kept, last], dim=1)
        index, kept = torch.cat([index, repeated], dim=1), torch.cat([kept, last], dim=1)
        keys, values = (motifs.take_along_dim(index.unsqueeze(2), dim=1) for motifs in (keys, values))
        key_sizes, value_sizes = key_sizes.gather(1, index), value_sizes.gather(1, index)
        used = (key_sizes + value_sizes) * kept
        ends = used.cumsum(dim=1)
        starts = ends - used + length + 1 - ends[:, -1:]

        # One token more than asked for: the last one is only a target. What is not there is written behind it.
        tokens = torch.full((batch_size, length + 2), self.size - 1)
        answers = torch.full_like(tokens, IGNORE)
        _write(tokens, keys, starts, key_sizes, kept)
        _write(tokens, values, starts + key_sizes, value_sizes, kept)
        _write(answers, values, starts + key_sizes, value_sizes, seen)
        return TaskBatch(tokens[:, :length], (tokens if self.training else answers)[:, 1 : length + 1])

    def _draw_motifs(
        self, rows: int, count: int, tokens: int, smallest: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw motifs, `[rows, count, motif]`, and how many tokens of each are used, `[rows, count]`."""
        motifs = draw_distinct(rows * count, self.motif, tokens, generator).view(rows, count, self.motif)
        return motifs, torch.randint(smallest, self.motif + 1, (rows, count), generator=generator)


def _write(into: Tensor, motifs: Tensor, starts: Tensor, sizes: Tensor, present: Tensor) -> None:
    """Write the first `sizes` `[B, N]` tokens of motifs `[B, N, m]` into `[B, T]` at `starts`, the rest at its end."""
    offset = torch.arange(motifs.shape[2])
    there = (offset < sizes.unsqueeze(2)) & present.unsqueeze(2)
    place = torch.where(there, starts.unsqueeze(2) + offset, into.shape[1] - 1)
    into.scatter_(1, place.flatten(1), motifs.flatten(1))
