"""What each verb of `titans forecast` takes on its command line; light, so that help loads nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from titans_seq.commands import Inline, Maybe, RunOptions, SettingsOptions, Several, short
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware
from titans_seq.extras import check_packages
from titans_seq.progress import Progress

from ..settings.optimiser import USUAL, OptimiserConfig
from .reading_options import ReadingOptions

TUNING = "fine_tuning."
"""How the paths of settings begin that only a training from pretrained weights has."""
NO_HORIZON = "no horizon is given: add --horizon with the number of steps to forecast"
NO_OTHER_FILE = (
    "options on columns and text say how to read another file, and none is named: the run's own is read as it was for "
    "training"
)
Numbers = Annotated[tuple[float, ...], arg(help_behavior_hint="")]


@dataclass(frozen=True)
class EngineOptions:
    """For many series: forecasts are made on several processes or machines, and are the same."""

    engine: Maybe[Literal["dask"]] = None
    """Share the series out among workers of Dask."""
    workers: Maybe[int] = None
    """Processes to start on this machine; one for each core if not given."""
    cluster: Maybe[str] = None
    """Address of the scheduler of a cluster that runs, such as tcp://10.0.0.1:8786, in place of --workers."""


@dataclass(frozen=True)
class NetworkOptions:
    """What is not given is as in the preset or the --config file."""

    mixer: Maybe[Literal["memory", "identity", "gru", "attention"]] = None
    """Sequence mixer: the neural memory, or a control in its place."""
    tokens: Maybe[Literal["patch", "variate"]] = short(
        "network.tokens.kind", {"patch": "patches", "variate": "variates"}
    )
    """Tokens: patches of each channel, or whole channels."""
    normalise: Maybe[Literal["mean-std", "last-value", "none"]] = short(
        "network.normalise.kind", {"mean-std": "mean_std", "last-value": "last_value"}
    )
    """How each window is brought to a common level."""
    width: Maybe[int] = short("network.width")
    """Features of a token."""
    layers: Maybe[int] = short("network.layers")
    """Blocks."""
    output: Maybe[Literal["point", "quantiles", "student-t"]] = short("output.kind", {"student-t": "student_t"})
    """What is forecast."""
    loss: Maybe[Literal["mse", "mae", "huber"]] = short("output.criterion")
    """Loss of a point forecast."""
    levels: Annotated[tuple[float, ...] | None, arg(help_behavior_hint="")] = short("output.levels")
    """Levels of a quantile forecast, such as 0.1 0.5 0.9."""


@dataclass(frozen=True)
class TrainingOptions:
    """What is not given is as in the preset or the --config file."""

    batch_size: Maybe[int] = short("batch_size")
    """Windows a step."""
    batches_per_epoch: Maybe[int] = short("batches_per_epoch")
    """Most steps of an epoch."""
    seed: Maybe[int] = short("seed")
    """Seed of weights, order of windows and dropout."""
    validation_share: Maybe[float] = short("shares.0")
    """Share of the time axis for early stopping (0.1 by default)."""
    test_share: Maybe[float] = short("shares.1")
    """Share at the end, for `evaluate` (0.2 by default)."""
    no_calendar: bool = False
    """Leave out the calendar features, which are covariates otherwise."""
    no_static: bool = False
    """Leave out static columns, which a network of its own uses otherwise."""


@dataclass(frozen=True)
class Task:
    """What is forecast from which data, and how that is learnt."""

    data: Positional[Maybe[Path]] = None
    """CSV, Parquet, Excel or .tsf file, wide (a column a series) or long (id, time, value); .gz and .zip too."""
    horizon: Maybe[int] = short("horizon")
    """Steps to forecast."""
    context: Maybe[int] = short("context")
    """Past steps to read; twice the horizon, and 32 at least, if not given."""
    init: Maybe[str] = None
    """Where training begins: pretrained (the weights of the package), none, or a run or model folder."""
    steps: Maybe[int] = None
    """Steps of a training from pretrained weights; 200 if not given."""
    no_refit: bool = False
    """Never train on the rows held out for the choice; else a third as many steps on all rows follow."""
    preset: Maybe[str] = None
    """Of a network of its own: small, default (taken if not given) or large."""
    settings: Inline[SettingsOptions] = field(default_factory=SettingsOptions)
    reading: Inline[ReadingOptions] = field(default_factory=ReadingOptions)
    network: OmitArgPrefixes[NetworkOptions] = field(default_factory=NetworkOptions)
    training: OmitArgPrefixes[TrainingOptions] = field(default_factory=TrainingOptions)
    optimiser: OmitArgPrefixes[OptimiserConfig] = USUAL

    def known(self) -> "Task":
        """Return the task of which only the optimiser of the --config file, or of the preset, is given.

        A training from pretrained weights has a learning rate alone.
        """
        from ..settings.presets import find_preset
        from ..zero_shot.settings import FineTuningConfig

        config = self.settings.config
        if config is None:
            if self.init != "none" and not self.of_own_network():
                return Task(optimiser=replace(USUAL, lr=FineTuningConfig().lr))
            return Task(optimiser=find_preset(self.preset or "default").optimiser)
        if self.preset is not None:
            raise UserError("--config and --preset both say how to train: give one of them")
        from titans_seq.experiment.record import read_config_file

        from ..runs.config import RunConfig
        from ..runs.fine_tuned import FineTuningRun, is_fine_tuning

        if is_fine_tuning(config):
            return Task(optimiser=replace(USUAL, lr=read_config_file(config, FineTuningRun).fine_tuning.lr))
        return Task(optimiser=read_config_file(config, RunConfig).forecast.optimiser)

    def of_own_network(self) -> list[str]:
        """Return the options that are given and only a network of its own reads, as they are written.

        Both kinds of training have a seed and a learning rate.
        """
        from titans_seq.experiment.overrides import parse_changes

        from ..settings.presets import find_preset

        given = [name for name in ("context", "preset") if getattr(self, name) is not None]
        usual = find_preset(self.preset or "default").optimiser
        for mine, plain in (
            (self.network, NetworkOptions()),
            (replace(self.training, seed=None), TrainingOptions()),
            (replace(self.optimiser, lr=usual.lr), usual),
        ):
            given += [one.name for one in fields(mine) if getattr(mine, one.name) != getattr(plain, one.name)]
        settings = [path for path in parse_changes(self.settings.set) if not path.startswith(TUNING)]
        return [f"--{name.replace('_', '-')}" for name in given] + [f"--set {path}" for path in settings]


