"""`titans forecast train`: from the options of the command line to a trained run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from titans_seq.commands import RunOptions, changes
from titans_seq.config import to_yaml
from titans_seq.errors import UserError
from titans_seq.experiment.history import describe
from titans_seq.experiment.overrides import override, parse_changes
from titans_seq.experiment.record import read_config_file
from titans_seq.registry import kind_of

from ..config import ForecastConfig
from ..data import FrameOptions, TableOptions
from ..presets import find_preset, replace_mixer
from ..runs.config import RunConfig
from ..runs.runs import train_run
from .options import ColumnOptions, NetworkOptions, TextOptions, Train

SHORTEST_CONTEXT = 32


def train(options: Train) -> None:
    """Train, and say what came of it and what to do next."""
    run = options.run
    if run.resume:
        _refuse_with_resume(options)
        config, data, frame, table = None, options.data, FrameOptions(), TableOptions()
    else:
        data, config, frame, table = resolve(options)
    if run.dry_run:
        print(to_yaml({"forecast": config, "options": frame, "table": table}), end="")
        return
    model = train_run(
        data,
        run.out,
        config,
        frame,
        table,
        resume=run.resume,
        overwrite=run.overwrite,
        progress=run.progress,
        hardware=options.hardware,
        logger=run.logger,
    )
    for note in model.notes:
        print(f"note: {note}")
    history = model.history
    scores = describe(history.best, ("validation_mse", "validation_mae"))
    print(f"trained {len(history.epochs)} epochs, the best was epoch {history.best_epoch}", end="")
    print(f": validation {scores}" if scores else "")
    print(f"the run is in {run.out}; next:")
    for verb in ("evaluate", "predict", "plot"):
        print(f"  titans forecast {verb} {run.out}")


def resolve(options: Train) -> tuple[Path, ForecastConfig, FrameOptions, TableOptions]:
    """What to train on, and how: the --config file or the preset, changed by the options that are given.

    Raises:
        UserError: something needed is not given, or two options contradict each other.
    """
    if options.run.config is not None and options.preset is not None:
        raise UserError("--config and --preset both say how to train: give one of them")
    if options.run.config is not None:
        run = read_config_file(options.run.config, RunConfig)
        base, frame, table = run.forecast, run.options, run.table
        data = options.data or Path(run.data.path)
    else:
        base, frame, table = _from_preset(options), FrameOptions(), TableOptions()
        if options.data is None:
            raise UserError("no data file is given: name one, as in titans forecast train data.csv ...")
        data = options.data
    config = replace(base, optimiser=options.optimiser)
    if options.network.mixer is not None:
        config = replace(config, network=replace_mixer(config.network, options.network.mixer))
    _check_output(options.network, config)
    short = changes(options) | changes(options.network) | changes(options.training)
    if options.training.no_calendar:
        short["calendar"] = False
    config = override(config, short | parse_changes(options.run.set))
    return data, config, frame_options(options.columns, frame), table_options(options.text, table)


def _check_output(options: NetworkOptions, config: ForecastConfig) -> None:
    """Say of which output the options are, where the configuration has another."""
    kind = options.output or kind_of(type(config.output))
    if options.loss is not None and kind != "point":
        raise UserError(f"--loss {options.loss} is for point forecasts: add --output point, or leave it out")
    if options.levels is not None and kind != "quantiles":
        raise UserError("--levels is for quantile forecasts: add --output quantiles")


def _from_preset(options: Train) -> ForecastConfig:
    recipe = find_preset(options.preset or "default")
    if options.horizon is None:
        raise UserError("no horizon is given: add --horizon with the number of steps to forecast")
    return ForecastConfig(
        context=max(2 * options.horizon, SHORTEST_CONTEXT),
        horizon=options.horizon,
        network=recipe.network,
        output=recipe.output,
        batch_size=recipe.batch_size,
        batches_per_epoch=recipe.batches_per_epoch,
    )


def frame_options(columns: ColumnOptions, base: FrameOptions) -> FrameOptions:
    """What the columns mean: `base`, changed by the options that are given."""
    return _change(
        base,
        time=columns.time,
        id=columns.id,
        target=columns.target or None,
        known=columns.known or None,
        past=columns.past or None,
        freq=columns.freq,
        holes=columns.holes,
        duplicates=columns.duplicates,
        missing_values=tuple(_number_or_text(marker) for marker in columns.missing_value) or None,
        date_format=columns.date_format,
    )


def table_options(text: TextOptions, base: TableOptions) -> TableOptions:
    """How the table is written: `base`, changed by the options that are given."""
    return _change(base, separator=text.separator, encoding=text.encoding, decimal=text.decimal)


def _change(config: Any, **changes: Any) -> Any:
    return replace(config, **{name: value for name, value in changes.items() if value is not None})


def _number_or_text(marker: str) -> float | str:
    try:
        return float(marker)
    except ValueError:
        return marker


def _refuse_with_resume(options: Train) -> None:
    run = RunOptions(options.run.out, resume=True, logger=options.run.logger, progress=options.run.progress)
    if options != Train(run, data=options.data, hardware=options.hardware):
        raise UserError(
            "--resume goes on with the settings stored in the run: leave out all options but --out, --accelerator, "
            "--logger and --progress, or train anew with --overwrite"
        )
