"""The long-horizon benchmark protocol: splits, scaling, window counts and scores over every window.

All channels in, all channels out, stride 1, standardised by the training rows, every window scored
(Zhou et al. 2021, arXiv 2012.07436, as corrected: their loader left out the last partial batch).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from titans_seq.errors import UserError

from ..network.batch import WindowBatch
from ..windows.arrays import ItemArrays
from ..windows.cutting import Windows
from ..windows.scaling import Scaler
from .datasets import SplitKind, find_benchmark

Predict = Callable[[WindowBatch], Tensor]
"""Maps a batch to its forecast [B, H, V]."""

_MONTH_HOURS = 30 * 24
_ETT_HOUR_BORDERS = (12 * _MONTH_HOURS, 16 * _MONTH_HOURS, 20 * _MONTH_HOURS)

# Windows (train, validation, test) by horizon, with the look-back of the tables: 96, for ILI 36.
_ETT_HOUR = {
    96: (8449, 2785, 2785),
    192: (8353, 2689, 2689),
    336: (8209, 2545, 2545),
    720: (7825, 2161, 2161),
}
_ETT_MINUTE = {
    96: (34369, 11425, 11425),
    192: (34273, 11329, 11329),
    336: (34129, 11185, 11185),
    720: (33745, 10801, 10801),
}
_COUNTS: dict[str, dict[int, tuple[int, int, int]]] = {
    "ETTh1": _ETT_HOUR,
    "ETTh2": _ETT_HOUR,
    "ETTm1": _ETT_MINUTE,
    "ETTm2": _ETT_MINUTE,
    "Weather": {
        96: (36696, 5175, 10444),
        192: (36600, 5079, 10348),
        336: (36456, 4935, 10204),
        720: (36072, 4551, 9820),
    },
    "Exchange": {96: (5120, 665, 1422), 192: (5024, 569, 1326), 336: (4880, 425, 1182), 720: (4496, 41, 798)},
    "ECL": {
        96: (18221, 2537, 5165),
        192: (18125, 2441, 5069),
        336: (17981, 2297, 4925),
        720: (17597, 1913, 4541),
    },
    "Traffic": {
        96: (12089, 1661, 3413),
        192: (11993, 1565, 3317),
        336: (11849, 1421, 3173),
        720: (11465, 1037, 2789),
    },
    "ILI": {24: (617, 74, 170), 36: (605, 62, 158), 48: (593, 50, 146), 60: (581, 38, 134)},
}


def standard_context(name: str) -> int:
    """Return look-back of the published tables: 36 for ILI, 96 for the other sets."""
    return 36 if name == "ILI" else 96


def expected_windows(name: str, context: int, horizon: int) -> tuple[int, int, int] | None:
    """Published numbers of train, validation and test windows; None for a horizon outside the tables.

    Only the training count depends on the look-back: the other parts start `context` rows early.

    Example:
        >>> expected_windows("ETTh1", 96, 96), expected_windows("ETTh1", 336, 96)
        ((8449, 2785, 2785), (8209, 2785, 2785))
    """
    counts = _COUNTS[find_benchmark(name).name].get(horizon)
    if counts is None:
        return None
    return counts[0] + standard_context(name) - context, counts[1], counts[2]


def split_borders(kind: SplitKind, rows: int) -> tuple[int, int, int]:
    """Return rows at which the train, validation and test parts end.

    ETT: 12, 4 and 4 months of 30 days, later rows unused. Ratio: 70%, 10%, 20%, train and test by floor.

    Example:
        >>> split_borders("ett_hour", 17420), split_borders("ratio", 7588)
        ((8640, 11520, 14400), (5311, 6071, 7588))
    """
    match kind:
        case "ratio":
            train, test = rows * 7 // 10, rows * 2 // 10
            return train, rows - test, rows
        case "ett_hour":
            borders = _ETT_HOUR_BORDERS
        case "ett_minute":
            borders = (_ETT_HOUR_BORDERS[0] * 4, _ETT_HOUR_BORDERS[1] * 4, _ETT_HOUR_BORDERS[2] * 4)
    if rows < borders[2]:
        raise ValueError(f"the {kind} split needs {borders[2]} rows, got {rows}")
    return borders


@dataclass(frozen=True)
class LongHorizonSplit:
    """Standardised windows of the three parts and the scaler of the training rows."""

    train: Windows
    val: Windows
    test: Windows
    scaler: Scaler


def long_horizon_split(name: str, values: np.ndarray, context: int, horizon: int) -> LongHorizonSplit:
    """Cut a benchmark set into the windows of the protocol.

    Args:
        name: of the set; decides the borders and the window counts that must come out.
        values: [T, V], the whole set as published.
        context: look-back L.
        horizon: H.

    Raises:
        UserError: unknown set, or a part too short for the horizon or look-back.
        ValueError: the window counts are not the published ones.
    """
    train_end, val_end, test_end = split_borders(find_benchmark(name).split, len(values))
    shortest = min(train_end - context, val_end - train_end, test_end - val_end)
    if horizon > shortest or context > train_end:
        raise UserError(
            f"{name}: look-back {context} and horizon {horizon} leave a part without windows "
            f"(train, validation and test end at rows {train_end}, {val_end}, {test_end}); shorten them"
        )
    scaler = Scaler.fit(values[:train_end])
    # Rows after the test part are cut off, so that no window can reach them.
    item = ItemArrays(scaler.transform(values[:test_end]).astype(np.float32), name=name)

    def part(begin: int, end: int) -> Windows:
        return Windows([item], context, horizon, first=begin, last=end - horizon + 1)

    split = LongHorizonSplit(part(context, train_end), part(train_end, val_end), part(val_end, test_end), scaler)
    counts = (len(split.train), len(split.val), len(split.test))
    expected = expected_windows(name, context, horizon)
    if expected is not None and counts != expected:
        raise ValueError(f"{name} {context} -> {horizon} gave {counts} windows, the protocol has {expected}")
    return split


def evaluate_windows(predict: Predict, windows: Windows, batch_size: int = 128) -> dict[str, float]:
    """Return MSE and MAE over every window, step, channel, observed targets only, in float64.

    The batch size is a matter of speed: each window is summed by itself, and the sums are added exactly.

    Args:
        predict: the forecaster; called without gradients.
        windows: what to score.
        batch_size: windows a call.

    Returns:
        `mse`, `mae`, `windows` (how many were scored) and `cells` (how many target values).

    Raises:
        ValueError: a forecast has the wrong shape or a number that is not finite, or no target is observed.
    """
    count = len(windows)
    squared, absolute = np.zeros(count), np.zeros(count)
    cells = 0
    with torch.no_grad():
        for begin in range(0, count, batch_size):
            end = min(begin + batch_size, count)
            batch = windows.batch(torch.arange(begin, end))
            error = _errors(predict(batch), batch)
            squared[begin:end] = error.square().sum(1).cpu().numpy()
            absolute[begin:end] = error.abs().sum(1).cpu().numpy()
            cells += int(batch.future_observed.sum())
    if not cells:
        raise ValueError(f"none of the targets of {count} windows is observed: nothing to measure")
    return {
        "mse": math.fsum(squared) / cells,
        "mae": math.fsum(absolute) / cells,
        "windows": count,
        "cells": cells,
    }


def _errors(forecast: Tensor, batch: WindowBatch) -> Tensor:
    if forecast.shape != batch.future.shape:
        raise ValueError(f"predict gave {tuple(forecast.shape)}, expected {tuple(batch.future.shape)}")
    if not torch.isfinite(forecast).all():
        raise ValueError("predict gave a forecast that is not finite")
    error = forecast.to(batch.future.device, torch.float64) - batch.future.double()
    return error.masked_fill(~batch.future_observed, 0.0).flatten(1)
