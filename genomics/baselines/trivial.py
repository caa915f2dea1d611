"""The two models that look at no base: the most frequent class, and a tree over the length.

The second shows what a data set gives away by the lengths of its sequences.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from ..evaluation.values import Kind
from ..sequences.values import LabelledSequences
from .values import check_parts, log_odds_form, preference, targets


@dataclass(frozen=True)
class Majority:
    """Predict the share of each class in the training part (the mean for regression), whatever the sequence.

    Example:
        >>> data = LabelledSequences(("a", "b", "c"), ("A", "C", "G"), np.array([1, 0, 1]), ("no", "yes"), "classes")
        >>> Majority().fit(data, data).predict_proba(["ACGT"]).round(3).tolist()
        [[0.333, 0.667]]
    """

    name: str = "majority"

    def fit(self, train: LabelledSequences, validation: LabelledSequences, seed: int = 0) -> "MajorityModel":
        """Count the classes; `validation` and `seed` change nothing.

        Raises:
            UserError: if a part is empty, or they are labelled differently.
        """
        check_parts(train, validation)
        return MajorityModel(train.classes, train.kind, targets(train).mean(0))


@dataclass(frozen=True, eq=False)
class MajorityModel:
    """Predict as a fitted `Majority`; `mean` is `[C]`.

    Example:
        >>> MajorityModel(("no", "yes"), "classes", np.array([0.25, 0.75])).predict_proba(["ACGT", "A"]).tolist()
        [[0.25, 0.75], [0.25, 0.75]]
    """

    classes: tuple[str, ...]
    kind: Kind
    mean: np.ndarray

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        """Return the same `[C]` for every sequence."""
        return np.repeat(self.mean[None], len(sequences), 0)

    def logits(self, sequences: list[str]) -> np.ndarray:
        """Return logits, float64 `[N, C]`; see `evaluation.Model`."""
        return log_odds_form(self.predict_proba(sequences), self.kind)


@dataclass(frozen=True)
class LengthOnly:
    """Fit a decision tree over the length alone, its number of leaves chosen on validation.

    Example:
        >>> sequences = ("A" * 9, "C" * 9, "G" * 5, "T" * 5)
        >>> data = LabelledSequences(tuple("abcd"), sequences, np.array([1, 1, 0, 0]), ("no", "yes"), "classes")
        >>> LengthOnly(least=1).fit(data, data).predict_proba(["N" * 9]).tolist()
        [[0.0, 1.0]]

    Attributes:
        name: as tables print it.
        leaves: numbers to choose from, at least 2 each.
        least: training sequences in a leaf.
    """

    name: str = "length only"
    leaves: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    least: int = 5

    def fit(self, train: LabelledSequences, validation: LabelledSequences, seed: int = 0) -> "LengthModel":
        """Grow the trees and keep the one that validation prefers.

        Raises:
            UserError: if a part is empty, or they are labelled differently.
        """
        check_parts(train, validation)
        best: tuple[tuple[float, float], LengthModel] | None = None
        for leaves in self.leaves:
            # On one-hot targets the squared error is Gini's impurity, and a leaf's mean its class shares.
            tree = DecisionTreeRegressor(max_leaf_nodes=leaves, min_samples_leaf=self.least, random_state=seed)
            model = LengthModel(train.classes, train.kind, tree.fit(_lengths(train.sequences), targets(train)))
            score = preference(model.predict_proba(list(validation.sequences)), validation)
            if best is None or score > best[0]:
                best = score, model
        assert best is not None
        return best[1]


@dataclass(frozen=True, eq=False)
class LengthModel:
    """Predict as a fitted `LengthOnly`."""

    classes: tuple[str, ...]
    kind: Kind
    tree: DecisionTreeRegressor

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        """Return probabilities or values, float64 `[N, C]`; see `evaluation.Model`."""
        return self.tree.predict(_lengths(sequences)).reshape(len(sequences), -1)

    def logits(self, sequences: list[str]) -> np.ndarray:
        """Return logits, float64 `[N, C]`; see `evaluation.Model`."""
        return log_odds_form(self.predict_proba(sequences), self.kind)


def _lengths(sequences: tuple[str, ...] | list[str]) -> np.ndarray:
    return np.array([[len(sequence)] for sequence in sequences], dtype=np.float64)
