"""The run folder: training from a file, and using the model that came of it.

A run folder holds everything to repeat and use a run, and nothing of it is written anywhere else:

    config.yaml             settings, data file and its SHA-256, versions, commit, command
    log.jsonl               every epoch
    checkpoints/            the state after the latest epoch, while training
    model/                  the trained model, with a card
    metrics.json, .csv      scores of `evaluate`, and by horizon step in metrics_by_step.csv
    backtest.csv, backtest_metrics.json, .csv
    forecast.csv
"""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from titans_seq.errors import UserError
from titans_seq.experiment.processes import is_first_process
from titans_seq.experiment.record import CONFIG, DataRecord, read_config
from titans_seq.experiment.run_folder import CHECKPOINTS, alone_in
from titans_seq.experiment.settings import RUNTIME, Runtime
from titans_seq.files import write_text
from titans_seq.models.saving import MODEL
from titans_seq.progress import Progress

from ..data import FrameOptions, SeriesData, TableOptions, describe_renamed, load_series, own_names
from ..data.joining import describe_rows_alone
from ..data.matching import continuing_series, read_future, read_like, with_known_future
from ..data.wording import show_time
from ..data.writing import check_table_file, write_frame
from ..evaluation.backtesting import Backtest
from ..evaluation.every_window import Evaluation, Part
from ..model import ForecastModel
from ..settings.config import ForecastConfig
from .config import RUNS, RunConfig

FORECAST, BACKTEST = "forecast.csv", "backtest.csv"

__all__ = [
    "BACKTEST",
    "FORECAST",
    "Prediction",
    "RunConfig",
    "backtest_run",
    "evaluate_run",
    "newest_rows",
    "open_run",
    "predict_run",
    "train_run",
]


def train_run(
    data_path: Path | None,
    out: Path,
    config: ForecastConfig | None,
    options: FrameOptions = FrameOptions(),
    table: TableOptions = TableOptions(),
    *,
    resume: bool = False,
    overwrite: bool = False,
    runtime: Runtime = RUNTIME,
    tell: Callable[[SeriesData, ForecastConfig], None] | None = None,
) -> ForecastModel:
    """Train a forecaster on a file, into a run folder.

    Whatever stops it after an epoch, `resume` goes on from there and ends with the same weights. A failure
    before that leaves the folder as it was.

    Args:
        data_path: the data file; may be None when resuming.
        out: the run folder: new, empty, or with `resume` or `overwrite` that of an earlier run.
        config: all settings; None when resuming takes those stored in `out`.
        options: what the columns mean; when resuming, those stored in `out` count.
        table: how a text file is written; likewise.
        resume: go on with an unfinished run; a finished one is returned as it is.
        overwrite: replace an earlier run, once the first epoch of the new one has passed.
        runtime: what it runs on and shows meanwhile.
        tell: called with the series and the settings when both are there, before training.

    Raises:
        UserError: if the folder is taken or holds no run to resume, the settings or the data are not those of
            the run to resume, or training fails.
        OSError: if a file cannot be written.
    """
    out = Path(out)
    if resume:
        run = _stored(out, data_path, config)
        if RUNS.is_finished(out):
            return open_run(out)
        data = _run_data(run)
        if tell is not None:
            tell(data, run.forecast)
        with alone_in(out):
            return _train(data, out, run, True, runtime)
    if data_path is None or config is None:
        raise UserError("training needs a data file and settings: only resuming an earlier run does without them")
    data = load_series(data_path, options, table)
    if tell is not None:
        tell(data, config)
    run = RunConfig(config, options, table, DataRecord.of(data_path))
    with RUNS.started(out, run, overwrite):
        return _train(data, out, run, False, runtime)


def _train(
    data: SeriesData,
    out: Path,
    run: RunConfig,
    resume: bool,
    runtime: Runtime,
) -> ForecastModel:
    model = ForecastModel.fit(
        data,
        run.forecast,
        options=run.options,
        folder=out,
        resume=resume,
        hardware=runtime.hardware,
        progress=runtime.progress,
        logger=runtime.logger,
    )
    if not is_first_process():
        return model
    # The model comes last: a folder with one is a finished run.
    model.save(out / MODEL)
    shutil.rmtree(out / CHECKPOINTS)
    RUNS.clear(out)
    return model


