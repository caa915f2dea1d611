"""What the length of a sequence alone says about its class."""

import numpy as np
from sklearn.metrics import accuracy_score, matthews_corrcoef
from sklearn.tree import DecisionTreeClassifier

from ..sequences.splitting import k_folds
from ..sequences.values import LabelledSequences, Splits
from .report import LengthScore

_FOLDS = 5
_LEAF_SHARE = 200


def length_score(splits: Splits, seed: int = 0) -> LengthScore | None:
    """Fit a decision tree to the lengths of the training part and score it.

    It is scored on the test part, else on the validation part, else by folds of the training part.

    Args:
        splits: the data set.
        seed: of the folds.

    Returns:
        The score; None if the labels are not classes, or a class has too few sequences for folds.
    """
    train = splits.train
    if train.kind != "classes":
        return None
    for name, part in (("test part", splits.test), ("validation part", splits.validation)):
        if part is not None:
            return _score(name, part.labels, _predicted(train, part), train)
    folds = min(_FOLDS, int(np.bincount(train.labels, minlength=len(train.classes)).min()))
    if folds < 2:
        return None
    predicted = np.zeros_like(train.labels)
    for rest, held in k_folds(train, folds, seed):
        predicted[held] = _predicted(train.take(rest), train.take(held))
    return _score(f"{folds} folds", train.labels, predicted, train)


def _predicted(train: LabelledSequences, part: LabelledSequences) -> np.ndarray:
    tree = DecisionTreeClassifier(min_samples_leaf=max(5, len(train) // _LEAF_SHARE), random_state=0)
    return tree.fit(_lengths(train), train.labels).predict(_lengths(part))


def _lengths(data: LabelledSequences) -> np.ndarray:
    return np.array([[len(sequence)] for sequence in data.sequences])


def _score(scored_on: str, labels: np.ndarray, predicted: np.ndarray, train: LabelledSequences) -> LengthScore:
    largest = int(np.bincount(train.labels).argmax())
    return LengthScore(
        scored_on=scored_on,
        count=len(labels),
        accuracy=float(accuracy_score(labels, predicted)),
        mcc=float(matthews_corrcoef(labels, predicted)),
        majority=float(np.mean(labels == largest)),
    )
