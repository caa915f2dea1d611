"""Forecast by several readings of a series: each counts by how well it would have forecast the latest steps."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from .inference import forecast_quantiles
from .network import AnyConfig, AnyNetwork
from .seasons import Reading

CYCLES = 2
"""Times that the longest period of a reading must have passed."""
TRIALS = 3
"""Horizons before the end that readings are tried on, where the series is long enough."""
TEMPERATURE = 0.2
"""A reading that is worse than the best by this share counts 1/e of it."""
LEAST_WEIGHT = 0.01
"""What counts less than this is left out."""
SERIES_AT_ONCE = 256
"""Series whose readings are tried together, which bounds memory."""

Forecasts = Callable[[Sequence[np.ndarray], int, Sequence[Reading]], np.ndarray]
"""What forecasts the quantiles `[N, H, Q]` of histories, each by one reading; see `forecast_quantiles`."""


class ForecastOnce:
    """Forecast each history by each reading once: cutoffs that share their trials share the work.

    Args:
        network: in evaluation mode.

    Example:
        >>> from forecasting.zero_shot.network import ZeroShotConfig, ZeroShotNetwork
        >>> forecasts = ForecastOnce(ZeroShotNetwork(ZeroShotConfig(width=8, layers=1)).eval())
        >>> forecasts([np.arange(30.0)] * 2, 5, [(7, 1), (1, 1)]).shape
        (2, 5, 9)
    """

    def __init__(self, network: AnyNetwork) -> None:
        self._network = network
        self._known: dict[tuple[bytes, int, int, Reading], np.ndarray] = {}

    def __call__(self, histories: Sequence[np.ndarray], horizon: int, readings: Sequence[Reading]) -> np.ndarray:
        """Forecast what has not been forecast before; see `Forecasts`."""
        longest = self._network.config.longest
        seen = [hashlib.blake2b(history[-longest:].tobytes()).digest() for history in histories]
        lengths = [min(len(history), longest) for history in histories]
        keys = list(zip(seen, lengths, [horizon] * len(seen), readings, strict=True))
        new = {key: number for number, key in enumerate(keys) if key not in self._known}
        if new:
            pasts, pairs = [histories[n] for n in new.values()], [readings[n] for n in new.values()]
            self._known |= dict(zip(new, forecast_quantiles(self._network, pasts, horizon, pairs), strict=True))
        return np.stack([self._known[key] for key in keys])


def usable_readings(config: AnyConfig, history: np.ndarray, readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Return the readings whose periods have passed twice in what the network reads; the first in any case.

    Args:
        config: of the network.
        history: `[T]`, NaN where missing.
        readings: at least one, the usual one first.

    Example:
        >>> from forecasting.zero_shot.network import ZeroShotConfig
        >>> [usable_readings(ZeroShotConfig(), np.ones(steps), ((24, 1), (168, 24))) for steps in (200, 400)]
        [((24, 1),), ((24, 1), (168, 24))]
    """
    seen = min(_seen(history), config.longest)
    return tuple(reading for number, reading in enumerate(readings) if not number or CYCLES * max(reading) <= seen)


def forecast_by_readings(
    forecasts: Forecasts,
    levels: Sequence[float],
    histories: Sequence[np.ndarray],
    horizon: int,
    readings: Sequence[Sequence[Reading]],
) -> np.ndarray:
    """Forecast the quantiles of many series, the mean over their readings.

    The network is told one pair of periods. Which pair serves a series shows in its past: every reading forecasts the
    horizons before the end, and a softmax of their quantile losses weighs them. Most series of hours are read best by
    the day or by the week, seldom by both alike.

    Args:
        forecasts: by one reading each, such as a `ForecastOnce`.
        levels: of the Q quantiles.
        histories: N series `[T]`, NaN where missing.
        horizon: H, at least 1.
        readings: of each series, from `usable_readings`.

    Returns:
        Float64 `[N, H, Q]`, increasing along Q.

    Raises:
        UserError: if a forecast is not finite.

    Example:
        >>> from forecasting.zero_shot.network import ZeroShotConfig, ZeroShotNetwork
        >>> network = ZeroShotNetwork(ZeroShotConfig(width=8, layers=1)).eval()
        >>> hours, levels = np.sin(np.arange(500.0)), network.config.output.levels
        >>> readings = [[(24, 1), (168, 24)], [(24, 1)]]
        >>> forecast_by_readings(ForecastOnce(network), levels, [hours, hours[:30]], 24, readings).shape
        (2, 24, 9)
    """
    weights = reading_weights(forecasts, levels, histories, horizon, readings)
    parts = [(n, r, w) for n, own in enumerate(weights) for r, w in zip(readings[n], own, strict=True) if w]
    if len(parts) == len(histories):  # one of each
        return forecasts(histories, horizon, [reading for _, reading, _ in parts])
    made = forecasts([histories[n] for n, _, _ in parts], horizon, [reading for _, reading, _ in parts])
    result = np.zeros((len(histories), *made.shape[1:]))
    for (number, _, weight), forecast in zip(parts, made, strict=True):
        result[number] += weight * forecast
    return result


