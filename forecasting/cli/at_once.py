"""`titans forecast` on a data file, or on a run that began with pretrained weights: forecasts without training."""

import contextlib
import itertools
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from titans_seq.errors import UserError
from titans_seq.files import check_not_read

from ..data import (
    FrameOptions,
    SeriesData,
    Table,
    TableOptions,
    describe_series,
    load_series,
    own_names,
    read_series_batches,
)
from ..data.hierarchies import Hierarchy, add_totals
from ..data.joining import continued
from ..data.loading import DATA_SUFFIXES
from ..data.matching import continuing_series, read_future, read_like, with_known_future
from ..data.wording import counted
from ..data.writing import TableWriter, write_frame
from ..evaluation.coherent import Coherent, Reconciliation
from ..evaluation.conformal import LEAST_ERRORS
from ..forecasts.forecaster import Forecaster, checked_levels, cut_at_zero
from ..forecasts.sharding import dask_engine
from ..forecasts.tables import forecast_frame
from ..runs.fine_tuned import FineTuningRun, is_fine_tuned, open_fine_tuned, starting_model, update_run
from .tables import PartNotes, moment, score_text, tell_notes, tell_pretrained

if TYPE_CHECKING:
    from ..zero_shot.model import ZeroShotModel
    from .options import BacktestOptions, EngineOptions, Evaluate, Plot, Predict, Update


def applies(path: Path) -> bool:
    """Say whether a path is a data file, or a run that began with pretrained weights.

    Raises:
        UserError: if it is called as a data file, and there is none.
    """
    if not path.exists() and path.suffix.lower() in DATA_SUFFIXES:
        raise UserError(f"{path}: no such file")
    return path.is_file() or is_fine_tuned(path)


@dataclass(frozen=True, eq=False)
class _Task:
    """What is to be forecast, and by what.

    Attributes:
        model: calibrated.
        data: the series.
        horizon: steps.
        run: the run folder; None for a data file.
        options: what the columns of another file mean.
        table: how it is written.
        further: parts of a long file that come after `data`.
        hierarchy: whose nodes the series are, where one is asked for.
        in_parts: whether there are such.
    """

    model: "ZeroShotModel"
    data: SeriesData
    horizon: int
    run: Path | None
    options: FrameOptions
    table: TableOptions
    further: Iterator[SeriesData] = field(default_factory=lambda: iter(()))
    hierarchy: Hierarchy | None = None
    in_parts: bool = False

    def coherent(self, forecaster: Forecaster, method: Reconciliation | None, non_negative: bool = False) -> Forecaster:
        """Make the forecasts of a hierarchy add up; a forecaster of anything else is returned as it is."""
        if self.hierarchy is None or method is None:
            return forecaster
        return Coherent(forecaster, self.hierarchy, method, non_negative or None)


