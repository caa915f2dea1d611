"""`ZeroShotForecaster`: a pretrained network as a forecaster of series, without training on them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from titans_seq.errors import UserError

from ..data import Item, SeriesData
from ..forecasts.forecaster import DEFAULT_LEVELS, Forecast
from ..forecasts.quantiles import mean_of_quantiles
from .covariates import check_future, explained, lagged
from .network import AnyNetwork
from .readings import forecast_by_readings, usable_readings
from .saving import shipped_network
from .seasons import Reading, found_period, readings_of


@dataclass(frozen=True, eq=False)
class ZeroShotForecaster:
    """Forecast any series at once.

    Every channel is forecast by itself. Covariates enter by a ridge regression on the context (`explained`): those
    known ahead as they are, those of the past alone as they were one horizon before. Seasons are those of the
    frequency, or found in series without dates; where there are two, by day and by week or by week and by year, the
    past of a series says which it is read by.

    Attributes:
        network: pretrained, in evaluation mode.
        periods: one or two periods in steps, in place of those of the frequency; none are taken from the data.

    Example:
        >>> import pandas as pd
        >>> from forecasting.data import from_frame
        >>> from forecasting.zero_shot.network import ZeroShotConfig, ZeroShotNetwork
        >>> days = pd.date_range("2024-01-01", periods=60, freq="D")
        >>> data = from_frame(pd.DataFrame({"day": days, "sold": np.arange(60.0)}))
        >>> network = ZeroShotNetwork(ZeroShotConfig(width=8, layers=1)).eval()
        >>> ZeroShotForecaster(network).forecast(data, 7).quantiles.shape
        (1, 7, 1, 9)
    """

    network: AnyNetwork
    periods: tuple[int, ...] = ()

    @classmethod
    def shipped(cls) -> "ZeroShotForecaster":
        """Return the forecaster with the weights that come with the package."""
        return cls(shipped_network())

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast `horizon` steps after the last row of every item.

        Args:
            data: series of any length; a missing value at any place is left open.
            horizon: H, at least 1.
            levels: increasing; beyond 0.1 and 0.9, which the network was trained for, the tails are Gaussian.

        Raises:
            UserError: if the horizon or a level is out of range, a series has no value at all, or its known covariates
                end before the horizon.
        """
        if horizon < 1:
            raise UserError(f"horizon must be at least 1 step, got {horizon}")
        trained = self.network.config.output.levels
        for item in data.items if data.known_names else ():
            check_future(item.future_rows, horizon, item.name)
        histories, readings, ahead = self._described(data, horizon)
        quantiles = forecast_by_readings(self.network, histories, horizon, readings)
        if ahead:
            quantiles += np.stack(ahead)[..., None]
        shape = (len(data.items), len(data.channels), horizon, -1)
        quantiles = quantiles.reshape(shape).swapaxes(1, 2)
        return Forecast(mean_of_quantiles(quantiles, trained), quantiles, trained).at(levels)

    def histories(self, data: SeriesData, horizon: int) -> tuple[list[np.ndarray], list[tuple[Reading, ...]]]:
        """Return what the network reads: every channel without what its covariates explain, and its readings.

        Args:
            data: the series.
            horizon: steps to be forecast from them.

        Raises:
            UserError: if a series has no value at all.
        """
        histories, readings, _ = self._described(data, horizon)
        return histories, readings

    def lessons(self, data: SeriesData, horizon: int) -> tuple[list[np.ndarray], list[Reading]]:
        """Return what the network is trained on: what it reads, once for every reading; see `histories`."""
        pairs = [(y, reading) for y, its in zip(*self.histories(data, horizon), strict=True) for reading in its]
        return [y for y, _ in pairs], [reading for _, reading in pairs]

    def _described(
        self, data: SeriesData, horizon: int
    ) -> tuple[list[np.ndarray], list[tuple[Reading, ...]], list[np.ndarray]]:
        """Histories, readings, and what covariates explain of the steps ahead (none without covariates)."""
        histories = [item.values[:, channel] for item in data.items for channel in range(len(data.channels))]
        names = [_called(data, item.name, name) for item in data.items for name in data.channels]
        for name, history in zip(names, histories, strict=True):
            if not np.isfinite(history).any():
                raise UserError(f"{name}: no value is observed: leave the series out")
        ahead = []
        if data.known_names or data.past_names:
            known = [_covariates(item, horizon) for item in data.items for _ in data.channels]
            shifts = [explained(*pair) for pair in zip(histories, known, strict=True)]
            ahead = [shift[len(y) : len(y) + horizon] for y, shift in zip(histories, shifts, strict=True)]
            histories = [y - shift[: len(y)] for y, shift in zip(histories, shifts, strict=True)]
        return histories, [self._readings(data.freq, history) for history in histories], ahead

    def _readings(self, freq: str | None, history: np.ndarray) -> tuple[Reading, ...]:
        if self.periods:
            return ((self.periods[0], self.periods[1] if len(self.periods) > 1 else 1),)
        if freq is None:
            return ((found_period(history), 1),)
        return usable_readings(self.network.config, history, readings_of(freq))


def _covariates(item: Item, horizon: int) -> np.ndarray:
    """What is known of each step, as far ahead as the known covariates reach, the horizon at most: `[T + E, F + P]`."""
    past = lagged(item.past, horizon)
    if not item.known.shape[1]:
        return past
    known = item.known[: len(past)]
    return np.concatenate((known, past[: len(known)]), 1)


def _called(data: SeriesData, item: str, channel: str) -> str:
    return channel if data.layout == "wide" else item
