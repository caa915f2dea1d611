"""From probabilities to decisions: a threshold and a temperature, both chosen on validation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax
from sklearn.metrics import precision_recall_curve

from titans_seq.errors import UserError

from ..sequences.values import Kind
from .metrics import confusion, mcc

RULES = ("mcc", "f1", "recall", "precision")

FAR = 4.0
"""Temperature above which probabilities say little; below its inverse validation says little of them."""
_HOTTEST = 20.0


@dataclass(frozen=True)
class Rule:
    """What a threshold is chosen for.

    Attributes:
        name: the score that is to be largest, "mcc" or "f1"; or the one that is to be reached, "recall" (with the
            largest precision) or "precision" (with the largest recall).
        least: recall or precision that is asked for, in (0, 1].

    Raises:
        UserError: if there is no such rule, or the least is out of range.
    """

    name: str = "mcc"
    least: float | None = None

    def __post_init__(self) -> None:
        if self.name not in RULES or (self.least is None) != (self.name in ("mcc", "f1")):
            raise UserError(f"a threshold is chosen by mcc, f1, recall=0.9 or precision=0.9, got {self} (--by)")
        if self.least is not None and not 0 < self.least <= 1:
            raise UserError(f"the {self.name} asked for must be in (0, 1], got {self.least}")

    def __str__(self) -> str:
        return self.name if self.least is None else f"{self.name}={self.least:g}"

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """Read a rule as it stands on a command line.

        Raises:
            UserError: see above; also if what stands behind "=" is no number.

        Example:
            >>> Rule.parse("recall=0.9")
            Rule(name='recall', least=0.9)
        """
        name, _, least = text.partition("=")
        try:
            number = float(least) if least else None
        except ValueError as error:
            raise UserError(f"--by {text}: expected mcc, f1, recall=0.9 or precision=0.9") from error
        return cls(name, number)


def choose_threshold(probabilities: np.ndarray, labels: np.ndarray, rule: Rule) -> float:
    """Choose the smallest probability that is called positive.

    The threshold lies half-way between two probabilities that occur, so that it does not hang on rounding.

    Args:
        probabilities: of the positive class, `[N]`.
        labels: whether each is positive, bool `[N]`.
        rule: what it is chosen for.

    Raises:
        UserError: if there are no positives or no negatives, or no threshold reaches what is asked for.

    Example:
        >>> choose_threshold(np.array([0.1, 0.2, 0.3, 0.6]), np.array([False, True, True, True]), Rule("f1"))
        0.15000000000000002
    """
    labels = np.asarray(labels, dtype=bool)
    if labels.all() or not labels.any():
        raise UserError("a threshold is chosen on validation sequences of both classes, there is one class only")
    precision, recall, thresholds = precision_recall_curve(labels, probabilities)
    precision, recall = precision[:-1], recall[:-1]
    if rule.name == "f1":
        worth = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    elif rule.name == "mcc":
        worth = np.array(
            [
                mcc(confusion(labels.astype(int), (probabilities >= at).astype(int), 2, np.ones(len(labels))))
                for at in thresholds
            ]
        )
    else:
        reached, other = (recall, precision) if rule.name == "recall" else (precision, recall)
        assert rule.least is not None
        if reached.max() < rule.least:
            raise UserError(
                f"no threshold reaches {rule.name} {rule.least:g} on validation: the largest is {reached.max():.3f}"
            )
        worth = np.where(reached >= rule.least, other, -1.0)
    # Of equals the threshold in their middle: neither end is safer.
    best = np.flatnonzero(worth >= worth.max() - 1e-12)
    chosen = int(best[len(best) // 2])
    below = float(thresholds[chosen - 1]) if chosen else 0.0
    return (below + float(thresholds[chosen])) / 2


def fit_temperature(logits: np.ndarray, labels: np.ndarray, kind: Kind) -> float:
    """Choose the number by which logits are divided, so that probabilities are as sure as they are right.

    It minimises the cross-entropy on validation (Guo et al. 2017, arXiv 1706.04599) and changes no order. A prior that
    counts as much as one sequence holds it near 1: sequences that are all told apart would ask for certainty.

    Args:
        logits: `[N, C]`.
        labels: class ids `[N]`, or 0 and 1 `[N, L]`.
        kind: "classes" or "multilabel".

    Raises:
        UserError: for a regression, which has no probabilities.

    Example:
        >>> logits = np.array([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0], [5.0, 0.0]])
        >>> fit_temperature(logits, np.array([0, 0, 1, 1]), "classes") > 2
        True
    """
    if kind == "regression":
        raise UserError("a regression has no probabilities to calibrate")

    def objective(log_temperature: float) -> float:
        scaled, prior = logits / np.exp(log_temperature), log_temperature**2 / 2
        if kind == "classes":
            return float(-log_softmax(scaled, axis=1)[np.arange(len(labels)), labels].sum()) + prior
        inside = np.clip(expit(scaled), 1e-12, 1 - 1e-12)
        return float(-(labels * np.log(inside) + (1 - labels) * np.log1p(-inside)).sum()) + prior

    edge = np.log(_HOTTEST)
    best: Any = minimize_scalar(objective, bounds=(-edge, edge), method="bounded")
    return float(np.exp(best.x))
