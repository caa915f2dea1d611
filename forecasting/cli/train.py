"""`titans forecast train`: from the options of the command line to a trained run."""

import contextlib
import io
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from titans_seq.commands import changes
from titans_seq.config import to_yaml
from titans_seq.errors import UserError
from titans_seq.experiment.history import describe
from titans_seq.experiment.overrides import override, parse_changes
from titans_seq.experiment.processes import is_first_process
from titans_seq.experiment.record import DataRecord, read_config_file
from titans_seq.registry import kind_of

from ..data import FrameOptions, TableOptions
from ..data.wording import counted
from ..runs.config import RunConfig
from ..runs.fine_tuned import FineTuningRun, fine_tune_run, is_fine_tuned, is_fine_tuning, resume_fine_tuning
from ..runs.runs import train_run
from ..settings.config import ForecastConfig
from ..settings.presets import find_preset, replace_mixer
from ..zero_shot.settings import FineTuningConfig
from .options import NO_HORIZON, TUNING, NetworkOptions, Task, Train
from .tables import score_text, tell_notes, tell_pretrained, tell_series

SHORTEST_CONTEXT = 32
_TUNED_BY = "--steps, --seed, --lr and --set fine_tuning.blend=1 (--dry-run shows all)"


def train(options: Train) -> None:
    """Train, and say what came of it and what to do next; of several processes the first one says it."""
    with contextlib.nullcontext() if is_first_process() else contextlib.redirect_stdout(io.StringIO()):
        _train(options)


def _train(options: Train) -> None:
    run, task = options.run, options.task
    if is_fine_tuned(run.out) if run.resume else begins_pretrained(task):
        return _fine_tune(options)
    if run.resume:
        config, data, frame, table = None, task.data, FrameOptions(), TableOptions()
    else:
        _refuse_of_pretrained(options)
        data, config, frame, table = resolve(task)
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
        runtime=run.runtime(options.hardware),
        tell=lambda data, config: tell_series(data if config.static else data.with_static(()), config.calendar),
    )
    tell_notes(model.notes, told=model.context.notes)
    history = model.history
    scores = describe(history.best, ("validation_mse", "validation_mae"))
    print(f"trained {counted(len(history.epochs), 'epoch')}, the best was epoch {history.best_epoch}", end="")
    print(f": validation {scores}" if scores else "")
    print(f"the run is in {run.out}; next:")
    for verb in ("evaluate", "predict", "plot"):
        print(f"  titans forecast {verb} {shlex.quote(str(run.out))}")


def begins_pretrained(options: Task) -> bool:
    """Say whether training begins with pretrained weights: unasked, where no option is for a network of its own."""
    config = options.settings.config
    if config is not None and not is_fine_tuning(config):
        return False
    own = options.of_own_network()
    named = ", ".join(own)
    if config is not None and (own or options.init == "none"):
        raise UserError(
            f"--config {config} is of a training from pretrained weights, and {named or '--init none'} of a network of "
            f"its own: leave out one of the two; the settings of that training are changed by {_TUNED_BY}"
        )
    if options.init is None:
        if own:
            print(f"note: trained from scratch (--init none), as {named} asks for a network of its own")
        return not own
    if options.init != "none" and own:
        raise UserError(
            f"--init {options.init} begins with a pretrained network, and {named} asks for a network of its own: leave "
            f"it out, or give --init none; a training from pretrained weights is changed by {_TUNED_BY}"
        )
    return options.init != "none"


def _fine_tune(options: Train) -> None:
    run = options.run
    statistics, runtime = True if options.statistics else None, run.runtime(options.hardware)
    if run.resume:
        model = resume_fine_tuning(run.out, options.task.data, runtime=runtime, statistics=statistics)
    else:
        settings = fine_tuning_run(options.task)
        if run.dry_run:
            print(to_yaml(settings), end="")
            return
        model = fine_tune_run(
            settings, run.out, overwrite=run.overwrite, runtime=runtime, statistics=statistics, tell=tell_pretrained
        )
    assert model.scores is not None
    tell_notes(model.notes, told=() if model.context is None or run.resume else model.context.notes)
    print(score_text(model.scores, (model.levels[0], model.levels[-1])))
    print(f"the run is in {run.out}; next:")
    for verb in ("predict", "backtest", "plot"):
        print(f"  titans forecast {verb} {shlex.quote(str(run.out))}")


