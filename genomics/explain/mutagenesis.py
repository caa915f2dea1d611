"""In-silico mutagenesis: what each possible substitution does to a prediction."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from titans_seq.errors import UserError

from ..evaluation.values import Model
from ..sequences.alphabet import clean
from .scores import target_column, target_names, target_scores

BASES = "ACGT"


@dataclass(frozen=True, eq=False)
class Attribution:
    """Numbers for the bases of a stretch of a sequence.

    Attributes:
        sequence: the stretch, T letters.
        start: where it begins in the whole sequence, from 0.
        target: class, label or "value" that the numbers speak of.
        changes: float64 `[T, 4]`, score with A, C, G or T at a position minus the score as given; 0 for the base that
            is there. None for a saliency.
        importance: float64 `[T]`. Of mutagenesis: minus the mean change of the substitutions, so that a base that
            supports the target is above 0. Of a saliency: as given.
    """

    sequence: str
    start: int
    target: str
    changes: np.ndarray | None
    importance: np.ndarray


def mutagenesis(
    model: Model,
    sequence: str,
    target: str | None = None,
    window: tuple[int, int] | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> Attribution:
    """Replace every base by each of the others and predict again.

    Scores are those of `scores.target_scores`: log odds, or values for regression.

    Args:
        model: see `evaluation.Model`.
        sequence: of L letters; cleaned as files are.
        target: class or label; None for the second of two classes, or for the only one.
        window: first position and the one behind the last, from 0, 0 <= first < last <= L; None for all.
        progress: called with the number of substitutions done.

    Returns:
        The changes inside the window; `changes` is `[T, 4]` in the order A, C, G, T. Where another letter (N) stands,
        all four are changes.

    Raises:
        UserError: if the window does not fit, or there is no such target.
    """
    sequence = clean(sequence, "the sequence to explain")
    start, stop = (0, len(sequence)) if window is None else window
    if not 0 <= start < stop <= len(sequence):
        raise UserError(
            f"the window {start}-{stop} does not lie in a sequence of {len(sequence)} bases: expected "
            f"0 <= first < last <= {len(sequence)}"
        )
    column = target_column(model, target)
    cells = [
        (place, number) for place in range(start, stop) for number, base in enumerate(BASES) if sequence[place] != base
    ]
    given = target_scores(model, [sequence])[0, column]
    changes = np.zeros((stop - start, len(BASES)))
    # In portions, because all mutants of a long sequence together are its length squared.
    step = max(1, min(512, (1 << 20) // len(sequence)))
    for begin in range(0, len(cells), step):
        part = cells[begin : begin + step]
        mutants = [sequence[:place] + BASES[number] + sequence[place + 1 :] for place, number in part]
        for (place, number), score in zip(part, target_scores(model, mutants)[:, column], strict=True):
            changes[place - start, number] = score - given
        progress(begin + len(part))
    substitutions = np.array([sum(base != letter for base in BASES) for letter in sequence[start:stop]])
    importance = -changes.sum(1) / substitutions
    return Attribution(sequence[start:stop], start, target_names(model)[column], changes, importance)


def saliency(sequence: str, values: np.ndarray, target: str, start: int = 0) -> Attribution:
    """Numbers that a model gave for each base (gradient times input), in the form that tables and pictures take.

    Args:
        sequence: T letters.
        values: `[T]`, finite.
        target: class or label that they speak of.
        start: where the stretch begins in the whole sequence, from 0.

    Raises:
        ValueError: if there is not one finite number a base.

    Example:
        >>> saliency("ACG", np.array([0.0, 1.0, -0.5]), "yes").importance.tolist()
        [0.0, 1.0, -0.5]
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(sequence),) or not np.isfinite(values).all():
        raise ValueError(f"expected {len(sequence)} finite numbers, one a base, got shape {values.shape}")
    return Attribution(sequence, start, target, None, values)
