"""What is to be forecast without training: a data file, or a run that began with pretrained weights."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config

from ..data import FrameOptions, SeriesData, TableOptions, load_series, read_series_batches
from ..data.hierarchies import Hierarchy, add_totals
from ..data.joining import describe_rows_alone
from ..data.matching import read_like
from ..evaluation.coherent import Coherent, Reconciliation
from ..forecasts.forecaster import Forecaster
from ..runs.fine_tuned import FineTuningRun, newest_rows, open_fine_tuned, starting_model
from .options import NO_HORIZON, NO_OTHER_FILE
from .tables import tell_notes, tell_pretrained

if TYPE_CHECKING:
    from ..zero_shot.model import ZeroShotModel
    from .reading_options import ReadingOptions


@dataclass(frozen=True, eq=False)
class ForecastTask:
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


def open_task(
    path: Path,
    reading: "ReadingOptions",
    horizon: int | None,
    *,
    file: Path | None = None,
    weights: Path | None = None,
    hierarchy: Reconciliation | None = None,
    known_future: Path | None = None,
    calibrate: bool = True,
    parts: bool = False,
) -> ForecastTask:
    """Open a run or read a data file, and say what was read.

    Args:
        path: of either.
        reading: how a file is read.
        horizon: steps; None for those of a run.
        file: another data file for a run.
        weights: of a pretrained forecaster for a data file; None for those of the package.
        hierarchy: how the totals that are forecast too are made to add up; None where there are none.
        known_future: the file with the future of known covariates.
        calibrate: whether to calibrate on the past of a file, or of its first part, or as a run is.
        parts: whether a long data file may come in parts.

    Raises:
        UserError: for an option that is not for such a path, or one that is missing; as reading does.
    """
    if path.is_file():
        if file is not None:
            raise UserError(f"{path} is a data file, and {file} another one: give one of them")
        if horizon is None:
            raise UserError(NO_HORIZON)
        return _task_of_file(
            path, reading, horizon, weights=weights, hierarchy=hierarchy, calibrate=calibrate, parts=parts
        )
    if weights is not None:
        raise UserError(f"--weights are for a data file, and {path} is a run with weights of its own: leave them out")
    return _task_of_run(
        path, reading, horizon, file=file, hierarchy=hierarchy, known_future=known_future, calibrate=calibrate
    )


def _task_of_file(
    path: Path,
    reading: "ReadingOptions",
    horizon: int,
    *,
    weights: Path | None,
    hierarchy: Reconciliation | None,
    calibrate: bool,
    parts: bool,
) -> ForecastTask:
    table, frame = reading.table(TableOptions()), reading.frame(FrameOptions())
    in_parts = parts and hierarchy is None
    further = read_series_batches(path, frame, table) if in_parts else iter([load_series(path, frame, table)])
    data, second = next(further), list(itertools.islice(further, 1))
    if second:
        print("the file is long and comes in parts; of the first part:")
    tell_pretrained(data)
    totals = _hierarchy(data, hierarchy)
    data = data if totals is None else totals.data
    model = starting_model(None if weights is None else str(weights), frame)
    if calibrate:
        model = model.calibrated(data, horizon)
    further = itertools.chain(second, further)
    return ForecastTask(model, data, horizon, None, frame, table, further, totals, bool(second))


def _task_of_run(
    path: Path,
    reading: "ReadingOptions",
    horizon: int | None,
    *,
    file: Path | None,
    hierarchy: Reconciliation | None,
    known_future: Path | None,
    calibrate: bool,
) -> ForecastTask:
    run, model = read_config(path, FineTuningRun), open_fine_tuned(path)
    assert model.context is not None
    latest = run.latest
    frame, table = reading.frame(latest.options), reading.table(latest.table)
    if file is None and known_future is None and (frame, table) != (latest.options, latest.table):
        raise UserError(NO_OTHER_FILE)
    if file is not None:
        data = read_like(file, model.context, frame, table)
        tell_pretrained(data)
        tell_notes(describe_rows_alone(model.context, data))
    else:
        data, notes = newest_rows(run, model, frame, table)
        tell_notes(notes)
    totals = _hierarchy(data, hierarchy)
    data = data if totals is None else totals.data
    model = model if calibrate else replace(model, calibration=None)
    return ForecastTask(model, data, run.horizon if horizon is None else horizon, path, frame, table, hierarchy=totals)


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
