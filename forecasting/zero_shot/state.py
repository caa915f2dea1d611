"""What a zero-shot model holds: values alone, which `storage` writes and reads."""

from dataclasses import dataclass, field

import pandas as pd

from ..data import FrameOptions, SeriesData
from ..evaluation.conformal import Calibration
from ..forecasts.forecaster import DEFAULT_LEVELS
from .forecaster import ZeroShotForecaster


@dataclass(frozen=True, eq=False)
class ZeroShotState:
    """A network, the series it continues, and what is known of its forecasts of them.

    Attributes:
        forecaster: the network with its seasons.
        options: how frames are read.
        horizon: steps to forecast unless others are asked for; None for a model that has seen no data.
        context: the latest rows of the series it was fitted on, which `predict` continues; None likewise.
        calibration: of its quantiles; None where too little of the past could be looked at.
        scores: what each candidate and baseline came to on the rows held out, with `used`; None without training.
        levels: of the quantiles.
        non_negative: whether forecasts are cut off at 0; None does so for series of counts.
        notes: what was decided, one sentence each.
    """

    forecaster: ZeroShotForecaster
    options: FrameOptions = field(default_factory=FrameOptions)
    horizon: int | None = None
    context: SeriesData | None = None
    calibration: Calibration | None = None
    scores: pd.DataFrame | None = None
    levels: tuple[float, ...] = DEFAULT_LEVELS
    non_negative: bool | None = None
    notes: tuple[str, ...] = ()
