"""The run folder of a training that begins with pretrained weights.

config.yaml     horizon, settings, data file and its SHA-256, versions, commit, command; the file of the latest update
log.jsonl       the steps of the training
checkpoints/    the state to go on from, while training
model/          the model, with a card
metrics.csv     scores on the rows held out, beside the baselines
forecast.csv    from `titans forecast predict`
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from titans_seq.config import read_yaml
from titans_seq.errors import UserError, require_at_least
from titans_seq.experiment.beginning import model_folder
from titans_seq.experiment.history import LOG
from titans_seq.experiment.processes import is_first_process
from titans_seq.experiment.record import CONFIG, DataRecord, Origin, read_config, write_config
from titans_seq.experiment.run_folder import CHECKPOINTS, RunLayout, alone_in
from titans_seq.experiment.settings import RUNTIME, Runtime
from titans_seq.files import write_text
from titans_seq.models.saving import MODEL

from ..data import FrameOptions, SeriesData, TableOptions, load_series
from ..data.joining import continued
from ..data.matching import continuing_series, read_like
from ..zero_shot.model import ZeroShotModel
from ..zero_shot.settings import FineTuningConfig
from .config import RUNS


@dataclass(frozen=True)
class Rows:
    """A file of series, and how it is read.

    Attributes:
        data: the file and its hash.
        options: what its columns mean.
        table: how a text file is written.
    """

    data: DataRecord
    options: FrameOptions
    table: TableOptions


@dataclass(frozen=True)
class FineTuningRun:
    """Everything to repeat a run.

    Attributes:
        horizon: steps to forecast.
        fine_tuning: how it is trained.
        refit: whether what is used is trained on all rows in the end.
        options: what the columns of the data mean.
        table: how a text file is written.
        data: the data file and its hash.
        init: folder of the weights it begins with; None for those of the package.
        origin: versions, commit and command.
        updated: what the latest update read, from which forecasts go on; None before the first.

    Raises:
        UserError: if the horizon is below 1.
    """

    horizon: int
    fine_tuning: FineTuningConfig
    refit: bool
    options: FrameOptions
    table: TableOptions
    data: DataRecord
    init: str | None = None
    origin: Origin = field(default_factory=lambda: Origin.here("torch", "lightning", "numpy", "pandas"))
    updated: Rows | None = None

    def __post_init__(self) -> None:
        require_at_least(self, horizon=1)

    @property
    def latest(self) -> Rows:
        """What was read last: the file of the latest update, or that of the training."""
        return self.updated or Rows(self.data, self.options, self.table)


def is_fine_tuned(out: Path) -> bool:
    """Say whether a folder is a run that begins with pretrained weights."""
    return is_fine_tuning(Path(out) / CONFIG)


def is_fine_tuning(config: Path) -> bool:
    """Say whether the settings in a YAML file, or in a run folder, are those of a training from pretrained weights."""
    path = config / CONFIG if config.is_dir() else config
    return path.is_file() and "fine_tuning" in read_yaml(path)


def starting_model(init: str | None, options: FrameOptions = FrameOptions()) -> ZeroShotModel:
    """Return the model that forecasts at once, or that training begins with.

    Args:
        init: a run or model folder; None for the weights of the package.
        options: how frames are read.

    Raises:
        UserError: if the folder holds no zero-shot model, or a run that was not finished.
    """
    if init is not None and (Path(init) / LOG).is_file() and not RUNS.is_finished(Path(init)):
        raise UserError(_runs_of(Path(init)).describe_unfinished(Path(init)))
    model = ZeroShotModel.pretrained() if init is None else ZeroShotModel.load(model_folder(Path(init)))
    return ZeroShotModel(model.forecaster, options=options)


def _runs_of(folder: Path) -> RunLayout:
    if is_fine_tuned(folder):
        return RUNS
    from ..zero_shot.runs import RUNS as PRETRAINING  # it loads Lightning, which forecasting does without

    return PRETRAINING


def fine_tune_run(
    run: FineTuningRun,
    out: Path,
    *,
    overwrite: bool = False,
    runtime: Runtime = RUNTIME,
    statistics: bool | None = None,
    tell: Callable[[SeriesData], None] = lambda data: None,
) -> ZeroShotModel:
    """Train on a file from pretrained weights, into a run folder.

    Args:
        run: what and how.
        out: the run folder: new, empty, or with `overwrite` that of an earlier run.
        overwrite: replace an earlier run.
        runtime: what to train on, and what to show meanwhile.
        statistics: see `ZeroShotModel.fit`.
        tell: is given the series before training begins.

    Raises:
        UserError: if the folder is taken, the data is refused or training does not stay finite.
    """
    data = load_series(run.data.path, run.options, run.table)
    with RUNS.started(Path(out), run, overwrite):
        tell(data)
        return _train(run, data, Path(out), False, runtime, statistics)


def resume_fine_tuning(
    out: Path, data_path: Path | None = None, *, runtime: Runtime = RUNTIME, statistics: bool | None = None
) -> ZeroShotModel:
    """Go on with a run that was stopped; a finished one is returned as it is.

    Raises:
        UserError: if its data is gone or was changed, or `data_path` is another file than the one it began with.
    """
    out = Path(out)
    run = read_config(out, FineTuningRun)
    if data_path is not None:
        run.data.require(data_path, out)
    if RUNS.is_finished(out):
        return open_fine_tuned(out)
    if not run.data.holds(Path(run.data.path)):
        raise UserError(
            f"the data file {run.data.path} was changed since the run in {out} began: put it back, or train anew with "
            "--overwrite"
        )
    data = load_series(run.data.path, run.options, run.table)
    with alone_in(out):
        return _train(run, data, out, True, runtime, statistics)


def _train(
    run: FineTuningRun,
    data: SeriesData,
    out: Path,
    resume: bool,
    runtime: Runtime,
    statistics: bool | None,
) -> ZeroShotModel:
    model = starting_model(run.init, run.options).fit(
        data,
        run.horizon,
        run.fine_tuning,
        refit=run.refit,
        statistics=statistics,
        folder=out,
        resume=resume,
        hardware=runtime.hardware,
        progress=runtime.progress,
        logger=runtime.logger,
    )
    if not is_first_process():
        return model
    assert model.scores is not None
    write_text(out / "metrics.csv", model.scores.to_csv(index=False))
    # The model comes last: a folder with one is a finished run.
    model.save(out / MODEL)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    RUNS.clear(out)
    return model


def open_fine_tuned(out: Path) -> ZeroShotModel:
    """Return the model of a finished run.

    Raises:
        UserError: if it was not finished; the message says how to finish it.
    """
    if not RUNS.is_finished(Path(out)):
        raise UserError(RUNS.describe_unfinished(Path(out)))
    return ZeroShotModel.load(Path(out) / MODEL)


def newest_rows(
    run: FineTuningRun, model: ZeroShotModel, options: FrameOptions, table: TableOptions
) -> tuple[SeriesData, tuple[str, ...]]:
    """Return the series that a run's forecast follows: its latest file as it is now, or the rows that the model keeps.

    Args:
        run: with the file that was read last.
        model: that came of it.
        options: what the columns of the file mean.
        table: how it is written.

    Returns:
        The series, and notes where they are not those that the model keeps.

    Raises:
        UserError: if the file has changed, and no longer fits the model; it has the notes.
    """
    assert model.context is not None
    latest = run.latest.data
    path = Path(latest.path)
    if not path.is_file():
        return model.context, (f"the data file {path} is gone: the rows that the model keeps are forecast from",)
    if latest.holds(path):
        return model.context, ()
    notes = [f"{path} has changed since it was read: its latest rows are forecast from (update keeps them)"]
    try:
        data = read_like(path, model.context, options, table)
        notes += data.notes
        new = continuing_series(data, model.context, options)
        joined = continued(model.context, new, counted=options.start is not None, holes=options.holes)
    except UserError as error:
        for note in notes:
            error.add_note(note)
        raise
    return joined, tuple(notes)


def update_run(
    out: Path, path: Path, options: FrameOptions | None = None, table: TableOptions | None = None
) -> ZeroShotModel:
    """Take new rows into a run's context and calibration, without training.

    What the run was trained on stays in its configuration.

    Args:
        out: the run folder.
        path: file with new rows, or the series from further back; forecasts go on from it.
        options: what its columns mean, from now on; None as those of the file read last.
        table: how it is written; likewise.

    Raises:
        UserError: if the run was not finished, the data does not fit it, or another process is writing into it.
    """
    out, path = Path(out), Path(path)
    with alone_in(out):
        run, model = read_config(out, FineTuningRun), open_fine_tuned(out)
        assert model.context is not None
        rows = Rows(DataRecord.of(path), options or run.latest.options, table or run.latest.table)
        updated = replace(model, options=rows.options).update(read_like(path, model.context, rows.options, rows.table))
        updated.save(out / MODEL)
        write_config(out, replace(run, updated=rows))
    return updated
