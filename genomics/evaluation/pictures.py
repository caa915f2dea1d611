"""Pictures of an evaluation: confusion matrix, ROC and precision-recall curves, calibration, a scatter of values."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from titans_seq.errors import UserError
from titans_seq.pictures import literal, save_picture

from .metrics import BINS
from .report import HEADERS
from .values import Evaluation

# Told apart by the colour-blind (Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")


def draw_confusion(evaluation: Evaluation, path: Path | str) -> None:
    """Draw counts of true by predicted class, coloured by their share of the true class.

    Args:
        evaluation: of the kind "classes".
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: if the evaluation is of another kind, or the file has another suffix.
    """
    table = evaluation.confusion
    if table is None:
        raise UserError(f"a confusion matrix needs classes, the labels of {evaluation.name} are {evaluation.kind}")
    size = 3.2 + 0.55 * len(table)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axis = figure.subplots()
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        colour = "white" if share[row, column] > 0.55 else "black"
        axis.text(column, row, f"{count:,}\n{share[row, column]:.1%}", ha="center", va="center", color=colour, size=8)
    names = [literal(name) for name in evaluation.classes]
    axis.set_xticks(range(len(table)), names, rotation=30, ha="right")
    axis.set_yticks(range(len(table)), names)
    axis.set(xlabel="predicted class", ylabel="true class", title=evaluation.name)
    figure.colorbar(image, ax=axis, label="share of the true class", shrink=0.8)
    save_picture(figure, path)


def draw_roc(evaluation: Evaluation, path: Path | str) -> None:
    """Draw true positives over false positives, a line a class (of two classes the second only) or label.

    Args:
        evaluation: not of the kind "regression".
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: if no curve is defined, or the file has another suffix.
    """
    figure, axis = _square("false positive rate (1 - specificity)", "true positive rate (sensitivity)")
    for label, colour, truth, score in _curves(evaluation):
        false, true, _ = roc_curve(truth, score)
        axis.plot(false, true, color=colour, label=label, linewidth=1.4 if label else 0.5)
    axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":", label="chance")
    _finish(figure, axis, evaluation, "auroc", path)


def draw_precision_recall(evaluation: Evaluation, path: Path | str) -> None:
    """Draw precision over recall, a line a class (of two classes the second only) or label.

    Args:
        evaluation: not of the kind "regression".
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: if no curve is defined, or the file has another suffix.
    """
    figure, axis = _square("recall (sensitivity)", "precision")
    for label, colour, truth, score in _curves(evaluation):
        precision, recall, _ = precision_recall_curve(truth, score)
        axis.step(recall, precision, color=colour, label=label, linewidth=1.4 if label else 0.5, where="post")
        if label:
            axis.axhline(truth.mean(), color=colour, linewidth=0.8, linestyle=":")
    _finish(figure, axis, evaluation, "auprc", path)


def draw_calibration(evaluation: Evaluation, path: Path | str) -> None:
    """Draw how often a prediction comes true over how sure it was, in the bins of the calibration error.

    Args:
        evaluation: not of the kind "regression".
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: if the evaluation is of another kind, or the file has another suffix.
    """
    _need_probabilities(evaluation)
    confidence, right = evaluation.outputs, evaluation.labels > 0.5
    meaning = "probability of a label"
    if evaluation.kind == "classes":
        confidence, right = confidence.max(1), confidence.argmax(1) == evaluation.labels
        meaning = "probability of the likeliest class"
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1).ravel()
    counts = np.bincount(bins, minlength=BINS)
    used = counts > 0
    sure = np.bincount(bins, confidence.ravel(), BINS)[used] / counts[used]
    true = np.bincount(bins, right.ravel(), BINS)[used] / counts[used]
    figure, axis = _square(meaning, "share that is true")
    axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":", label="perfect")
    axis.plot(sure, true, color=_COLOURS[0], linewidth=1.2, label=evaluation.name)
    axis.scatter(sure, true, s=8 + 120 * counts[used] / counts.max(), color=_COLOURS[0], zorder=3)
    _finish(figure, axis, evaluation, "ece", path)


def draw_scatter(evaluation: Evaluation, path: Path | str) -> None:
    """Draw predicted over observed values of a regression, a point a sequence, beside the line where they are equal.

    Args:
        evaluation: of the kind "regression".
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: if the evaluation is of another kind, or the file has another suffix.
    """
    if evaluation.kind != "regression":
        raise UserError(f"a scatter is of values, the labels of {evaluation.name} are {evaluation.kind}")
    observed, predicted = evaluation.labels.astype(np.float64), evaluation.outputs[:, 0]
    figure = Figure(figsize=(5, 4.6), layout="constrained")
    axis = figure.subplots()
    ends = min(observed.min(), predicted.min()), max(observed.max(), predicted.max())
    axis.plot(ends, ends, color="0.6", linewidth=0.8, linestyle=":", label="equal")
    shown = float(np.clip(30 / np.sqrt(len(observed)), 0.15, 0.9))
    axis.scatter(observed, predicted, s=9, alpha=shown, color=_COLOURS[0], linewidths=0, rasterized=True)
    axis.set(xlabel="observed", ylabel="predicted")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="0.9", linewidth=0.6)
    _finish(figure, axis, evaluation, "pearson", path)


def _curves(evaluation: Evaluation) -> list[tuple[str | None, str, np.ndarray, np.ndarray]]:
    """Legend, colour, truth `[N]` and score `[N]` of every curve that is defined; no legends if they are many."""
    _need_probabilities(evaluation)
    columns = range(len(evaluation.classes))
    if evaluation.kind == "classes" and len(columns) == 2:
        columns = range(1, 2)
    curves = []
    for column in columns:
        truth = evaluation.labels[:, column] > 0.5 if evaluation.kind == "multilabel" else evaluation.labels == column
        if truth.any() and not truth.all():
            few = len(columns) <= len(_COLOURS)
            colour = _COLOURS[column % len(_COLOURS)] if few else "0.55"
            name = literal(evaluation.classes[column]) if few else None
            curves.append((name, colour, truth, evaluation.outputs[:, column]))
    if not curves:
        raise UserError(f"no curve can be drawn for {evaluation.name}: the data has sequences of one class only")
    return curves


def _need_probabilities(evaluation: Evaluation) -> None:
    if evaluation.kind == "regression":
        raise UserError(f"the picture needs probabilities, {evaluation.name} predicts values (regression)")


def _square(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 4.6), layout="constrained")
    axis = figure.subplots()
    axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="0.9", linewidth=0.6)
    return figure, axis


def _finish(figure: Figure, axis: Axes, evaluation: Evaluation, score: str, path: Path | str) -> None:
    value = evaluation.scores.get(score)
    axis.set_title(evaluation.name if value is None else f"{evaluation.name}: {HEADERS[score]} {value:.3f}", size=10)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(frameon=False, fontsize=8)
    save_picture(figure, path)
