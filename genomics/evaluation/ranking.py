"""Areas under curves for weighted data, with ties, for many columns at once.

A bootstrap draw is a vector of weights: how often each sequence was drawn. Sorting happens once, so a thousand draws
cost a thousand cumulative sums.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ranking:
    """Hold columns of scores, put in order once.

    Attributes:
        order: int64 `[N, L]`, rows of each column by descending score.
        first: int64 `[N, L]`, where the run of equal scores begins that a place in the order belongs to.
        last: int64 `[N, L]`, where it ends.
    """

    order: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> "Ranking":
        """Sort columns.

        Args:
            scores: `[N, L]`, finite, N at least 1.

        Example:
            >>> Ranking.of(np.array([[0.1], [0.7], [0.7]])).last[:, 0].tolist()
            [1, 1, 2]
        """
        order = np.argsort(-scores, axis=0, kind="stable")
        ordered = np.take_along_axis(scores, order, 0)
        places = np.arange(len(scores))[:, None]
        differs = ordered[1:] != ordered[:-1]
        edge = np.ones((1, scores.shape[1]), dtype=bool)
        first = np.maximum.accumulate(np.where(np.concatenate([edge, differs]), places, 0), axis=0)
        ends = np.where(np.concatenate([differs, edge]), places, len(scores) - 1)
        last = np.minimum.accumulate(ends[::-1], axis=0)[::-1]
        return cls(order, first, last)

    def areas(self, truth: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the area under the ROC curve and the average precision of every column.

        Args:
            truth: bool `[N, L]`.
            weights: `[N]`, at least 0.

        Returns:
            Two float64 `[L]`; NaN where the weighted rows are all positive or all negative.

        Example:
            >>> scores, truth = np.array([[0.1], [0.4], [0.35], [0.8]]), np.array([[0], [0], [1], [1]], dtype=bool)
            >>> roc, precision = Ranking.of(scores).areas(truth, np.ones(4))
            >>> float(roc[0]), round(float(precision[0]), 4)
            (0.75, 0.8333)
        """
        weight = weights[self.order].astype(np.float64)
        positive = np.where(np.take_along_axis(truth, self.order, 0), weight, 0.0)
        hits, seen = positive.cumsum(0), weight.cumsum(0)
        misses = seen - hits
        total, others = hits[-1], misses[-1]
        with_ties = np.take_along_axis(misses, self.last, 0)
        before = np.where(self.first > 0, np.take_along_axis(misses, np.maximum(self.first - 1, 0), 0), 0.0)
        below = others - 0.5 * (with_ties + before)
        found, read = np.take_along_axis(hits, self.last, 0), np.take_along_axis(seen, self.last, 0)
        precision = np.divide(found, read, out=np.zeros_like(found), where=read > 0)
        undefined = (total == 0) | (others == 0)
        safe = np.where(undefined, 1.0, total)
        roc = (positive * below).sum(0) / (safe * np.where(undefined, 1.0, others))
        average = (positive * precision).sum(0) / safe
        return np.where(undefined, np.nan, roc), np.where(undefined, np.nan, average)

    def ranks(self, weights: np.ndarray) -> np.ndarray:
        """Return the mean rank of every row among the weighted rows, largest score first, `[N, L]`."""
        seen = weights[self.order].astype(np.float64).cumsum(0)
        through = np.take_along_axis(seen, self.last, 0)
        before = np.where(self.first > 0, np.take_along_axis(seen, np.maximum(self.first - 1, 0), 0), 0.0)
        ranks = np.empty_like(through)
        np.put_along_axis(ranks, self.order, 0.5 * (before + 1 + through), 0)
        return ranks