def _stored(out: Path, data_path: Path | None, config: ForecastConfig | None) -> RunConfig:
    if not (out / CONFIG).is_file():
        raise UserError(f"{out}: there is no run to resume: train without resuming first")
    run = read_config(out, RunConfig)
    if config is not None and config != run.forecast:
        raise UserError(
            f"{out}: the run to resume has other settings (see {out / CONFIG}): resume with the same ones, "
            "or train anew with overwrite or into another folder"
        )
    if data_path is not None:
        run.data.require(data_path, out)
    return run


def open_run(out: Path) -> ForecastModel:
    """Return the trained model of a run.

    Raises:
        UserError: if the folder is no run, or one that was not finished; the message says how to finish it.
    """
    out = Path(out)
    read_config(out, RunConfig)
    if not RUNS.is_finished(out):
        raise UserError(RUNS.describe_unfinished(out))
    return ForecastModel.load(out / MODEL)


def evaluate_run(
    out: Path,
    part: Part = "test",
    *,
    data_path: Path | None = None,
    season: int | None = None,
    options: FrameOptions | None = None,
    table: TableOptions | None = None,
) -> Evaluation:
    """Score a run's model over every window of a part; see `ForecastModel.evaluate`.

    Args:
        out: the run folder; gets metrics.json, metrics.csv and metrics_by_step.csv.
        part: of the data.
        data_path: another file to evaluate on; None takes the run's own, which must be unchanged.
        season: steps; None goes by the frequency.
        options: what the columns of the other file mean; None as those of the run's own.
        table: how it is written; likewise.

    Raises:
        UserError: if the run is not finished, or its data is gone or was changed.
    """
    out = Path(out)
    model = open_run(out)
    result = model.evaluate(_data(out, model, data_path, options, table), part, season=season)
    _write_scores(out / "metrics", result.table, result, {"part": result.part})
    write_text(out / "metrics_by_step.csv", result.by_step.to_csv(index=False))
    return result


def backtest_run(
    out: Path,
    target: Path | None = None,
    *,
    windows: int = 5,
    step: int | None = None,
    refit: bool | int = False,
    season: int | None = None,
    data_path: Path | None = None,
    progress: Progress = "none",
    options: FrameOptions | None = None,
    table: TableOptions | None = None,
) -> Backtest:
    """Forecast from rolling cutoffs at the end of a run's data; see `ForecastModel.backtest`.

    Args:
        out: the run folder; gets backtest_metrics.json and backtest_metrics.csv.
        target: .csv or .parquet file for the forecasts; None is backtest.csv in the run folder.
        windows: number of cutoffs.
        step: steps between them.
        refit: whether, or at each how many cutoffs, to train anew.
        season: steps; None goes by the frequency.
        data_path: another file; None takes the run's own, which must be unchanged.
        progress: for each refit.
        options: what the columns of the other file mean; None as those of the run's own.
        table: how it is written; likewise.

    Raises:
        UserError: if the run is not finished, or its data is gone, changed or too short.
    """
    out = Path(out)
    target = out / BACKTEST if target is None else Path(target)
    check_table_file(target)
    model = open_run(out)
    data = _data(out, model, data_path, options, table)
    result = model.backtest(data, windows=windows, step=step, refit=refit, season=season, progress=progress)
    forecasts = own_names(result.forecasts, data)
    write_frame(target, forecasts)
    _write_scores(out / "backtest_metrics", result.table, result, {})
    return replace(result, notes=(*result.notes, *describe_renamed(forecasts, data)))


@dataclass(frozen=True, eq=False)
class Prediction:
    """A forecast as written.

    Attributes:
        frame: the identifiers and the time by the names of the file, `mean` and one column a level.
        data: the series that were forecast.
        notes: what a reader of the forecast should know, one sentence each.
    """

    frame: pd.DataFrame
    data: SeriesData
    notes: tuple[str, ...]


