"""The picture of trials: score over test length, a line a model."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from titans_seq.pictures import check_picture, save_picture

from .report import Summary

# Ink-safe and told apart by the colour-blind (Okabe and Ito); controls have no memory and are dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = "osD^vP*"


def draw(summaries: Sequence[Summary], train_length: int, path: Path | str, title: str = "") -> None:
    """Draw the mean score of every model over the test length, and the spread of its seeds.

    Args:
        summaries: of one task, at least one.
        train_length: marked by a line.
        path: .png, .pdf or .svg file to write.
        title: of the picture; the task's name if empty.

    Raises:
        UserError: if the file has another suffix.
    """
    check_picture(path)
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axis = figure.subplots()
    for number, summary in enumerate(summaries):
        lengths, scores = list(summary.scores), list(summary.scores.values())
        colour = _COLOURS[number % len(_COLOURS)]
        controls = ("transformer", "window")
        dashed = summary.label.startswith(controls) or "-no-memory" in summary.label
        axis.plot(
            lengths,
            [100 * mean for mean, _, _ in scores],
            color=colour,
            linestyle="--" if dashed else "-",
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4,
            label=summary.label,
        )
        least, most = ([100 * score[side] for score in scores] for side in (1, 2))
        axis.fill_between(lengths, least, most, color=colour, alpha=0.15, linewidth=0)
    axis.axvline(train_length, color="0.6", linewidth=0.8, linestyle=":", label="training length")
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda length, _: f"{length:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis="x", rotation=30)
    axis.set(xlabel="tokens of the test", ylabel="score, %", ylim=(-3, 103), title=title or summaries[0].task)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="0.9", linewidth=0.6)
    axis.legend(frameon=False, fontsize=8)
    save_picture(figure, path)
