"""Pictures of forecasts and of training, from plain frames to a file; no window, no global state."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from titans_seq.experiment.history import History
from titans_seq.pictures import check_picture, save_picture

from ..data.wording import shortened
from ..forecasts.quantiles import level_name
from .fonts import choose_fonts

_LABEL = 32
"""Letters of a name that the height of a panel has room for."""
HISTORY, FORECAST, CHECK = "#3a3a3a", "#1f62a8", "#c2571a"


@dataclass(frozen=True, eq=False)
class Panel:
    """What is drawn of one series.

    Attributes:
        name: of the series, written on its value axis.
        history: columns `time` and `value` (NaN where missing), in order of time.
        forecast: columns `time`, `mean` and one a quantile ("0.1").
        check: a forecast of the end of the history, made from before it; None for none.
    """

    name: str
    history: pd.DataFrame
    forecast: pd.DataFrame
    check: pd.DataFrame | None = None


def quantile_levels(forecast: pd.DataFrame) -> list[float]:
    """Return the levels a forecast has columns for, ascending.

    Example:
        >>> quantile_levels(pd.DataFrame(columns=["series", "time", "mean", "0.1", "0.9"]))
        [0.1, 0.9]
    """
    return sorted(
        float(name) for name in forecast.columns if name not in ("series", "cutoff", "time", "actual", "mean")
    )


def plot_forecast(panels: Sequence[Panel], path: Path | str, title: str = "") -> None:
    """Draw one panel a series, one below the other: history, forecast with its quantile bands, a check.

    Args:
        panels: at least one.
        path: .png, .pdf or .svg file to write.
        title: of the picture.

    Raises:
        UserError: the file has another suffix.
    """
    check_picture(path)
    figure = Figure(figsize=(11, 1.1 + 3.3 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), squeeze=False)[:, 0]
    for panel, axis in zip(panels, axes, strict=True):
        _draw_panel(axis, panel)
    figure.align_ylabels(axes)
    figure.suptitle(title, fontsize=12)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    choose_fonts(figure)
    save_picture(figure, path)


def _draw_panel(axis: Axes, panel: Panel) -> None:
    history = panel.history
    axis.plot(history["time"], history["value"], color=HISTORY, linewidth=1.1, label="history", zorder=3)
    if panel.check is not None:
        label = "forecast of the last steps, made before them"
        _draw_forecast(axis, panel.check, CHECK, label, bands=False)
    _draw_forecast(axis, panel.forecast, FORECAST, "forecast", bands=True)
    axis.axvline(history["time"].iloc[-1], color="0.6", linewidth=0.8, linestyle=":", zorder=1)
    axis.set_ylabel(shortened(panel.name, _LABEL), parse_math=False)
    _style(axis)
    axis.margins(x=0.01)
    # Without an offset: 372 ppm shall not be drawn as 2 above 3.7e2.
    axis.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    if pd.api.types.is_datetime64_any_dtype(history["time"]):
        zone = history["time"].dt.tz
        locator = AutoDateLocator(tz=zone, minticks=4, maxticks=10)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
        if zone is not None:
            axis.set_xlabel(f"time in {zone}")
    else:
        axis.set_xlabel("step")


def _draw_forecast(axis: Axes, forecast: pd.DataFrame, colour: str, label: str, bands: bool) -> None:
    levels = quantile_levels(forecast)
    middle, name = ("0.5", "median") if 0.5 in levels else ("mean", "mean")
    axis.plot(
        forecast["time"],
        forecast[middle],
        color=colour,
        linewidth=1.5,
        linestyle="-" if bands else "--",
        label=f"{label} ({name})",
        zorder=4,
    )
    pairs = [(low, high) for low, high in zip(levels, reversed(levels), strict=True) if low < high]
    # Two bands say how the spread grows without hiding the line: the widest, and the one nearest to a half.
    if len(pairs) > 2:
        pairs = [pairs[0], min(pairs, key=lambda pair: abs(pair[1] - pair[0] - 0.5))]
    for number, (low, high) in enumerate(pairs if bands else pairs[:1]):
        axis.fill_between(
            forecast["time"],
            forecast[level_name(low)],
            forecast[level_name(high)],
            color=colour,
            alpha=0.16 + 0.14 * number,
            linewidth=0,
            label=f"{level_name(low)} to {level_name(high)} quantile" if bands else None,
        )


def plot_training(history: History, by_step: pd.DataFrame | None, path: Path | str) -> None:
    """Draw the training curve and, where the run has been evaluated, the error by step of the horizon.

    Args:
        history: every epoch.
        by_step: columns `model`, `step` and `mse`, as `Evaluation.by_step`; None leaves the second panel out.
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: the file has another suffix.
    """
    check_picture(path)
    count = 1 if by_step is None else 2
    figure = Figure(figsize=(5.5 * count, 3.8), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False)[0]
    _draw_curve(axes[0], history)
    if by_step is not None:
        _draw_steps(axes[1], by_step)
    save_picture(figure, path)


def _draw_curve(axis: Axes, history: History) -> None:
    for name, colour, label in (("loss", HISTORY, "training"), ("validation_loss", FORECAST, "validation")):
        points = [(row["epoch"], row[name]) for row in history.epochs if name in row]
        if points:
            axis.plot(*zip(*points, strict=True), color=colour, marker=".", label=label)
    axis.axvline(history.best_epoch or 0, color="0.6", linewidth=0.8, linestyle=":", label="kept")
    axis.set(xlabel="epoch", ylabel="loss", title="Training")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _style(axis)
    axis.legend(frameon=False, fontsize=9)


def _draw_steps(axis: Axes, by_step: pd.DataFrame) -> None:
    colours = iter(("#7a7a7a", "#b08a2e", "#4f8f5b", "#8a5a9e"))
    for position, (name, rows) in enumerate(by_step.groupby("model", sort=False)):
        first = position == 0
        axis.plot(
            rows["step"],
            rows["mse"],
            color=FORECAST if first else next(colours, "0.7"),
            linewidth=1.8 if first else 1.1,
            label=str(name),
            zorder=3 if first else 2,
        )
    # A baseline far off must not flatten the others.
    ours = float(np.nanmax(by_step["mse"][by_step["model"] == by_step["model"].iloc[0]]))
    axis.set_ylim(0, min(float(np.nanmax(by_step["mse"])) * 1.05, 3 * ours))
    axis.set(xlabel="step of the horizon", ylabel="MSE, standardised", title="Error over the horizon")
    _style(axis)
    axis.margins(x=0.02)
    axis.legend(frameon=False, fontsize=9)


def _style(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)
