"""What the verbs of `titans forecast` do with a run that is there: call, then print."""

import shlex
from pathlib import Path

import pandas as pd

from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config
from titans_seq.files import check_not_read
from titans_seq.tables import align

from ..data import FrameOptions, SeriesData, TableOptions, describe_series, load_series
from ..data.naming import series_names
from ..data.wording import counted
from ..model import ForecastModel
from ..runs.config import RunConfig
from ..runs.runs import BACKTEST, FORECAST, backtest_run, evaluate_run, open_run, predict_run
from . import at_once
from .options import NO_OTHER_FILE, BacktestOptions, Evaluate, Info, Plot, Predict
from .reading_options import ReadingOptions
from .tables import moment, score_text, tell_notes, tell_run

_OF_PRETRAINED: dict[type, tuple[str, ...]] = {
    Predict: ("model", "no_calibration", "horizon", "hierarchy", "weights", "sharding"),
    BacktestOptions: ("statistics", "horizon", "hierarchy", "weights", "sharding"),
    Plot: ("horizon", "weights"),
}
"""Options that only a data file, or a run that began with pretrained weights, is forecast by."""
SCALES = "mse and mae: standardised by the training rows; (data): on the scale of the data"


def evaluate(options: Evaluate) -> None:
    """Print the scores over every window of a part."""
    if at_once.applies(options.run):
        return at_once.evaluate(options)
    frame, table = _reading(options, options.data)
    result = evaluate_run(
        options.run, options.part, data_path=options.data, season=options.season, options=frame, table=table
    )
    print(f"{result.part} part: {result.windows:,} windows, every one, season {result.season}")
    print(score_text(result.table, result.interval))
    print(SCALES)
    tell_notes(result.notes)
    print(f"written: {options.run}/metrics.csv, metrics.json")


def backtest(options: BacktestOptions) -> None:
    """Print the scores of forecasts from past cutoffs."""
    if at_once.applies(options.run):
        return at_once.backtest(options)
    _refuse_of_pretrained(options)
    check_not_read(options.out, options.data)
    frame, table = _reading(options, options.data)
    result = backtest_run(
        options.run,
        options.out,
        windows=options.windows,
        step=options.step,
        refit=options.refit,
        season=options.season,
        data_path=options.data,
        progress=options.progress,
        options=frame,
        table=table,
    )
    cutoffs = result.forecasts["cutoff"].drop_duplicates()
    print(
        f"{result.windows:,} windows from {len(cutoffs)} cutoffs, {moment(cutoffs.min())} to {moment(cutoffs.max())}, "
        f"season {result.season}"
    )
    print(score_text(result.table, result.interval))
    print(SCALES)
    tell_notes(result.notes)
    print(f"written: {options.out or options.run / BACKTEST}, {options.run}/backtest_metrics.csv")


def predict(options: Predict) -> None:
    """Write the forecast, and show its first rows."""
    if at_once.applies(options.run):
        return at_once.predict(options)
    _refuse_of_pretrained(options)
    check_not_read(options.out, options.new, options.known_future)
    columns, table = _reading(options, options.new or options.known_future)
    forecast = predict_run(
        options.run,
        options.new,
        options.out,
        known_future=options.known_future,
        levels=options.levels or None,
        non_negative=options.non_negative or None,
        options=columns,
        table=table,
    )
    for line in describe_series(forecast.data, read_config(options.run, RunConfig).forecast.calendar):
        print(line)
    tell_notes(forecast.notes)
    frame, data = forecast.frame, forecast.data
    times = frame["time"] if "time" in frame else frame[data.time_columns[0]]
    print(frame.head(5).to_string(index=False, float_format="{:.6g}".format))
    more = f"... {len(frame) - 5:,} more rows; " if len(frame) > 5 else ""
    print(f"{more}{len(data.items) * len(data.channels):,} series, {moment(times.min())} to {moment(times.max())}")
    print(f"written: {options.out or options.run / FORECAST}")


