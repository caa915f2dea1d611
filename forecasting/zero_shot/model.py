"""`ZeroShotModel`: forecast at once, train on from there, calibrate, compare, update, save and load."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from titans_seq.errors import UserError
from titans_seq.experiment.settings import ONE_DEVICE, Hardware, Runtime
from titans_seq.progress import Progress

from ..data import SeriesData
from ..data.hierarchies import add_totals
from ..data.joining import continued
from ..data.matching import as_series, continuing_series, with_known_future
from ..data.naming import series_names
from ..evaluation.best import choose_best
from ..evaluation.coherent import Coherent, Reconciliation
from ..evaluation.conformal import calibrate
from ..evaluation.origins import Comparison, Scores, compare, cut_origins, merit
from ..forecasts.forecaster import DEFAULT_LEVELS, Forecast, Forecaster, cut_at_zero
from ..forecasts.tables import forecast_frame
from .baselines import baselines, choices, every_baseline
from .cutoffs import MOST_WINDOWS, past_origins
from .forecaster import ZeroShotForecaster
from .settings import FineTuningConfig
from .state import ZeroShotState
from .storage import load_zero_shot, save_zero_shot

OURS = ("zero-shot", "fine-tuned")
"""What the tables call the network as it came, and trained on."""
TELLING_VALUES = 100
"""Past values that a calibration looks at, if there are as many."""
TELLING_WINDOWS = 15
"""Past windows of all series that it looks at, likewise."""
MOST_HELD_OUT = 3
"""Cutoffs whose futures are held out from training, at most."""


@dataclass(frozen=True, eq=False)
class ZeroShotModel(ZeroShotState):
    """A forecaster that needs no training, and can be trained on; `ZeroShotState` says what it holds.

    Example:
        >>> days = pd.date_range("2024-01-01", periods=60, freq="D")
        >>> frame = pd.DataFrame({"day": days, "sold": 10 + np.sin(np.arange(60) * 2 * np.pi / 7)})
        >>> from forecasting.zero_shot.network import ZeroShotConfig, ZeroShotNetwork
        >>> network = ZeroShotNetwork(ZeroShotConfig(width=8, layers=1)).eval()
        >>> forecast = ZeroShotModel(ZeroShotForecaster(network)).predict(frame, horizon=7)
        >>> len(forecast), forecast["time"].iloc[0].date().isoformat()
        (7, '2024-03-01')
    """

    @property
    def is_fine_tuned(self) -> bool:
        """Whether its weights were trained on series: forecasts of those from past cutoffs then know their future."""
        return self.scores is not None and OURS[1] in set(self.scores.loc[self.scores["used"], "model"])

    @property
    def names(self) -> tuple[str, ...]:
        """What forecasts call the series it was fitted on; none without."""
        return () if self.context is None else tuple(name for group in series_names(self.context) for name in group)

    @classmethod
    def pretrained(cls) -> Self:
        """Return the model with the weights that come with the package."""
        return cls(ZeroShotForecaster.shipped())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, or a network that `titans forecast pretrain` made.

        Raises:
            UserError: if the folder is neither, or a damaged one.
        """
        state = load_zero_shot(folder)
        return cls(**{one.name: getattr(state, one.name) for one in fields(state)})

    def calibrated(self, data: pd.DataFrame | SeriesData, horizon: int, *, hierarchy: bool = False) -> Self:
        """Return the model with its quantiles calibrated on past cutoffs of series.

        Args:
            data: the series.
            horizon: steps to forecast.
            hierarchy: whether to look at the totals of the series too, as for `predict` with a hierarchy.

        Raises:
            UserError: if the data is refused.
        """
        if horizon < 1:
            raise UserError(f"horizon must be at least 1 step, got {horizon}")
        series = as_series(data, self.options)
        series = add_totals(series).data if hierarchy else series
        # Few short forecasts say little: then more cutoffs are looked at.
        one = len(series.items) * len(series.channels)
        most = max(MOST_WINDOWS, -(-TELLING_VALUES // (horizon * one)), -(-TELLING_WINDOWS // one))
        origins = past_origins(series, horizon, most)
        if not origins:
            return replace(self, calibration=None)
        forecasts = [self.forecaster.forecast(origin.past, horizon, self.levels) for origin in origins]
        return replace(self, calibration=calibrate(origins, forecasts))

    def fit(
        self,
        data: pd.DataFrame | SeriesData,
        horizon: int,
        config: FineTuningConfig | None = None,
        *,
        refit: bool = True,
        statistics: bool | None = None,
        folder: Path | None = None,
        resume: bool = False,
        hardware: Hardware = ONE_DEVICE,
        progress: Progress = "none",
        logger: str | None = None,
    ) -> Self:
        """Train on with series, and keep the better of before and after, as the last rows of the series show.

        Up to three horizons at the end are held out for that, in series that are long enough.

        Args:
            data: a frame, or series that have been read.
            horizon: steps to forecast.
            config: of the training; None takes the usual one.
            refit: whether what is used is then trained on all rows; else the rows held out are never learnt from.
            statistics: whether to fit methods of statistics for comparison; None does where there are few values.
            folder: for the log and checkpoints of the training; None writes nothing.
            resume: go on from the last checkpoint in `folder`, if there is one.
            hardware: what to train on.
            progress: what to show meanwhile.
            logger: "tensorboard" or "wandb", to log there as well.

        Raises:
            UserError: if the horizon is below 1, the data is refused or too short, or training does not stay finite.
        """
        if horizon < 1:
            raise UserError(f"horizon must be at least 1 step, got {horizon}")
        config, runtime = config or FineTuningConfig(), Runtime(hardware, progress, logger)
        series = as_series(data, self.options)
        origins = past_origins(series, horizon, MOST_HELD_OUT, len(series.items)) or cut_origins(series, horizon)
        tuned = _tuned(self.forecaster, origins[0].past, horizon, config, folder, resume, runtime)
        candidates: dict[str, Forecaster] = dict(zip(OURS, (self.forecaster, tuned), strict=True))
        others, notes = baselines(series, origins, statistics)
        comparison = compare(origins, candidates | others, horizon, self.levels)
        used = comparison.best(OURS)
        chosen = self.forecaster if used == OURS[0] else tuned
        if refit and used == OURS[1]:
            # It knows the series by now: what the rows held out add is soon learnt.
            if folder is not None:
                runtime = replace(runtime, later="the training on all rows")
            chosen = _tuned(tuned, series, horizon, config.refit, None, False, runtime)
        trained = replace(
            self,
            forecaster=chosen,
            horizon=horizon,
            context=series.with_static(()).tail(chosen.network.config.longest),
            scores=comparison.table.assign(used=[name == used for name in comparison.scores]),
            notes=(*series.notes, *notes, *comparison.notes, _describe_choice(comparison, used, refit)),
        )
        if used == OURS[0]:
            return trained.calibrated(series, horizon)
        # Only what the network has not been trained on tells how far it is off.
        return replace(trained, calibration=calibrate(origins, comparison.forecasts[used]))

    def predict(
        self,
        data: pd.DataFrame | SeriesData | None = None,
        horizon: int | None = None,
        *,
        known_future: pd.DataFrame | None = None,
        levels: Sequence[float] | None = None,
        hierarchy: Reconciliation | None = None,
    ) -> pd.DataFrame:
        """Forecast the steps after the end of every series.

        Args:
            data: None continues the series of `fit`.
            horizon: steps; None takes those of `fit`.
            known_future: times (and ids, for long data) and known covariates of the steps to forecast, where `data`
                itself does not hold them.
            levels: quantile levels; None takes the model's.
            hierarchy: forecast the totals at every level of the identifiers too, and make the means add up by this
                method; see `evaluation.coherent.Coherent`. The totals have quantiles of their own: calibrate with them
                too, `calibrated(data, horizon, hierarchy=True)`.

        Returns:
            Columns `series`, `time`, `mean`, then one a level, named "0.1" and so on; of a hierarchy also `level`.

        Raises:
            UserError: if there is nothing to forecast, or the data, the horizon or a level does not fit.
        """
        steps = self._steps(horizon)
        series = self._series(data)
        if known_future is not None:
            series = with_known_future(series, known_future, self.options, steps)
        wanted = self.levels if levels is None else levels
        if hierarchy is None:
            return forecast_frame(series, self.forecast(series, steps, wanted))
        whole = add_totals(series)
        forecast = Coherent(self, whole, hierarchy, self.non_negative).forecast(whole.data, steps, wanted)
        return whole.mark(forecast_frame(whole.data, forecast))

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast series, calibrated and within their bounds; see `Forecaster`."""
        forecast = self.forecaster.forecast(data, horizon, self.levels)
        if self.calibration is not None:
            forecast = self.calibration.apply(forecast)
        return cut_at_zero(forecast.at(levels), data, self.non_negative)

    def backtest(
        self,
        data: pd.DataFrame | SeriesData | None = None,
        horizon: int | None = None,
        *,
        windows: int = 3,
        step: int | None = None,
        season: int | None = None,
        statistics: bool | None = None,
        more: Mapping[str, Forecaster] | None = None,
        spread: Callable[[Forecaster], Forecaster] = lambda forecaster: forecaster,
    ) -> Comparison:
        """Forecast from past cutoffs, and compare with baselines.

        The model stands there without its calibration, which has seen these cutoffs. A fine-tuned one has seen their
        futures too: a note says so.

        Args:
            data: None takes the series of `fit`.
            horizon: steps; None takes those of `fit`.
            windows: cutoffs, the latest one horizon before the end; a note says where there are fewer.
            step: steps between them; None is the horizon.
            season: steps of the season of MASE and of the baselines; None goes by the frequency.
            statistics: see `fit`.
            more: other forecasters to compare with, by name.
            spread: is given the model and the baselines, and returns what forecasts in their place (`sharding.Engine`).

        Raises:
            UserError: if no series is long enough.
        """
        steps = self._steps(horizon)
        series = self._series(data)
        origins = cut_origins(series, steps, windows=windows, step=step, season=season)
        others, notes = baselines(series, origins, statistics, season)
        candidates = {"model": spread(self.uncalibrated()), **(more or {})}
        candidates |= {name: spread(one) for name, one in others.items()}
        comparison = compare(origins, candidates, steps, self.levels)
        if len(origins) < windows:
            notes.insert(0, f"{len(origins)} of {windows} cutoffs: the series are too short for earlier ones")
        return replace(comparison, notes=(*self._seen(), *notes, *comparison.notes))

    def uncalibrated(self) -> Self:
        """Return the model with the quantiles that its network gives, and without its series."""
        return replace(self.alone(), calibration=None)

    def alone(self) -> Self:
        """Return the model without its series: what forecasts others."""
        return replace(self, context=None)

    def _seen(self) -> tuple[str, ...]:
        if not self.is_fine_tuned:
            return ()
        return (
            "the model was trained on its series up to their ends then: its forecasts of them from earlier cutoffs are "
            "too good; those of the rows held out (titans forecast evaluate) can be compared",
        )

    def best(self, data: SeriesData, horizon: int) -> tuple[str, Forecaster, pd.DataFrame, tuple[str, ...]]:
        """Choose among the model, its baselines and, unless it is fine-tuned, its mean with AutoETS and AutoTheta.

        By forecasts from past cutoffs; of a fine-tuned model by those of the rows held out from its training.

        Args:
            data: the series.
            horizon: steps to forecast.

        Returns:
            The name, the forecaster, the scores of all, and notes.
        """
        if self.scores is None or not self.is_fine_tuned:
            others = choices(data, horizon)
            choice = choose_best(self.uncalibrated(), data, horizon, self.levels, others=others)
            chosen = self if choice.name == "model" else choice.forecaster
            return choice.name, chosen, choice.comparison.table, choice.comparison.notes
        stands = self.scores["used"] | ~self.scores["model"].isin(OURS)
        table = pd.DataFrame(self.scores[stands]).drop(columns="used")
        columns = [table[one.name] for one in fields(Scores)]
        ranks = [merit(Scores(*row)) for row in zip(*columns, strict=True)]
        name = str(table["model"].iloc[int(np.argmin(ranks))])
        # Whatever stands in the table, though the series to forecast be shorter than those of the training.
        return name, every_baseline(data.freq).get(name, self), table, ()

    def update(self, data: pd.DataFrame | SeriesData) -> Self:
        """Take new rows into the context without training, and into the calibration.

        The calibration of a fine-tuned model stays: it has been trained on most of what could be looked at.

        Args:
            data: the new rows alone, or the series from further back; see `continued`.

        Raises:
            UserError: if the model was not fitted, or the data does not fit it.
        """
        if self.context is None or self.horizon is None:
            raise UserError("the model has no series to update: fit it first, or give predict the data")
        new, counted = continuing_series(data, self.context, self.options), self.options.start is not None
        series = continued(self.context, new, counted=counted, holes=self.options.holes)
        updated = replace(self, context=series.tail(self.forecaster.network.config.longest))
        return updated if self.is_fine_tuned else updated.calibrated(series, self.horizon)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model to a folder, in place of an earlier one; `load` reads it.

        Raises:
            UserError: if the folder holds other things.
            OSError: if it cannot be written; an earlier model is then as it was.
        """
        save_zero_shot(folder, self)

    def _steps(self, horizon: int | None) -> int:
        steps = self.horizon if horizon is None else horizon
        if steps is None:
            raise UserError("no horizon is given: say how many steps to forecast")
        return steps

    def _series(self, data: pd.DataFrame | SeriesData | None) -> SeriesData:
        if data is None:
            if self.context is None:
                raise UserError("the model has seen no data: give predict a frame or series")
            return self.context
        return as_series(data, self.options)


def _describe_choice(comparison: Comparison, used: str, refit: bool) -> str:
    scores = comparison.scores
    parts = [f"{name} MASE {scores[name].mase:.4g}, quantile loss {scores[name].quantile_loss:.4g}" for name in OURS]
    after = ", then trained on all rows" if refit and used == OURS[1] else ""
    best = comparison.best()
    beaten = "" if best in OURS else f"; {best} is better here: see the table, and predict --model best"
    return f"on the rows held out: {'; '.join(parts)}; {used} is used{after}{beaten}"


def _tuned(
    forecaster: ZeroShotForecaster,
    data: SeriesData,
    horizon: int,
    config: FineTuningConfig,
    folder: Path | None,
    resume: bool,
    runtime: Runtime,
) -> ZeroShotForecaster:
    from .finetuning import fine_tune  # it loads Lightning, which forecasting does without

    histories, periods = forecaster.lessons(data, horizon)
    network, _ = fine_tune(
        forecaster.network,
        histories,
        periods,
        horizon,
        config,
        folder,
        runtime=runtime,
        resume=resume,
    )
    return replace(forecaster, network=network)
