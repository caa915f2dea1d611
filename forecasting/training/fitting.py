"""Training a forecaster on series: split, scale, cut windows, run the trainer."""

import copy
import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError
from titans_seq.experiment.fit import FitPlan, fit
from titans_seq.experiment.history import History
from titans_seq.experiment.processes import gather_ranks
from titans_seq.experiment.recorder import Score
from titans_seq.experiment.settings import RUNTIME, Runtime

from ..data import SeriesData
from ..data.steps import step_number
from ..data.wording import counted
from ..network.batch import WindowBatch
from ..network.simba_network import SimbaNetwork
from ..settings.config import ForecastConfig
from ..settings.optimiser import OptimiserConfig
from ..trained.inference import Trained, new_network
from ..windows.cutting import WindowLoader, Windows
from ..windows.preparation import Scaling, fit_scaling, prepare, series_key
from ..windows.splitting import Split, split_data
from .lightning_module import ForecastModule

LEAST_BATCHES = 50
"""Batches an epoch of a short series has, by reading its windows again: otherwise it would be a step or two."""


def fit_series(
    data: SeriesData,
    config: ForecastConfig,
    *,
    start: Trained | None = None,
    folder: Path | None = None,
    resume: bool = False,
    runtime: Runtime = RUNTIME,
) -> tuple[Trained, History, tuple[str, ...]]:
    """Train a network on the training parts of all series, stopping early by their validation parts.

    Args:
        data: the series.
        config: all settings.
        start: trained before: its weights and scalers are where training starts; it is left as it is.
        folder: where log and checkpoints are written.
        resume: whether to go on from the last checkpoint there.
        runtime: what it runs on and shows meanwhile.

    Returns:
        The trained network, the epochs, and notes on what was decided.

    Raises:
        UserError: if the series are too short, a channel has no value in its training part, or the loss is
            not finite.
    """
    split = split_data(data, config.context, config.horizon, config.shares)
    scaling = _scaling(data, split, start)
    train, validation = _windows(data, config, split, scaling)
    notes = (*split.notes, _describe(train, validation))
    if validation is not None:
        _check_validation(data, split)
    # Batches are gathered where they are used: on a GPU that saves a copy of each from the CPU.
    device = runtime.hardware.device()
    network = copy.deepcopy(start.network) if start else new_network(data, config, scaling.static.width)
    history = fit_network(
        network,
        _loader(train.to(device), config),
        None if validation is None else WindowLoader(validation.to(device), config.batch_size),
        config.optimiser,
        seed=config.seed,
        folder=folder,
        resume=resume,
        runtime=runtime,
    )
    return Trained(config, network.eval(), scaling, _until(data, split, start)), history, notes


def training_batches(data: SeriesData, config: ForecastConfig) -> WindowLoader:
    """Return the batches that `fit_series` trains on.

    Raises:
        UserError: if the series are too short, or a channel has no value in its training part.
    """
    split = split_data(data, config.context, config.horizon, config.shares)
    return _loader(_windows(data, config, split, _scaling(data, split, None))[0], config)


def _windows(
    data: SeriesData, config: ForecastConfig, split: Split, scaling: Scaling
) -> tuple[Windows, Windows | None]:
    """Windows of the training part, and of the validation part if there is one."""
    scalers = scaling.of(data, split.train_end.tolist())
    items = prepare(data, scaling, scalers, config.calendar, config.horizon)
    train = split.train_windows(items, config.context, config.horizon)
    return train, split.part_windows(items, config.context, config.horizon, "validation")


def _loader(train: Windows, config: ForecastConfig) -> WindowLoader:
    limit = config.batches_per_epoch
    least = min(LEAST_BATCHES, limit or LEAST_BATCHES)
    return WindowLoader(train, config.batch_size, shuffle=True, seed=config.seed, limit=limit, least=least)


