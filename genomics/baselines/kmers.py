"""Logistic regression over k-mers: composition and short motifs wherever they stand."""

from dataclasses import dataclass
from functools import partial

from ..sequences.values import LabelledSequences
from .features import kmer_frequencies
from .linear import LinearModel, fit_linear
from .values import check_parts


@dataclass(frozen=True)
class KmerRegression:
    """Fit a logistic regression (ridge for values) over frequencies of 1- to 6-mers.

    Validation chooses the penalty, and whether a k-mer and its reverse complement count as one.

    Attributes:
        name: as tables print it.
        sizes: values of k.
        strengths: inverse penalties to choose from.

    Example:
        >>> import numpy as np
        >>> sequences, labels = ("AAAA", "AAAC", "GGGG", "GGGC"), np.array([1, 1, 0, 0])
        >>> data = LabelledSequences(tuple("abcd"), sequences, labels, ("no", "yes"), "classes")
        >>> KmerRegression(sizes=(1, 2)).fit(data, data).predict_proba(["AAAA"]).argmax(1).tolist()
        [1]
    """

    name: str = "k-mer regression"
    sizes: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    strengths: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)

    def fit(self, train: LabelledSequences, validation: LabelledSequences, seed: int = 0) -> LinearModel:
        """Fit on `train`; there is no chance in it, so `seed` changes nothing.

        Raises:
            UserError: if a part is empty, or they are labelled differently.
        """
        check_parts(train, validation)
        features = {
            name: partial(kmer_frequencies, sizes=self.sizes, symmetric=symmetric)
            for name, symmetric in (("as given", False), ("both strands", True))
        }
        return fit_linear(features, self.strengths, train, validation)