def predict_run(
    out: Path,
    new: Path | None = None,
    target: Path | None = None,
    *,
    known_future: Path | None = None,
    levels: tuple[float, ...] | None = None,
    non_negative: bool | None = None,
    options: FrameOptions | None = None,
    table: TableOptions | None = None,
) -> Prediction:
    """Forecast what follows the run's own series, or those of a new file; see `ForecastModel.predict`.

    Where the run's own file has changed since training, what follows its rows of today is forecast.

    Args:
        out: the run folder.
        new: a file of longer histories or other series, with the columns of the run's own.
        target: the file to write, .csv or .parquet; None is forecast.csv in the run folder.
        known_future: a file with the known covariates of the steps to forecast.
        levels: quantile levels; None gives those trained for.
        non_negative: whether to cut forecasts off at 0; None does so for series of counts.
        options: what the columns of the files mean; None as those of the run's own.
        table: how they are written; likewise.

    Raises:
        UserError: if the run is not finished, a file does not fit the model, or `target` has another suffix.
    """
    out = Path(out)
    target = out / FORECAST if target is None else Path(target)
    check_table_file(target)
    model, run = open_run(out), read_config(out, RunConfig)
    options, table = options or run.options, table or run.table
    data, notes = model.context, ()
    if new is not None:
        data = model.matching(read_like(Path(new), model.context, options, table), options)
        notes = (*data.notes, *describe_rows_alone(model.context, data))
    else:
        data, notes = newest_rows(run, model, options, table)
    notes = (*notes, *model.strangers(data))
    if known_future is not None:
        future, read = read_future(known_future, data, table), data.notes
        data = with_known_future(data, future, options, model.config.horizon)
        notes = (*notes, *future.notes, *data.notes[len(read) :])
    made = model.predict(data, levels=levels, non_negative=non_negative)
    forecast = own_names(made, data)
    write_frame(target, forecast)
    return Prediction(forecast, data, (*notes, *describe_renamed(forecast, data)))


def newest_rows(
    run: RunConfig, model: ForecastModel, options: FrameOptions, table: TableOptions
) -> tuple[SeriesData, tuple[str, ...]]:
    """Return the series that a run's forecast follows: its file as it is today, or the rows that the model keeps.

    Returns:
        The series, and a note where they are not those that the model was trained on.

    Raises:
        UserError: if the file was changed, and no longer fits the model.
    """
    path = Path(run.data.path)
    if not path.is_file():
        return model.context, (f"the run's data file {path} is gone: the forecast follows the rows of training",)
    if run.data.holds(path):
        return model.context, ()
    try:
        data = continuing_series(read_like(path, model.context, options, table), model.context, options)
    except UserError as error:
        raise UserError(
            f"the run's data file was changed since training, and no longer fits the model ({error}): restore it, or "
            "name the file to forecast"
        ) from error
    last = max(show_time(item.index[-1]) for item in data.items)
    return data, (
        *data.notes,
        f"the run's data file was changed since training: the forecast follows its rows up to {last}",
    )


def _data(
    out: Path, model: ForecastModel, data_path: Path | None, options: FrameOptions | None, table: TableOptions | None
) -> SeriesData:
    run = read_config(out, RunConfig)
    if data_path is None:
        return _run_data(run)
    return read_like(Path(data_path), model.context, options or run.options, table or run.table)


def _run_data(run: RunConfig) -> SeriesData:
    path = Path(run.data.path)
    if not path.is_file():
        raise UserError(f"the run's data file {path} is gone: put it back, or name the file to use with --data")
    if not run.data.holds(path):
        raise UserError(
            f"the run's data file {path} was changed since training, so its parts are no longer the same: "
            "restore it, or name the file to use with --data"
        )
    return load_series(path, run.options, run.table)


def _write_scores(stem: Path, table: pd.DataFrame, result: Evaluation | Backtest, more: dict[str, Any]) -> None:
    scores = {
        row.pop("model"): {name: None if math.isnan(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    }
    facts = more | {
        "windows": result.windows,
        "season": result.season,
        "interval": result.interval,
        "scores": scores,
        "notes": result.notes,
    }
    write_text(stem.with_suffix(".json"), json.dumps(facts, indent=2, allow_nan=False) + "\n")
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False))
