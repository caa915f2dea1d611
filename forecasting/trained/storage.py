"""The saved model: what a `ForecastModel` holds, as tensors and plain values, and back."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from titans_seq.checkpoint import load_folder, save_folder
from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.experiment.history import History, describe

from ..data import FrameOptions, SeriesData
from ..data.naming import series_names
from ..data.options import upgraded_options
from ..data.saving import STATE, describe_context, read_state, rebuild_context
from ..data.wording import counted, enumerate_some, show_time
from ..settings.config import ForecastConfig
from ..windows.preparation import Scaling
from ..windows.scaling import Scaler
from ..windows.static import StaticEncoding
from .inference import Trained, new_network

FORMAT = "titans-forecaster"
VERSION = 2
"""Version 1, with one column of dates and one of names, is read too."""
_NETWORK = "network."


def save_model(
    folder: str | os.PathLike[str],
    trained: Trained,
    options: FrameOptions,
    context: SeriesData,
    history: History,
    notes: Sequence[str],
) -> None:
    """Write the parts of a `ForecastModel` to a folder.

    Besides what `save_folder` writes, `state.json` holds the names, times and epochs.

    Raises:
        UserError: if the folder holds other things.
        OSError: if it cannot be written; an earlier model is then as it was.
    """
    config = {
        "format": FORMAT,
        "version": VERSION,
        "forecast": to_dict(trained.config),
        "options": to_dict(options),
    }
    series, rows = describe_context(context)
    scaled, numbers = _describe_scaling(trained.scaling)
    weights = {_NETWORK + name: tensor for name, tensor in trained.network.state_dict().items()}
    state = {
        "series": series,
        "scaled": scaled,
        "static": to_dict(trained.scaling.static),
        "until": trained.until,
        "log": list(history.rows),
        "notes": list(notes),
    }
    card = _model_card(trained.config, context, history, trained.network)
    files = {STATE: json.dumps(state, indent=1, allow_nan=False)}
    save_folder(folder, config, weights | rows | numbers, card, files)


def load_model(
    folder: str | os.PathLike[str],
) -> tuple[Trained, FrameOptions, SeriesData, History, tuple[str, ...]]:
    """Return what `save_model` was given, the network on the CPU.

    Raises:
        UserError: if the folder is not a whole saved forecaster.
    """
    saved, tensors = load_folder(folder)
    if saved.get("format") != FORMAT or saved.get("version") not in (1, VERSION):
        raise UserError(
            f"{folder} is not a forecaster of version {VERSION} (format {saved.get('format')!r}, version "
            f"{saved.get('version')!r}): check the path, or use the version of titans-seq that wrote it"
        )
    state = read_state(Path(folder))
    try:
        if saved["version"] == 1:
            saved, state = saved | {"options": upgraded_options(saved["options"])}, _upgraded(state)
        config = from_dict(saved["forecast"], ForecastConfig)
        options = from_dict(saved["options"], FrameOptions)
        context = rebuild_context(state["series"], tensors)
        # Earlier models know no static columns.
        static = from_dict(state.get("static", {}), StaticEncoding)
        network = new_network(context, config, static.width)
        weights = {name.removeprefix(_NETWORK): t for name, t in tensors.items() if name.startswith(_NETWORK)}
        network.load_state_dict(weights)
        scaling = replace(_rebuild_scaling(state["scaled"], tensors), static=static)
        trained = Trained(config, network.eval(), scaling, state["until"])
        return trained, options, context, History(tuple(state["log"])), tuple(state["notes"])
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise UserError(
            f"{folder}: its files do not fit together ({error}): train the model or save it again"
        ) from error


def _describe_scaling(scaling: Scaling) -> tuple[list[str], dict[str, Tensor]]:
    """The names of the scaled series, and the numbers of all scalers as float64 tensors."""
    tensors = {}
    for part in ("mean", "std"):
        rows = [getattr(scaler, part) for scaler in scaling.values.values()]
        tensors[f"scaling.values.{part}"] = torch.tensor(rows, dtype=torch.float64)
        for name in ("known", "past"):
            numbers = getattr(getattr(scaling, name), part)
            tensors[f"scaling.{name}.{part}"] = torch.tensor(numbers, dtype=torch.float64)
    return list(scaling.values), tensors


def _rebuild_scaling(names: list[str], tensors: dict[str, Tensor]) -> Scaling:
    """What `_describe_scaling` took apart."""
    mean, std = tensors["scaling.values.mean"].tolist(), tensors["scaling.values.std"].tolist()
    pairs = zip(names, mean, std, strict=True)
    values = {name: Scaler(tuple(own_mean), tuple(own_std)) for name, own_mean, own_std in pairs}
    known, past = (
        Scaler(tuple(tensors[f"scaling.{name}.mean"].tolist()), tuple(tensors[f"scaling.{name}.std"].tolist()))
        for name in ("known", "past")
    )
    return Scaling(values, known, past)


def _upgraded(state: dict[str, Any]) -> dict[str, Any]:
    """Today's form of the state of version 1, whose epochs were lists of a number (from 0) and scores or null."""
    names = ("loss", "validation_loss", "validation_mse", "validation_mae")
    fit, series = state["fit"], state["series"]
    log = []
    for number, *scores in fit["epochs"]:
        known = {name: score for name, score in zip(names, scores, strict=True) if score is not None}
        log.append({"epoch": number + 1, **known, "best_epoch": fit["best_epoch"] + 1})
    column = series["id_column"]
    items = [item | {"ids": [] if column is None else [item["name"]]} for item in series["items"]]
    series = series | {"items": items, "time_columns": [], "unused": []}
    return state | {"log": log, "series": series | {"id_columns": [] if column is None else [column]}}


def _model_card(config: ForecastConfig, context: SeriesData, history: History, network: nn.Module) -> str:
    """Markdown that says what a forecaster forecasts, how it was trained and how to use it.

    Args:
        config: its settings.
        context: the rows it continues.
        history: its training.
        network: the network.
    """
    names = [name for group in series_names(context) for name in group]
    step = "steps without dates" if context.freq is None else f"steps of {context.freq}"
    parameters = sum(tensor.numel() for tensor in network.parameters())
    covariates = [*(["the calendar"] if config.calendar and context.freq else []), *context.known_names]
    score = describe(history.best, ("validation_loss",)) or "no validation"
    last = {show_time(item.index[-1]) for item in context.items}
    output = type(config.output).__name__.lower()
    epochs = f"{counted(len(history.epochs), 'epoch')}, best epoch {history.best_epoch} ({score})"
    return f"""# SimbaNetwork

Forecasts {config.horizon} {step} ahead from the last {config.context}, as {output}.

- {counted(len(names), "series")}: {enumerate_some(names)}
- last rows: {min(last)}{f" to {max(last)}" if len(last) > 1 else ""}
- known covariates: {enumerate_some(covariates)}; past covariates: {enumerate_some(list(context.past_names))}
- static columns: {enumerate_some(context.static_names)}
- sequence mixer: {type(config.network.mixer).__name__}; {parameters:,} parameters
- training: {epochs}, seed {config.seed}

The forecasts hold as far as the series go on as they were in training; a longer horizon, other steps and
other covariates need another model.

```python
from forecasting.model import ForecastModel
forecast = ForecastModel.load("this folder").predict()
```
"""
