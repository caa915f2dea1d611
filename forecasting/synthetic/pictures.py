"""A sheet of made-up series: some of every process, and some as training sees them."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from titans_seq.errors import UserError
from titans_seq.pictures import check_picture, save_picture

from .generator import FAMILIES, SyntheticBatch, generate
from .settings import Effects, Families, GeneratorConfig

MIXED = "all, with effects and gaps"
LINE, MISSING = "#1f62a8", "#c2571a"


def plot_samples(
    path: Path | str, *, seed: int = 0, length: int = 200, columns: int = 4, config: GeneratorConfig | None = None
) -> None:
    """Draw a row of series of every process without effects, and two rows of what training sees.

    Args:
        path: .png, .pdf or .svg file to write.
        seed: of the series, at least 0.
        length: steps of each, at least 4.
        columns: series of each row, at least 1.
        config: shares of families and effects of the last rows; None takes the usual ones.

    Raises:
        UserError: if a number is out of range, or the file has another suffix.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plot_samples(Path(folder, "samples.png"), length=50, columns=1)
    """
    check_picture(path)
    for name, value, least in (("seed", seed, 0), ("length", length, 4), ("columns", columns, 1)):
        if value < least:
            raise UserError(f"{name} must be at least {least}, got {value}")
    config = config or GeneratorConfig()
    bare = replace(config, effects=Effects(**dict.fromkeys(asdict(Effects()), 0.0)), gaps=0.0)
    rows = [(name, replace(bare, families=_only(name))) for name in FAMILIES] + [(MIXED, config), (MIXED, config)]
    rng = np.random.default_rng(seed)
    figure = Figure(figsize=(3.2 * columns, 1.35 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for own, (name, shares) in zip(axes, rows, strict=True):
        _draw_row(own, generate(rng, columns, length, shares))
        own[0].set_ylabel(name.replace("_", "\n").replace(", ", ",\n"), fontsize=8, rotation=0, ha="right", va="center")
    figure.suptitle(f"Made-up series of {length} steps (seed {seed}); missing values in orange", fontsize=11)
    save_picture(figure, path)


def _only(name: str) -> Families:
    return Families(**dict.fromkeys(asdict(Families()), 0.0) | {name: 1.0})


def _draw_row(axes: np.ndarray, drawn: SyntheticBatch) -> None:
    for axis, values, observed, periods in zip(axes, drawn.values, drawn.observed, drawn.periods, strict=True):
        steps = np.arange(len(values))
        axis.plot(steps, np.where(observed, values, np.nan), color=LINE, linewidth=0.9)
        axis.plot(steps[~observed], values[~observed], ".", color=MISSING, markersize=2)
        seasons = [str(period) for period in periods if period > 1]
        axis.set_title(f"season {' and '.join(seasons)}" if seasons else "no season", fontsize=7, pad=2)
        axis.set_xticks([])
        axis.tick_params(axis="y", labelsize=6)