def fine_tuning_run(options: Task) -> FineTuningRun:
    """Return the training from pretrained weights that options and --config name.

    Raises:
        UserError: if data or horizon is missing.
    """
    if options.settings.config is not None:
        stored = read_config_file(options.settings.config, FineTuningRun)
    elif options.data is None:
        raise UserError(
            "no data file is given: name one, as in titans forecast train data.csv --horizon 24 --out runs/x"
        )
    elif options.horizon is None:
        raise UserError(NO_HORIZON)
    else:
        nothing = DataRecord("", "")
        stored = FineTuningRun(options.horizon, FineTuningConfig(), True, FrameOptions(), TableOptions(), nothing, None)
    path = options.data or _stored_data(stored.data)
    flags = {"steps": options.steps, "seed": options.training.seed, "lr": options.optimiser.lr}
    short = {name: value for name, value in flags.items() if value is not None}
    given = {name.removeprefix(TUNING): value for name, value in parse_changes(options.settings.set).items()}
    tuning = override(stored.fine_tuning, short | given)
    return FineTuningRun(
        stored.horizon if options.horizon is None else options.horizon,
        tuning,
        stored.refit and not options.no_refit,
        options.reading.frame(stored.options),
        options.reading.table(stored.table),
        DataRecord.of(path),
        stored.init if options.init in (None, "pretrained") else options.init,
    )


def resolve(options: Task) -> tuple[Path, ForecastConfig, FrameOptions, TableOptions]:
    """Return what to train on, and how: the --config file or the preset, changed by the options that are given.

    Raises:
        UserError: something needed is not given, or two options contradict each other.
    """
    if options.settings.config is not None:
        run = read_config_file(options.settings.config, RunConfig)
        base, frame, table = run.forecast, run.options, run.table
        data = options.data or _stored_data(run.data)
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
    if options.training.no_static:
        short["static"] = False
    config = override(config, short | _settings_changed(options.settings.set))
    return data, config, options.reading.frame(frame), options.reading.table(table)


def _settings_changed(texts: Iterable[str]) -> dict[str, Any]:
    """Read the changes of --set, whose paths may begin with `forecast`, below which config.yaml has the settings.

    Raises:
        UserError: if one is of how the data is read.
    """
    given = {path.removeprefix("forecast."): value for path, value in parse_changes(texts).items()}
    for path in given:
        if path.partition(".")[0] in ("options", "table"):
            raise UserError(
                f"--set {path}: how the data is read is no setting of the forecaster: give the option for it, such as "
                "--target or --separator (titans forecast train --help shows all)"
            )
    return given


def _stored_data(data: DataRecord) -> Path:
    """The data file of a stored configuration.

    Raises:
        UserError: if it is gone.
    """
    path = Path(data.path)
    if not path.is_file():
        raise UserError(f"{path}, the data file of --config, is gone: name the file to train on before the options")
    return path


def _check_output(options: NetworkOptions, config: ForecastConfig) -> None:
    """Say of which output the options are, where the configuration has another."""
    kind = options.output or kind_of(type(config.output))
    if options.loss is not None and kind != "point":
        raise UserError(f"--loss {options.loss} is for point forecasts: add --output point, or leave it out")
    if options.levels is not None and kind != "quantiles":
        raise UserError("--levels is for quantile forecasts: add --output quantiles")


def _from_preset(options: Task) -> ForecastConfig:
    recipe = find_preset(options.preset or "default")
    if options.horizon is None:
        raise UserError(NO_HORIZON)
    return ForecastConfig(
        context=max(2 * options.horizon, SHORTEST_CONTEXT),
        horizon=options.horizon,
        network=recipe.network,
        output=recipe.output,
        batch_size=recipe.batch_size,
        batches_per_epoch=recipe.batches_per_epoch,
    )


def _refuse_of_pretrained(options: Train) -> None:
    """Refuse options that only a training from pretrained weights reads."""
    task = options.task
    given = {"--steps": task.steps is not None, "--no-refit": task.no_refit, "--statistics": options.statistics}
    given |= {f"--set {path}": True for path in parse_changes(task.settings.set) if path.startswith(TUNING)}
    for name in (name for name, is_given in given.items() if is_given):
        raise UserError(
            f"{name} is for a training from pretrained weights, and this is one of a network of its own: leave it out, "
            "or leave out what makes it so (--init none, --preset, --context, --set, options of network and optimiser)"
        )
