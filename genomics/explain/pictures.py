"""Attributions as pictures with letters: the taller a letter, the more its base matters."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D

from titans_seq.errors import UserError
from titans_seq.pictures import check_picture, literal, save_picture

from .exports import mean_importance
from .mutagenesis import BASES, Attribution

ROW = 160
"""Most bases in one row of the picture: it holds the usual lengths whole."""
MOST = 2000
"""Bases in one picture."""

_COLOURS = {"A": "#009e73", "C": "#0072b2", "G": "#e69f00", "T": "#d55e00"}
_OTHER = "#7a7a7a"


def draw_attribution(attribution: Attribution, path: Path | str, title: str = "") -> None:
    """Draw the importance of the bases as letters, and below it the changes by substitutions as a heat map.

    Args:
        attribution: at most `MOST` bases.
        path: .png, .pdf or .svg file to write.
        title: of the picture.

    Raises:
        UserError: if there are more bases, or the file has another suffix.
    """
    count = len(attribution.sequence)
    check_picture(path)
    if count > MOST:
        raise UserError(f"a picture holds at most {MOST} bases, got {count}: give a window (the CSV holds all of them)")
    changes, importance, first = attribution.changes, attribution.importance, attribution.start + 1
    rows = -(-count // ROW)
    width = -(-count // rows)  # of equal length, so that none is nearly empty
    figure = Figure(figsize=(min(20, max(7, 1 + 0.12 * width)), 0.5 + 2.5 * rows), layout="constrained")
    axes = figure.subplots(2 * rows, squeeze=False, height_ratios=[3, 1.4] * rows)[:, 0]
    low, high = _range(importance)
    largest = float(np.abs(changes).max()) or 1.0
    for number, begin in enumerate(range(0, count, width)):
        part = slice(begin, begin + width)
        letters, table = axes[2 * number : 2 * number + 2]
        draw_letters(letters, attribution.sequence[part], importance[part], first + begin)
        letters.set_ylim(low, high)
        letters.set_ylabel("importance")
        _draw_changes(table, changes[part], first + begin, largest)
        for axis in (letters, table):
            # Rows share a scale: the last may be shorter.
            axis.set_xlim(first + begin - 0.5, first + begin - 0.5 + width)
    axes[-1].set_xlabel("position")
    figure.suptitle(literal(title or f"{attribution.target}: what each base contributes"), fontsize=11)
    figure.colorbar(axes[1].images[0], ax=list(axes), label="change by substitution", shrink=0.6, aspect=30)
    save_picture(figure, path)


def draw_mean(attributions: Sequence[Attribution], path: Path | str, title: str = "") -> None:
    """Draw the mean importance by position, and the mean of its size, of sequences that begin at one place.

    Args:
        attributions: at least one.
        path: .png, .pdf or .svg file to write.
        title: of the picture.

    Raises:
        UserError: if the file has another suffix.
    """
    check_picture(path)
    means = mean_importance(attributions)
    places = np.arange(1, len(means) + 1)
    figure = Figure(figsize=(9, 3), layout="constrained")
    axis = figure.subplots()
    axis.plot(places, means[:, 2], color=_OTHER, linewidth=1, label="mean of its size")
    axis.plot(places, means[:, 1], color=_COLOURS["C"], linewidth=1.2, label="mean importance")
    axis.axhline(0, color="0.3", linewidth=0.6)
    axis.set_xlabel("position")
    axis.set_ylabel("change by substitution")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    axis.set_title(literal(title), fontsize=11)
    save_picture(figure, path)


def draw_letters(axis: Axes, letters: str, heights: np.ndarray, first: int = 1) -> None:
    """Draw a letter a position, from 0 up or down to its height.

    Args:
        axis: where.
        letters: T of them.
        heights: `[T]`; a letter of height below 0 hangs from the axis, upside down.
        first: position of the first letter.
    """
    for place, (letter, height) in enumerate(zip(letters, heights, strict=True), first):
        if height:
            _draw_letter(axis, letter, place, 0.0, height)
    axis.axhline(0, color="0.3", linewidth=0.6)
    axis.set_xlim(first - 0.5, first + len(letters) - 0.5)
    axis.set_ylim(*_range(heights))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)


def draw_stack(axis: Axes, heights: np.ndarray) -> None:
    """Draw the letters A, C, G and T of each position on each other, the highest on top: a logo.

    Args:
        axis: where.
        heights: `[T, 4]`, at least 0.
    """
    for place, column in enumerate(heights, 1):
        below = 0.0
        for base in np.argsort(column, kind="stable"):
            if column[base] > 0:
                _draw_letter(axis, BASES[base], place, below, float(column[base]))
                below += float(column[base])
    axis.set_xlim(0.5, len(heights) + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)


def _draw_letter(axis: Axes, letter: str, place: int, below: float, height: float) -> None:
    shape = _shape(letter)
    box = shape.get_extents()
    scale = Affine2D().translate(-box.x0, -box.y0).scale(0.9 / box.width, height / box.height)
    outline = scale.translate(place - 0.45, below).transform_path(shape)
    axis.add_patch(PathPatch(outline, facecolor=_COLOURS.get(letter, _OTHER), linewidth=0))


@functools.cache
def _shape(letter: str) -> TextPath:
    return TextPath((0, 0), letter, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))


def _draw_changes(axis: Axes, changes: np.ndarray, first: int, largest: float) -> None:
    extent = (first - 0.5, first + len(changes) - 0.5, len(BASES) - 0.5, -0.5)
    axis.imshow(changes.T, aspect="auto", cmap="RdBu_r", vmin=-largest, vmax=largest, extent=extent)
    axis.set_yticks(range(len(BASES)), list(BASES), fontsize=7)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _range(heights: np.ndarray) -> tuple[float, float]:
    low, high = min(0.0, float(heights.min())), max(0.0, float(heights.max()))
    edge = 0.05 * (high - low) or 1.0
    return low - edge, high + edge