def _check_extras(statistics: bool, hierarchy: str | None = None) -> None:
    """Refuse options that come to a missing package only after minutes."""
    if statistics:
        check_packages("--statistics", {"statsforecast": "statistics"})
    if hierarchy == "mint":
        check_packages("--hierarchy mint", {"hierarchicalforecast": "hierarchies"})


@dataclass(frozen=True)
class Train:
    """Train a forecaster on a file.

    Training begins with pretrained weights and keeps the better of before and after; it takes a minute or two. With
    --init none, or with settings that only a network of its own has (--context, --preset, --width, ...), one is
    trained from scratch.

    Other parts of the network are chosen by --set, such as --set network.mixer.memory.chunk_size=8. A training from
    pretrained weights is changed by --steps, --seed, --lr (3e-4 if not given) and --set fine_tuning.blend=1.
    """

    run: OmitArgPrefixes[RunOptions]
    task: Inline[Task] = field(default_factory=Task)
    statistics: bool = False
    """Compare with AutoETS and AutoTheta, however long it takes; where there are few values they are fitted unasked."""
    hardware: OmitArgPrefixes[Hardware] = field(default_factory=Hardware)

    def __post_init__(self) -> None:
        _check_extras(self.statistics)

    def resumable(self) -> tuple[str, ...]:
        """Return what a resumed run reads besides what all runs do."""
        from ..runs.fine_tuned import is_fine_tuned

        return ("data", "statistics") if is_fine_tuned(self.run.out) else ("data",)

    def defaults(self) -> Mapping[str, Any]:
        """Return the optimiser of the --config file, or of the preset."""
        return {} if self.run.resume else {"task": self.task.known()}


@dataclass(frozen=True)
class Evaluate:
    """Score every window of a part of the data, beside the baselines.

    A run that began with pretrained weights shows its scores on the rows held out; the options are for one of a network
    of its own (train --init none).
    """

    run: Positional[Path]
    """Folder of the run."""
    part: Literal["validation", "test"] = "test"
    """Part of the data."""
    data: Maybe[Path] = None
    """Another file than the one trained on."""
    season: Maybe[int] = None
    """Steps of a season, for MASE and the seasonal naive forecast; from the frequency if not given."""
    reading: Inline[ReadingOptions] = field(default_factory=ReadingOptions)


@dataclass(frozen=True)
class BacktestOptions:
    """Forecast from several past cutoffs and score the forecasts, beside the baselines."""

    run: Positional[Path]
    """Folder of the run, or a data file, which is forecast without training."""
    windows: int = 5
    """How many cutoffs."""
    step: Maybe[int] = None
    """Steps between them; the horizon if not given."""
    refit: int = 0
    """Train anew at every so many cutoffs; 0 never does."""
    data: Maybe[Path] = None
    """Another file than the one trained on."""
    season: Maybe[int] = None
    """Steps of a season; from the frequency if not given."""
    progress: Progress = "lines"
    """What to show while training anew."""
    out: Maybe[Path] = None
    """CSV or Parquet file for the forecasts; backtest.csv in the run folder if not given."""
    statistics: bool = False
    """Fit AutoETS and AutoTheta too, however long it takes; where there are few values they are fitted unasked."""
    horizon: Maybe[int] = None
    """Steps to forecast; those of the run if not given."""
    hierarchy: Maybe[Literal["none", "bottom-up", "mint"]] = None
    """Score the totals at every level of --id too, and forecasts that this makes add up, beside those by themselves."""
    weights: Maybe[Path] = None
    """Run or model folder of a pretrained forecaster for a data file; the weights of the package if not given."""
    sharding: OmitArgPrefixes[EngineOptions] = field(default_factory=EngineOptions)
    reading: Inline[ReadingOptions] = field(default_factory=ReadingOptions)

    def __post_init__(self) -> None:
        _check_extras(self.statistics, self.hierarchy)