def _task(options: Any, file: Path | None, *, calibrate: bool = True, parts: bool = False) -> _Task:
    """Open the run or read the file that a verb is given, and say what was read.

    Args:
        options: of the verb.
        file: another data file for a run.
        calibrate: whether to calibrate on the past of a file, or of its first part, or as a run is.
        parts: whether a long data file may come in parts.
    """
    from titans_seq.experiment.record import read_config

    path, weights, method = options.run, getattr(options, "weights", None), getattr(options, "hierarchy", None)
    if path.is_file():
        if file is not None:
            raise UserError(f"{path} is a data file, and {file} another one: give one of them")
        if options.horizon is None:
            raise UserError("no horizon is given: add --horizon with the number of steps to forecast")
        table = options.reading.table(TableOptions())
        frame = options.reading.frame(FrameOptions())
        in_parts = parts and method is None
        further = read_series_batches(path, frame, table) if in_parts else iter([load_series(path, frame, table)])
        data, second = next(further), list(itertools.islice(further, 1))
        if second:
            print("the file is long and comes in parts; of the first part:")
        tell_pretrained(data)
        hierarchy = _hierarchy(data, method)
        data = data if hierarchy is None else hierarchy.data
        model = starting_model(None if weights is None else str(weights), frame)
        if calibrate:
            model = model.calibrated(data, options.horizon)
        further = itertools.chain(second, further)
        return _Task(model, data, options.horizon, None, frame, table, further, hierarchy, bool(second))
    if weights is not None:
        raise UserError(f"--weights are for a data file, and {path} is a run with weights of its own: leave them out")
    run, model = read_config(path, FineTuningRun), open_fine_tuned(path)
    assert model.context is not None
    frame, table = options.reading.frame(run.options), options.reading.table(run.table)
    known = getattr(options, "known_future", None)
    if file is None and known is None and (frame, table) != (run.options, run.table):
        raise UserError(
            "options on columns and text say how to read another file, and none is named: the run's own is read as it "
            "was for training"
        )
    if file is not None:
        data = read_like(file, model.context, frame, table)
        tell_pretrained(data)
    else:
        data = _newest(run, model, frame, table)
    hierarchy = _hierarchy(data, method)
    data = data if hierarchy is None else hierarchy.data
    model = model if calibrate else replace(model, calibration=None)
    horizon = run.horizon if options.horizon is None else options.horizon
    return _Task(model, data, horizon, path, frame, table, hierarchy=hierarchy)


def _hierarchy(data: SeriesData, method: Reconciliation | None) -> Hierarchy | None:
    if method is None:
        return None
    found = add_totals(data)
    said = {
        "none": "each forecast by itself, so that means do not add up",
        "bottom-up": "means are added up from the bottom",
        "mint": "means add up by MinT, from the errors of past forecasts",
    }
    moved = "" if method == "none" else "; quantiles are each one's own, moved with its mean"
    print(f"hierarchy    {found.describe()}: {said[method]}{moved}")
    return found


def _newest(run: FineTuningRun, model: "ZeroShotModel", frame: FrameOptions, table: TableOptions) -> SeriesData:
    """The run's data file as it is now, with a note where it has changed; where it is gone, what the model keeps."""
    from titans_seq.experiment.provenance import file_hash

    assert model.context is not None
    path = Path(run.data.path)
    if not path.is_file():
        print(f"note: the data file {path} is gone: the rows that the model keeps are forecast from")
        return model.context
    if file_hash(path) == run.data.sha256:
        return model.context
    print(f"note: {path} has changed since training: its latest rows are forecast from (update keeps them)")
    data = read_like(path, model.context, frame, table)
    tell_notes(data.notes)
    new = continuing_series(data, model.context, frame)
    return continued(model.context, new, counted=frame.start is not None, holes=frame.holes)


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
    with contextlib.ExitStack() as stack:
        writer = None if target is None else stack.enter_context(TableWriter(target))
        spread = stack.enter_context(_workers(options.sharding))
        task = _task(options, options.new, calibrate=not options.no_calibration, parts=True)
        chosen: Forecaster = task.model
        if options.model == "best":
            name, chosen, table, notes = task.model.best(task.data, task.horizon)
            print(score_text(table, (task.model.levels[0], task.model.levels[-1])))
            tell_notes(notes)
            print(f"{name} is used{', for all parts by the scores on the first' if task.in_parts else ''}")
        if chosen is task.model:
            if not options.no_calibration:
                _print_calibration(task.model)
                if task.in_parts and task.model.calibration is not None:
                    print("the first part is what all parts are calibrated on")
            chosen = task.model.alone()
        chosen = task.coherent(spread(chosen), options.hierarchy, options.non_negative)
        future = None if options.known_future is None else _future(options.known_future, task)
        levels = levels or task.model.levels
        rows, count, times, part_notes = 0, 0, [], PartNotes(task.data.notes)
        for number, data in enumerate(itertools.chain([task.data], task.further)):
            if number:
                part_notes.tell(number + 1, data.notes)
            if future is not None:
                data = with_known_future(data, future, task.options, task.horizon)
            forecast = chosen.forecast(data, task.horizon, levels)
            if task.hierarchy is None:
                forecast = cut_at_zero(forecast, data, options.non_negative or None)
            plain = forecast_frame(data, forecast)
            frame = own_names(plain, data)
            frame = frame if task.hierarchy is None else task.hierarchy.mark(frame)
            if writer is not None:
                writer.write(frame, clock=_has_clock(data))
            if not number:
                print(frame.head(5).to_string(index=False, float_format="{:.6g}".format))
            rows, count = rows + len(frame), count + len(data.items) * len(data.channels)
            times += [plain["time"].min(), plain["time"].max()]
            if number:
                print(f"... {count:,} series are forecast", flush=True)
    part_notes.tell_repeated()
    more = f"... {rows - 5:,} more rows; " if rows > 5 else ""
    print(f"{more}{count:,} series, {moment(min(times))} to {moment(max(times))}")
    print(f"written: {target}" if target is not None else "nothing is written: add --out forecast.csv")


