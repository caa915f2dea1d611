"""Logistic or linear regression over features of sequences, their strength of penalty chosen on validation."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from ..evaluation.values import Kind
from ..sequences.values import LabelledSequences
from .features import Features
from .values import preference, targets


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Predict by features times weights, plus a bias.

    Attributes:
        classes: names.
        kind: what the labels are.
        features: sequences to `[N, F]`.
        weight: float64 `[F, C]`.
        bias: float64 `[C]`.
        kept: name of the features that validation preferred, "" where there was no choice.
        strength: the inverse penalty that it preferred.

    Example:
        >>> def count(sequences):
        ...     return np.array([[sequence.count("A")] for sequence in sequences], dtype=float)
        >>> weight, bias = np.array([[0.0, 1.0]]), np.array([0.0, -1.5])
        >>> model = LinearModel(("no", "yes"), "classes", count, weight, bias, "", 1.0)
        >>> model.predict_proba(["AAA", "A"]).argmax(1).tolist()
        [1, 0]
    """

    classes: tuple[str, ...]
    kind: Kind
    features: Features
    weight: np.ndarray
    bias: np.ndarray
    kept: str
    strength: float

    @property
    def chosen(self) -> str:
        """The settings that validation preferred, in words."""
        return ", ".join(filter(None, (self.kept, f"C {self.strength:g}")))

    def logits(self, sequences: list[str]) -> np.ndarray:
        """Return logits, float64 `[N, C]`; see `evaluation.Model`."""
        return np.asarray(self.features(sequences) @ self.weight) + self.bias

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        """Return probabilities or values, float64 `[N, C]`; see `evaluation.Model`."""
        return _probabilities(self.logits(sequences), self.kind)


def fit_linear(
    features: dict[str, Features],
    strengths: Sequence[float],
    train: LabelledSequences,
    validation: LabelledSequences,
    prefer: Callable[[np.ndarray, LabelledSequences], tuple[float, ...]] = preference,
) -> LinearModel:
    """Fit every pair of features and strength, and keep the one that validation prefers.

    Args:
        features: to choose from, by a name in words.
        strengths: inverse penalties (scikit-learn's C) to choose from.
        train: what is fitted.
        validation: what chooses.
        prefer: of predictions and their truth, what it chooses by, larger is better.

    Returns:
        The best model; the first of equals.
    """
    best: tuple[tuple[float, ...], LinearModel] | None = None
    for name, make in features.items():
        inputs, held = make(train.sequences), make(validation.sequences)
        for strength in strengths:
            weight, bias = _solve(inputs, train, strength)
            score = prefer(_probabilities(np.asarray(held @ weight) + bias, train.kind), validation)
            if best is None or score > best[0]:
                best = score, LinearModel(train.classes, train.kind, make, weight, bias, name, strength)
    assert best is not None
    return best[1]


def _solve(inputs: csr_matrix, train: LabelledSequences, strength: float) -> tuple[np.ndarray, np.ndarray]:
    if train.kind == "regression":
        ridge = Ridge(alpha=1 / strength).fit(inputs, train.labels.astype(np.float64))
        return np.asarray(ridge.coef_).reshape(-1, 1), np.atleast_1d(np.asarray(ridge.intercept_))
    if train.kind == "multilabel":
        columns = [_logistic(inputs, truth, 2, strength) for truth in targets(train).T.astype(np.int64)]
        # One label's two logits are one log odds.
        weights, biases = zip(*((w[:, 1] - w[:, 0], b[1] - b[0]) for w, b in columns), strict=True)
        return np.stack(weights, 1), np.array(biases)
    return _logistic(inputs, train.labels, len(train.classes), strength)


def _logistic(inputs: csr_matrix, labels: np.ndarray, columns: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights `[F, C]` and biases `[C]`; a class that no sequence has gets a probability near 0."""
    weight, bias = np.zeros((inputs.get_shape()[1], columns)), np.full(columns, -20.0)
    seen = np.unique(labels)
    if len(seen) == 1:
        bias[seen] = 0.0
        return weight, bias
    solver = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
    with warnings.catch_warnings():
        # Short of the last digits of its optimum a baseline is a baseline still.
        warnings.simplefilter("ignore", ConvergenceWarning)
        solver.fit(inputs, labels)
    coefficients, intercepts = np.asarray(solver.coef_), np.asarray(solver.intercept_)
    if len(seen) == 2:
        weight[:, seen[1]], bias[seen] = coefficients[0], (0.0, intercepts[0])
    else:
        weight[:, seen], bias[seen] = coefficients.T, intercepts
    return weight, bias


def _probabilities(logits: np.ndarray, kind: Kind) -> np.ndarray:
    if kind == "regression":
        return logits
    return softmax(logits, axis=1) if kind == "classes" else expit(logits)
