"""Rolling-origin backtests: forecasts from several past cutoffs, and their scores."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts of the past and their scores.

    Attributes:
        forecasts: columns `series`, `cutoff` (time of the last row the model saw), `time`, `actual` (NaN where
            missing), `mean` and one column a quantile ("0.1").
        table: scores as in `Evaluation.table`, our model and the baselines.
        windows: how many windows were scored (cutoffs times series).
        season: steps of the seasonal naive forecast and of MASE.
        interval: the levels between which `coverage` counts.
        notes: what a reader of the scores should know.
    """

    forecasts: pd.DataFrame
    table: pd.DataFrame
    windows: int
    season: int
    interval: tuple[float, float]
    notes: tuple[str, ...] = ()
