"""What the zero-shot network sees of a series: scaled values, lagged values, a seasonal profile, simple forecasts.

Everything is computed from the context alone, in float64, for a whole batch at once. Letters: B series, L context
steps, H future steps, t = 0 .. L - 1 the context and t = L .. L + H - 1 the future.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

LEVEL_STEPS = 4
"""The level is the mean of the last period, or of this many steps where the period is shorter."""
PROFILE_MEMORY = 8.0
"""Cycles after which the weight of an observation in the seasonal profile has fallen to 1/e."""

BASES = ("level", "last", "season", "second_season", "profile", "drift")
"""Simple forecasts that the network mixes, in the order of `Features.bases`."""
CHANNELS = 7
"""Numbers a step that the network reads, see `Features.channels`."""
STEP_FEATURES = len(BASES) - 1 + 6
"""Numbers a future step that its decoder reads, see `Features.steps`."""
TOKEN_FEATURES = 14
"""Numbers a token besides its steps, see `token_features`."""


@dataclass(frozen=True, eq=False)
class Features:
    """A batch as the network sees it; values are in units of `scale` about `level`.

    Attributes:
        channels: float32 `[B, L + H, 7]`: value, whether it was observed, value one season before, the differences to
            the values one season and one second season before in units of `noise`, value one second season before,
            seasonal profile. Values are passed through asinh. What is not known is 0.
        bases: float32 `[B, H, 6]`, the forecasts named in `BASES`.
        steps: float32 `[B, H, 11]`: the bases but the first (asinh), log of the step, step over season, phase (sine,
            cosine), log of `noise`, log of the number of observations.
        level: float64 `[B, 1]`, mean of the last season.
        scale: float64 `[B, 1]`, root mean square distance of the observations from `level`; 1 for a constant series.
        noise: float32 `[B, 1]`, mean absolute seasonal difference over `scale`: the scale of MASE; 0 or more.
        start: int64 `[B, 1]`, first observed step; L where there is none.
        periods: int64 `[B, 2]`, those of the periods given that the context is long enough for; else 1, or the first.
    """

    channels: Tensor
    bases: Tensor
    steps: Tensor
    level: Tensor
    scale: Tensor
    noise: Tensor
    start: Tensor
    periods: Tensor

    def to(self, device: torch.device | str) -> "Features":
        """Return the features on a device."""
        return Features(*(getattr(self, field.name).to(device) for field in fields(self)))


def describe(values: Tensor, observed: Tensor, periods: Tensor, horizon: int) -> Features:
    """Compute the features of a batch of contexts.

    Args:
        values: float64 `[B, L]`, aligned at their end; what stands where `observed` is False does not matter.
        observed: bool `[B, L]`.
        periods: int64 `[B, 2]`, at least 1; 1 is no season. A period that has not passed once is not used.
        horizon: H, at least 1.

    Example:
        >>> y = torch.arange(8.0).double().repeat(1, 3)
        >>> seen = describe(y, torch.ones_like(y, dtype=torch.bool), torch.tensor([[8, 1]]), horizon=3)
        >>> (seen.bases[0, :, 2] * seen.scale[0] + seen.level[0]).round(decimals=4).tolist()
        [0.0, 1.0, 2.0]
    """
    length = values.shape[1]
    at = torch.arange(length, device=values.device)[None]
    filled, start = _fill(values, observed, at)
    # About one of the values a constant is exactly 0, and small changes of a high level keep their digits.
    reference = filled[:, -1:]
    filled = filled - reference
    real = length - start
    periods = _usable(periods, real)
    season, second = periods[:, :1], periods[:, 1:]
    window = season.clamp(min=LEVEL_STEPS).minimum(real).clamp(min=1)
    level = _mean_between(filled, (length - window).clamp(min=0), torch.full_like(window, length))
    count = observed.sum(1, keepdim=True).clamp(min=1)
    square = torch.where(observed, (filled - level).square(), 0.0).sum(1, keepdim=True) / count
    scale = square.sqrt()
    scale = torch.where(scale > torch.finfo(torch.float64).tiny, scale, 1.0)
    z = (filled - level) / scale

    steps = torch.arange(length, length + horizon, device=values.device)[None].expand(len(values), -1)
    everywhere = torch.cat((at.expand(len(values), -1), steps), 1)
    lagged = [_lag(z, everywhere, start, period, length) for period in (season, second)]
    noise = seasonal_error(z, observed, start, season)
    profile = _profile(z, observed, at, start, season, everywhere)
    ahead = (steps - length + 1).double()
    last = z[:, -1:].expand(-1, horizon)
    drift = _drift(z, start, season, length) * (ahead + (window + 1) / 2 - 1)
    future = [series[:, length:] for series in (*lagged, profile)]
    bases = torch.stack((torch.zeros_like(last), last, *future, drift), -1)

    seen = torch.cat((observed, observed.new_zeros(len(values), horizon)), 1)
    own = torch.cat((z, z.new_zeros(len(values), horizon)), 1)
    unit = noise.clamp(min=1e-6)
    differences = [torch.where(seen, (own - lag) / unit, 0.0).asinh() for lag in lagged]
    channels = torch.stack(
        (
            torch.where(seen, own, 0.0).asinh(),
            seen.double(),
            lagged[0].asinh(),
            *differences,
            lagged[1].asinh(),
            profile,
        ),
        -1,
    )
    angle = 2 * torch.pi * (steps - length) / season
    flags = (
        ahead.log() / 3,
        torch.tanh(ahead / season / 4),
        torch.where(season > 1, angle.sin(), 0.0),
        torch.where(season > 1, angle.cos(), 0.0),
        (noise.clamp(min=1e-4).log() / 3).expand(-1, horizon),
        (real.clamp(min=1).log() / 4 - 1).expand(-1, horizon),
    )
    decoded = torch.cat((bases[..., 1:].asinh(), torch.stack(flags, -1)), -1)
    return Features(
        channels.float(), bases.float(), decoded.float(), level + reference, scale, noise.float(), start, periods
    )


def token_features(features: Features, length: int, horizon: int, patch: int) -> Tensor:
    """Compute what a token knows besides its steps: place, phases, and numbers of the whole series.

    Args:
        features: of the batch.
        length: L, a multiple of `patch`.
        horizon: H, a multiple of `patch`.
        patch: steps a token.

    Returns:
        float32 `[B, (L + H) / patch, 14]`.
    """
    first = torch.arange(0, length + horizon, patch, device=features.start.device)[None].float() - length
    real = (length - features.start).clamp(min=1).float()
    shape = (len(real), first.shape[1])
    numbers = [
        (first / real).clamp(-1, 1),
        torch.asinh(first / features.periods[:, :1]) / 3,
        torch.asinh(first / patch) / 3,
        (first >= 0).float(),
    ]
    for column in (0, 1):
        period = features.periods[:, column : column + 1]
        angle = 2 * torch.pi * first / period
        seasonal = period > 1
        numbers += [torch.where(seasonal, angle.sin(), 0.0), torch.where(seasonal, angle.cos(), 0.0)]
    numbers += [
        features.periods[:, :1].log() / 3,
        features.periods[:, 1:].log() / 3,
        (features.periods[:, :1] / patch).log() / 3,
        real.log() / 4 - 1,
        features.noise.clamp(min=1e-4).log() / 3,
        (real / features.periods[:, :1]).log() / 3,
    ]
    return torch.stack([number.expand(shape) for number in numbers], -1)


def _fill(values: Tensor, observed: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Carry the last observation forward, the first one backward; also the first observed step, `[B, 1]`."""
    length = values.shape[1]
    latest = torch.where(observed, at, -1).cummax(1).values
    start = torch.where(observed.any(1, keepdim=True), observed.to(torch.uint8).argmax(1, keepdim=True), length)
    source = torch.where(latest < 0, start.clamp(max=length - 1), latest)
    return torch.where(observed, values, 0.0).gather(1, source), start


