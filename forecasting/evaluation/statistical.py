"""Methods of statistics as forecasters: the seasonal naive one, and AutoETS, Theta and AutoARIMA of statsforecast."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm

from titans_seq.errors import UserError

from ..data import SeriesData
from ..data.steps import season_length
from ..forecaster import DEFAULT_LEVELS, Forecast

Method = Literal["AutoETS", "AutoTheta", "AutoARIMA"]


@dataclass(frozen=True)
class SeasonalNaive:
    """The value one season before; its spread is that of its own errors in the past, growing from season to season.

    Attributes:
        season: steps; None goes by the frequency. A series shorter than a season repeats its last value.
    """

    season: int | None = None

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`."""
        return _each_series(data, horizon, levels, self.season, _seasonal_naive)


@dataclass(frozen=True)
class Statistical:
    """A method of the package statsforecast, fitted to every series by itself.

    A series that it cannot fit gets the seasonal naive forecast.

    Attributes:
        method: which.
        season: steps; None goes by the frequency.
    """

    method: Method
    season: int | None = None

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`.

        Raises:
            UserError: if statsforecast is not installed.
        """
        try:
            from statsforecast import models
        except ModuleNotFoundError as error:
            raise UserError(
                f"{self.method} needs the package statsforecast: pip install 'titans-seq[statistics]'"
            ) from error

        def fit(values: np.ndarray, season: int, horizon: int, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return _fitted(getattr(models, self.method), values, season, horizon, levels)

        return _each_series(data, horizon, levels, self.season, fit)


def _each_series(data: SeriesData, horizon: int, levels: Sequence[float], season: int | None, method) -> Forecast:
    steps = season_length(data.freq) if season is None else season
    wanted = np.array(levels)
    shape = (len(data.items), horizon, len(data.channels))
    mean, quantiles = np.empty(shape), np.empty((*shape, len(levels)))
    for number, item in enumerate(data.items):
        for channel in range(len(data.channels)):
            values = _filled(item.values[:, channel])
            own = steps if len(values) > steps else 1
            mean[number, :, channel], quantiles[number, :, channel] = method(values, own, horizon, wanted)
    return Forecast(mean, quantiles, tuple(levels))


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


def _fitted(model, values: np.ndarray, season: int, horizon: int, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    central = sorted({round(abs(200 * level - 100), 6) for level in levels} - {0.0})
    season = season if len(values) >= 2 * season else 1
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            made = model(season_length=season).forecast(values.astype(np.float64), horizon, level=central)
    except Exception:  # whatever it cannot fit; one series must not take the others with it
        return _seasonal_naive(values, season, horizon, levels)
    columns = []
    for level in levels:
        share = round(abs(200 * level - 100), 6)
        side = "lo" if level < 0.5 else "hi"
        columns.append(
            made["mean"]
            if share == 0
            else made[f"{side}-{share:g}" if f"{side}-{share:g}" in made else f"{side}-{share}"]
        )
    quantiles = np.stack(columns, -1)
    if not (np.isfinite(quantiles).all() and np.isfinite(made["mean"]).all()):
        return _seasonal_naive(values, season, horizon, levels)
    return np.asarray(made["mean"]), quantiles
