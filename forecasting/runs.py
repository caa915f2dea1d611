"""The run folder: everything to repeat a training run and use its model."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .backtesting import Backtest
from .config import ForecastConfig
from .data import FrameOptions, TableOptions
from .evaluation import Evaluation, Part
from .model import ForecastModel, Progress

CONFIG = "config.yaml"
MODEL = "model"
CHECKPOINT = "checkpoint.pt"
HISTORY = "history.csv"
FORECAST = "forecast.csv"


@dataclass(frozen=True)
class RunConfig:
    """What config.yaml of a run holds."""

    forecast: ForecastConfig
    options: FrameOptions
    table: TableOptions
    data: str
    sha256: str
    versions: dict[str, str]
    commit: str | None = None


def read_run_config(path: Path) -> RunConfig:
    """Read a run's config.yaml (the file, or the run folder that holds it), for `--config`."""
    raise NotImplementedError


def train_run(
    data_path: Path | None,
    out: Path,
    config: ForecastConfig | None,
    options: FrameOptions = FrameOptions(),
    table: TableOptions = TableOptions(),
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = "none",
) -> ForecastModel:
    """Train on a file into the folder `out`. With `resume`, data_path and config may be None: as stored in `out`."""
    raise NotImplementedError


def open_run(out: Path) -> ForecastModel:
    """The trained model of a run; UserError naming the remedy for a half-written run."""
    raise NotImplementedError


def evaluate_run(
    out: Path, part: Part = "test", *, data_path: Path | None = None, season: int | None = None
) -> Evaluation:
    """Evaluate on the run's data (or another file); writes metrics.json, metrics.csv, metrics_by_step.csv."""
    raise NotImplementedError


def backtest_run(
    out: Path, *, windows: int = 5, step: int | None = None, refit: bool | int = False,
    season: int | None = None, data_path: Path | None = None, progress: Progress = "none",
) -> Backtest:
    """Backtest; writes backtest.csv (forecasts) and backtest_metrics.csv / .json."""
    raise NotImplementedError


def predict_run(
    out: Path, new: Path | None = None, target: Path | None = None, *,
    known_future: Path | None = None, levels: tuple[float, ...] | None = None,
) -> pd.DataFrame:
    """Forecast the future of the run's series, or of a new file; writes `target` (out/forecast.csv by default)."""
    raise NotImplementedError
