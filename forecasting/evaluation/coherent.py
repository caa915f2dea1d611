"""Forecasts of all levels of a hierarchy that add up: from the bottom, or by the errors of all levels (MinT)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from titans_seq.errors import UserError
from titans_seq.extras import needing

from ..data import SeriesData
from ..data.hierarchies import Hierarchy
from ..forecasts.forecaster import DEFAULT_LEVELS, Forecast, Forecaster, are_counts, cut_at_zero
from .origins import cut_origins

Reconciliation = Literal["none", "bottom-up", "mint"]
MOST_ORIGINS = 20
"""Past cutoffs whose errors MinT weighs the levels by, at most."""
SHARE_OF_PAST = 0.5
"""Share of the series that these reach back, at most."""
MOST_EXACT = 0.97
"""Share of the nodes that may have been forecast exactly, at most."""
MOST_NODES = 5000
"""Nodes whose errors MinT can weigh: it inverts a matrix of them."""


@dataclass(frozen=True, eq=False)
class Coherent:
    """A forecaster of all nodes of a hierarchy whose means add up exactly.

    "bottom-up" adds the means of the series up. "mint" weighs those of all levels by the covariance, shrunk, of their
    errors (Wickramasuriya et al., Optimal forecast reconciliation, JASA 2019), through `hierarchicalforecast`. Errors
    are those of forecasts from past cutoffs, of all steps of the horizon, never of values that were fitted.

    Quantiles are those of each node's own forecast, moved as its mean was: quantiles of a total are not the totals of
    quantiles, as series do not all go wrong at once.

    Attributes:
        forecaster: forecasts every node by itself.
        hierarchy: which nodes add up.
        method: how the means are made to add up; "none" leaves them.
        non_negative: whether series are cut off at 0, before they are added up; None does so for counts.
    """

    forecaster: Forecaster
    hierarchy: Hierarchy
    method: Reconciliation
    non_negative: bool | None = None

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`.

        Args:
            data: the nodes of the hierarchy, up to any time.
            horizon: H.
            levels: of the quantiles.

        Raises:
            UserError: as the forecaster; for MinT also if there are too many nodes, too few rows for a forecast from
                the past, or the extra is not installed.
        """
        own = self.forecaster.forecast(data, horizon, levels)
        if self.method == "none":
            return cut_at_zero(own, data, self.non_negative)
        summing = self.hierarchy.summing
        series = self.hierarchy.series
        below = own.mean[-series:] if self.method == "bottom-up" else self._weighed(data, own.mean)
        counts = np.stack([self._bounded(item.values) for item in data.items])[:, None]
        below = np.where(counts[-series:], np.maximum(below, 0.0), below)
        mean = (summing @ below.reshape(series, -1)).reshape(own.mean.shape)
        quantiles = own.quantiles + (mean - own.mean)[..., None]
        quantiles = np.where(counts[..., None], np.maximum(quantiles, 0.0), quantiles)
        return Forecast(mean, quantiles, own.levels)

    def _bounded(self, values: np.ndarray) -> np.ndarray:
        return np.full(values.shape[1], self.non_negative) if self.non_negative is not None else are_counts(values)

    def _weighed(self, data: SeriesData, mean: np.ndarray) -> np.ndarray:
        """The means of the series, `[M, H, V]`, that all levels together speak for."""
        nodes, series = len(self.hierarchy.levels), self.hierarchy.series
        if nodes > MOST_NODES:
            raise UserError(
                f"MinT inverts a matrix of all nodes, and {nodes:,} are too many (at most {MOST_NODES:,}): take "
                "--hierarchy bottom-up"
            )
        with needing("--hierarchy mint", "hierarchies"):
            from hierarchicalforecast.methods import MinTrace
        horizon = mean.shape[1]
        length = min(item.length for item in data.items)
        windows = max(1, min(MOST_ORIGINS, int(SHARE_OF_PAST * length) // horizon))
        origins = cut_origins(data, horizon, windows=windows)
        past = [self.forecaster.forecast(origin.past, horizon, (0.5,)).mean for origin in origins]
        actual, fitted = np.concatenate([one.actual for one in origins], 1), np.concatenate(past, 1)
        seen = np.isfinite(actual).all((0, 2))
        if not seen.any():
            raise UserError(
                "MinT weighs levels by the errors of past forecasts, and all values there were put into holes "
                "(--holes): take --hierarchy bottom-up"
            )
        actual, fitted = actual[:, seen], fitted[:, seen]
        # The library has thresholds of its own for what is no error: thousands are far above them.
        unit = np.abs(actual - fitted).max((0, 1)) / 1e3
        if not unit.all() or (np.abs((actual - fitted).sum(1) / unit) < 1e-3).mean() > MOST_EXACT:
            raise UserError(
                "MinT weighs levels by the errors of past forecasts, and nearly all of these were exact: take "
                "--hierarchy bottom-up"
            )
        method, matrix = MinTrace("mint_shrink"), self.hierarchy.summing.toarray()
        found = []
        for channel, size in enumerate(unit):
            scaled = [values[..., channel] / size for values in (mean, actual, fitted)]
            found.append(method.fit_predict(matrix, *scaled)["mean"] * size)
        return np.stack(found, -1)[-series:]
