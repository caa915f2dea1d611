"""Training batches: made-up series cut into a context and a future, as a function of seed and number alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..synthetic.generator import SyntheticBatch, generate
from .features import Features, describe, seasonal_error
from .network import AnyConfig
from .settings import BatchConfig

TYPICAL = (4, 7, 12, 24, 48, 52, 96)
"""Periods that a wrong hint is drawn from: what a frequency suggests to a user's file."""


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """B series with their futures.

    Attributes:
        features: of the contexts.
        patch: steps a token.
        target: float32 `[B, H]`, the future in units of `features.scale` about `features.level`.
        weight: float32 `[B, H]`, 0 where the future is missing.
        unit: float32 `[B, 1]`, seasonal error of context and future together. That of a context of a few steps alone
            can be next to nothing, and such series would rule the mean.
    """

    features: Features
    patch: int
    target: Tensor
    weight: Tensor
    unit: Tensor

    def to(self, device: torch.device | str) -> "TrainingBatch":
        """Return the batch on a device."""
        target, weight, unit = (tensor.to(device) for tensor in (self.target, self.weight, self.unit))
        return TrainingBatch(self.features.to(device), self.patch, target, weight, unit)


def pool(seed: tuple[int, ...], number: int, config: BatchConfig, network: AnyConfig) -> Iterator[TrainingBatch]:
    """Draw the `number`-th pool of batches; the same seed and number give the same batches.

    Args:
        seed: of all pools: numbers of at least 0.
        number: at least 0.
        config: how.
        network: which resolutions there are.

    Example:
        >>> from forecasting.zero_shot.network import ZeroShotConfig
        >>> batches = list(pool((0,), 0, BatchConfig(tokens=64, pool=2), ZeroShotConfig()))
        >>> len(batches), batches[0].target.shape[1] % batches[0].patch
        (2, 0)
    """
    rng = np.random.default_rng([*seed, number])
    shares = np.array(config.resolutions)
    patch = int(rng.choice(network.patches, p=shares / shares.sum()))
    context = int(np.exp(rng.uniform(np.log(config.shortest), np.log(network.tokens + 1))))
    horizon = int(np.exp(rng.uniform(0, np.log(min(config.longest_horizon, 2 * context) + 1))))
    rows = max(4, config.tokens // (context + horizon))
    drawn = generate(rng, rows * config.pool, (context + horizon) * patch, config.generator)
    hints = _hints(rng, drawn.periods, config)
    observed = drawn.observed & _begun(rng, drawn, context * patch, config.padded)
    for begin in range(0, rows * config.pool, rows):
        mine = slice(begin, begin + rows)
        yield cut_batch(drawn.values[mine], observed[mine], hints[mine], context * patch, patch)


def _hints(rng: np.random.Generator, periods: np.ndarray, config: BatchConfig) -> np.ndarray:
    """The periods that the network is told, int64 `[N, 2]`."""
    chance = rng.random((len(periods), 1))
    wrong = np.stack((rng.choice(TYPICAL, len(periods)), np.ones(len(periods), np.int64)), 1)
    hints = np.where(chance < config.no_hint, 1, periods)
    return np.where(chance > 1 - config.wrong_hint, wrong, hints)


def _begun(rng: np.random.Generator, drawn: SyntheticBatch, context: int, share: float) -> np.ndarray:
    """Mark the steps after each series' beginning; at least three steps of the context stay."""
    rows, length = drawn.values.shape
    begin = rng.integers(0, max(1, context - 3), (rows, 1)) * (rng.random((rows, 1)) < share)
    return np.arange(length)[None] >= begin


def cut_batch(values: np.ndarray, observed: np.ndarray, periods: np.ndarray, context: int, patch: int) -> TrainingBatch:
    """Cut series into contexts and futures.

    Args:
        values: float64 `[B, L + H]`, finite.
        observed: bool `[B, L + H]`.
        periods: int64 `[B, 2]`.
        context: L, a multiple of `patch`.
        patch: steps a token.
    """
    y, seen = torch.from_numpy(values), torch.from_numpy(observed)
    features = describe(y[:, :context], seen[:, :context], torch.from_numpy(periods), y.shape[1] - context)
    scaled = (y - features.level) / features.scale
    weight = seen[:, context:] & (features.start < context)
    unit = seasonal_error(scaled, seen, features.start, features.periods[:, :1])
    return TrainingBatch(features, patch, scaled[:, context:].float(), weight.float(), unit.float())
