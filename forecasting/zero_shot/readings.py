"""Forecast by several readings of a series: each counts by how well it would have forecast a horizon of its past."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .inference import forecast_quantiles
from .network import AnyConfig, AnyNetwork
from .seasons import Reading

CYCLES = 2
"""Times that the longest period of a reading must have passed."""
TEMPERATURE = 0.2
"""A reading that is worse than the best by this share counts 1/e of it."""
LEAST_WEIGHT = 0.01
"""What counts less than this is left out."""
SERIES_AT_ONCE = 256
"""Series whose readings are tried together, which bounds memory."""


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
    network: AnyNetwork, histories: Sequence[np.ndarray], horizon: int, readings: Sequence[Sequence[Reading]]
) -> np.ndarray:
    """Forecast the quantiles of many series, the mean over their readings.

    The network is told one pair of periods. Which pair serves a series shows in its past: every reading forecasts the
    horizon one long period ago, the same days of the week or of the year, and a softmax of the quantile losses weighs
    them. Where the past is too short for that, it is the horizon just before the end.

    Args:
        network: in evaluation mode.
        histories: N series `[T]`, NaN where missing.
        horizon: H, at least 1.
        readings: of each series, from `usable_readings`.

    Returns:
        Float64 `[N, H, Q]`, increasing along Q; see `forecast_quantiles`.

    Raises:
        UserError: if a forecast is not finite.

    Example:
        >>> from forecasting.zero_shot.network import ZeroShotConfig, ZeroShotNetwork
        >>> network = ZeroShotNetwork(ZeroShotConfig(width=8, layers=1)).eval()
        >>> hours, readings = np.sin(np.arange(500.0)), [[(24, 1), (168, 24)], [(24, 1)]]
        >>> forecast_by_readings(network, [hours, hours[:30]], 24, readings).shape
        (2, 24, 9)
    """
    weights = reading_weights(network, histories, horizon, readings)
    parts = [(n, r, w) for n, own in enumerate(weights) for r, w in zip(readings[n], own, strict=True) if w]
    if len(parts) == len(histories):  # one of each
        return forecast_quantiles(network, histories, horizon, [reading for _, reading, _ in parts])
    pasts, pairs = [histories[number] for number, _, _ in parts], [reading for _, reading, _ in parts]
    made = forecast_quantiles(network, pasts, horizon, pairs)
    result = np.zeros((len(histories), *made.shape[1:]))
    for (number, _, weight), forecast in zip(parts, made, strict=True):
        result[number] += weight * forecast
    return result


def reading_weights(
    network: AnyNetwork, histories: Sequence[np.ndarray], horizon: int, readings: Sequence[Sequence[Reading]]
) -> list[np.ndarray]:
    """Weigh the readings of each series by what they would have forecast of its past.

    Args:
        network: see `forecast_by_readings`, like the other arguments.
        histories: N series.
        horizon: H.
        readings: of each series.

    Returns:
        For each series the weights of its readings, which add up to 1. All is the first's where there is nothing to
        try them on.
    """
    weights = [np.eye(len(its))[0] for its in readings]
    backs = [_back(history, horizon, its) for history, its in zip(histories, readings, strict=True)]
    tried = [number for number, back in enumerate(backs) if back]
    for begin in range(0, len(tried), SERIES_AT_ONCE):
        jobs = [(n, reading) for n in tried[begin : begin + SERIES_AT_ONCE] for reading in readings[n]]
        pasts = [histories[n][: len(histories[n]) - backs[n]] for n, _ in jobs]
        losses = defaultdict[int, list[float]](list)
        made = forecast_quantiles(network, pasts, horizon, [reading for _, reading in jobs])
        for (n, _), past, forecast in zip(jobs, pasts, made, strict=True):
            future = histories[n][len(past) :][:horizon]
            losses[n].append(_loss(forecast[: len(future)], future, network.config.output.levels))
        for n, found in losses.items():
            weights[n] = _weights(np.array(found))
    return weights


def _seen(history: np.ndarray) -> int:
    """Steps from the first observed one to the end."""
    known = np.isfinite(history)
    return len(history) - int(known.argmax()) if known.any() else 0


def _back(history: np.ndarray, horizon: int, readings: Sequence[Reading]) -> int:
    """Steps from the end to where readings are tried, the longest period passed twice before it; 0 for nowhere."""
    longest = max(map(max, readings))
    room = _seen(history) - CYCLES * longest
    whole = -(-horizon // longest) * longest
    return next((back for back in (whole, horizon) if len(readings) > 1 and back <= room), 0)


def _loss(forecast: np.ndarray, future: np.ndarray, levels: Sequence[float]) -> float:
    """Mean quantile loss of the observed steps over their largest value; NaN if there are none."""
    known = np.isfinite(future)
    if not known.any():
        return np.nan
    unit = np.abs(future[known]).max() or 1.0
    short = future[known, None] / unit - forecast[known] / unit
    return float(np.maximum(np.array(levels) * short, (np.array(levels) - 1) * short).mean())


def _weights(losses: np.ndarray) -> np.ndarray:
    """Softmax of losses `[R]` over the least; the first reading alone where nothing was observed."""
    if not np.isfinite(losses).all():
        return np.eye(len(losses))[0]
    least = losses.min()
    with np.errstate(over="ignore"):  # where the best is perfect
        weights = np.exp((least - losses) / max(TEMPERATURE * least, np.finfo(float).tiny))
    weights[weights < LEAST_WEIGHT * weights.sum()] = 0.0
    return weights / weights.sum()