def _usable(periods: Tensor, real: Tensor) -> Tensor:
    """Replace periods that have not passed once: the first by 1, the second by the first."""
    first = torch.where(periods[:, :1] < real, periods[:, :1], 1)
    second = torch.where((periods[:, 1:] < real) & (periods[:, 1:] > 1), periods[:, 1:], first)
    return torch.cat((first, second), 1)


def _mean_between(values: Tensor, begin: Tensor, end: Tensor) -> Tensor:
    """Average `values` `[B, L]` over the steps begin <= t < end, `[B, K]` each."""
    total = torch.nn.functional.pad(values.cumsum(1), (1, 0))
    return (total.gather(1, end) - total.gather(1, begin)) / (end - begin).clamp(min=1)


def _lag(z: Tensor, steps: Tensor, start: Tensor, period: Tensor, length: int) -> Tensor:
    """Return the latest value a whole number of periods before each step; its own where there is none."""
    cycles = ((steps - length) // period + 1).clamp(min=1)
    source = steps - cycles * period
    source = torch.where(source >= start, source, steps.clamp(max=length - 1))
    return z.gather(1, source.clamp(min=0))


def seasonal_error(z: Tensor, observed: Tensor, start: Tensor, season: Tensor) -> Tensor:
    """Average the absolute seasonal differences; 0 where there is none.

    Args:
        z: `[B, T]`.
        observed: bool `[B, T]`.
        start: `[B, 1]`, first step that counts.
        season: int64 `[B, 1]`, at least 1.

    Returns:
        `[B, 1]`.
    """
    at = torch.arange(z.shape[1], device=z.device)[None]
    source = (at - season).clamp(min=0)
    valid = observed & observed.gather(1, source) & (at - season >= start)
    error = torch.where(valid, (z - z.gather(1, source)).abs(), 0.0).sum(1, keepdim=True)
    return error / valid.sum(1, keepdim=True).clamp(min=1)


def _profile(z: Tensor, observed: Tensor, at: Tensor, start: Tensor, season: Tensor, steps: Tensor) -> Tensor:
    """Average, for each place in the cycle, how far observations lie from a centred moving mean; at `steps`."""
    length = z.shape[1]
    begin = (at - season // 2).maximum(start).clamp(max=length - 1)
    end = (begin + season).clamp(max=length)
    begin = (end - season).maximum(start.clamp(max=length - 1))
    deviation = z - _mean_between(z, begin, end)
    weight = torch.exp(-(length - at).double() / (season * PROFILE_MEMORY)) * (observed & (at >= start))
    place = (at - length) % season
    size = int(season.max())
    total = z.new_zeros(len(z), size).scatter_add(1, place, weight * deviation)
    mass = z.new_zeros(len(z), size).scatter_add(1, place, weight)
    profile = total / mass.clamp(min=1e-12)
    return torch.where(season > 1, profile.gather(1, (steps - length) % season), 0.0)


def _drift(z: Tensor, start: Tensor, season: Tensor, length: int) -> Tensor:
    """Estimate the slope a step from the means of the last two seasons (or windows), `[B, 1]`."""
    half = (length - start) // 2
    window = season.clamp(min=LEVEL_STEPS).minimum(half).clamp(min=1)
    end = torch.full_like(window, length)
    middle, begin = (end - window).clamp(min=0), (end - 2 * window).clamp(min=0)
    return (_mean_between(z, middle, end) - _mean_between(z, begin, middle)) / window
