"""`titans forecast` on a data file, or on a run that began with pretrained weights: forecasts without training."""

import contextlib
import itertools
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from titans_seq.config import read_yaml
from titans_seq.errors import UserError
from titans_seq.experiment.record import CONFIG
from titans_seq.experiment.run_folder import alone_in
from titans_seq.files import check_not_read

from ..data import SeriesData, Table, describe_renamed, describe_series, own_names
from ..data.loading import DATA_SUFFIXES
from ..data.matching import read_future, with_known_future
from ..data.wording import counted
from ..data.writing import TableWriter, write_frame
from ..evaluation.conformal import LEAST_ERRORS
from ..forecasts.forecaster import Forecaster, checked_levels, cut_at_zero
from ..forecasts.quantiles import level_name
from ..forecasts.sharding import dask_engine
from ..forecasts.tables import forecast_frame
from ..runs.fine_tuned import FineTuningRun, is_fine_tuned, open_fine_tuned, update_run
from ..zero_shot.storage import is_zero_shot
from .forecast_task import ForecastTask, open_task
from .tables import PartNotes, moment, score_text, tell_notes, tell_run

if TYPE_CHECKING:
    from ..zero_shot.model import ZeroShotModel
    from .options import BacktestOptions, EngineOptions, Evaluate, Plot, Predict, Update


