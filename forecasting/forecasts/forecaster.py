"""What every forecaster can do: forecast any number of steps after the end of every series."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from titans_seq.errors import UserError

from ..data import SeriesData
from .quantiles import at_levels, level_name

DEFAULT_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Quantile levels that a forecast has unasked."""


def checked_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """Return quantile levels in ascending order, each once.

    Raises:
        UserError: for a level that is none.

    Example:
        >>> checked_levels((0.9, 0.5, 0.9))
        (0.5, 0.9)
    """
    wrong = [level for level in levels if not 0 < level < 1]
    if wrong:
        raise UserError(f"quantile levels must lie between 0 and 1, got {level_name(wrong[0])}: write 0.9 for 90%")
    return tuple(sorted(set(levels)))


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of N items of V channels, H steps ahead, on the scale of the data.

    Attributes:
        mean: float64 `[N, H, V]`.
        quantiles: float64 `[N, H, V, Q]`, increasing along Q; Q = 0 for a forecaster without a spread.
        levels: the Q levels, increasing, in (0, 1).
    """

    mean: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]

    @property
    def median(self) -> np.ndarray:
        """The quantile of level 0.5, or the mean where there is none; `[N, H, V]`."""
        if 0.5 in self.levels:
            return self.quantiles[..., self.levels.index(0.5)]
        return self.mean

    def at(self, levels: Sequence[float]) -> "Forecast":
        """Return the forecast at other levels; see `quantiles.at_levels`.

        Raises:
            UserError: for a level that is none, or beyond quantiles that do not show how wide the tail is.
        """
        levels = checked_levels(levels)
        if levels == self.levels:
            return self
        outside = [level for level in levels if not self.levels[0] <= level <= self.levels[-1]]
        if outside and not self.levels[0] < 0.5 < self.levels[-1]:
            raise UserError(
                f"quantile levels must lie between those at hand, {level_name(self.levels[0])} and "
                f"{level_name(self.levels[-1])}, got {level_name(outside[0])}: ask for others"
            )
        return Forecast(self.mean, at_levels(self.quantiles, self.levels, levels), levels)


class Forecaster(Protocol):
    """Anything that forecasts series."""

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast `horizon` steps after the last row of every item.

        Raises:
            UserError: if the data, the horizon or a level does not fit.
        """
        ...


def are_counts(values: np.ndarray) -> np.ndarray:
    """Say of each channel whether it counts something: whole numbers of at least 0.

    Args:
        values: `[T, V]`, NaN where missing.

    Returns:
        Bool `[V]`.

    Example:
        >>> are_counts(np.array([[0.0, 1.5], [3.0, 2.0]])).tolist()
        [True, False]
    """
    seen = np.isfinite(values)
    whole = ~seen | ((values >= 0) & (values == np.floor(values)))
    return whole.all(0) & seen.any(0)


def cut_at_zero(forecast: Forecast, data: SeriesData, non_negative: bool | None = None) -> Forecast:
    """Cut mean and quantiles off at 0.

    Args:
        forecast: of the series.
        data: the series.
        non_negative: whether to; None does so for series of counts.

    Example:
        >>> import pandas as pd
        >>> from forecasting.data import from_frame
        >>> data = from_frame(pd.DataFrame({"t": pd.date_range("2024", periods=3, freq="D"), "calls": [0, 2, 1]}))
        >>> cut_at_zero(Forecast(np.array([[[-0.5]]]), np.zeros((1, 1, 1, 0)), ()), data).mean.item()
        0.0
    """
    if non_negative is None:
        rows = np.stack([are_counts(item.values) for item in data.items])[:, None]
    else:
        rows = np.full((len(data.items), 1, len(data.channels)), non_negative)
    mean = np.where(rows, np.maximum(forecast.mean, 0.0), forecast.mean)
    quantiles = np.where(rows[..., None], np.maximum(forecast.quantiles, 0.0), forecast.quantiles)
    return replace(forecast, mean=mean, quantiles=quantiles)


def head(data: SeriesData, ends: Sequence[int]) -> SeriesData:
    """Return the first rows of every item (`Item.head`), and what covariates are known of the steps after them.

    Args:
        data: the series.
        ends: rows of each item that stay, at least 1.

    Example:
        >>> import pandas as pd
        >>> from forecasting.data import Item
        >>> item = Item("a", pd.RangeIndex(5), np.ones((5, 1)), np.zeros((5, 0)), np.zeros((5, 0)))
        >>> data = SeriesData((item,), None, ("a",), (), (), "long", ())
        >>> head(data, [3]).items[0].length
        3
    """
    items = [item.head(end) for item, end in zip(data.items, ends, strict=True)]
    return replace(data, items=tuple(items))
