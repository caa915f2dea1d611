"""Scores of a model and its baselines over every window of a part of the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

from ..data import SeriesData
from ..data.steps import season_length, step_number
from ..forecasts.forecaster import DEFAULT_LEVELS
from ..network.outputs import Point
from ..settings.config import ForecastConfig
from ..trained.inference import Trained, run, trained_levels
from ..windows.cutting import Windows
from ..windows.preparation import series_key
from ..windows.splitting import Split, split_data
from .baselines import Baseline, standard_baselines
from .scoring import Forecast, Sums, add_windows, score_table, seasonal_error

Part = Literal["validation", "test"]

OURS = "model"
"""What the tables call the model itself."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores over every window (stride 1), the model in the first row, the baselines after it.

    Attributes:
        table: one row a model (column `model`, ours is called "model"), with `mse` and `mae` on the
            standardised scale (each series by the mean and deviation of its training rows), `mase` (scaled by
            the seasonal error of the training rows), `quantile_loss` (weighted: twice the pinball loss over
            the sum of |target|, mean over the levels), `coverage` (of the central `interval`; NaN for a model
            without a spread), and `mse_original` and `mae_original` on the scale of the data.
        by_step: columns `model`, `step` (1 to H), `mse` and `mae` on the standardised scale.
        part: the part of the data.
        windows: how many windows were scored.
        season: steps of the seasonal naive forecast and of MASE.
        interval: the levels between which `coverage` counts, such as (0.1, 0.9); None for a point forecast.
        notes: what a reader of the scores should know, one sentence each.
    """

    table: pd.DataFrame
    by_step: pd.DataFrame
    part: Part
    windows: int
    season: int
    interval: tuple[float, float] | None
    notes: tuple[str, ...] = ()


def evaluate(
    trained: Trained, data: SeriesData, part: Part, season: int | None = None, batch_size: int | None = None
) -> Evaluation:
    """Score every window of a part beside the baselines, which are fitted on the training part.

    Values that were put into holes are missing here, in what is forecast from as in what is scored.

    Args:
        trained: the network.
        data: the series, from their beginning: the config's shares divide them as they did for training.
        part: which part.
        season: steps; None takes `season_length` of the data's frequency.
        batch_size: windows a batch; a matter of speed alone.

    Raises:
        UserError: if the part holds no window.
    """
    config = trained.config
    if batch_size is not None and batch_size < 1:
        raise UserError(f"batch_size must be at least 1, got {batch_size}")
    data = data.observed()
    split = split_data(data, config.context, config.horizon, config.shares)
    scalers = trained.scaling.of(data, split.train_end.tolist())
    items = trained.prepare(data, scalers)
    windows = split.part_windows(items, config.context, config.horizon, part)
    if windows is None:
        raise UserError(
            f"there is no {part} part: the model was configured with a share of 0 for it; "
            "evaluate the other part, or train with another share"
        )
    train = split.train_windows(items, config.context, config.horizon)
    steps = check_season(season, data.freq)
    baselines, notes = fit_baselines(train, config.context, steps)
    forecasts = {OURS: network_forecast(trained)} | {
        name: baseline_forecast(baseline) for name, baseline in baselines.items()
    }
    sums = {name: Sums(config.horizon, score_levels(config)) for name in forecasts}
    errors = seasonal_errors(data, split.train_end.tolist(), steps)
    add_windows(sums, forecasts, windows, scalers, errors, batch_size or config.batch_size)
    if not sums[OURS].steps[2].any():
        raise UserError(f"no value is observed in the {part} part: there is nothing to score")
    by_step = pd.concat([one.by_step(name) for name, one in sums.items()], ignore_index=True)
    return Evaluation(
        table=score_table(sums),
        by_step=by_step,
        part=part,
        windows=len(windows),
        season=steps,
        interval=score_interval(config),
        notes=(*split.notes, *notes, *_overlap(trained, data, split, part)),
    )


def network_forecast(trained: Trained) -> Forecast:
    """Return the network as a forecaster to be scored."""
    levels = score_levels(trained.config)
    if isinstance(trained.config.output, Point):
        return lambda batch: (run(trained, batch, ())[0], None)
    return lambda batch: run(trained, batch, levels)


def baseline_forecast(baseline: Baseline) -> Forecast:
    """Return a baseline as a forecaster to be scored: a mean without a spread."""
    return lambda batch: (baseline.predict(batch), None)


def score_levels(config: ForecastConfig) -> tuple[float, ...]:
    """Return the levels that the quantile loss is taken at."""
    return trained_levels(config) or DEFAULT_LEVELS


def score_interval(config: ForecastConfig) -> tuple[float, float] | None:
    """Return the levels between which coverage counts; None where the model gives fewer than two."""
    levels = trained_levels(config)
    return (levels[0], levels[-1]) if len(levels) > 1 else None


def fit_baselines(train: Windows, context: int, season: int) -> tuple[dict[str, Baseline], list[str]]:
    """Return the standard baselines fitted on training windows, and a note on each that cannot be."""
    fitted, notes = {}, []
    for name, baseline in standard_baselines(context, season).items():
        try:
            fitted[name] = baseline.fit(train)
        except UserError as error:
            notes.append(f"{name} left out: {error}")
    if season > context:
        notes.append(f"seasonal naive {season} left out: its season is longer than the context of {context} steps")
    return fitted, notes


def seasonal_errors(data: SeriesData, rows: Sequence[int], season: int) -> np.ndarray:
    """Return what MASE divides by, over the first rows of each item: float64 [N, V], NaN where there is no pair."""
    pairs = zip(data.items, rows, strict=True)
    return np.stack([seasonal_error(item.values[:count], season) for item, count in pairs])


def check_season(season: int | None, freq: str | None) -> int:
    """Return the season given, or that of the frequency.

    Raises:
        UserError: if the season given is not positive.
    """
    if season is not None and season < 1:
        raise UserError(f"season must be at least 1 step, got {season}")
    return season or season_length(freq)


def _overlap(trained: Trained, data: SeriesData, split: Split, part: Part) -> list[str]:
    begins = split.train_end if part == "validation" else split.val_end
    seen = 0
    for item, begin, end in zip(data.items, begins, split.rows, strict=True):
        until = trained.until.get(series_key(data, item))
        seen += until is not None and begin < end and step_number(item.index, data.freq) + begin <= until
    if not seen:
        return []
    return [f"{seen} of {len(data.items)} series have {part} rows that the model has seen in training"]
