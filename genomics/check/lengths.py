"""What the length of a sequence alone says about its class."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, matthews_corrcoef
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from .report import LengthScore

_FOLDS = 5
_LEAF_SHARE = 200


@dataclass(frozen=True, eq=False)
class Lengths:
    """How long each of N sequences is, and of which class.

    Attributes:
        bases: int64 `[N]`.
        labels: class ids, int64 `[N]`.
    """

    bases: np.ndarray
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> "Lengths":
        """Return the lengths and labels at some indices."""
        return Lengths(self.bases[indices], self.labels[indices])


def length_score(parts: Mapping[str, Lengths]) -> LengthScore | None:
    """Fit a decision tree to the lengths of the training part and score it.

    It is scored on the test part, else on the validation part, else by folds of the training part.

    Args:
        parts: "train", and maybe "validation" and "test".

    Returns:
        The score; None if there is one class only, or a class has too few sequences for folds.

    Example:
        >>> score = length_score({"train": Lengths(np.array([10, 20] * 20), np.array([0, 1] * 20))})
        >>> score.accuracy, score.scored_on
        (1.0, '5 folds')
    """
    train = parts["train"]
    counts = np.bincount(train.labels)
    if len(counts[counts > 0]) < 2:
        return None
    for name in ("test", "validation"):
        if name in parts:
            return _score(f"{name} part", parts[name].labels, _predicted(train, parts[name]), train)
    folds = min(_FOLDS, int(counts[counts > 0].min()))
    if folds < 2:
        return None
    predicted = np.zeros_like(train.labels)
    for rest, held in StratifiedKFold(folds, shuffle=True, random_state=0).split(train.labels, train.labels):
        predicted[held] = _predicted(train.take(rest), train.take(held))
    return _score(f"{folds} folds", train.labels, predicted, train)


def _predicted(train: Lengths, part: Lengths) -> np.ndarray:
    tree = DecisionTreeClassifier(min_samples_leaf=max(5, len(train.bases) // _LEAF_SHARE), random_state=0)
    return tree.fit(train.bases[:, None], train.labels).predict(part.bases[:, None])


def _score(scored_on: str, labels: np.ndarray, predicted: np.ndarray, train: Lengths) -> LengthScore:
    largest = int(np.bincount(train.labels).argmax())
    return LengthScore(
        scored_on=scored_on,
        count=len(labels),
        accuracy=float(accuracy_score(labels, predicted)),
        mcc=float(matthews_corrcoef(labels, predicted)) if len(np.union1d(labels, predicted)) > 1 else 0.0,
        majority=float(np.mean(labels == largest)),
    )
