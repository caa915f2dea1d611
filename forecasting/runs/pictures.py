"""The pictures of a run folder: which series, how much of their past, and a forecast to check against it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config
from titans_seq.pictures import check_picture

from ..data import FrameOptions, SeriesData, TableOptions, load_series
from ..data.matching import read_future
from ..data.naming import series_names
from ..data.wording import shortened
from ..forecasts.forecaster import head
from ..model import ForecastModel
from ..zero_shot.model import ZeroShotModel
from .config import RunConfig
from .plotting import Panel, plot_forecast, plot_training
from .runs import newest_rows, open_run

FORECAST_PICTURE = "forecast.png"
TRAINING_PICTURE = "training.png"
BY_STEP = "metrics_by_step.csv"
MOST_PANELS = 4
_NAME = 60
"""Letters of a name that a message shows."""


def plot_run(
    out: Path,
    series: Sequence[str] = (),
    history: int | None = None,
    target: Path | None = None,
    *,
    known_future: Path | None = None,
    options: FrameOptions | None = None,
    table: TableOptions | None = None,
) -> tuple[Path, Path]:
    """Draw a run's forecast and the course of its training.

    The check forecast, of the last horizon of the data from before it, is drawn only where a test part kept
    those rows out of training.

    Args:
        out: folder of the run.
        series: names of the series to draw; the first few if empty.
        history: past steps to show; three horizons if None.
        target: file of the forecast's picture; `forecast.png` in the run folder if None.
        known_future: file with the known covariates of the steps to forecast.
        options: what its columns mean; None as those of the run's own file.
        table: how it is written; likewise.

    Returns:
        The two files.

    Raises:
        UserError: a series is unknown, or the run is not whole, or known covariates are missing.
    """
    target = target or out / FORECAST_PICTURE
    check_picture(target)
    if history is not None and history < 1:
        raise UserError(f"history must be at least 1 step, got {history}")
    model = open_run(out)
    names = _choose(model.names, series)
    run = read_config(out, RunConfig)
    options, table = options or run.options, table or run.table
    data = _data(run, model, options, table)
    future = None if known_future is None else read_future(known_future, data, table)
    past, forecast = past_frame(data), model.predict(data, known_future=future, options=options)
    check = _check_forecast(model, data)
    steps = history or 3 * model.config.horizon
    panels = [
        Panel(
            name,
            _of(past, name).tail(steps),
            _of(forecast, name),
            None if check is None else _of(check, name),
        )
        for name in names
    ]
    more = f"; {len(names)} of {len(model.names)} series" if len(names) < len(model.names) else ""
    step = f" (one step: {model.freq})" if model.freq else ""
    plot_forecast(panels, target, f"Forecast of {model.config.horizon} steps{step}{more}")
    training = out / TRAINING_PICTURE
    by_step = pd.read_csv(out / BY_STEP) if (out / BY_STEP).is_file() else None
    plot_training(model.history, by_step, training)
    return target, training


def plot_future(
    model: ZeroShotModel,
    data: SeriesData,
    horizon: int,
    target: Path,
    *,
    series: Sequence[str] = (),
    history: int | None = None,
) -> None:
    """Draw the forecast of a model that needs no run, beside one of the end of the series from before it.

    A model that was trained on series has learnt their ends: then there is no such forecast.

    Args:
        model: what forecasts.
        data: the series.
        horizon: H.
        target: .png, .pdf or .svg file to write.
        series: which to draw; the first few if none is named.
        history: past steps to show; three horizons if None.

    Raises:
        UserError: a series is unknown, or the data does not fit the model.
    """
    check_picture(target)
    if history is not None and history < 1:
        raise UserError(f"history must be at least 1 step, got {history}")
    every = [name for group in series_names(data) for name in group]
    names = _choose(every, series)
    past, forecast = past_frame(data), model.predict(data, horizon)
    ends = [item.length - horizon for item in data.items]
    shown = min(ends) >= horizon and not model.is_fine_tuned
    check = model.predict(head(data, ends), horizon) if shown else None
    panels = [
        Panel(
            name,
            _of(past, name).tail(history or 3 * horizon),
            _of(forecast, name),
            None if check is None else _of(check, name),
        )
        for name in names
    ]
    more = f"; {len(names)} of {len(every)} series" if len(names) < len(every) else ""
    step = f" (one step: {data.freq})" if data.freq else ""
    plot_forecast(panels, target, f"Forecast of {horizon} steps{step}{more}")


def past_frame(data: SeriesData) -> pd.DataFrame:
    """Return the values of series as columns `series`, `time` and `value`, series after series.

    Example:
        >>> from forecasting.data import from_frame
        >>> past_frame(from_frame(pd.DataFrame({"sold": [1.0, 2.0]})))["value"].tolist()
        [1.0, 2.0]
    """
    frames = [
        pd.DataFrame({"series": name, "time": item.index, "value": item.values[:, position]})
        for item, names in zip(data.items, series_names(data), strict=True)
        for position, name in enumerate(names)
    ]
    return pd.concat(frames, ignore_index=True)


def _of(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return pd.DataFrame(frame[frame["series"] == name])


def _choose(names: Sequence[str], wanted: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in wanted if name not in names]
    if unknown:
        shown = ", ".join(shortened(name, _NAME) for name in names[:10])
        shown += f" and {len(names) - 10} more" if len(names) > 10 else ""
        raise UserError(f"no series is called {unknown[0]!r}: expected one of {shown}")
    return wanted or names[:MOST_PANELS]


def _data(run: RunConfig, model: ForecastModel, options: FrameOptions, table: TableOptions) -> SeriesData:
    """The data of the run from its file as it is today, or where that is gone, the rows the model keeps."""
    path = Path(run.data.path)
    if path.is_file() and run.data.holds(path):
        return load_series(path, run.options, run.table)
    return newest_rows(run, model, options, table)[0]


def _check_forecast(model: ForecastModel, data: SeriesData) -> pd.DataFrame | None:
    horizon = model.config.horizon
    if model.config.shares[1] == 0 or min(item.length for item in data.items) < 2 * horizon:
        return None
    return model.predict(head(data, [item.length - horizon for item in data.items]))