def plot(options: Plot) -> None:
    """Draw the forecast and the course of the training."""
    if at_once.applies(options.run):
        return at_once.plot(options)
    from ..runs.pictures import plot_run

    _refuse_of_pretrained(options)
    columns, table = _reading(options, options.known_future)
    paths = plot_run(
        options.run,
        options.series,
        options.history,
        options.out,
        known_future=options.known_future,
        options=columns,
        table=table,
    )
    for path in paths:
        print(f"written: {path}")


def _refuse_of_pretrained(options: BacktestOptions | Predict | Plot) -> None:
    plain = type(options)(options.run)
    for name in _OF_PRETRAINED[type(options)]:
        if getattr(options, name) != getattr(plain, name):
            flag = "--engine" if name == "sharding" else f"--{name.replace('_', '-')}"
            raise UserError(
                f"{flag} is for a data file, or a run that began with pretrained weights, and {options.run} has a "
                "network of its own: leave it out, or name the data file in place of the run"
            )


def _reading(
    options: Evaluate | BacktestOptions | Predict | Plot, file: Path | None
) -> tuple[FrameOptions, TableOptions]:
    """How another file is read: as the run's own, changed by the options that are given.

    Raises:
        UserError: if options say how to read a file, and none is named.
    """
    run = read_config(options.run, RunConfig)
    if file is None and (options.reading != ReadingOptions()):
        raise UserError(NO_OTHER_FILE)
    return options.reading.frame(run.options), options.reading.table(run.table)


def info(options: Info) -> None:
    """Describe a run folder or a data file."""
    if options.path.is_dir():
        if options.reading != ReadingOptions():
            raise UserError(f"{options.path} is a run folder: options on columns and text are for a data file")
        if at_once.applies(options.path):
            return at_once.info(options.path)
        _describe_run(options)
    else:
        columns = options.reading.frame(FrameOptions())
        _describe_data(load_series(options.path, columns, options.reading.table(TableOptions())))


def _describe_run(options: Info) -> None:
    model = open_run(options.path)
    run = read_config(options.path, RunConfig)
    config, history = model.config, model.history
    epochs, best = len(history.epochs), history.best_epoch
    facts = {
        "forecasts": f"{config.horizon} steps from {config.context}, {type(config.output).__name__}",
        "network": f"{type(config.network.mixer).__name__}, width {config.network.width}, "
        f"layers {config.network.layers}, {_parameters(model):,} parameters",
        "training": f"{counted(epochs, 'epoch')}, best {best}, seed {config.seed}",
    }
    tell_run(run.data, run.origin, facts)
    for line in describe_series(model.context, config.calendar):
        print(line)
    tell_notes(model.notes)
    metrics = options.path / "metrics.csv"
    if metrics.is_file():
        print(score_text(pd.read_csv(metrics), None))
    else:
        print(f"not evaluated yet: titans forecast evaluate {shlex.quote(str(options.path))}")


def _parameters(model: ForecastModel) -> int:
    return sum(parameter.numel() for parameter in model.network.parameters())


def _describe_data(data: SeriesData) -> None:
    names = [name for group in series_names(data) for name in group]
    print(f"{data.layout} table, {len(names):,} series, frequency {data.freq or 'none (no dates)'}")
    for line in describe_series(data):
        print(line)
    rows = [["series", "first", "last", "rows", "missing"]]
    for item, called in zip(data.items[:20], series_names(data), strict=False):
        for position, name in enumerate(called):
            missing = int((item.values[:, position] != item.values[:, position]).sum())
            rows.append([name, moment(item.index[0]), moment(item.index[-1]), f"{item.length:,}", f"{missing:,}"])
    print(align(rows[:21]))
    if len(names) > 20:
        print(f"... and {len(names) - 20:,} more")
    tell_notes(data.notes)