def reading_weights(
    forecasts: Forecasts,
    levels: Sequence[float],
    histories: Sequence[np.ndarray],
    horizon: int,
    readings: Sequence[Sequence[Reading]],
) -> list[np.ndarray]:
    """Weigh the readings of each series by what they would have forecast of its latest steps.

    Args:
        forecasts: see `forecast_by_readings`, like the other arguments.
        levels: of the quantiles.
        histories: N series.
        horizon: H.
        readings: of each series.

    Returns:
        For each series the weights of its readings, which add up to 1. All is the first's where there is nothing to
        try them on.
    """
    weights = [np.eye(len(its))[0] for its in readings]
    trials = [_trials(history, horizon, its) for history, its in zip(histories, readings, strict=True)]
    tried = [number for number, count in enumerate(trials) if count]
    for begin in range(0, len(tried), SERIES_AT_ONCE):
        some = tried[begin : begin + SERIES_AT_ONCE]
        jobs = [(n, r, back) for n in some for r in range(len(readings[n])) for back in range(1, trials[n] + 1)]
        pasts = [histories[n][: len(histories[n]) - back * horizon] for n, _, back in jobs]
        made = forecasts(pasts, horizon, [readings[n][r] for n, r, _ in jobs])
        losses = {n: np.full((len(readings[n]), trials[n]), np.nan) for n in some}
        for (n, r, back), past, forecast in zip(jobs, pasts, made, strict=True):
            future = histories[n][len(past) : len(past) + horizon]
            losses[n][r, back - 1] = _loss(forecast, future, levels)
        for n in some:
            weights[n] = _weights(losses[n])
    return weights


def _seen(history: np.ndarray) -> int:
    """Steps from the first observed one to the end."""
    known = np.isfinite(history)
    return len(history) - int(known.argmax()) if known.any() else 0


def _trials(history: np.ndarray, horizon: int, readings: Sequence[Reading]) -> int:
    """Horizons before the end to try readings on, with the longest period passed before each."""
    if len(readings) < 2:
        return 0
    room = (_seen(history) - CYCLES * max(map(max, readings))) // horizon
    return max(0, min(TRIALS, room))


def _loss(forecast: np.ndarray, future: np.ndarray, levels: Sequence[float]) -> float:
    """Mean quantile loss of the observed steps over their largest value; NaN if there are none."""
    known = np.isfinite(future)
    if not known.any():
        return np.nan
    unit = np.abs(future[known]).max() or 1.0
    short = future[known, None] / unit - forecast[known] / unit
    return float(np.maximum(np.array(levels) * short, (np.array(levels) - 1) * short).mean())


def _weights(losses: np.ndarray) -> np.ndarray:
    """Softmax of mean losses `[R, trials]` over the best; the first reading alone where nothing was observed."""
    counted = losses[:, np.isfinite(losses).all(0)]
    if not counted.shape[1]:
        return np.eye(len(losses))[0]
    mean = counted.mean(1)
    with np.errstate(over="ignore"):  # where the best is perfect
        weights = np.exp((mean.min() - mean) / max(TEMPERATURE * mean.min(), np.finfo(float).tiny))
    weights[weights < LEAST_WEIGHT * weights.sum()] = 0.0
    return weights / weights.sum()
