"""Evaluations side by side, as text, as Markdown and as rows."""

from collections.abc import Sequence

from titans_seq import tables
from titans_seq.errors import UserError

from .values import Evaluation

HEADERS = {
    "accuracy": "accuracy",
    "mcc": "MCC",
    "macro_f1": "macro F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier",
    "ece": "ECE",
    "r2": "R2",
    "mae": "MAE",
    "pearson": "Pearson",
    "spearman": "Spearman",
}


def table(evaluations: Sequence[Evaluation]) -> str:
    """Return one line a model, the ends of the intervals in brackets; "-" for a score that the data does not define.

    Args:
        evaluations: of one kind, at least one.

    Raises:
        UserError: if they are of several kinds.

    Example:
        >>> import numpy as np
        >>> from genomics.evaluation import BootstrapOptions, evaluate_outputs
        >>> outputs, labels = np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 2.0, 3.0])
        >>> print(table([evaluate_outputs(outputs, labels, (), "regression", BootstrapOptions(repeats=0), "mine")]))
        model      R2     MAE  Pearson  Spearman
        mine   0.5000  0.3333   0.9820    1.0000
    """
    return tables.align(_cells(evaluations))


def markdown(evaluations: Sequence[Evaluation]) -> str:
    """Return the same as a table in Markdown.

    Raises:
        UserError: if the evaluations are of several kinds.
    """
    return tables.markdown(_cells(evaluations))


def class_table(evaluation: Evaluation) -> str:
    """Return the scores of every class or label, a line each, "-" where the data defines none; empty for regression.

    Example:
        >>> import numpy as np
        >>> from genomics.evaluation import evaluate_outputs
        >>> outputs = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
        >>> print(class_table(evaluate_outputs(outputs, np.array([0, 1, 1]), ("no", "yes"), "classes")))
        class  precision  recall  specificity      f1  count
        no        0.5000  1.0000       0.5000  0.6667      1
        yes       1.0000  0.5000       1.0000  0.6667      2
    """
    if not evaluation.by_class:
        return ""
    columns = list(next(iter(evaluation.by_class.values())))
    width = max(5, *map(len, evaluation.by_class))
    head = "class" if evaluation.kind == "classes" else "label"
    lines = [head.ljust(width) + "".join(f"  {name:>{max(6, len(name))}}" for name in columns[:-1]) + "  count"]
    for name, values in evaluation.by_class.items():
        shares = "".join(f"  {_number(values[key]):>{max(6, len(key))}}" for key in columns[:-1])
        lines.append(f"{name:<{width}}{shares}  {values['count']:>5.0f}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _cells(evaluations: Sequence[Evaluation]) -> list[list[str]]:
    kinds = {evaluation.kind for evaluation in evaluations}
    if len(kinds) != 1:
        raise UserError(f"a table needs evaluations of one kind, got {', '.join(sorted(kinds)) or 'none'}")
    names = [name for name in HEADERS if any(name in evaluation.scores for evaluation in evaluations)]
    rows = [["model", *(HEADERS[name] for name in names)]]
    for evaluation in evaluations:
        rows.append([evaluation.name, *(_cell(evaluation, name) for name in names)])
    return rows


def _cell(evaluation: Evaluation, name: str) -> str:
    if name not in evaluation.scores:
        return "-"
    value = f"{evaluation.scores[name]:z.4f}"
    if name not in evaluation.intervals:
        return value
    low, high = evaluation.intervals[name]
    return f"{value} [{low:.3f}, {high:.3f}]"
