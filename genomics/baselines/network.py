"""A small convolutional network over one-hot bases that never sees padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..models.masked_norm import MaskedNorm
from ..models.strands import reverse_complement
from ..sequences.alphabet import COMPLEMENT, encode

PADDING = 4
_MOST_POSITIONS = 64 * 4096


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences of one forward pass.

    Attributes:
        index: int64 `[B]`, where each stood among all sequences.
        codes: int64 `[B, T]` as `encode` gives them; positions beyond a sequence are `PADDING`.
        lengths: int64 `[B]`.
    """

    index: Tensor
    codes: Tensor
    lengths: Tensor


def groups(lengths: Tensor, size: int, generator: torch.Generator | None = None) -> list[Tensor]:
    """Return which sequences go together in a batch: those of similar lengths.

    Args:
        lengths: int64 `[N]`, N at least 1.
        size: sequences a batch; fewer if they are long.
        generator: shuffles the sequences among those of similar length, and the batches; None keeps order by length.

    Returns:
        Numbers of sequences, int64 `[B]` each.

    Example:
        >>> [group.tolist() for group in groups(torch.tensor([9, 2, 8, 3]), size=2)]
        [[1, 3], [2, 0]]
    """
    count = len(lengths)
    order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
    if lengths.min() < lengths.max():
        # Noise on the length keeps the company of a sequence random, and padding short.
        noise = 0.0 if generator is None else 0.1 * torch.rand(count, generator=generator)
        order = order[((lengths[order] + 1.0).log() + noise).argsort(stable=True)]
    parts = []
    while len(order):
        take = max(1, min(size, _MOST_POSITIONS // max(1, int(lengths[order[:size]].max()))))
        parts.append(order[:take])
        order = order[take:]
    if generator is not None:
        parts = [parts[i] for i in torch.randperm(len(parts), generator=generator).tolist()]
    return parts


def batches(
    codes: Sequence[np.ndarray], size: int, generator: torch.Generator | None = None
) -> Iterator[tuple[float, Batch]]:
    """Yield all sequences once, with the share of batches that went before; see `groups` for the arguments."""
    lengths = torch.tensor([len(one) for one in codes])
    parts = groups(lengths, size, generator) if len(codes) else []
    for number, index in enumerate(parts):
        rows = [torch.from_numpy(codes[i]) for i in index.tolist()]
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)
        yield number / len(parts), Batch(index, padded, lengths[index])


def other_strand(batch: Batch) -> Batch:
    """Return the reverse complement of each sequence, within its own length."""
    return Batch(batch.index, reverse_complement(batch.codes, batch.lengths, torch.tensor(COMPLEMENT)), batch.lengths)


def mutated(batch: Batch, share: float, chance: torch.Generator) -> Batch:
    """Draw a share of the known bases anew, each of the four alike."""
    drawn = torch.randint(PADDING, batch.codes.shape, generator=chance)
    chosen = (torch.rand(batch.codes.shape, generator=chance) < share) & (batch.codes < PADDING)
    return Batch(batch.index, torch.where(chosen, drawn, batch.codes), batch.lengths)


class PooledNetwork(nn.Module):
    """Pool features over positions, maximum beside mean, and read them by a linear head.

    Args:
        outputs: C.
        width: channels of the features.
        dropout: share of pooled features dropped in training.
    """

    def __init__(self, outputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, outputs)

    def features(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return features `[B, width, S]`, at least 0 and 0 at padding, and which positions hold any, `[B, S]`.

        Args:
            x: one-hot bases `[B, 4, T]`.
            mask: which positions hold a base, `[B, T]`.
        """
        raise NotImplementedError

    def forward(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Return logits `[B, C]` of codes `[B, T]`; what lies beyond a sequence's length changes nothing."""
        x = functional.one_hot(codes, PADDING + 1)[..., :PADDING].float().transpose(1, 2)
        x, mask = self.features(x, torch.arange(codes.shape[1], device=codes.device) < lengths[:, None])
        mean = x.sum(2) / mask.sum(1, keepdim=True).clamp(min=1)
        # Nothing is below 0, so the zeros of padding win no maximum.
        return self.head(self.dropout(torch.cat([x.amax(2), mean], 1)))


class Network(PooledNetwork):
    """Read by three convolutions (9, 7 and 7 wide, maxima of pairs after the first), then pool over positions.

    Args:
        outputs: C.
        width: channels.
        dropout: share of pooled features dropped in training.

    Example:
        >>> sum(parameter.numel() for parameter in Network(outputs=2).parameters())
        235266
    """

    def __init__(self, outputs: int, width: int = 128, dropout: float = 0.3) -> None:
        super().__init__(outputs, width, dropout)
        kernels = (9, 7, 7)
        sizes = (4, width, width)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, width, kernel, padding=kernel // 2, bias=False)
            for size, kernel in zip(sizes, kernels, strict=True)
        )
        self.norms = nn.ModuleList(MaskedNorm(width) for _ in kernels)

    def features(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return features of pairs of positions; see `PooledNetwork.features`."""
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = functional.relu(norm(convolution(x), mask)) * mask[:, None]
            if number == 0:
                x = functional.max_pool1d(x, 2, ceil_mode=True)
                mask = mask[:, ::2]
        return x, mask


def encoded(sequences: Sequence[str]) -> list[np.ndarray]:
    """Return the codes of sequences, int64 `[T]` each; one without a base is a single N.

    Example:
        >>> [codes.tolist() for codes in encoded(["AC", ""])]
        [[0, 1], [4]]
    """
    return [encode(sequence or "N") for sequence in sequences]
