"""Copying: all of a string, or the few tokens of it that are not noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.config import register
from titans_seq.errors import UserError

from .base import IGNORE, Task, TaskBatch, check_least, check_request
from .draws import draw_distinct, draw_lengths


@register("selective_copying")
@dataclass(frozen=True)
class SelectiveCopying(Task):
    """Draw a few data tokens among noise, then as many markers, at which the data tokens are expected in order.

    Tokens: noise 0, data 1 to `size - 2`, the marker `size - 1`. The data tokens' places are uniform among those
    before the markers. `length` counts the markers.

    Args:
        copied: data tokens in a sequence, at least 1.
        size: of the vocabulary, noise and marker included, at least 3.

    Reference: Mamba (arXiv 2312.00752), appendix E.1: 16 data tokens in 4,096, vocabulary 16. The layout is that of
        the S4 repository's copying data, on which it builds.

    Example:
        >>> SelectiveCopying(copied=2, size=5).batch(1, 7, torch.Generator().manual_seed(0))
        TaskBatch(ids=tensor([[0, 0, 0, 3, 1, 4, 4]]), targets=tensor([[-100, -100, -100, -100, -100,    3,    1]]))
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
        """Draw sequences of at least two tokens for each copied one; see `Task.batch`."""
        parts = {"data tokens": self.copied, "markers": self.copied}
        check_request("selective copying", batch_size, length, parts)
        before = length - self.copied
        data = torch.randint(1, self.size - 1, (batch_size, self.copied), generator=generator)
        places = draw_distinct(batch_size, self.copied, before, generator).sort(dim=1).values
        ids = torch.zeros(batch_size, length, dtype=torch.long).scatter_(1, places, data)
        ids[:, before:] = self.size - 1
        targets = torch.full_like(ids, IGNORE)
        targets[:, before:] = data
        return TaskBatch(ids, targets)


@register("copy")
@dataclass(frozen=True)
class Copy(Task):
    """Draw a start token, a string, a separator, the string again, an end token: the copy and the end are asked.

    Tokens: symbols 0 to `symbols - 1`, then start, separator, end.

    Args:
        symbols: letters of the alphabet.
        packed: (shortest, longest) string: fill the length with such strings, one behind the other, their lengths
            uniform; nothing is asked of the last one, which is cut. None gives one string as long as the length
            allows, as for a test.

    Reference: Repeat After Me (arXiv 2402.01032) and its code: 26 letters, trained on packed strings of up to 300
        letters, tested on single longer ones. There the test pads to a fixed length, here the string fills it.

    Example:
        >>> Copy(symbols=3).batch(1, 6, torch.Generator().manual_seed(0))
        TaskBatch(ids=tensor([[3, 0, 2, 4, 0, 2]]), targets=tensor([[-100, -100, -100,    0,    2,    5]]))
    """

    symbols: int = 26
    packed: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_least("symbols", self.symbols, 1)
        if self.packed is not None and not 1 <= self.packed[0] <= self.packed[1]:
            raise ValueError(f"packed must be (shortest, longest) with 1 <= shortest <= longest, got {self.packed}")

    @property
    def vocabulary(self) -> int:
        """The symbols, start, separator, end."""
        return self.symbols + 3

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences: an even number of tokens unless strings are packed; see `Task.batch`."""
        string = self.packed[1] if self.packed else 1
        parts = {"start": 1, "string": string, "separator": 1, "its copy": string}
        check_request("copy", batch_size, length, parts, even=self.packed is None)
        # One token more than asked for: the last one is only a target.
        total = length + 1
        if self.packed is None:
            strings = torch.full((batch_size, 1), (length - 2) // 2)
        else:
            most = -(-total // (2 * self.packed[0] + 3))
            strings = torch.randint(self.packed[0], self.packed[1] + 1, (batch_size, most), generator=generator)
        letters = torch.randint(self.symbols, (batch_size, total), generator=generator)
        return self._lay_out(strings, letters)

    def _lay_out(self, strings: Tensor, letters: Tensor) -> TaskBatch:
        """Put strings of lengths `[B, N]` one behind the other, with letters `[B, T + 1]` to take from."""
        total = letters.shape[1]
        ends = (2 * strings + 3).cumsum(dim=1)
        place = torch.arange(total).expand_as(letters).contiguous()
        which = torch.searchsorted(ends, place, right=True)
        string = strings.gather(1, which)
        offset = place - (ends - 2 * strings - 3).gather(1, which)
        copied = letters.gather(1, (place - string - 1).clamp(min=0))
        tokens = torch.where(offset <= string, letters, copied)
        tokens[offset == 0] = self.symbols
        tokens[offset == string + 1] = self.symbols + 1
        tokens[offset == 2 * string + 2] = self.symbols + 2
        whole = ends.gather(1, which) <= total
        asked = (offset > string + 1) & whole
        return TaskBatch(tokens[:, :-1], tokens.where(asked, IGNORE)[:, 1:])


@register("vector_copy")
@dataclass(frozen=True)
class VectorCopy(Task):
    """Draw random binary vectors, a delimiter, then blanks, at which the vectors are expected in order.

    Tokens: each of the `2 ** bits` vectors is one, then delimiter, blank, padding. The source reads and writes bits
    and counts wrong bits; here a vector is one token, right or wrong as a whole.

    Args:
        bits: of a vector, 1 to 16.
        shortest: fewest vectors; every sequence's number is uniform from there to `(length - 1) // 2`, the rest is
            padding. None gives all of them `(length - 1) // 2`.

    Reference: Neural Turing Machines (arXiv 1410.5401), section 4.1: 8 bits, trained on 1 to 20 vectors, tested on
        up to 120.

    Example:
        >>> VectorCopy(bits=2).batch(1, 5, torch.Generator().manual_seed(0))
        TaskBatch(ids=tensor([[3, 1, 4, 5, 5]]), targets=tensor([[-100, -100, -100,    3,    1]]))
    """

    bits: int = 8
    shortest: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16:
            raise ValueError(f"bits must be from 1 to 16, got {self.bits}")
        check_least("shortest", 1 if self.shortest is None else self.shortest, 1)

    @property
    def vocabulary(self) -> int:
        """The vectors, delimiter, blank, padding."""
        return 2**self.bits + 3

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw sequences of at least 3 tokens, an odd number unless lengths vary; see `Task.batch`."""
        least = self.shortest or 1
        check_request("vector copy", batch_size, length, {"vectors": least, "delimiter": 1, "blanks": least})
        if self.shortest is None and length % 2 == 0:
            raise UserError(
                f"vector copy: length must be odd (as many blanks as vectors, and a delimiter), got {length:,}: "
                f"give {length + 1:,}"
            )
        delimiter, blank, padding = (2**self.bits + i for i in range(3))
        counts = draw_lengths(batch_size, self.shortest, (length - 1) // 2, generator)
        place = torch.arange(length)
        vectors = torch.randint(2**self.bits, (batch_size, length), generator=generator)
        answering = (place > counts) & (place <= 2 * counts)
        ids = torch.full_like(vectors, padding).where(~answering, blank)
        ids = ids.where(place != counts, delimiter)
        ids = torch.where(place < counts, vectors, ids)
        answers = vectors.gather(1, (place - counts - 1).clamp(min=0))
        return TaskBatch(ids, answers.where(answering, IGNORE))
