"""Error sums of several forecasters over the same windows, the tables made of them, and what MASE divides by."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..network.batch import WindowBatch
from ..trained.inference import channel_numbers
from ..windows.cutting import Windows
from ..windows.scaling import Scaler

Forecast = Callable[[WindowBatch], tuple[Tensor, Tensor | None]]
"""Maps a batch to its mean [B, H, V] and its quantiles [B, H, V, Q], or None in place of these."""


@dataclass
class Sums:
    """Float64 sums over windows and channels; `add` grows them.

    Attributes:
        horizon: H.
        levels: of the quantiles.
        steps: squared and absolute errors on the standardised scale and the number of targets, [3, H].
        original: squared and absolute errors on the scale of the data, and the sum of |target|, [3].
        scaled: absolute errors over the seasonal error, and how many have one, [2].
        pinball: quantile losses on the scale of the data, [Q].
        covered: targets inside the interval; NaN without a spread.
    """

    horizon: int
    levels: tuple[float, ...]
    steps: np.ndarray = field(init=False)
    original: np.ndarray = field(init=False)
    scaled: np.ndarray = field(init=False)
    pinball: np.ndarray = field(init=False)
    covered: float = 0.0

    def __post_init__(self) -> None:
        self.steps = np.zeros((3, self.horizon))
        self.original = np.zeros(3)
        self.scaled = np.zeros(2)
        self.pinball = np.zeros(len(self.levels))

    def add(
        self,
        mean: Tensor,
        quantiles: Tensor | None,
        batch: WindowBatch,
        centre: Tensor,
        std: Tensor,
        season: Tensor,
    ) -> None:
        """Add a batch.

        Args:
            mean: [B, H, V] on the standardised scale.
            quantiles: [B, H, V, Q], or None for a forecaster without a spread.
            batch: its targets.
            centre: mean of each window's channels, [B, 1, V].
            std: their deviation, [B, 1, V].
            season: their seasonal error on the scale of the data, [B, 1, V]; MASE leaves out those that are
                not above 0.
        """
        seen = batch.future_observed
        target = batch.future.double()
        error = torch.where(seen, mean.double() - target, 0.0)
        self.steps += torch.stack((error.square(), error.abs(), seen.double())).sum((1, 3)).numpy()
        size = torch.where(seen, (target * std + centre).abs(), 0.0)
        self.original += torch.stack(((error * std).square(), (error * std).abs(), size)).sum((1, 2, 3)).numpy()
        with_season = seen & (season > 0)
        ratio = torch.where(with_season, (error * std).abs() / season, 0.0)
        self.scaled += torch.stack((ratio, with_season.double())).sum((1, 2, 3)).numpy()
        spread = mean[..., None].expand(*mean.shape, len(self.levels)) if quantiles is None else quantiles
        below = torch.where(seen[..., None], target[..., None] - spread.double(), 0.0) * std[..., None]
        levels = torch.tensor(self.levels, dtype=torch.float64)
        self.pinball += torch.maximum(levels * below, (levels - 1) * below).sum((0, 1, 2)).numpy()
        if quantiles is None or len(self.levels) < 2:
            self.covered = math.nan
        else:
            inside = (quantiles[..., 0] <= batch.future) & (batch.future <= quantiles[..., -1])
            self.covered += float((inside & seen).sum())

    def scores(self) -> dict[str, float]:
        """Return the scores of everything added so far; NaN where one does not apply."""
        squared, absolute, count = self.steps.sum(axis=1)
        original_squared, original_absolute, size = self.original
        return {
            "mse": _ratio(squared, count),
            "mae": _ratio(absolute, count),
            "mase": _ratio(*self.scaled),
            "quantile_loss": _ratio(2 * self.pinball.mean(), size),
            "coverage": _ratio(self.covered, count),
            "mse_original": _ratio(original_squared, count),
            "mae_original": _ratio(original_absolute, count),
        }

    def by_step(self, model: str) -> pd.DataFrame:
        """Return columns `model`, `step`, `mse` and `mae` on the standardised scale; NaN without targets."""
        squared, absolute, count = self.steps
        steps = range(1, self.horizon + 1)
        with np.errstate(invalid="ignore"):
            scores = {"mse": squared / count, "mae": absolute / count}
        return pd.DataFrame({"model": model, "step": steps, **scores})


def _ratio(total: float, count: float) -> float:
    return float(total / count) if count > 0 else math.nan


def add_windows(
    sums: dict[str, Sums],
    forecasts: dict[str, Forecast],
    windows: Windows,
    scalers: Sequence[Scaler],
    season: np.ndarray,
    batch_size: int,
) -> None:
    """Add every window's errors to the sums of each forecaster.

    Args:
        sums: grown; by the names of the forecasters.
        forecasts: the forecasters.
        windows: what to score.
        scalers: of each item.
        season: seasonal error of each item's channels on the scale of the data, [N, V].
        batch_size: windows a batch; a matter of speed alone.
    """
    centre, std = channel_numbers(windows, scalers)
    error = torch.from_numpy(season)
    for index in torch.arange(len(windows)).split(batch_size):
        batch = windows.batch(index)
        item = windows.item[index]
        for name, forecast in forecasts.items():
            mean, quantiles = forecast(batch)
            sums[name].add(mean, quantiles, batch, centre[item][:, None], std[item][:, None], error[item][:, None])


def score_table(sums: dict[str, Sums]) -> pd.DataFrame:
    """Return one row a forecaster: column `model`, then its scores."""
    return pd.DataFrame([{"model": name} | one.scores() for name, one in sums.items()])


def seasonal_error(history: np.ndarray, season: int) -> np.ndarray:
    """Return the mean absolute error of the seasonal naive forecast inside the history: what MASE divides by.

    Args:
        history: float64 [T, V], NaN where missing; pairs with a missing member are left out.
        season: steps, >= 1; a history no longer than a season is measured with season 1.

    Returns:
        [V]; NaN for a channel without a complete pair.

    Raises:
        ValueError: if `season` is below 1.

    Reference: Hyndman & Koehler 2006, doi 10.1016/j.ijforecast.2006.03.001.

    Example:
        >>> seasonal_error(np.array([[1.0], [2.0], [4.0]]), season=1)
        array([1.5])
    """
    if season < 1:
        raise ValueError(f"season must be at least 1, got {season}")
    step = season if len(history) > season else 1
    difference = np.abs(history[step:] - history[:-step])
    pairs = (~np.isnan(difference)).sum(axis=0)
    total = np.nansum(difference, axis=0)
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)
