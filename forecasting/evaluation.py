"""Scores of a model and its baselines over every window of a part of the data."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

Part = Literal["validation", "test"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores over every window (stride 1), the model in the first row, the baselines after it.

    Attributes:
        table: one row a model (column `model`), with `mse` and `mae` on the standardised scale (each series by the
            mean and deviation of its training rows), `mase`, `quantile_loss` (weighted, mean over the levels),
            `coverage` (of the central interval `interval`; NaN for a model without a spread), and `mse_original`
            and `mae_original` on the scale of the data.
        by_step: columns `model`, `step` (1 to H), `mse`, `mae` on the standardised scale.
        part: the part of the data.
        windows: how many windows were scored.
        season: steps of the seasonal naive forecast and of MASE.
        interval: the levels between which `coverage` counts, such as (0.1, 0.9).
        notes: what a reader of the scores should know, one sentence each.
    """

    table: pd.DataFrame
    by_step: pd.DataFrame
    part: Part
    windows: int
    season: int
    interval: tuple[float, float]
    notes: tuple[str, ...] = ()