def applies(path: Path) -> bool:
    """Say whether a path is a data file, or a run that began with pretrained weights.

    Raises:
        UserError: if there is nothing, a folder of data files that is no run, a saved model or a run of pretraining.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: check the path")
    if path.is_dir() and not (path / CONFIG).is_file():
        tables = sorted(each.name for each in path.iterdir() if each.suffix.lower() in DATA_SUFFIXES)
        if tables:
            raise UserError(
                f"{path} is no run but a folder of {len(tables):,} data files, such as {tables[0]}: name one of them, "
                "or join them into one file"
            )
    if path.is_dir() and (path / CONFIG).is_file():
        _check_run(path)
    return path.is_file() or is_fine_tuned(path)


def _check_run(folder: Path) -> None:
    """Refuse a folder with a configuration of something else than a training on a file."""
    held = read_yaml(folder / CONFIG).keys()
    if is_zero_shot(folder) or {"network", "training"} <= held:
        raise UserError(
            f"{folder} holds a pretrained forecaster and no run on a data file: titans forecast predict data.csv "
            f"--horizon 24 --weights {shlex.quote(str(folder))} forecasts a file with it"
        )
    if "format" in held:
        raise UserError(
            f"{folder} holds a saved model and no run: name the run folder that it is from, or read it in Python with "
            "ForecastModel.load"
        )


@contextlib.contextmanager
def _workers(options: "EngineOptions") -> Iterator[Callable[[Forecaster], Forecaster]]:
    """What makes a forecaster forecast on the workers that are asked for; without any it stays as it is."""
    if options.engine is None:
        if options.workers is not None or options.cluster is not None:
            raise UserError("--workers and --cluster are for --engine dask, which shares the series out: add it")
        yield lambda forecaster: forecaster
        return
    with dask_engine(options.workers, options.cluster) as engine:
        yield engine.spread


def predict(options: "Predict") -> None:
    """Write the forecast, a part of a long file at a time, and show its first rows."""
    target = options.out
    if target is None and not options.run.is_file():
        target = options.run / "forecast.csv"
    check_not_read(target, options.run, options.new, options.known_future)
    levels = checked_levels(options.levels)
    output = contextlib.nullcontext() if target is None else TableWriter(target)
    with output as writer, _workers(options.sharding) as spread:
        task = open_task(
            options.run,
            options.reading,
            options.horizon,
            file=options.new,
            weights=options.weights,
            hierarchy=options.hierarchy,
            known_future=options.known_future,
            calibrate=not options.no_calibration,
            parts=True,
        )
        chosen = _choose(task, options.model, not options.no_calibration)
        forecaster = task.coherent(spread(chosen), options.hierarchy, options.non_negative)
        done = _write_parts(task, forecaster, levels or task.model.levels, options, writer)
    done.notes.tell_repeated()
    more = f"... {done.rows - 5:,} more rows; " if done.rows > 5 else ""
    print(f"{more}{done.series:,} series, {moment(done.first)} to {moment(done.last)}")
    print(f"written: {target}" if target is not None else "nothing is written: add --out forecast.csv")


def _choose(task: ForecastTask, model: Literal["run", "best"], calibrate: bool) -> Forecaster:
    """The model of a task, or the best in the past of it and others, and say how good it is."""
    if model == "best":
        name, chosen, table, notes = task.model.best(task.data, task.horizon)
        print(score_text(table, (task.model.levels[0], task.model.levels[-1])))
        tell_notes(notes)
        print(f"{name} is used{', for all parts by the scores on the first' if task.in_parts else ''}")
        if chosen is not task.model:
            return chosen
    if calibrate:
        _print_calibration(task.model)
        if task.in_parts and task.model.calibration is not None:
            print("the first part is what all parts are calibrated on")
    return task.model.alone()


@dataclass(frozen=True)
class _Written:
    """What was forecast of all parts: rows, series, the first and the last time, and notes that are yet to be told."""

    rows: int
    series: int
    first: object
    last: object
    notes: PartNotes


def _write_parts(
    task: ForecastTask, forecaster: Forecaster, levels: Sequence[float], options: "Predict", writer: TableWriter | None
) -> _Written:
    """Forecast each part, write it, and show the first rows of the first."""
    future = None if options.known_future is None else _future(options.known_future, task)
    rows, count, times, notes = 0, 0, [], PartNotes(task.data.notes)
    for number, data in enumerate(itertools.chain([task.data], task.further)):
        if future is not None:
            data = with_known_future(data, future, task.options, task.horizon)
        if number:
            notes.tell(number + 1, data.notes)
        else:
            tell_notes(data.notes, told=task.data.notes)
        forecast = forecaster.forecast(data, task.horizon, levels)
        if task.hierarchy is None:
            forecast = cut_at_zero(forecast, data, options.non_negative or None)
        plain = forecast_frame(data, forecast)
        frame = own_names(plain, data)
        frame = frame if task.hierarchy is None else task.hierarchy.mark(frame)
        if writer is not None:
            writer.write(frame, clock=_has_clock(data))
        rows, count = rows + len(frame), count + _series_in(data)
        times += [plain["time"].min(), plain["time"].max()]
        if number:
            print(f"... {count:,} series are forecast", flush=True)
        else:
            tell_notes(describe_renamed(frame, data))
            print(frame.head(5).to_string(index=False, float_format="{:.6g}".format))
    return _Written(rows, count, min(times), max(times), notes)


def _future(path: Path, task: ForecastTask) -> Table:
    """Read the known covariates of the steps to forecast, and say how they are written."""
    table = read_future(path, task.data, task.table)
    tell_notes(table.notes)
    return table


def _series_in(data: SeriesData) -> int:
    return len(data.items) * len(data.channels)


def _has_clock(data: SeriesData) -> bool:
    """Whether times of day stand in the dates."""
    index = data.items[0].index
    if not isinstance(index, pd.DatetimeIndex):
        return False
    times = index.tz_localize(None).to_numpy()
    return bool((times != times.astype("datetime64[D]")).any())


def backtest(options: "BacktestOptions") -> None:
    """Compare forecasts from past cutoffs with baselines."""
    with _workers(options.sharding) as spread:
        _backtest(options, spread)


def _backtest(options: "BacktestOptions", spread: Callable[[Forecaster], Forecaster]) -> None:
    check_not_read(options.out, options.run, options.data)
    task = open_task(
        options.run,
        options.reading,
        options.horizon,
        file=options.data,
        weights=options.weights,
        hierarchy=options.hierarchy,
        calibrate=False,
    )
    if options.refit:
        raise UserError("--refit trains anew at each cutoff, which a run that began with pretrained weights does not")
    statistics = True if options.statistics else None
    ours = options.hierarchy if options.hierarchy not in (None, "none") else "model"
    more = {} if ours == "model" else {ours: task.coherent(spread(task.model.uncalibrated()), options.hierarchy)}
    result = task.model.backtest(
        task.data,
        task.horizon,
        windows=options.windows,
        step=options.step,
        season=options.season,
        statistics=statistics,
        more=more,
        spread=spread,
    )
    print(f"{counted(len(result.origins), 'cutoff')}, horizon {task.horizon}, {_series_in(task.data):,} series")
    print(score_text(result.table, (task.model.levels[0], task.model.levels[-1])))
    tell_notes(result.notes)
    if ours != "model" and result.best() == "model":
        print(f"each level by itself (model) is best here, but its means do not add up; those of {ours} do")
    elif not task.model.is_fine_tuned:
        print(result.verdict(ours))
    target = options.out or (None if task.run is None else task.run / "backtest.csv")
    if target is not None:
        frame = own_names(result.frame(ours), task.data)
        tell_notes(describe_renamed(frame, task.data))
        write_frame(target, frame if task.hierarchy is None else task.hierarchy.mark(frame, len(result.origins)))
        print(f"written: {target}")


def evaluate(options: "Evaluate") -> None:
    """Print the scores on the rows held out."""
    if options.run.is_file():
        raise UserError(
            f"{options.run} is a data file: titans forecast backtest compares forecasts of it with baselines"
        )
    if options != type(options)(options.run):
        raise UserError(
            f"the scores of {options.run} are of the rows that were held out in training: leave the other options out; "
            f"titans forecast backtest {shlex.quote(str(options.run))} scores forecasts of other rows, or of another "
            "file with --data"
        )
    _print_scores(open_fine_tuned(options.run))


def info(path: Path) -> None:
    """Describe a run that began with pretrained weights."""
    from titans_seq.experiment.record import read_config

    run, model = read_config(path, FineTuningRun), open_fine_tuned(path)
    assert model.context is not None
    facts = {
        "forecasts": counted(run.horizon, "step"),
        "training": f"{counted(run.fine_tuning.steps, 'step')} from {run.init or 'the weights of the package'}",
    }
    if run.updated is not None:
        facts["updated"] = run.updated.data.path
    tell_run(run.data, run.origin, facts)
    for line in describe_series(model.context, calendar=False):
        print(line)
    _print_scores(model)


def _print_scores(model: "ZeroShotModel") -> None:
    assert model.scores is not None
    print("rows held out at the end of the series:")
    print(score_text(model.scores, (model.levels[0], model.levels[-1])))
    _print_calibration(model)
    tell_notes(model.notes)


def plot(options: "Plot") -> None:
    """Draw the forecast."""
    from ..runs.pictures import plot_future

    target = options.out or (Path("forecast.png") if options.run.is_file() else options.run / "forecast.png")
    task = open_task(
        options.run,
        options.reading,
        options.horizon,
        weights=options.weights,
        known_future=options.known_future,
    )
    data = task.data
    if options.known_future is not None:
        data = with_known_future(data, _future(options.known_future, task), task.options, task.horizon)
        tell_notes(data.notes, told=task.data.notes)
    plot_future(task.model, data, task.horizon, target, series=options.series, history=options.history)
    print(f"written: {target}")


def update(options: "Update") -> None:
    """Take new rows into a run."""
    from titans_seq.experiment.record import read_config

    if not applies(options.run):
        raise UserError(
            f"{options.run} is no run that began with pretrained weights: titans forecast predict "
            f"{shlex.quote(str(options.run))} {shlex.quote(str(options.new))} forecasts from the new rows"
        )
    if options.run.is_file():
        raise UserError(
            f"{options.run} is a data file, and is no run that began with pretrained weights: titans forecast predict "
            f"{shlex.quote(str(options.new))} --horizon 24 forecasts from a file, titans forecast train makes a run"
        )
    with alone_in(options.run):
        latest = read_config(options.run, FineTuningRun).latest
        frame, table = options.reading.frame(latest.options), options.reading.table(latest.table)
        model = update_run(options.run, options.new, frame, table)
    assert model.context is not None
    tell_notes(model.context.notes)
    last = max(item.index[-1] for item in model.context.items)
    print(f"{_series_in(model.context):,} series up to {moment(last)}: taken in, without training")
    _print_calibration(model)


def _print_calibration(model: "ZeroShotModel") -> None:
    calibration = model.calibration
    if calibration is None:
        print(
            f"intervals are not calibrated: that takes {LEAST_ERRORS} past values, with forecasts of them that have a "
            "spread"
        )
        return
    low, high = level_name(model.levels[0]), level_name(model.levels[-1])
    after = "" if calibration.after != calibration.after else f", {calibration.after:.0%} with calibration"
    print(f"intervals {low} to {high} held {calibration.before:.0%} of past values before calibration{after}")
