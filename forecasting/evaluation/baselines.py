"""Forecasts that cost seconds and are hard to beat: the yardstick printed beside every model.

The closed-form linear model is the strongest of them on the long-horizon benchmarks
(Toner & Darlow, arXiv 2403.14587).
"""

from typing import Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional

from titans_seq.errors import UserError

from ..network.batch import WindowBatch
from ..windows.cutting import WindowLoader, Windows


class Baseline(Protocol):
    """Anything that can be fitted on windows and forecasts a batch of them."""

    def fit(self, windows: Windows) -> Self:
        """Learn from training windows; returns itself."""
        ...

    def predict(self, batch: WindowBatch) -> Tensor:
        """Forecast [B, H, V] of a batch."""
        ...


class RepeatLast:
    """The last observed value of each channel, held; 0 (the mean, if standardised) where there is none.

    Example:
        >>> from forecasting.windows.arrays import ItemArrays
        >>> windows = Windows([ItemArrays(torch.arange(6.0)[:, None].numpy())], context=3, horizon=2)
        >>> RepeatLast().fit(windows).predict(windows.batch([0]))[0, :, 0].tolist()
        [2.0, 2.0]
    """

    def fit(self, windows: Windows) -> Self:
        """Nothing to learn."""
        return self

    def predict(self, batch: WindowBatch) -> Tensor:
        """Forecast [B, H, V] of a batch."""
        return _filled(batch)[:, -1:].expand_as(batch.future)


class SeasonalNaive:
    """The value one season before; where it is missing that of an earlier season, then the last observed one.

    Args:
        season: steps, >= 1, at most the context.

    Example:
        >>> from forecasting.windows.arrays import ItemArrays
        >>> windows = Windows([ItemArrays(torch.arange(6.0)[:, None].numpy())], context=3, horizon=3)
        >>> SeasonalNaive(2).predict(windows.batch([0]))[0, :, 0].tolist()
        [1.0, 2.0, 1.0]
    """

    def __init__(self, season: int) -> None:
        if season < 1:
            raise ValueError(f"season must be at least 1, got {season}")
        self.season = season

    def fit(self, windows: Windows) -> Self:
        """Nothing to learn.

        Raises:
            UserError: the context is shorter than a season.
        """
        _check_season(self.season, windows.context)
        return self

    def predict(self, batch: WindowBatch) -> Tensor:
        """Forecast [B, H, V] of a batch.

        Raises:
            UserError: the context is shorter than a season.
        """
        context, horizon = batch.past.shape[1], batch.future.shape[1]
        _check_season(self.season, context)
        last = _filled(batch)[:, -1:]
        seasonal = last.expand(-1, self.season, -1)
        # Oldest season first, so that the latest observed one has the last word.
        for begin in range(context % self.season, context, self.season):
            span = slice(begin, begin + self.season)
            seasonal = torch.where(batch.observed[:, span], batch.past[:, span], seasonal)
        return seasonal[:, torch.arange(horizon, device=last.device) % self.season]


def _check_season(season: int, context: int) -> None:
    if season > context:
        raise UserError(
            f"the seasonal naive forecast looks back one season of {season} steps, the context has only "
            f"{context}; lengthen the context or give a shorter season"
        )


class ClosedFormLinear:
    """One least-squares map from context to horizon, shared by all channels, around the last value.

    Each channel's last value is subtracted from its context, the L x H map applied, and the value added back.
    Training windows with a missing cell are left out, channel by channel; in forecasts a missing cell takes
    the value before it.

    Args:
        ridge: strength of the penalty relative to the mean square of the inputs.

    Example:
        >>> from forecasting.windows.arrays import ItemArrays
        >>> windows = Windows([ItemArrays(torch.arange(30.0)[:, None].numpy())], context=3, horizon=2)
        >>> forecast = ClosedFormLinear().fit(windows).predict(windows.batch([5]))
        >>> [round(value, 1) for value in forecast[0, :, 0].tolist()]
        [8.0, 9.0]
    """

    def __init__(self, ridge: float = 1e-3) -> None:
        if not ridge > 0:
            # The last input is always 0, so without a penalty the equations are singular.
            raise ValueError(f"ridge must be positive, got {ridge}")
        self.ridge = ridge
        self.weight: Tensor | None = None
        """float64 [L, H] once fitted."""

    def fit(self, windows: Windows, batch_size: int = 512) -> Self:
        """Solve the normal equations, summed in float64 over batches of windows.

        Raises:
            UserError: no window is without missing values.
        """
        context, horizon = windows.context, windows.horizon
        products = torch.zeros(context, context + horizon, dtype=torch.float64)
        rows = 0
        for batch in WindowLoader(windows, batch_size):
            complete = batch.observed.all(1) & batch.future_observed.all(1)
            both = torch.cat([batch.past, batch.future], 1).transpose(1, 2)[complete].double()
            both = both - both[:, context - 1 : context]
            products += (both[:, :context].T @ both).cpu()
            rows += len(both)
        if not rows:
            raise UserError(
                f"the linear baseline needs windows of {context} + {horizon} steps without missing values, "
                f"and none of {len(windows)} is; fill the gaps or shorten the context or the horizon"
            )
        gram, cross = products.split([context, horizon], 1)
        # A constant series has a gram matrix of zeros; any positive penalty then gives the map 0.
        penalty = self.ridge * (gram.diagonal().mean().item() or 1.0)
        self.weight = torch.linalg.solve(gram + penalty * torch.eye(context, dtype=torch.float64), cross)
        return self

    def predict(self, batch: WindowBatch) -> Tensor:
        """Forecast [B, H, V] of a batch, float32.

        Raises:
            ValueError: `fit` has not been called, or was with another context or horizon.
        """
        sizes = (batch.past.shape[1], batch.future.shape[1])
        if self.weight is None or self.weight.shape != sizes:
            fitted = "not fitted" if self.weight is None else f"fitted for {tuple(self.weight.shape)}"
            raise ValueError(f"the linear baseline is {fitted}, the batch needs context and horizon {sizes}")
        past = _filled(batch)
        last = past[:, -1:]
        change = functional.linear((past - last).transpose(1, 2), self.weight.T.to(past))
        return change.transpose(1, 2) + last


def _filled(batch: WindowBatch) -> Tensor:
    """The context [B, L, V] with missing values replaced by the one before, or else by the first after."""
    steps = torch.arange(batch.past.shape[1], device=batch.past.device)[None, :, None]
    latest = torch.where(batch.observed, steps, -1).cummax(1).values
    first = batch.observed.int().argmax(1, keepdim=True)
    return batch.past.gather(1, torch.where(latest < 0, first, latest))


def standard_baselines(context: int, season: int) -> dict[str, Baseline]:
    """Return the baselines an evaluation prints, by the names it prints.

    Args:
        context: look-back of the windows; a season longer than it leaves the seasonal naive forecast out.
        season: steps; a season of 1 is the repeated last value, and is left out too.

    Example:
        >>> list(standard_baselines(context=96, season=24))
        ['repeat last', 'seasonal naive 24', 'closed-form linear']
    """
    baselines: dict[str, Baseline] = {"repeat last": RepeatLast()}
    if 1 < season <= context:
        baselines[f"seasonal naive {season}"] = SeasonalNaive(season)
    baselines["closed-form linear"] = ClosedFormLinear()
    return baselines
