"""Pooling: one vector of a sequence, gathered piece by piece, from valid tokens alone."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn

PoolingName = Literal["mean", "mean-max", "last", "attention"]


class Pooling(Protocol):
    """Gather features; each piece of a sequence gives a new value, and nothing is kept in the module."""

    def add(self, y: Tensor, valid: Tensor, gathered: Any = None) -> Any:
        """Go on from `gathered`, None at the start, with `y` `[B, T, D]` where `valid`, bool `[B, T]`.

        Valid tokens come first in each row, and there is one at least.
        """
        ...

    def finish(self, gathered: Any) -> Tensor:
        """Return `[B, pooled_width]`."""
        ...


@dataclass(frozen=True)
class Weighted:
    """A sum of features under a softmax that is not finished.

    Attributes:
        total: weighted sum, `[B, D]`.
        weight: sum of the weights, `[B, 1]`.
        peak: the largest score so far, which all weights are relative to, `[B, 1]`.
    """

    total: Tensor
    weight: Tensor
    peak: Tensor


class WeightedPooling(nn.Module):
    """Take the mean over tokens, each weighted by its score's exponential.

    Args:
        score: from `[B, T, D]` to `[B, T, 1]`; None counts all tokens alike.

    Example:
        >>> pooling, y = WeightedPooling(), torch.tensor([[[1.0], [3.0], [9.0]]])
        >>> pooling.finish(pooling.add(y, torch.tensor([[True, True, False]]))).item()
        2.0
    """

    def __init__(self, score: nn.Module | None = None) -> None:
        super().__init__()
        self.score = score

    def add(self, y: Tensor, valid: Tensor, gathered: Weighted | None = None) -> Weighted:
        """Add a piece."""
        score = torch.zeros_like(y[..., :1]) if self.score is None else self.score(y)
        score = score.masked_fill(~valid.unsqueeze(-1), -torch.inf)
        peak = score.detach().amax(1)
        before = None
        if gathered is not None:
            peak = torch.maximum(peak, gathered.peak)
            before = (gathered.peak - peak).exp()
        weights = (score - peak.unsqueeze(1)).exp()
        # Padding is left out, not multiplied by zero, so that even a NaN in it would do no harm.
        total = (weights * y.masked_fill(~valid.unsqueeze(-1), 0)).sum(1)
        weight = weights.sum(1)
        if gathered is None or before is None:
            return Weighted(total, weight, peak)
        return Weighted(gathered.total * before + total, gathered.weight * before + weight, peak)

    def finish(self, gathered: Weighted) -> Tensor:
        """Divide by the weights."""
        return gathered.total / gathered.weight


class MeanMaxPooling(nn.Module):
    """Take the mean and, beside it, each feature's maximum: how much of it there is, and whether there is any.

    Example:
        >>> pooling, y = MeanMaxPooling(), torch.tensor([[[1.0], [3.0], [9.0]]])
        >>> pooling.finish(pooling.add(y, torch.tensor([[True, True, False]]))).tolist()
        [[2.0, 3.0]]
    """

    def __init__(self) -> None:
        super().__init__()
        self.mean = WeightedPooling()

    def add(self, y: Tensor, valid: Tensor, gathered: tuple[Weighted, Tensor] | None = None) -> tuple[Weighted, Tensor]:
        """Add a piece."""
        mean, most = gathered or (None, None)
        peak = y.masked_fill(~valid.unsqueeze(-1), -torch.inf).amax(1)
        return self.mean.add(y, valid, mean), peak if most is None else torch.maximum(peak, most)

    def finish(self, gathered: tuple[Weighted, Tensor]) -> Tensor:
        """Join both."""
        mean, most = gathered
        return torch.cat([self.mean.finish(mean), most], -1)


class LastPooling(nn.Module):
    """Take the token at which everything has been read: the last; in both directions, the mean of last and first.

    Args:
        both: whether the features come from both directions.
    """

    def __init__(self, both: bool) -> None:
        super().__init__()
        self.both = both

    def add(self, y: Tensor, valid: Tensor, gathered: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Keep the first token of all and the last so far."""
        last = y[torch.arange(len(y), device=y.device), valid.sum(1) - 1]
        return y[:, 0] if gathered is None else gathered[0], last

    def finish(self, gathered: tuple[Tensor, Tensor]) -> Tensor:
        """Return the last, or the mean of both ends."""
        first, last = gathered
        return (first + last) / 2 if self.both else last


def build_pooling(name: PoolingName, dim: int, both: bool) -> Pooling:
    """Build a pooling by name, an `nn.Module`.

    Args:
        name: "mean", "mean-max", "last", or "attention" with one learned query.
        dim: width of the features.
        both: whether they come from both directions.
    """
    if name == "last":
        return cast(Pooling, LastPooling(both))
    if name == "mean-max":
        return cast(Pooling, MeanMaxPooling())
    return cast(Pooling, WeightedPooling(nn.Linear(dim, 1) if name == "attention" else None))


def pooled_width(name: PoolingName, dim: int) -> int:
    """Return the width of what a pooling makes of features of width `dim`.

    Example:
        >>> pooled_width("mean-max", 16)
        32
    """
    return 2 * dim if name == "mean-max" else dim
