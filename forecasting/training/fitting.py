"""Training a forecaster on series: split, scale, cut windows, run the trainer."""

import copy
from pathlib import Path

import numpy as np
import torch

from titans_seq.errors import UserError
from titans_seq.progress import Progress

from ..config import ForecastConfig
from ..data import SeriesData
from ..data.steps import step_number
from ..inference import Trained
from ..network.simba_network import SimbaNetwork, build_network
from ..windows.cutting import WindowLoader, Windows
from ..windows.preparation import Scaling, calendar_width, fit_scaling, prepare, series_key
from ..windows.splitting import Split, split_data
from .trainer import FitResult, fit_network

LEAST_BATCHES = 50
"""Batches an epoch of a short series has, by reading its windows again: otherwise it would be a step or two."""


def fit_series(
    data: SeriesData,
    config: ForecastConfig,
    *,
    start: Trained | None = None,
    progress: Progress = "none",
    checkpoint: Path | None = None,
    resume: bool = False,
    accelerator: str = "auto",
) -> tuple[Trained, FitResult, tuple[str, ...]]:
    """Train a network on the training parts of all series, stopping early by their validation parts.

    Args:
        data: the series.
        config: all settings.
        start: trained before: its weights and scalers are where training starts; it is left as it is.
        progress: see `fit_network`, like the next three.
        checkpoint: file for the state after each epoch.
        resume: whether to go on from it.
        accelerator: what to train on.

    Returns:
        The trained network, the epochs, and notes on what was decided.

    Raises:
        UserError: if the series are too short, a channel has no value in its training part, or the loss is
            not finite.
    """
    split = split_data(data, config)
    scaling = _scaling(data, split, start)
    scalers = scaling.of(data, split.train_end.tolist())
    items = prepare(data, scaling, scalers, config.calendar, config.horizon)
    train = split.train_windows(items, config.context, config.horizon)
    validation = split.part_windows(items, config.context, config.horizon, "validation")
    notes = (*split.notes, _describe(train, validation))
    if validation is not None:
        _check_validation(data, split)
    # Batches are gathered where they are used: on a GPU that saves a copy of each from the CPU.
    device = "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    network = copy.deepcopy(start.network) if start else new_network(data, config)
    history = fit_network(
        network,
        WindowLoader(
            train.to(device),
            config.batch_size,
            shuffle=True,
            seed=config.seed,
            limit=config.batches_per_epoch,
            least=min(LEAST_BATCHES, config.batches_per_epoch or LEAST_BATCHES),
        ),
        None if validation is None else WindowLoader(validation.to(device), config.batch_size),
        config.optimiser,
        seed=config.seed,
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
        accelerator=accelerator,
    )
    return Trained(config, network.eval(), scaling, _until(data, split, start)), history, notes


def _scaling(data: SeriesData, split: Split, start: Trained | None) -> Scaling:
    fitted = fit_scaling(data, split.train_end.tolist())
    if start is None:
        return fitted
    # The weights are used to the scales they were trained on, so these stay.
    return Scaling(fitted.values | start.scaling.values, start.scaling.known, start.scaling.past)


def new_network(data: SeriesData, config: ForecastConfig) -> SimbaNetwork:
    """The untrained network that a config and the widths of data ask for.

    Raises:
        UserError: if the config's parts do not fit together.
    """
    calendar = calendar_width(data) if config.calendar else 0
    try:
        return build_network(
            config.network,
            config.output,
            channels=len(data.channels),
            context=config.context,
            horizon=config.horizon,
            known=calendar + len(data.known_names),
            past=len(data.past_names),
            seed=config.seed,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"the network cannot be built as configured: {error}") from error


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
    kept = "no validation part" if validation is None else f"{len(validation)} validation windows"
    return f"{len(train)} training windows, {kept}"
