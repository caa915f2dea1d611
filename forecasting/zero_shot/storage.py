"""A zero-shot model as a folder: network, calibration, the rows it continues, scores."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from titans_seq.checkpoint import CONFIG, load_folder, save_folder
from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.files import read_text

from ..data import FrameOptions
from ..data.saving import STATE, describe_context, read_state, rebuild_context
from ..evaluation.conformal import Calibration
from .forecaster import ZeroShotForecaster
from .network import build_network, network_config
from .saving import FORMAT as NETWORK_FORMAT
from .saving import load_network
from .state import ZeroShotState

FORMAT = "titans-zero-shot-model"
VERSION = 1
_NETWORK, _FACTORS = "network.", "calibration.factors"


def save_zero_shot(folder: str | os.PathLike[str], model: ZeroShotState) -> None:
    """Write a model to a folder, in place of an earlier one.

    Raises:
        UserError: if the folder holds other things.
        OSError: if it cannot be written; an earlier model is then as it was.
    """
    network = model.forecaster.network
    config = {
        "format": FORMAT,
        "version": VERSION,
        "network": to_dict(network.config),
        "periods": list(model.forecaster.periods),
        "horizon": model.horizon,
        "levels": list(model.levels),
        "non_negative": model.non_negative,
        "options": to_dict(model.options),
    }
    tensors = {_NETWORK + name: tensor for name, tensor in network.state_dict().items()}
    state: dict[str, Any] = {"notes": list(model.notes), "series": None, "calibration": None, "scores": None}
    if model.context is not None:
        state["series"], rows = describe_context(model.context)
        tensors |= rows
    if model.calibration is not None:
        tensors[_FACTORS] = torch.from_numpy(model.calibration.factors)
        state["calibration"] = {name: getattr(model.calibration, name) for name in ("errors", "before", "after")}
    if model.scores is not None:
        state["scores"] = model.scores.to_dict("list")
    files = {STATE: json.dumps(_without_nan(state), indent=1, allow_nan=False)}
    save_folder(folder, config, tensors, _card(model), files)


def is_zero_shot(folder: str | os.PathLike[str]) -> bool:
    """Say whether a folder holds a zero-shot model or network."""
    path = Path(folder) / CONFIG
    return path.is_file() and re.search(r"^format: titans-zero-shot", read_text(path), re.M) is not None


def load_zero_shot(folder: str | os.PathLike[str]) -> ZeroShotState:
    """Read what `save_zero_shot` wrote, or a network that `titans forecast pretrain` made.

    Raises:
        UserError: if the folder is neither, or a damaged one.
    """
    saved, tensors = load_folder(folder)
    if saved.get("format") == NETWORK_FORMAT:
        return ZeroShotState(ZeroShotForecaster(load_network(folder)))
    if saved.get("format") != FORMAT or saved.get("version") != VERSION:
        raise UserError(
            f"{folder} is not a zero-shot model of version {VERSION} (format {saved.get('format')!r}, version "
            f"{saved.get('version')!r}): check the path, or use the version of titans-seq that wrote it"
        )
    state = read_state(Path(folder))
    try:
        network = build_network(network_config(saved["network"]))
        network.load_state_dict(
            {name.removeprefix(_NETWORK): x for name, x in tensors.items() if name.startswith(_NETWORK)}
        )
        calibration = None
        # Earlier models shifted their quantiles: they load without a calibration.
        if (kept := state["calibration"]) is not None and _FACTORS in tensors:
            before, after = (np.nan if kept[name] is None else kept[name] for name in ("before", "after"))
            calibration = Calibration(tensors[_FACTORS].numpy(), kept["errors"], before, after)
        scores = None if state["scores"] is None else pd.DataFrame(state["scores"])
        return ZeroShotState(
            ZeroShotForecaster(network.eval(), tuple(saved["periods"])),
            options=from_dict(saved["options"], FrameOptions),
            horizon=saved["horizon"],
            context=None if state["series"] is None else rebuild_context(state["series"], tensors),
            calibration=calibration,
            scores=scores,
            levels=tuple(saved["levels"]),
            non_negative=saved["non_negative"],
            notes=tuple(state["notes"]),
        )
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise UserError(f"{folder}: its files do not fit together ({error}): train the model again") from error


def _without_nan(value: Any) -> Any:
    """Plain values with null for NaN, which JSON has not."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and value != value else value


def _card(model: ZeroShotState) -> str:
    lines = ["# Forecaster", "", "A zero-shot network of titans-seq, pretrained on made-up series."]
    if model.context is not None:
        names = len(model.context.items) * len(model.context.channels)
        lines += [
            "",
            f"- forecasts {model.horizon} steps of {names:,} series, frequency {model.context.freq or 'none'}",
        ]
    if model.scores is not None:
        lines += ["", "Scores on the rows held out at the end of the series:", "", "```"]
        lines += [model.scores.to_string(index=False, float_format="{:.4g}".format), "```"]
    if model.calibration is not None:
        lines += ["", f"Intervals are calibrated on at least {model.calibration.errors:,} past errors a step."]
    usage = ["```python", "from forecasting import ForecastModel", 'ForecastModel.load("this folder").predict()', "```"]
    return "\n".join([*lines, "", *usage, ""])
