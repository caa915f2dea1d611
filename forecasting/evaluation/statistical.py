"""Methods of statistics as forecasters: the seasonal naive one, and AutoETS, Theta and AutoARIMA of statsforecast."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.stats import norm

from titans_seq.errors import UserError
from titans_seq.extras import needing

from ..data import SeriesData
from ..data.steps import season_length
from ..data.wording import counted, show_time
from ..forecasts.forecaster import DEFAULT_LEVELS, Forecast, checked_levels

Method = Literal["AutoETS", "AutoTheta", "AutoARIMA"]
STATISTICS: tuple[Method, ...] = ("AutoETS", "AutoTheta")
"""Methods that stand beside a model unasked."""


@dataclass(frozen=True)
class SeasonalNaive:
    """The value one season before; its spread is that of its own errors in the past, growing from season to season.

    Attributes:
        season: steps; None goes by the frequency. A series shorter than a season repeats its last value.
    """

    season: int | None = None

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`."""
        return each_series(data, horizon, levels, self.season, "seasonal naive", _seasonal_naive)


@dataclass(frozen=True)
class Statistical:
    """A method of the package statsforecast, fitted to every series by itself.

    A series that it cannot fit gets the seasonal naive forecast; where that is every series, it refuses.

    Attributes:
        method: which.
        season: steps; None goes by the frequency.
    """

    method: Method
    season: int | None = None

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`.

        Raises:
            UserError: if statsforecast is not installed, or no series can be fitted.
        """
        with needing(self.method, "statistics"):
            from statsforecast import models

        model = getattr(models, self.method)
        return each_series(data, horizon, levels, self.season, self.method, partial(_fitted, model))


Fit = Callable[[np.ndarray, int, int, np.ndarray], tuple[np.ndarray, np.ndarray] | None]
"""Mean `[H]` and quantiles `[H, Q]` after values, from a season, a horizon and levels; None where it cannot."""


def each_series(
    data: SeriesData, horizon: int, levels: Sequence[float], season: int | None, name: str, fit: Fit
) -> Forecast:
    """Forecast every channel of every series by itself, gaps filled on a line.

    Args:
        data: the series.
        horizon: H.
        levels: of the quantiles.
        season: steps; None goes by the frequency. Series that are not longer have none.
        name: of the method, for messages.
        fit: the method. A series that it cannot fit gets the seasonal naive forecast.

    Raises:
        UserError: if it can fit no series, or a level is none.
    """
    steps, levels = season_length(data.freq) if season is None else season, checked_levels(levels)
    wanted = np.array(levels)
    shape = (len(data.items), horizon, len(data.channels))
    mean, quantiles = np.empty(shape), np.empty((*shape, len(levels)))
    failed = 0
    for number, item in enumerate(data.items):
        for channel in range(len(data.channels)):
            values = _filled(item.values[:, channel])
            own = steps if len(values) > steps else 1
            made = fit(values, own, horizon, wanted)
            failed += made is None
            made = made or _seasonal_naive(values, own, horizon, wanted)
            mean[number, :, channel], quantiles[number, :, channel] = made
    if failed == len(data.items) * len(data.channels):
        longest = max(data.items, key=lambda item: item.length)
        raise UserError(
            f"{name} could be fitted to none of {failed:,} series up to {show_time(longest.index[-1])} "
            f"({counted(longest.length, 'row')} at most): give more rows, or ask backtest for fewer --windows"
        )
    return Forecast(mean, quantiles, levels)


def _filled(values: np.ndarray) -> np.ndarray:
    """The series from its first to its last value, missing ones on a line between their neighbours."""
    known = np.flatnonzero(np.isfinite(values))
    steps = np.arange(known[0], len(values))
    return np.interp(steps, known, values[known])


def _seasonal_naive(values: np.ndarray, season: int, horizon: int, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = np.resize(values[-season:], horizon)
    errors = values[season:] - values[:-season]
    spread = np.sqrt(np.mean(errors**2)) if len(errors) else 0.0
    cycles = np.arange(horizon) // season + 1
    return mean, mean[:, None] + spread * np.sqrt(cycles)[:, None] * norm.ppf(levels)


def _fitted(
    model: Callable[..., Any], values: np.ndarray, season: int, horizon: int, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    # Central intervals in percent, the names of whose bounds are "lo-80.0" and "hi-80.0".
    shares = [round(abs(200 * level - 100), 6) for level in levels]
    season = season if len(values) >= 2 * season else 1
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            fitted = model(season_length=season)
            made = fitted.forecast(values.astype(np.float64), horizon, level=sorted({*shares} - {0.0}))
    except Exception:  # whatever it cannot fit; one series must not take the others with it
        return None
    sides = ["lo" if level < 0.5 else "hi" for level in levels]
    bounds = [made["mean"] if not share else made[f"{side}-{share}"] for side, share in zip(sides, shares, strict=True)]
    mean, quantiles = np.asarray(made["mean"]), np.stack(bounds, -1)
    return (mean, quantiles) if np.isfinite(quantiles).all() and np.isfinite(mean).all() else None
