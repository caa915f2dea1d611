"""Scores of predictions, in float64, for rows that count with a weight.

Names, larger is better unless said otherwise:

| name | classes | multilabel | regression |
|---|---|---|---|
| `accuracy` | share of sequences whose class is called right | mean over labels, threshold 0.5 | |
| `mcc` | Matthews' (Gorodkin's for more classes) correlation; 0 if undefined | mean over labels | |
| `macro_f1` | mean of the classes' F1 | mean over labels of the F1 of "present" | |
| `auroc`, `auprc` | of the second of two classes; else mean of one class against the rest | mean over labels | |
| `brier` (smaller) | mean square of the second class's error; else the sum over classes | mean over labels | |
| `ece` (smaller) | expected calibration error of the likeliest class, 15 bins | of "present", all labels together | |
| `r2`, `pearson`, `spearman` | | | as named |
| `mae` (smaller) | | | mean absolute error |
"""

import numpy as np

from .ranking import Ranking
from .values import Kind, called

BINS = 15


class Measure:
    """Score one set of predictions under any weights: what depends on no weight is computed once.

    Args:
        labels: as in `LabelledSequences`, N at least 1.
        outputs: `[N, C]`, finite probabilities, or values `[N, 1]` for regression.
        kind: what the labels are.
        threshold: of two classes, see `called`.

    Example:
        >>> measure = Measure(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), "classes")
        >>> round(measure()["accuracy"], 4), measure(np.array([1, 0, 2]))["accuracy"]
        (0.6667, 1.0)
    """

    def __init__(self, labels: np.ndarray, outputs: np.ndarray, kind: Kind, threshold: float | None = None) -> None:
        self.kind = kind
        self.labels = labels
        self.outputs = np.asarray(outputs, dtype=np.float64)
        if kind == "regression":
            self._values = labels.astype(np.float64)
            self._label_ranking = Ranking.of(self._values[:, None])
            self._ranking = Ranking.of(self.outputs)
            return
        count, columns = self.outputs.shape
        if kind == "classes":
            self._predicted, likeliest = called(self.outputs, threshold), called(self.outputs)
            onehot = np.eye(columns, dtype=bool)[labels]
            # Of two classes one says all.
            self._chosen = slice(1, 2) if columns == 2 else slice(None)
            self._truth, self._scores = onehot[:, self._chosen], self.outputs[:, self._chosen]
            confidence, right = self.outputs[np.arange(count), likeliest], likeliest == labels
        else:
            self._truth, self._scores = labels > 0.5, self.outputs
            confidence, right = self._scores, self._truth
        self._ranking = Ranking.of(_log_odds(self.outputs) if kind == "classes" and columns == 2 else self._scores)
        self._squares = (self._scores - self._truth) ** 2
        self._bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        self._gaps = confidence - right

    def __call__(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """All scores; NaN for one that these rows do not define.

        Args:
            weights: `[N]`, at least 0 and not all 0; None counts each row once.
        """
        weights = np.ones(len(self.outputs)) if weights is None else np.asarray(weights, dtype=np.float64)
        if self.kind == "regression":
            return self._regression(weights)
        if self.kind == "classes":
            table = confusion(self.labels, self._predicted, self.outputs.shape[1], weights)
            hard = {"accuracy": float(np.trace(table) / table.sum()), "mcc": mcc(table), "macro_f1": _macro_f1(table)}
        else:
            hard = self._label_means(weights)
        roc, precision = self._ranking.areas(self._truth, weights)
        squares = weights @ self._squares / weights.sum()
        return hard | {
            "auroc": _mean(roc),
            "auprc": _mean(precision),
            "brier": float(squares.sum() if self.kind == "classes" else squares.mean()),
            "ece": self._calibration_error(weights),
        }

    def by_label(self) -> dict[str, np.ndarray]:
        """Return AUROC, AUPRC, MCC, F1 and count of positives of each label, `[L]`; NaN where not defined."""
        weights = np.ones(len(self.outputs))
        _, correlation, f1 = self._label_scores(weights)
        roc, precision = self._ranking.areas(self._truth, weights)
        return {"auroc": roc, "auprc": precision, "mcc": correlation, "f1": f1, "count": self._truth.sum(0)}

    def _label_means(self, weights: np.ndarray) -> dict[str, float]:
        accuracy, correlation, f1 = self._label_scores(weights)
        return {"accuracy": float(np.mean(accuracy)), "mcc": _mean(correlation), "macro_f1": _mean(f1)}

    def _label_scores(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Accuracy, MCC and F1 of every label, `[L]` each; NaN for one that is always or never there."""
        present, found = self._truth, self.outputs > 0.5
        hits = weights @ (present & found)
        positives, claims, total = weights @ present, weights @ found, weights.sum()
        wrong = positives + claims - 2 * hits
        defined = (positives > 0) & (positives < total)
        covariance = total * hits - positives * claims
        scale = np.sqrt(positives * (total - positives) * claims * (total - claims))
        correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
        f1 = np.divide(2 * hits, positives + claims, out=np.zeros_like(hits), where=positives + claims > 0)
        return 1 - wrong / total, np.where(defined, correlation, np.nan), np.where(defined, f1, np.nan)

    def _calibration_error(self, weights: np.ndarray) -> float:
        spread = np.broadcast_to(weights.reshape(-1, *(1,) * (self._gaps.ndim - 1)), self._gaps.shape)
        gaps = np.bincount(self._bins.ravel(), (spread * self._gaps).ravel(), BINS)
        return float(np.abs(gaps).sum() / spread.sum())

    def _regression(self, weights: np.ndarray) -> dict[str, float]:
        share = weights / weights.sum()
        truth, value = self._values, self.outputs[:, 0]
        spread = share @ (truth - share @ truth) ** 2
        ranks = self._label_ranking.ranks(weights)[:, 0], self._ranking.ranks(weights)[:, 0]
        return {
            # A spread that is rounding alone is a constant.
            "r2": float(1 - share @ (truth - value) ** 2 / spread) if spread > 1e-24 * (share @ truth**2) else np.nan,
            "mae": float(share @ np.abs(truth - value)),
            "pearson": _correlation(truth, value, share),
            "spearman": _correlation(*ranks, share),
        }


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray) -> np.ndarray:
    """Count true class (rows) by predicted class (columns), each sequence with its weight: float64 `[C, C]`.

    Example:
        >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, np.ones(3)).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    return np.bincount(labels * classes + predicted, weights, classes * classes).reshape(classes, classes)


def mcc(table: np.ndarray) -> float:
    """Return Matthews' correlation of a confusion matrix; 0 if there is one true or one predicted class only.

    Reference: Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006.

    Example:
        >>> mcc(np.array([[3, 1], [1, 3]]))
        0.5
    """
    table = np.asarray(table, dtype=np.float64)
    total, truth, claims = table.sum(), table.sum(1), table.sum(0)
    scale = (total**2 - claims @ claims) * (total**2 - truth @ truth)
    return float((total * np.trace(table) - truth @ claims) / np.sqrt(scale)) if scale > 0 else 0.0


def by_class(table: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision, recall, specificity, f1 and count of every class, each `[C]`; 0 where a share is of nothing.

    Example:
        >>> by_class(np.array([[3, 1], [2, 4]]))["recall"].tolist()
        [0.75, 0.6666666666666666]
    """
    table = np.asarray(table, dtype=np.float64)
    hits, truth, claims, total = np.diag(table), table.sum(1), table.sum(0), table.sum()

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

    return {
        "precision": share(hits, claims),
        "recall": share(hits, truth),
        "specificity": share(total - truth - claims + hits, total - truth),
        "f1": share(2 * hits, truth + claims),
        "count": truth,
    }


def _log_odds(outputs: np.ndarray) -> np.ndarray:
    # What rounds to a probability of 1 differs in that of the other class.
    logs = np.log(np.maximum(outputs, np.finfo(np.float64).tiny))
    return logs[:, 1:] - logs[:, :1]


def _macro_f1(table: np.ndarray) -> float:
    # As scikit-learn does, over the classes that were there or were predicted.
    used = table.sum(0) + table.sum(1) > 0
    return float(by_class(table)["f1"][used].mean())


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _correlation(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> float:
    x, y = a - share @ a, b - share @ b
    spreads = (share @ x**2, share @ y**2)
    # A spread that is rounding alone is a constant.
    if any(spread <= 1e-24 * (share @ whole**2) for spread, whole in zip(spreads, (a, b), strict=True)):
        return float("nan")
    return float(share @ (x * y) / np.sqrt(spreads[0] * spreads[1]))
