"""`titans forecast train`: from the options of the command line to a trained run."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError

from ..config import ForecastConfig
from ..data import FrameOptions, SeriesData, TableOptions, describe_series
from ..network.normalise import NormaliseConfig
from ..network.outputs import Output, Point, Quantiles, StudentT
from ..network.simba_network import NetworkConfig
from ..network.tokens import PatchConfig, VariateConfig
from ..presets import find_preset, replace_mixer
from ..runs.runs import read_run_config, train_run
from .options import ColumnOptions, NetworkOptions, TextOptions, Train, TrainingOptions

SHORTEST_CONTEXT = 32


def train(options: Train) -> None:
    """Train, and say what came of it and what to do next."""
    if options.resume:
        _refuse_with_resume(options)
        config, data, frame, table = None, options.data, FrameOptions(), TableOptions()
    else:
        data, config, frame, table = resolve(options)
    model = train_run(
        data,
        options.out,
        config,
        frame,
        table,
        resume=options.resume,
        overwrite=options.overwrite,
        progress=options.progress,
        tell=lambda series: tell(series, options.training.no_calendar),
    )
    for note in model.notes:
        if note not in model.context.notes:
            print(f"note: {note}")
    history = model.history
    best = history.history[history.best_epoch]
    print(f"trained {len(history.history)} epochs, the best was epoch {best.number + 1}", end="")
    scored = not math.isnan(best.val_mse)
    print(f": validation mse {best.val_mse:.4f}, mae {best.val_mae:.4f}" if scored else "")
    print(f"the run is in {options.out}; next:")
    for verb in ("evaluate", "predict", "plot"):
        print(f"  titans forecast {verb} {options.out}")


def tell(data: SeriesData, no_calendar: bool = False) -> None:
    """Say what will be forecast, and what reading found."""
    for line in describe_series(data, not no_calendar):
        print(line)
    for note in data.notes:
        print(f"note: {note}", flush=True)


def resolve(options: Train) -> tuple[Path, ForecastConfig, FrameOptions, TableOptions]:
    """What to train on, and how: the --config file or the preset, changed by the options that are given.

    Raises:
        UserError: something needed is not given, or two options contradict each other.
    """
    if options.config is not None and options.preset is not None:
        raise UserError("--config and --preset both say how to train: give one of them")
    if options.config is not None:
        run = read_run_config(options.config)
        base, frame, table = run.forecast, run.options, run.table
        data = options.data or Path(run.data)
    else:
        base, frame, table = _from_preset(options), FrameOptions(), TableOptions()
        if options.data is None:
            raise UserError("no data file is given: name one, as in titans forecast train data.csv ...")
        data = options.data
    config = _change(base, horizon=options.horizon, context=options.context)
    config = replace(
        config,
        network=change_network(config.network, options.network),
        output=change_output(config.output, options.network),
    )
    return (
        data,
        _change_training(config, options.training),
        frame_options(options.columns, frame),
        (table_options(options.text, table)),
    )


def _from_preset(options: Train) -> ForecastConfig:
    recipe = find_preset(options.preset or "default")
    if options.horizon is None:
        raise UserError("no horizon is given: add --horizon with the number of steps to forecast")
    return ForecastConfig(
        context=max(2 * options.horizon, SHORTEST_CONTEXT),
        horizon=options.horizon,
        network=recipe.network,
        output=recipe.output,
        optimiser=recipe.optimiser,
        batch_size=recipe.batch_size,
        batches_per_epoch=recipe.batches_per_epoch,
    )


def change_network(network: NetworkConfig, options: NetworkOptions) -> NetworkConfig:
    """The network with the parts that the options name.

    Raises:
        UserError: a size is below 1.
    """
    for name in ("width", "layers"):
        size = getattr(options, name)
        if size is not None and size < 1:
            raise UserError(f"--{name} must be at least 1, got {size}")
    if options.mixer is not None:
        network = replace_mixer(network, options.mixer)
    if options.tokens is not None:
        network = replace(network, tokens=PatchConfig() if options.tokens == "patch" else VariateConfig())
    match options.normalise:
        case "mean-std":
            network = replace(network, normalise=NormaliseConfig("mean_std"))
        case "last-value":
            network = replace(network, normalise=NormaliseConfig("last_value"))
        case "none":
            network = replace(network, normalise=NormaliseConfig("none"))
    return _change(network, width=options.width, layers=options.layers)


def change_output(output: Output, options: NetworkOptions) -> Output:
    """The output that the options name, or the one given.

    Raises:
        UserError: --loss or --levels is given for an output that has none.
    """
    match options.output:
        case "point":
            output = Point()
        case "quantiles":
            output = Quantiles()
        case "student-t":
            output = StudentT()
    if options.loss is not None:
        if not isinstance(output, Point):
            raise UserError(f"--loss {options.loss} is for point forecasts: add --output point, or leave it out")
        output = replace(output, criterion=options.loss)
    if options.levels:
        if not isinstance(output, Quantiles):
            raise UserError("--levels is for quantile forecasts: add --output quantiles")
        try:
            output = Quantiles(options.levels)
        except ValueError as error:
            raise UserError(f"--levels: {error}") from error
    return output


def _change_training(config: ForecastConfig, options: TrainingOptions) -> ForecastConfig:
    validation, test = config.shares
    if options.validation_share is not None:
        validation = options.validation_share
    if options.test_share is not None:
        test = options.test_share
    return _change(
        config,
        optimiser=_change(config.optimiser, lr=options.lr, epochs=options.epochs, patience=options.patience),
        batch_size=options.batch_size,
        batches_per_epoch=options.batches_per_epoch,
        shares=(validation, test),
        calendar=False if options.no_calendar else None,
        seed=options.seed,
    )


def frame_options(columns: ColumnOptions, base: FrameOptions) -> FrameOptions:
    """What the columns mean: `base`, changed by the options that are given."""
    return _change(
        base,
        time=columns.time or None,
        id=columns.id or None,
        target=columns.target or None,
        known=columns.known or None,
        past=columns.past or None,
        freq=columns.freq,
        holes=columns.holes,
        duplicates=columns.duplicates,
        missing_values=tuple(_number_or_text(marker) for marker in columns.missing_value) or None,
        date_format=columns.date_format,
        time_zone=columns.time_zone,
        rows_are_steps=columns.rows_are_steps or None,
        round=columns.round or None,
        start=columns.start,
    )


def table_options(text: TextOptions, base: TableOptions) -> TableOptions:
    """How the table is written: `base`, changed by the options that are given."""
    return _change(
        base,
        separator=text.separator,
        encoding=text.encoding,
        decimal=text.decimal,
        thousands=text.thousands,
        skip_rows=text.skip_rows,
        sheet=text.sheet,
    )


def _change(config: Any, **changes: Any) -> Any:
    return replace(config, **{name: value for name, value in changes.items() if value is not None})


def _number_or_text(marker: str) -> float | str:
    try:
        return float(marker)
    except ValueError:
        return marker


def _refuse_with_resume(options: Train) -> None:
    plain = Train(out=options.out, data=options.data, resume=True, progress=options.progress)
    if options != plain:
        raise UserError(
            "--resume goes on with the settings stored in the run: leave out all options but --out and "
            "--progress, or train anew with --overwrite"
        )
