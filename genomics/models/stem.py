"""Stem: convolutions in front of the blocks, which turn windows of a few bases into one step each."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.errors import UserError
from titans_seq.layers.linear import is_plain

from .masked_norm import MaskedNorm

_AT_ONCE = 1 << 20
"""Numbers of a layer that prediction on a CPU computes at once: four megabytes."""


@dataclass(frozen=True)
class StemConfig:
    """A stem. Motifs are short: convolutions see them whole, and the blocks have fewer steps to read.

    Each convolution is centred, so that a step knows bases on both sides of its window, and is followed by batch
    normalisation, GELU and the maxima of `pool` places. In training, and only there, the rows of a batch therefore see
    each other's statistics.

    Attributes:
        widths: of the convolutions, in tokens of the input of each; odd, at least 1; one or more.
        pool: places that become one after each convolution, at least 1.
        embedding: width of the embedded tokens, at least 1.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> StemConfig().window, StemConfig(widths=(5,), pool=2).window
        (9, 2)
    """

    widths: tuple[int, ...] = (9, 7)
    pool: int = 3
    embedding: int = 8

    def __post_init__(self) -> None:
        if not self.widths or any(width < 1 or width % 2 == 0 for width in self.widths):
            raise UserError(f"a stem needs convolutions of odd widths, got {self.widths}")
        for name in ("pool", "embedding"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} of a stem must be at least 1, got {getattr(self, name)}")

    @property
    def window(self) -> int:
        """Tokens of a step.

        Example:
            >>> StemConfig(widths=(9, 7), pool=3).window
            9
        """
        return self.pool ** len(self.widths)

    @property
    def halo(self) -> int:
        """Tokens on either side of a window that its step depends on, rounded up to whole windows.

        Example:
            >>> StemConfig(widths=(9, 7), pool=3).halo
            18
        """
        reach = sum(width // 2 * self.pool**number for number, width in enumerate(self.widths))
        return -(-reach // self.window) * self.window


class Stem(nn.Module):
    """Give the features of windows; padding is as if the sequence ended.

    Args:
        config: the stem.
        dim: width of the features.

    Example:
        >>> Stem(StemConfig(), dim=16)(torch.randn(2, 10, 8), torch.tensor([10, 3])).shape
        torch.Size([2, 2, 16])
    """

    def __init__(self, config: StemConfig, dim: int) -> None:
        super().__init__()
        self.pool, self.dim = config.pool, dim
        sizes = (config.embedding, *[dim] * (len(config.widths) - 1))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, dim, width, padding=width // 2, bias=False)
            for size, width in zip(sizes, config.widths, strict=True)
        )
        self.norms = nn.ModuleList(MaskedNorm(dim) for _ in config.widths)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Read whole sequences.

        Args:
            x: embedded tokens `[B, T, embedding]`.
            lengths: int64 `[B]`, in [1, T].

        Returns:
            `[B, ceil(T / window), dim]`; zeros at windows that hold padding alone.
        """
        rows = max(_AT_ONCE // (x.shape[1] * self.dim), 1)
        if self.training or x.device.type != "cpu":
            return self._read(x, lengths)
        # In prediction rows do not see each other, and what a few of them need is kept near the processor.
        if self._plain() and bool((lengths == x.shape[1]).all()):
            layers = self._folded()
            return _joined([_read_whole(part, layers, self.pool) for part in x.split(rows)])
        parts = zip(x.split(rows), lengths.split(rows), strict=True)
        return _joined([self._read(*part) for part in parts])

    def _read(self, x: Tensor, lengths: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        valid = torch.arange(x.shape[2], device=x.device) < lengths[:, None]
        padded = not bool(valid.all())  # without padding there is nothing to hide, and hiding it takes time

        def hidden(x: Tensor, value: float) -> Tensor:
            return x.masked_fill(~valid[:, None], value) if padded else x

        x = hidden(x, 0)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = hidden(F.gelu(norm(convolution(x), valid)), -torch.inf)
            x = F.max_pool1d(x, self.pool, ceil_mode=True)
            valid = valid[:, :: self.pool]
            x = hidden(x, 0)
        return x.transpose(1, 2)

    def _plain(self) -> bool:
        """Whether each layer does what its class says, and no more."""
        layers = [*self.convolutions, *self.norms]
        return all(type(one) in (nn.Conv1d, MaskedNorm) and is_plain(one) for one in layers)

    def _folded(self) -> list[tuple[Tensor, Tensor]]:
        """Weights `[dim, in, 1, width]` and biases of convolutions that also normalise, as norms do in prediction."""
        layers = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            assert isinstance(convolution, nn.Conv1d)
            assert isinstance(norm, MaskedNorm)
            scale, shift = norm.as_linear()
            weight = (convolution.weight * scale[:, None, None]).unsqueeze(2)
            layers.append((weight.contiguous(memory_format=torch.channels_last), shift))
        return layers


def _read_whole(x: Tensor, layers: list[tuple[Tensor, Tensor]], pool: int) -> Tensor:
    """Read rows without padding: an image one place high each, its channels last as features lie in memory."""
    x = x.mT.unsqueeze(2)
    for weight, bias in layers:
        x = F.gelu(F.conv2d(x, weight, bias, padding=(0, weight.shape[-1] // 2)))
        x = F.max_pool2d(x, (1, pool), ceil_mode=True)
    return x.squeeze(2).mT


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
