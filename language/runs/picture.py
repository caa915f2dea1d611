"""The picture of a training run, from its log."""

from collections.abc import Sequence
from pathlib import Path

from titans_seq.experiment.history import Row
from titans_seq.pictures import save_picture

from ..optional import load_optional


def plot_training(rows: Sequence[Row], path: Path) -> None:
    """Draw training and validation loss over the steps.

    Args:
        rows: of the log.
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: if matplotlib is not installed.
    """
    load_optional("matplotlib", "a picture of the training")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, label, style in (("loss", "training", "-"), ("validation_loss", "validation", "o-")):
        points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label, markersize=3, linewidth=1.2)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend()
    save_picture(figure, path)
