"""Rolling origins for any forecaster: forecast from past cutoffs, and score what came true."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from ..data import SeriesData
from ..data.series import join_indexes
from ..data.steps import season_length
from ..forecasts.forecaster import DEFAULT_LEVELS, Forecast, Forecaster, head
from ..forecasts.tables import forecast_frame
from .scoring import seasonal_error

LEAST_HISTORY = 3
"""Rows before a cutoff, at least."""


@dataclass(frozen=True, eq=False)
class Origin:
    """The series as they stood at a cutoff, and what came after it.

    Attributes:
        past: what a forecaster is given.
        actual: float64 `[N, H, V]`, NaN where missing, also where a hole was filled.
        scale: float64 `[N, V]`, the seasonal error of the past, that MASE divides by; NaN where there is none.
        items: the place of each item in the data as given.
    """

    past: SeriesData
    actual: np.ndarray
    scale: np.ndarray
    items: tuple[int, ...]


def cut_origins(
    data: SeriesData, horizon: int, *, windows: int = 1, step: int | None = None, season: int | None = None
) -> list[Origin]:
    """Cut series at past cutoffs, the latest one horizon before their ends.

    Args:
        data: the series; one too short for a cutoff is left out there.
        horizon: H, at least 1.
        windows: cutoffs, at least 1.
        step: steps between cutoffs, at least 1; None is the horizon.
        season: steps of the season of MASE, at least 1; None goes by the frequency.

    Returns:
        The cutoffs that at least one series is long enough for, the earliest first.

    Raises:
        UserError: if a number is out of range, or no series is long enough for any cutoff.

    Example:
        >>> from forecasting.data import from_frame
        >>> data = from_frame(pd.DataFrame({"t": pd.date_range("2024", periods=20, freq="D"), "y": np.arange(20.0)}))
        >>> [origin.past.items[0].length for origin in cut_origins(data, 4, windows=3)]
        [8, 12, 16]
    """
    step = horizon if step is None else step
    for name, number in (("horizon", horizon), ("windows", windows), ("step", step), ("season", season)):
        if number is not None and number < 1:
            raise UserError(f"{name} must be at least 1, got {number}")
    steps = season_length(data.freq) if season is None else season
    observed = data.observed().items
    origins = []
    for back in reversed(range(windows)):
        ends = [item.length - horizon - back * step for item in data.items]
        kept = [i for i, end in enumerate(ends) if end >= LEAST_HISTORY and _has_value(data, i, end)]
        if not kept:
            continue
        part = replace(data, items=tuple(data.items[i] for i in kept))
        actual = np.stack([observed[i].values[ends[i] : ends[i] + horizon] for i in kept])
        past = head(part, [ends[i] for i in kept])
        scale = np.stack([seasonal_error(item.values, steps) for item in past.items])
        origins.append(Origin(past, actual, scale, tuple(kept)))
    if not origins:
        longest = max(item.length for item in data.items)
        raise UserError(
            f"a forecast of {horizon} steps from the past needs at least {horizon + LEAST_HISTORY} rows with values, "
            f"the longest series has {longest}: shorten the horizon"
        )
    return origins


def _has_value(data: SeriesData, item: int, end: int) -> bool:
    return bool(np.isfinite(data.items[item].values[:end]).any(0).all())


@dataclass(frozen=True, eq=False)
class Scores:
    """What one forecaster came to over all origins.

    Attributes:
        mase: mean over series and origins of the mean absolute error of the median over the seasonal error.
        quantile_loss: twice the pinball loss over the sum of |actual|, mean over the levels (WQL).
        coverage: share of values inside the outermost quantiles; NaN without a spread.
        seconds: time the forecasts took.
    """

    mase: float
    quantile_loss: float
    coverage: float
    seconds: float


def score(origins: Sequence[Origin], forecasts: Sequence[Forecast], seconds: float = 0.0) -> Scores:
    """Score a forecaster's forecasts from every origin.

    MASE leaves out series whose past is constant. A forecaster without a spread counts as if all its quantiles were its
    mean.

    Args:
        origins: from `cut_origins`.
        forecasts: one for each origin.
        seconds: that they took.
    """
    ratios: list[np.ndarray] = []
    loss = size = inside = count = 0.0
    for origin, forecast in zip(origins, forecasts, strict=True):
        seen = np.isfinite(origin.actual)
        error = np.where(seen, np.abs(origin.actual - forecast.median), 0.0)
        usable = seen.any(1) & (origin.scale > 0)
        ratio = error.sum(1) / np.maximum(seen.sum(1), 1)
        ratios.append((ratio[usable] / origin.scale[usable]).ravel())
        spread = bool(forecast.levels)
        levels = np.array(forecast.levels or DEFAULT_LEVELS)
        quantiles = forecast.quantiles if spread else np.repeat(forecast.mean[..., None], len(levels), -1)
        below = np.where(seen, origin.actual, 0.0)[..., None] - quantiles
        pinball = np.maximum(levels * below, (levels - 1) * below).mean(-1)
        loss += 2 * pinball[seen].sum()
        size += np.abs(origin.actual[seen]).sum()
        hit = (quantiles[..., 0] <= origin.actual) & (origin.actual <= quantiles[..., -1])
        inside += hit[seen].sum() if spread and len(levels) > 1 else np.nan
        count += seen.sum()
    every = np.concatenate(ratios)
    return Scores(
        mase=float(every.mean()) if len(every) else float("nan"),
        quantile_loss=float(loss / size) if size > 0 else float("nan"),
        coverage=float(inside / count) if count else float("nan"),
        seconds=seconds,
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """Forecasters beside each other over the same origins.

    Attributes:
        origins: the cutoffs.
        forecasts: of each forecaster, one an origin.
        scores: of each forecaster.
        notes: one sentence for each forecaster that was left out.
    """

    origins: tuple[Origin, ...]
    forecasts: Mapping[str, tuple[Forecast, ...]]
    scores: Mapping[str, Scores]
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """Columns `model`, `mase`, `quantile_loss`, `coverage` and `seconds`, in the order given."""
        rows = [{"model": name, **vars(scores)} for name, scores in self.scores.items()]
        return pd.DataFrame(rows)

    def frame(self, name: str) -> pd.DataFrame:
        """Return the forecasts of one forecaster: `series`, `cutoff`, `time`, `actual`, `mean` and one a level."""
        frames = []
        for origin, forecast in zip(self.origins, self.forecasts[name], strict=True):
            made = forecast_frame(origin.past, forecast)
            horizon, channels = origin.actual.shape[1:]
            cutoffs = [pd.Index(item.index)[-1:].repeat(horizon * channels) for item in origin.past.items]
            made.insert(1, "cutoff", join_indexes(cutoffs))
            made.insert(3, "actual", origin.actual.swapaxes(1, 2).ravel())
            frames.append(made)
        return pd.concat(frames, ignore_index=True)

    def verdict(self, ours: str) -> str:
        """Say in one sentence which forecaster is best, by how much, and what to use."""
        best = self.best()
        if best == ours or len(self.scores) == 1:
            rest = [name for name in self.scores if name != ours]
            second = "" if not rest else f", {self._gain(ours, self.best(rest))}"
            return f"{ours} is best here{second}: use it"
        return f"{best} is best here, {self._gain(best, ours)}: use predict --model best"

    def _gain(self, one: str, other: str) -> str:
        less = 1 - np.exp(merit(self.scores[one]) - merit(self.scores[other]))
        return f"with {less:.1%} less error than {other} (MASE and quantile loss together)"

    def best(self, among: Sequence[str] | None = None) -> str:
        """Return the forecaster with the lowest quantile loss and MASE together (their geometric mean)."""
        names = list(self.scores) if among is None else [name for name in among if name in self.scores]
        return min(names, key=lambda name: merit(self.scores[name]))


def merit(scores: Scores) -> float:
    """Return one number of which less is better: the logarithm of MASE and of the quantile loss, averaged.

    A score that is not a number, as MASE is of series whose past is constant, is left out.

    Example:
        >>> merit(Scores(1.0, 1.0, 0.8, 0.0)), merit(Scores(0.0, 0.0, 1.0, 0.0)) < -100
        (0.0, True)
    """
    parts = [value for value in (scores.mase, scores.quantile_loss) if np.isfinite(value)]
    return float(np.mean(np.log(np.maximum(parts, np.finfo(float).tiny)))) if parts else float("inf")


def compare(
    origins: Sequence[Origin],
    forecasters: Mapping[str, Forecaster],
    horizon: int,
    levels: Sequence[float] = DEFAULT_LEVELS,
) -> Comparison:
    """Let forecasters forecast from every origin, and score them.

    Args:
        origins: from `cut_origins`.
        forecasters: by name; one that refuses the data is left out, with a note.
        horizon: H.
        levels: of the quantiles.

    Raises:
        UserError: if the first forecaster refuses the data.
    """
    forecasts, scores, notes = {}, {}, []
    for name, forecaster in forecasters.items():
        begun = time.perf_counter()
        try:
            made = tuple(forecaster.forecast(origin.past, horizon, levels) for origin in origins)
        except UserError as error:
            if not forecasts:
                raise
            notes.append(f"{name} left out: {error}")
            continue
        forecasts[name] = made
        scores[name] = score(origins, made, time.perf_counter() - begun)
    return Comparison(tuple(origins), forecasts, scores, tuple(notes))