@dataclass(frozen=True)
class Predict:
    """Forecast the future, with dates and quantiles."""

    run: Positional[Path]
    """Folder of the run, or a data file, which is forecast without training."""
    new: Positional[Maybe[Path]] = None
    """File of new series, or of a longer history; the series trained on if not given."""
    out: Maybe[Path] = None
    """CSV or Parquet file to write; forecast.csv in the run folder if not given."""
    known_future: Maybe[Path] = None
    """File with the future of the known covariates; options on text that do not fit it are for the other file alone."""
    levels: Numbers = ()
    """Quantiles to write, such as 0.05 0.5 0.95; those trained if not given. Pretrained weights give Gaussian tails
    beyond 0.1 and 0.9; a network of its own gives none beyond the levels that it was trained for, unless its output is
    student-t."""
    non_negative: bool = False
    """Cut forecasts off at 0, as is done unasked for series of counts."""
    model: Literal["run", "best"] = "run"
    """What forecasts: the model, or the best in the past of it, baselines, and its mean with AutoETS and AutoTheta."""
    no_calibration: bool = False
    """Leave the intervals as the network gives them; else past forecasts say how wide they must be."""
    horizon: Maybe[int] = None
    """Steps to forecast; those of the run if not given."""
    hierarchy: Maybe[Literal["none", "bottom-up", "mint"]] = None
    """Forecast the totals at every level of --id too (the coarsest first), and how their means are made to add up."""
    weights: Maybe[Path] = None
    """Run or model folder of a pretrained forecaster for a data file; the weights of the package if not given."""
    sharding: OmitArgPrefixes[EngineOptions] = field(default_factory=EngineOptions)
    reading: Inline[ReadingOptions] = field(default_factory=ReadingOptions)

    def __post_init__(self) -> None:
        _check_extras(False, self.hierarchy)


@dataclass(frozen=True)
class Plot:
    """Draw the forecast, and how training and the error over the horizon went."""

    run: Positional[Path]
    """Folder of the run, or a data file, which is forecast without training."""
    series: Several = ()
    """Series to draw; the first four if not given."""
    history: Maybe[int] = None
    """Past steps to show; three horizons if not given."""
    known_future: Maybe[Path] = None
    """File with the future of the known covariates; options on text that do not fit it are for the other file alone."""
    out: Maybe[Path] = None
    """Picture of the forecast, PNG, PDF or SVG; forecast.png in the run folder if not given."""
    horizon: Maybe[int] = None
    """Steps to forecast; those of the run if not given."""
    weights: Maybe[Path] = None
    """Run or model folder of a pretrained forecaster for a data file; the weights of the package if not given."""
    reading: Inline[ReadingOptions] = field(default_factory=ReadingOptions)


@dataclass(frozen=True)
class Benchmark:
    """Train on a long-horizon benchmark set by its preset and score every test window."""

    dataset: Positional[str]
    """ETTh1, ETTh2, ETTm1, ETTm2, Weather, Exchange, ILI, ECL or Traffic."""
    horizon: int = 96
    """Steps to forecast: 96, 192, 336 or 720, for ILI 24, 36, 48 or 60."""
    data_dir: Path = Path("data")
    """Folder that holds the set, plain or gzipped."""
    mixer: Literal["memory", "identity", "gru", "attention"] = "memory"
    """Sequence mixer."""
    seed: int = 0
    """Of weights, order of windows and dropout."""
    set: Annotated[Several, arg(metavar="PATH=VALUE")] = ()
    """Change to the preset, such as optimiser.lr=3e-3 or network.layers=2."""
    out: Maybe[Path] = None
    """File the row is added to, or a folder for forecasting.jsonl; only printed if not given."""
    download_to: Maybe[Path] = None
    """Where a set that is not in --data-dir is downloaded to; ~/.cache/titans-seq if not given."""
    progress: Progress = "lines"
    """What to show while training."""


@dataclass(frozen=True)
class Info:
    """Say what a run folder or a data file holds."""

    path: Positional[Path]
    """Folder of a run, or a data file."""
    reading: Inline[ReadingOptions] = field(default_factory=ReadingOptions)


@dataclass(frozen=True)
class Update:
    """Take new rows into a run without training: its forecasts continue them, its intervals know them."""

    run: Positional[Path]
    """Folder of a run that began with pretrained weights."""
    new: Positional[Path]
    """File with new rows alone, or with series from further back; without dates, from the first row on."""
    reading: Inline[ReadingOptions] = field(default_factory=ReadingOptions)
