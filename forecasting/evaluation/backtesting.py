"""Rolling-origin backtests: forecasts from several past cutoffs, and their scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from ..data import Item, SeriesData
from ..data.naming import series_names
from ..data.series import join_indexes
from ..data.steps import step_number
from ..forecasts.tables import quantile_columns
from ..trained.inference import Trained, predict_windows, trained_levels
from ..windows.cutting import Windows
from ..windows.preparation import series_key
from ..windows.splitting import Split
from .every_window import (
    OURS,
    baseline_forecast,
    check_season,
    fit_baselines,
    network_forecast,
    score_interval,
    score_levels,
    seasonal_errors,
)
from .scoring import Sums, add_windows, score_table

Refit = Callable[[SeriesData], Trained]
"""Trains a new network on the series given."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts of the past and their scores.

    Attributes:
        forecasts: columns `series`, `cutoff` (time of the last row the forecast was made from), `time`,
            `actual` (NaN where missing), `mean` and one column a quantile ("0.1").
        table: scores as in `Evaluation.table`, on the windows of the backtest alone.
        windows: how many windows were scored: cutoffs times items.
        season: steps of the seasonal naive forecast and of MASE.
        interval: the levels between which `coverage` counts; None for a point forecast.
        notes: what a reader of the scores should know, one sentence each.
    """

    forecasts: pd.DataFrame
    table: pd.DataFrame
    windows: int
    season: int
    interval: tuple[float, float] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cutoffs:
    """Where the forecasts of a backtest begin: `step` rows apart, the last one horizon before the end.

    Attributes:
        windows: at least 1.
        step: at least 1.
        horizon: H.

    Raises:
        UserError: if a number is below 1.

    Example:
        >>> Cutoffs(windows=3, step=2, horizon=4).of(20)
        [12, 14, 16]
    """

    windows: int
    step: int
    horizon: int

    def __post_init__(self) -> None:
        for name in ("windows", "step"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} of a backtest must be at least 1, got {getattr(self, name)}")

    def of(self, rows: int) -> list[int]:
        """Return the first target row of each window of a series of `rows` rows; below 1 where it is too short."""
        last = rows - self.horizon
        return [last - self.step * back for back in reversed(range(self.windows))]


def backtest(
    trained: Trained,
    data: SeriesData,
    cutoffs: Cutoffs,
    *,
    refit: Refit | None = None,
    every: int = 1,
    season: int | None = None,
) -> Backtest:
    """Forecast from rolling cutoffs at the end of every series.

    Values that were put into holes are missing here, in what is forecast from as in what is scored.

    Args:
        trained: the network; with `refit` only its config is used.
        data: the series.
        cutoffs: how many, how far apart.
        refit: trains a network anew on what lies before a cutoff; without it `trained` makes all forecasts.
        every: train at each so-many-th cutoff, at least 1.
        season: steps; None takes `season_length` of the data's frequency.

    Raises:
        UserError: if no series is long enough.
    """
    config = trained.config
    _check_rows(data, cutoffs, config.horizon)
    steps = check_season(season, data.freq)
    frames, notes, count = [], [], 0
    sums: dict[str, Sums] = {}
    for first in range(0, cutoffs.windows, every if refit else cutoffs.windows):
        chosen = slice(first, first + every if refit else cutoffs.windows)
        part, starts = _usable(data, cutoffs, chosen)
        if not starts:
            continue
        begins = [own[0] for own in starts]
        if refit:
            trained = refit(replace(part, items=tuple(map(_head, part.items, begins))))
        else:
            notes += _overlap(trained, part, begins)
        part = part.observed()
        scalers = trained.scaling.of(part, begins)
        items = trained.prepare(part, scalers)
        ends = [own[-1] + 1 for own in starts]
        windows = Windows(items, config.context, config.horizon, first=begins, last=ends, stride=cutoffs.step)
        before = np.array(begins)
        train = Split(before, before, before).train_windows(items, config.context, config.horizon)
        baselines, left_out = fit_baselines(train, config.context, steps)
        notes += left_out
        forecasts = {OURS: network_forecast(trained)} | {
            name: baseline_forecast(baseline) for name, baseline in baselines.items()
        }
        for name in forecasts:
            sums.setdefault(name, Sums(config.horizon, score_levels(config)))
        errors = seasonal_errors(part, begins, steps)
        add_windows(sums, forecasts, windows, scalers, errors, config.batch_size)
        levels = trained_levels(config)
        frames.append(_frame(part, windows, *predict_windows(trained, windows, scalers, levels), levels))
        count += len(windows)
    expected = cutoffs.windows * len(data.items)
    if count < expected:
        notes.append(f"{expected - count} of {expected} windows left out: series too short for all cutoffs")
    return Backtest(
        forecasts=pd.concat(frames, ignore_index=True),
        table=score_table(sums),
        windows=count,
        season=steps,
        interval=score_interval(config),
        notes=tuple(dict.fromkeys(notes)),
    )


def _check_rows(data: SeriesData, cutoffs: Cutoffs, horizon: int) -> None:
    # The baselines learn from at least one window before the first cutoff.
    needed = 2 * horizon + 1 + (cutoffs.windows - 1) * cutoffs.step
    longest = max(item.length for item in data.items)
    if longest < needed:
        raise UserError(
            f"a backtest of {cutoffs.windows} windows, {cutoffs.step} steps apart, with horizon {horizon} "
            f"needs at least {needed} rows, the longest series has {longest}: ask for fewer windows or a "
            "smaller step"
        )


def _usable(data: SeriesData, cutoffs: Cutoffs, chosen: slice) -> tuple[SeriesData, list[list[int]]]:
    """The items with a window among the chosen cutoffs, and the first target rows of their windows."""
    all_starts = [[row for row in cutoffs.of(item.length)[chosen] if row >= 1] for item in data.items]
    kept = [(item, own) for item, own in zip(data.items, all_starts, strict=True) if own]
    # Without a window before any cutoff the baselines have nothing to learn from.
    if not any(own[0] > cutoffs.horizon for _, own in kept):
        return data, []
    return replace(data, items=tuple(item for item, _ in kept)), [own for _, own in kept]


def _head(item: Item, rows: int) -> Item:
    return replace(item.head(rows), known=item.known[:rows])


def _overlap(trained: Trained, data: SeriesData, begins: list[int]) -> list[str]:
    seen = 0
    for item, begin in zip(data.items, begins, strict=True):
        until = trained.until.get(series_key(data, item))
        seen += until is not None and step_number(item.index, data.freq) + begin <= until
    if not seen:
        return []
    return [
        f"{seen} of {len(data.items)} series have cutoffs inside the rows that the model was trained on: "
        "ask for fewer windows, or set refit"
    ]


def _frame(
    data: SeriesData, windows: Windows, mean: np.ndarray, quantiles: np.ndarray, levels: tuple[float, ...]
) -> pd.DataFrame:
    horizon, channels = windows.horizon, windows.channels
    names = series_names(data)
    series, cutoff, time, actual = [], [], [], []
    for at, start in zip(windows.item.tolist(), windows.target_start.tolist(), strict=True):
        item, span = data.items[at], slice(start, start + horizon)
        series += [name for name in names[at] for _ in range(horizon)]
        cutoff.append(item.index[start - 1 : start].repeat(horizon * channels))
        time += [item.index[span]] * channels
        actual.append(item.values[span].T.ravel())
    return pd.DataFrame(
        {
            "series": series,
            "cutoff": join_indexes(cutoff),
            "time": join_indexes(time),
            "actual": np.concatenate(actual),
            "mean": mean.swapaxes(1, 2).ravel(),
            **quantile_columns(quantiles.swapaxes(1, 2), levels),
        }
    )