def _future(path: Path, task: _Task) -> Table:
    """Read the known covariates of the steps to forecast, and say how they are written."""
    table = read_future(path, task.data, task.table)
    tell_notes(table.notes)
    return table


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
    task = _task(options, options.data, calibrate=False)
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
    print(f"{len(result.origins)} cutoffs, horizon {task.horizon}, {len(task.data.items):,} series")
    print(score_text(result.table, (task.model.levels[0], task.model.levels[-1])))
    tell_notes(result.notes)
    if ours != "model" and result.best() == "model":
        print(f"each level by itself (model) is best here, but its means do not add up; those of {ours} do")
    elif not task.model.is_fine_tuned:
        print(result.verdict(ours))
    target = options.out or (None if task.run is None else task.run / "backtest.csv")
    if target is not None:
        frame = own_names(result.frame(ours), task.data)
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
        "data": f"{run.data.path} (sha256 {run.data.sha256[:12]}...)",
        "forecasts": counted(run.horizon, "step"),
        "training": f"{counted(run.fine_tuning.steps, 'step')} from {run.init or 'the weights of the package'}",
        "made with": ", ".join(f"{name} {number}" for name, number in run.origin.versions.items()),
        "commit": run.origin.commit or "not known",
    }
    for name, value in facts.items():
        print(f"{name:<12} {value}")
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
    task = _task(options, None)
    data = task.data
    if options.known_future is not None:
        data = with_known_future(data, _future(options.known_future, task), task.options, task.horizon)
    plot_future(task.model, data, task.horizon, target, series=options.series, history=options.history)
    print(f"written: {target}")


def update(options: "Update") -> None:
    """Take new rows into a run."""
    from titans_seq.experiment.record import read_config

    if not is_fine_tuned(options.run):
        raise UserError(
            f"{options.run} is no run that began with pretrained weights: titans forecast predict "
            f"{shlex.quote(str(options.run))} {shlex.quote(str(options.new))} forecasts from the new rows"
        )
    run = read_config(options.run, FineTuningRun)
    frame, table = options.reading.frame(run.options), options.reading.table(run.table)
    model = update_run(options.run, options.new, frame, table)
    assert model.context is not None
    tell_notes(model.context.notes)
    last = max(item.index[-1] for item in model.context.items)
    print(f"{len(model.context.items):,} series up to {moment(last)}: taken in, without training")
    _print_calibration(model)


def _print_calibration(model: "ZeroShotModel") -> None:
    calibration = model.calibration
    if calibration is None:
        print(
            f"intervals are not calibrated: that takes {LEAST_ERRORS} past values, with forecasts of them that have a "
            "spread"
        )
        return
    low, high = model.levels[0], model.levels[-1]
    after = "" if calibration.after != calibration.after else f", {calibration.after:.0%} with calibration"
    print(f"intervals {low:g} to {high:g} held {calibration.before:.0%} of past values before calibration{after}")
