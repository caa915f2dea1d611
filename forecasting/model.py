"""`ForecastModel`: fit, predict, evaluate, backtest, save and load a forecaster on data frames."""

import os
from pathlib import Path
from typing import Literal, Self

import pandas as pd

from .backtesting import Backtest
from .config import ForecastConfig
from .data import FrameOptions, SeriesData
from .evaluation import Evaluation, Part
from .optimiser import OptimiserConfig
from .training import FitResult

Progress = Literal["bar", "lines", "none"]


class ForecastModel:
    """A trained forecaster.

    Attributes: config, options (how frames are read), data facts: layout, freq, channels, known_names, past_names,
    names (series names: channels of a wide table, ids of a long one), notes (what reading and splitting decided),
    network, history (FitResult: .history epochs, .best_epoch), context (SeriesData: the last rows of every series).
    """

    config: ForecastConfig
    options: FrameOptions
    context: SeriesData
    history: FitResult
    notes: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        data: pd.DataFrame | SeriesData,
        config: ForecastConfig,
        *,
        options: FrameOptions = FrameOptions(),
        progress: Progress = "none",
        checkpoint: Path | None = None,
        resume: bool = False,
        accelerator: str = "auto",
    ) -> Self:
        """Train."""
        raise NotImplementedError

    def fit_again(self, data: pd.DataFrame | SeriesData, *, optimiser: OptimiserConfig | None = None,
                  progress: Progress = "none") -> "ForecastModel":
        """Go on training on more or other data; returns a new model."""
        raise NotImplementedError

    def predict(
        self,
        data: pd.DataFrame | SeriesData | None = None,
        *,
        known_future: pd.DataFrame | None = None,
        levels: tuple[float, ...] | None = None,
    ) -> pd.DataFrame:
        """Columns series, time, mean, then "0.1" ... """
        raise NotImplementedError

    def evaluate(
        self, data: pd.DataFrame | SeriesData, part: Part = "test", *, season: int | None = None,
        batch_size: int | None = None,
    ) -> Evaluation:
        """Score every window."""
        raise NotImplementedError

    def backtest(
        self, data: pd.DataFrame | SeriesData, *, windows: int = 5, step: int | None = None,
        refit: bool | int = False, season: int | None = None, progress: Progress = "none",
    ) -> Backtest:
        """Rolling origins."""
        raise NotImplementedError

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model folder."""
        raise NotImplementedError

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read it back."""
        raise NotImplementedError
