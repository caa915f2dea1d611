"""Logistic regression over one-hot bases by position: what stands where, counted from the ends."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from ..sequences.values import LabelledSequences
from .features import one_hot_ends
from .linear import LinearModel, fit_linear
from .values import check_parts


@dataclass(frozen=True)
class PositionRegression:
    """Fit a logistic regression (ridge for values) over the base at each position.

    Sequences of one length are read whole. Of variable lengths the first and the last bases are read, as many as all
    but one in twenty of the training sequences have, so that the model reads positions rather than the length.

    Attributes:
        name: as tables print it.
        strengths: inverse penalties to choose from.
        longest: bases read from an end at most.

    Example:
        >>> sequences, labels = ("ACC", "ACG", "TCC", "TCG"), np.array([1, 1, 0, 0])
        >>> data = LabelledSequences(tuple("abcd"), sequences, labels, ("no", "yes"), "classes")
        >>> PositionRegression().fit(data, data).predict_proba(["AGG", "TGG"]).argmax(1).tolist()
        [1, 0]
    """

    name: str = "one-hot regression"
    strengths: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)
    longest: int = 2000

    def fit(self, train: LabelledSequences, validation: LabelledSequences, seed: int = 0) -> LinearModel:
        """Fit on `train`; there is no chance in it, so `seed` changes nothing.

        Raises:
            UserError: if a part is empty, or they are labelled differently.
        """
        check_parts(train, validation)
        lengths = np.array([len(sequence) for sequence in train.sequences])
        left = min(self.longest, max(1, int(np.quantile(lengths, 0.05))))
        whole = lengths.min() == lengths.max() <= self.longest
        features = partial(one_hot_ends, left=left, right=0 if whole else left)
        return fit_linear({"": features}, self.strengths, train, validation)
