"""`ForecastModel`: fit, predict, evaluate, backtest, save and load a forecaster on data frames."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pandas as pd

from titans_seq.errors import UserError
from titans_seq.experiment.history import History
from titans_seq.experiment.settings import ONE_DEVICE, Hardware, Runtime
from titans_seq.progress import Progress

from .data import FrameOptions, SeriesData, Table
from .data.matching import as_series, matching_series, with_known_future
from .data.naming import series_names
from .evaluation.backtesting import Backtest, Cutoffs, backtest
from .evaluation.every_window import Evaluation, Part, evaluate
from .network.simba_network import SimbaNetwork
from .settings.config import ForecastConfig
from .settings.optimiser import OptimiserConfig
from .trained.inference import Trained, check_levels, forecast_future
from .trained.storage import load_model, save_model
from .zero_shot.model import ZeroShotModel
from .zero_shot.storage import is_zero_shot


@dataclass(frozen=True, eq=False)
class ForecastModel:
    """A trained forecaster.

    Frames may be wide (a time column, one column a series) or long (id, time, value); they are never changed.

    Attributes:
        trained: the network, its settings and scalers.
        options: how frames are read.
        context: the last rows of every series it was trained on, which `predict` continues.
        history: the epochs of training.
        notes: what reading and splitting decided, one sentence each.

    Example:
        >>> import numpy as np
        >>> from forecasting.network.simba_network import NetworkConfig
        >>> days = pd.date_range("2024-01-01", periods=120, freq="D")
        >>> frame = pd.DataFrame({"day": days, "sold": 10 + np.sin(np.arange(120) * 2 * np.pi / 7)})
        >>> network = NetworkConfig(width=8, layers=1)
        >>> config = ForecastConfig(14, 7, network, optimiser=OptimiserConfig(epochs=1))
        >>> model = ForecastModel.fit(frame, config)
        >>> forecast = model.predict()
        >>> len(forecast), forecast["time"].iloc[0].date().isoformat()
        (7, '2024-04-30')
    """

    trained: Trained
    options: FrameOptions
    context: SeriesData
    history: History
    notes: tuple[str, ...] = ()

    @property
    def config(self) -> ForecastConfig:
        """All settings."""
        return self.trained.config

    @property
    def network(self) -> SimbaNetwork:
        """The trained network."""
        return self.trained.network

    @property
    def names(self) -> tuple[str, ...]:
        """What forecasts call the series: columns of a wide table, ids of a long one."""
        return tuple(name for group in series_names(self.context) for name in group)

    @property
    def freq(self) -> str | None:
        """The pandas alias of the step; None where the data has no dates."""
        return self.context.freq

    @classmethod
    def fit(
        cls,
        data: pd.DataFrame | SeriesData,
        config: ForecastConfig,
        *,
        options: FrameOptions = FrameOptions(),
        progress: Progress = "none",
        folder: Path | None = None,
        resume: bool = False,
        hardware: Hardware = ONE_DEVICE,
        logger: str | None = None,
    ) -> Self:
        """Train a forecaster.

        Args:
            data: a frame, or series that have been read.
            config: all settings.
            options: what the columns of frames mean, here and in `predict`.
            progress: a bar, one line an epoch on stderr, or nothing.
            folder: where log and checkpoints are written; nothing else is.
            resume: whether to go on from the last checkpoint there.
            hardware: what to train on, a single process.
            logger: see `titans_seq.experiment.fit.fit`.

        Raises:
            UserError: if the data is refused or too short, or training fails.
        """
        from .training.fitting import fit_series  # it loads Lightning, which forecasting does without

        series = as_series(data, options)
        if not config.static:
            series = series.with_static(())
        trained, history, notes = fit_series(
            series,
            config,
            folder=folder,
            resume=resume,
            runtime=Runtime(hardware, progress, logger),
        )
        return cls(trained, options, series.tail(config.context), history, (*series.notes, *notes))

    def fit_again(
        self,
        data: pd.DataFrame | SeriesData,
        *,
        optimiser: OptimiserConfig | None = None,
        progress: Progress = "none",
        hardware: Hardware = ONE_DEVICE,
    ) -> Self:
        """Train on from these weights, on more rows or other series; this model stays as it is.

        Args:
            data: as many channels and the same covariates as before; the names may be others.
            optimiser: None takes the one of before.
            progress: as in `fit`.
            hardware: as in `fit`.

        Raises:
            UserError: as `fit`, and if the data does not fit the model.
        """
        from .training.fitting import fit_series

        series = self.matching(data)
        config = replace(self.config, optimiser=optimiser or self.config.optimiser)
        trained, history, notes = fit_series(series, config, start=self.trained, runtime=Runtime(hardware, progress))
        return replace(
            self,
            trained=trained,
            context=series.tail(config.context),
            history=history,
            notes=(*series.notes, *notes),
        )

    def matching(self, data: pd.DataFrame | SeriesData, options: FrameOptions | None = None) -> SeriesData:
        """Return series as this model takes them; see `data.matching`.

        Args:
            data: a frame, or series that have been read.
            options: how a frame is read; None as those of training.

        Raises:
            UserError: if the data does not fit the model.
        """
        return matching_series(data, self.context, options or self.options)

    def strangers(self, data: SeriesData) -> tuple[str, ...]:
        """Return a note for each static column with labels that did not occur in training."""
        return self.trained.scaling.static.strangers(data)

    def predict(
        self,
        data: pd.DataFrame | SeriesData | None = None,
        *,
        known_future: pd.DataFrame | Table | None = None,
        levels: Sequence[float] | None = None,
        non_negative: bool | None = None,
        options: FrameOptions | None = None,
    ) -> pd.DataFrame:
        """Forecast the horizon after the end of every series.

        Args:
            data: None continues the series of training; otherwise a longer history of them, or new series,
                which are scaled by their own history.
            known_future: times (and ids, for long data) and known covariates of the steps to forecast, where
                `data` itself does not hold them.
            levels: quantile levels; None gives those trained for.
            non_negative: whether to cut forecasts off at 0; None does so for series of counts.
            options: how frames are read; None as those of training.

        Returns:
            Columns `series`, `time`, `mean`, then one a level, named "0.1" and so on.

        Raises:
            UserError: if the data does not fit the model, known covariates are missing, or a level is out of
                reach.
        """
        wanted = check_levels(self.config, levels)
        options = options or self.options
        series = self.context if data is None else self.matching(data, options)
        if known_future is not None:
            series = with_known_future(series, known_future, options, self.config.horizon)
        return forecast_future(self.trained, series, wanted, non_negative)

    def evaluate(
        self,
        data: pd.DataFrame | SeriesData,
        part: Part = "test",
        *,
        season: int | None = None,
        batch_size: int | None = None,
    ) -> Evaluation:
        """Score every window of a part of the data beside the baselines.

        Args:
            data: the series from their beginning, as given to `fit`; the shares of the config divide them.
            part: "test" or "validation".
            season: steps of a season, for MASE and the seasonal naive forecast; None goes by the frequency.
            batch_size: a matter of speed alone.

        Raises:
            UserError: if the data does not fit the model or the part has no window.
        """
        if part not in ("test", "validation"):
            raise UserError(f"part must be 'test' or 'validation', got {part!r}")
        series = self.matching(data)
        result = evaluate(self.trained, series, part, season, batch_size)
        return replace(result, notes=(*result.notes, *self.strangers(series)))

    def backtest(
        self,
        data: pd.DataFrame | SeriesData,
        *,
        windows: int = 5,
        step: int | None = None,
        refit: bool | int = False,
        season: int | None = None,
        progress: Progress = "none",
    ) -> Backtest:
        """Forecast from rolling cutoffs at the end of the data, and score the forecasts.

        Args:
            data: the series from their beginning.
            windows: number of cutoffs, at least 1.
            step: steps between cutoffs; None takes the horizon, so that forecasts do not overlap.
            refit: train anew at each cutoff (True) or each so-many-th; False uses this model throughout.
            season: as in `evaluate`.
            progress: as in `fit`, for each refit.

        Raises:
            UserError: if the data does not fit the model or is too short.
        """
        if refit < 0:
            raise UserError(f"refit must be true, false or a number of cutoffs, got {refit}")
        series = self.matching(data)
        # What lies after a cutoff is the test.
        config = replace(self.config, shares=(self.config.shares[0], 0.0))

        from .training.fitting import fit_series

        def train(before: SeriesData) -> Trained:
            return fit_series(before, config, runtime=Runtime(progress=progress))[0]

        cutoffs = Cutoffs(windows, self.config.horizon if step is None else step, self.config.horizon)
        result = backtest(
            self.trained,
            series,
            cutoffs,
            refit=train if refit else None,
            every=int(refit) or 1,
            season=season,
        )
        return replace(result, notes=(*result.notes, *(() if refit else self.strangers(series))))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model to a folder, in place of an earlier one; `load` reads it.

        Raises:
            UserError: if the folder holds other things.
            OSError: if it cannot be written; an earlier model is then as it was.
        """
        save_model(folder, self.trained, self.options, self.context, self.history, self.notes)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Any:
        """Read a model that `save` wrote, wherever it was trained.

        Returns:
            A `ForecastModel`, or a `ZeroShotModel` where one was saved.

        Raises:
            UserError: if the folder is not a whole saved forecaster.
        """
        if is_zero_shot(folder):
            return ZeroShotModel.load(folder)
        return cls(*load_model(folder))

    @staticmethod
    def pretrained() -> ZeroShotModel:
        """Return the model that comes with the package, which forecasts any series at once.

        Example:
            >>> months = pd.date_range("2020-01-01", periods=48, freq="MS")
            >>> frame = pd.DataFrame({"month": months, "sold": range(48)})
            >>> ForecastModel.pretrained().predict(frame, horizon=12).shape
            (12, 12)
        """
        return ZeroShotModel.pretrained()
