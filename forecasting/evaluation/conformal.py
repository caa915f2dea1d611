"""Conformal calibration: shift every quantile by what past forecasts from it came to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..forecaster import Forecast
from ..quantiles import mean_of_quantiles
from .origins import Origin

LEAST_ERRORS = 30
"""Past errors that an offset is taken from, at least; those of neighbouring steps are pooled for it."""
TRUSTED_ERRORS = 10
"""Errors from which an offset counts half: with few of them it is drawn towards 0."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Offsets of quantiles, in units of each series' seasonal error.

    Attributes:
        offsets: float64 `[H, Q]`; steps beyond H take the last row.
        levels: the Q levels.
        errors: past errors of each step that they rest on, pooled ones included.
        before: coverage of the outermost quantiles over the past origins, without the offsets.
        after: the same with them, each origin with the offsets that the others give; NaN with a single origin.
    """

    offsets: np.ndarray
    levels: tuple[float, ...]
    errors: int
    before: float
    after: float

    def apply(self, forecast: Forecast, scale: np.ndarray) -> Forecast:
        """Shift the quantiles of a forecast.

        Args:
            forecast: with the same levels.
            scale: float64 `[N, V]`, the seasonal error of each series; where it is not above 0 nothing is shifted.
        """
        horizon = forecast.quantiles.shape[1]
        rows = np.minimum(np.arange(horizon), len(self.offsets) - 1)
        shift = self.offsets[rows][None, :, None] * np.where(scale > 0, scale, 0.0)[:, None, :, None]
        quantiles = np.sort(forecast.quantiles + shift, axis=-1)
        return Forecast(mean_of_quantiles(quantiles, self.levels), quantiles, self.levels)


def calibrate(origins: Sequence[Origin], forecasts: Sequence[Forecast]) -> Calibration | None:
    """Find the offsets with which past forecasts would have been right as often as their levels say.

    Split conformal prediction of every quantile (Romano et al., Conformalized Quantile Regression, NeurIPS 2019) by
    step of the horizon. Errors of different series are made comparable by their seasonal errors.

    Args:
        origins: past cutoffs; errors of overlapping windows are not independent, so that few windows promise less.
        forecasts: one for each origin, all with the same levels.

    Returns:
        The calibration; None if there are fewer errors than `LEAST_ERRORS`, or no quantiles.
    """
    levels = forecasts[0].levels
    errors = np.concatenate([_errors(*pair) for pair in zip(origins, forecasts, strict=True)])
    if not levels or np.isfinite(errors[..., 0]).sum() < LEAST_ERRORS:
        return None
    offsets, used = _offsets(errors, levels)
    after = _left_out_coverage(origins, forecasts, levels) if len(origins) > 1 else float("nan")
    inside = (errors[..., 0] >= 0) & (errors[..., -1] <= 0)
    return Calibration(offsets, levels, used, float(inside[np.isfinite(errors[..., 0])].mean()), after)


def _errors(origin: Origin, forecast: Forecast) -> np.ndarray:
    """What came true less each quantile, in seasonal errors, `[N * V, H, Q]`; NaN where not known."""
    scale = np.where(origin.scale > 0, origin.scale, np.nan)
    errors = (origin.actual[..., None] - forecast.quantiles) / scale[:, None, :, None]
    return errors.swapaxes(1, 2).reshape(-1, *errors.shape[1:2], errors.shape[-1])


def _offsets(errors: np.ndarray, levels: Sequence[float]) -> tuple[np.ndarray, int]:
    """Offsets `[H, Q]`, and the fewest errors that one rests on."""
    horizon = errors.shape[1]
    offsets, fewest = np.empty((horizon, len(levels))), errors.size
    pooled = errors.reshape(-1, len(levels))
    for step in range(horizon):
        for reach in range(horizon):
            pooled = errors[:, max(0, step - reach) : step + reach + 1]
            pooled = pooled[np.isfinite(pooled[..., 0])]
            if len(pooled) >= LEAST_ERRORS:
                break
        count = len(pooled)
        fewest = min(fewest, count)
        for column, level in enumerate(levels):
            # Outwards by one error in the finite sample, as conformal prediction has it.
            share = min(1.0, max(0.0, level + (level - 0.5) * 2 / (count + 1)))
            offsets[step, column] = np.quantile(pooled[:, column], share) * count / (count + TRUSTED_ERRORS)
    return offsets, int(fewest)


def _left_out_coverage(origins: Sequence[Origin], forecasts: Sequence[Forecast], levels: Sequence[float]) -> float:
    """Coverage of each origin with offsets from the others."""
    every = [_errors(*pair) for pair in zip(origins, forecasts, strict=True)]
    inside = count = 0
    for number, own in enumerate(every):
        others = np.concatenate([errors for other, errors in enumerate(every) if other != number])
        if np.isfinite(others[..., 0]).sum() < LEAST_ERRORS:
            return float("nan")
        offsets, _ = _offsets(others, levels)
        seen = np.isfinite(own[..., 0])
        hit = (own[..., 0] >= offsets[:, 0]) & (own[..., -1] <= offsets[:, -1])
        inside, count = inside + int(hit[seen].sum()), count + int(seen.sum())
    return inside / count if count else float("nan")
