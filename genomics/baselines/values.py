"""What every baseline shares: how it is fitted, and the form of its labels."""

from typing import Protocol

import numpy as np

from titans_seq.errors import UserError

from ..evaluation.metrics import mcc
from ..evaluation.values import Kind, Model
from ..sequences.values import LabelledSequences


class Baseline(Protocol):
    """Make a model from labelled sequences, as every baseline does."""

    @property
    def name(self) -> str:
        """As tables print it."""
        ...

    def fit(self, train: LabelledSequences, validation: LabelledSequences, seed: int = 0) -> Model:
        """Learn from `train`; settings are chosen on `validation`."""
        ...


def check_parts(train: LabelledSequences, validation: LabelledSequences) -> None:
    """Make sure that a model can be fitted on one part and settings chosen on the other.

    Raises:
        UserError: if a part is empty, or they are labelled differently.
    """
    for name, part in (("training", train), ("validation", validation)):
        if not len(part):
            raise UserError(f"the {name} part has no sequence: give at least one")
    if (train.kind, train.classes) != (validation.kind, validation.classes):
        raise UserError("the training and the validation part are not labelled alike: read them with the same options")


def targets(data: LabelledSequences) -> np.ndarray:
    """Return labels as numbers to predict: one-hot classes, labels of 0 and 1, or values; float64 `[N, C]`.

    Example:
        >>> labels = np.array([1, 0])
        >>> targets(LabelledSequences(("a", "b"), ("A", "C"), labels, ("no", "yes"), "classes")).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    if data.kind == "classes":
        return np.eye(len(data.classes))[data.labels]
    return data.labels.astype(np.float64).reshape(len(data), -1)


def loss(outputs: np.ndarray, data: LabelledSequences) -> float:
    """Return the mean cross-entropy of probabilities `[N, C]` in nats (summed over labels), or squared error."""
    truth = targets(data)
    if data.kind == "regression":
        return float(((outputs - truth) ** 2).mean())
    inside = np.clip(outputs, 1e-12, 1.0)
    terms = truth * np.log(inside)
    if data.kind == "multilabel":
        terms = terms + (1 - truth) * np.log(np.clip(1 - outputs, 1e-12, 1.0))
    return float(-terms.sum(1).mean())


def preference(outputs: np.ndarray, data: LabelledSequences) -> tuple[float, float]:
    """Return what settings are chosen by, larger is better: MCC for classes, and among equals the smaller loss.

    Example:
        >>> data = LabelledSequences(("a", "b"), ("A", "C"), np.array([1, 0]), ("no", "yes"), "classes")
        >>> preference(np.array([[0.5, 0.5], [1.0, 0.0]]), data)[0]
        0.0
    """
    if data.kind != "classes":
        return 0.0, -loss(outputs, data)
    columns = len(data.classes)
    table = np.bincount(data.labels * columns + outputs.argmax(1), minlength=columns**2).reshape(columns, columns)
    return mcc(table), -loss(outputs, data)


def by_loss(outputs: np.ndarray, data: LabelledSequences) -> tuple[float]:
    """Return what settings are chosen by where probabilities count: the loss, as a number of which larger is better."""
    return (-loss(outputs, data),)


def log_odds_form(outputs: np.ndarray, kind: Kind) -> np.ndarray:
    """Return logits whose softmax (classes) or sigmoid (labels) is given, finite for 0 and 1; values as they are."""
    if kind == "regression":
        return outputs
    inside = np.clip(outputs, 1e-12, 1 - 1e-12)
    return np.log(inside) if kind == "classes" else np.log(inside) - np.log1p(-inside)
