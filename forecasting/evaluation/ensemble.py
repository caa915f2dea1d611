"""Several forecasters as one: the weighted mean of their quantiles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from titans_seq.errors import UserError

from ..data import SeriesData
from ..forecasts.forecaster import DEFAULT_LEVELS, Forecast, Forecaster


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The weighted mean of forecasts, quantile by quantile (Vincentisation).

    Attributes:
        members: at least one, each with quantiles.
        weights: one a member, at least 0, together 1.

    Raises:
        UserError: if the weights do not fit.
    """

    members: tuple[Forecaster, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        good = len(self.weights) == len(self.members) > 0 and min(self.weights) >= 0
        if not good or abs(sum(self.weights) - 1) > 1e-6:
            raise UserError(f"weights must be at least 0, together 1, one for each member, got {self.weights}")

    @classmethod
    def equal(cls, *members: Forecaster) -> "Ensemble":
        """Return the plain mean of forecasters."""
        return cls(members, (1 / len(members),) * len(members))

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`."""
        made = [member.forecast(data, horizon, levels) for member in self.members]
        return mean_forecast(made, self.weights)


def mean_forecast(forecasts: Sequence[Forecast], weights: Sequence[float]) -> Forecast:
    """Average forecasts of the same series and levels.

    Raises:
        ValueError: if their levels differ.
    """
    if len({forecast.levels for forecast in forecasts}) != 1:
        raise ValueError(f"forecasts must have the same levels, got {[forecast.levels for forecast in forecasts]}")
    mean = np.average([forecast.mean for forecast in forecasts], axis=0, weights=weights)
    quantiles = np.average([forecast.quantiles for forecast in forecasts], axis=0, weights=weights)
    return Forecast(mean, quantiles, forecasts[0].levels)