def fit_network(
    network: SimbaNetwork,
    train: Iterable[WindowBatch],
    validation: Iterable[WindowBatch] | None,
    config: OptimiserConfig,
    *,
    seed: int = 0,
    folder: Path | None = None,
    resume: bool = False,
    runtime: Runtime = RUNTIME,
) -> History:
    """Train `network` in place and leave its best weights in it, in all processes, on the CPU, in evaluation mode.

    See `titans_seq.experiment.fit.fit` for what is written and what a resumed run ends with.

    Args:
        network: what to train.
        train: sized iterable of training batches, whose order is a function of the epoch.
        validation: iterable of validation batches; None trains all epochs and keeps the last weights.
        config: optimiser, schedule and stopping.
        seed: of the dropout; the initial weights come from the seed that `build_network` was given.
        folder: where log and checkpoints are written; None writes nothing.
        resume: go on from the last checkpoint in `folder`, if there is one.
        runtime: what it runs on and shows meanwhile.

    Raises:
        UserError: if the loss is not finite, the checkpoint is of another network, or the strategy is fsdp.

    Example:
        >>> from forecasting.windows.arrays import ItemArrays
        >>> from forecasting.network.simba_network import NetworkConfig, build_network
        >>> from forecasting.network.outputs import Point
        >>> series = ItemArrays(np.sin(np.arange(200))[:, None].astype(np.float32))
        >>> loader = WindowLoader(Windows([series], context=16, horizon=4), batch_size=32, shuffle=True)
        >>> network = build_network(NetworkConfig(width=8), Point(), channels=1, context=16, horizon=4)
        >>> history = fit_network(network, loader, None, OptimiserConfig(lr=1e-2, epochs=2))
        >>> history.rows[-1]["loss"] < history.rows[0]["loss"]
        True
    """
    if runtime.hardware.sharded:
        raise UserError("--strategy fsdp shares out parameters, of which a forecaster has few: use --strategy ddp")
    scores = (Score(f"validation_{config.monitor}"),)
    fitted = fit(
        ForecastModule(network.train(), config),
        FitPlan(epochs=config.epochs, seed=seed, keep_best=scores, patience=config.patience),
        functools.partial(_of_process, train),
        None if validation is None else functools.partial(_of_process, validation),
        folder=folder,
        resume=resume,
        runtime=runtime,
    )
    weights = next(own for own in gather_ranks(fitted.weights) if own is not None)
    network.cpu().eval().load_state_dict(weights)
    return fitted.history


def _of_process(batches: Iterable[WindowBatch], rank: int, world: int) -> Iterable[WindowBatch]:
    return batches.shared(rank, world) if isinstance(batches, WindowLoader) and world > 1 else batches


def _scaling(data: SeriesData, split: Split, start: Trained | None) -> Scaling:
    fitted = fit_scaling(data, split.train_end.tolist())
    if start is None:
        return fitted
    # The weights are used to the scales they were trained on, so these stay.
    return Scaling(fitted.values | start.scaling.values, start.scaling.known, start.scaling.past, start.scaling.static)


def _check_validation(data: SeriesData, split: Split) -> None:
    parts = zip(data.items, split.train_end, split.val_end, strict=True)
    if all(np.isnan(item.values[begin:end]).all() for item, begin, end in parts):
        raise UserError(
            "no value is observed in the validation part, so training cannot be stopped by it: "
            "set the validation share to 0 or to more"
        )


def _until(data: SeriesData, split: Split, start: Trained | None) -> dict[str, int]:
    until = dict(start.until) if start else {}
    for item, end in zip(data.items, split.val_end, strict=True):
        key = series_key(data, item)
        last = step_number(item.index, data.freq) + int(end) - 1
        until[key] = max(last, until.get(key, last))
    return until


def _describe(train: Windows, validation: Windows | None) -> str:
    kept = "no validation part" if validation is None else counted(len(validation), "validation window")
    return f"{counted(len(train), 'training window')}, {kept}"
