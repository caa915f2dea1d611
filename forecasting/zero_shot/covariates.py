"""Covariates for a forecaster that knows none: a ridge regression on the context explains what it can of them."""

import numpy as np

from titans_seq.errors import UserError

STRENGTHS = tuple(10.0**power for power in range(-2, 5))
"""Penalties that leave-one-out validation chooses from."""


def explained(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Estimate what covariates contribute to a series beyond those of its first value, in history and future.

    Ridge regression of the series on the standardised covariates, the penalty by leave-one-out validation. What it
    explains is forecast exactly; the rest is a series without covariates.

    Args:
        values: `[T]`, NaN where missing.
        known: `[T + E, F]`, finite: what is known ahead, or `lagged`.

    Returns:
        `[T + E]`, 0 everywhere if fewer than F + 3 values are known.

    Example:
        >>> known = np.array([[0.0], [1.0], [0.0], [0.0], [1.0], [0.0], [1.0]])
        >>> explained(3.0 * known[:6, 0] + 5, known).round(1).tolist()
        [0.0, 3.0, 0.0, 0.0, 3.0, 0.0, 3.0]
    """
    from sklearn.linear_model import RidgeCV

    length, count = len(values), known.shape[1]
    seen = np.isfinite(values)
    if not count or seen.sum() < count + 3:
        return np.zeros(len(known))
    history = known[:length][seen]
    centre, spread = history.mean(0), history.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    scale = np.abs(values[seen]).max() or 1.0
    model = RidgeCV(STRENGTHS).fit((history - centre) / spread, values[seen] / scale)
    return ((known - history[0]) / spread) @ model.coef_ * scale


def lagged(past: np.ndarray, horizon: int) -> np.ndarray:
    """Move covariates of the past so far that they are known for every step of the horizon.

    Args:
        past: `[T, P]`, T >= 1.
        horizon: H.

    Returns:
        `[T + H, P]`: each row H steps later; the first row stands for what was before.

    Example:
        >>> lagged(np.array([[1.0], [2.0], [3.0]]), 2)[:, 0].tolist()
        [1.0, 1.0, 1.0, 2.0, 3.0]
    """
    return np.concatenate((np.repeat(past[:1], horizon, 0), past))


def check_future(rows: int, horizon: int, name: str) -> None:
    """Make sure that known covariates reach the end of the horizon.

    Raises:
        UserError: if they do not.
    """
    if rows < horizon:
        raise UserError(
            f"{name}: the known covariates have {rows} rows after the last value, the horizon of {horizon} steps needs "
            f"{horizon}: add the rows of the future steps, name the file that has them with --known-future, or shorten "
            "the horizon"
        )
