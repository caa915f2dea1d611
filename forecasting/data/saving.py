"""What a saved model keeps of its series: plain values in `state.json`, numbers as tensors; and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from titans_seq.errors import UserError

from .date_parts import date_at, dates_at
from .frequency import fine_index, walk
from .series import Item, SeriesData

STATE = "state.json"
"""File of the plain values."""


def describe_context(data: SeriesData) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return names and first times as plain values, numbers as float64 tensors laid end to end."""
    described = {
        "layout": data.layout,
        "id_columns": list(data.id_columns),
        "time_columns": list(data.time_columns),
        "unused": list(data.unused),
        "freq": data.freq,
        "channels": list(data.channels),
        "known_names": list(data.known_names),
        "past_names": list(data.past_names),
        "static_names": list(data.static_names),
        "items": [
            {
                "name": item.name,
                "ids": list(item.ids),
                "static": list(item.static),
                "rows": item.length,
                "future_rows": item.future_rows,
                **_first(item),
            }
            for item in data.items
        ],
    }
    tensors = {
        f"context.{part}": torch.from_numpy(np.concatenate([getattr(item, part) for item in data.items]))
        for part in ("values", "known", "past", "inserted")
    }
    return described, tensors


def rebuild_context(described: dict[str, Any], tensors: dict[str, Tensor]) -> SeriesData:
    """Return what `describe_context` took apart."""
    values, known, past = (tensors[f"context.{part}"].numpy() for part in ("values", "known", "past"))
    kept = tensors.get("context.inserted")  # Earlier models have none.
    inserted = np.zeros(len(values), dtype=bool) if kept is None else kept.numpy()
    items, row, known_row = [], 0, 0
    for one in described["items"]:
        rows, known_rows = one["rows"], one["rows"] + one["future_rows"]
        items.append(
            Item(
                one["name"],
                _index(one, described["freq"]),
                values[row : row + rows].copy(),
                known[known_row : known_row + known_rows].copy(),
                past[row : row + rows].copy(),
                tuple(one["ids"]),
                tuple(one.get("static", ())),  # Likewise.
                inserted[row : row + rows].copy(),
            )
        )
        row, known_row = row + rows, known_row + known_rows
    keys = ("channels", "known_names", "past_names", "id_columns", "time_columns", "unused", "static_names")
    names = {key: tuple(described.get(key, ())) for key in keys}
    return SeriesData(tuple(items), described["freq"], layout=described["layout"], notes=(), **names)


def _first(item: Item) -> dict[str, Any]:
    if isinstance(item.index, pd.DatetimeIndex):
        zone = None if item.index.tz is None else str(item.index.tz)
        first = dates_at(item.index, slice(1))
        first = first if zone is None else first.tz_convert("UTC").tz_localize(None)
        return {"first": str(first.to_numpy()[0]), "zone": zone}
    return {"first": item.index.start, "step": item.index.step}


def _index(described: dict[str, Any], freq: str | None) -> pd.DatetimeIndex | pd.RangeIndex:
    first, rows = described["first"], described["rows"]
    if freq is None:
        return pd.RangeIndex(first, first + rows * described["step"], described["step"])
    start = fine_index(np.array([first], dtype="datetime64[us]"))
    if described["zone"] is not None:
        start = start.tz_localize("UTC").tz_convert(described["zone"])
    return walk(date_at(start, 0), rows, freq)


def read_state(folder: Path) -> dict[str, Any]:
    """Return the plain values of a saved model.

    Raises:
        UserError: if the file is missing or damaged.
    """
    path = folder / STATE
    if not path.is_file():
        raise UserError(f"no whole saved forecaster at {folder}: {STATE} is missing: save the model again")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}): restore it or train again") from error
