"""Effects of each substitution on a prediction: measured (in-silico mutagenesis), or estimated by a gradient."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from titans_seq.errors import UserError

from ..evaluation.values import Model, members_of
from ..sequences.alphabet import clean
from .scores import member_scores, spread_of, target_column, target_names

BASES = "ACGT"


@dataclass(frozen=True, eq=False)
class Attribution:
    """What the bases of a stretch of a sequence do for a target.

    Attributes:
        sequence: the stretch, T letters.
        start: where it begins in the whole sequence, from 0.
        target: class, label or "value" that the numbers speak of.
        changes: float64 `[T, 4]`, score with A, C, G or T at a position minus the score as given; 0 for the base that
            is there. Measured by mutagenesis, or estimated by a gradient. Of an ensemble the mean of its members'.
        members: the changes of each member of an ensemble, `[M, T, 4]`; None of another model.

    Example:
        >>> changes = np.array([[0.0, -2.0, -1.0, -3.0], [0.5, 0.0, 0.1, 0.0]])
        >>> Attribution("AC", 100, "yes", changes).sequence
        'AC'
    """

    sequence: str
    start: int
    target: str
    changes: np.ndarray
    members: np.ndarray | None = None

    @classmethod
    def of(cls, sequence: str, start: int, target: str, changes: Iterable[np.ndarray]) -> "Attribution":
        """Return the attribution of a model, or of an ensemble, by the changes `[T, 4]` of each member."""
        held = np.stack(list(changes))
        return cls(sequence, start, target, held.mean(0), held if len(held) > 1 else None)

    @property
    def importance(self) -> np.ndarray:
        """Minus the mean change of the substitutions, `[T]`: a base that supports the target is above 0."""
        return self._importance(self.changes)

    @property
    def spread(self) -> np.ndarray | None:
        """Standard deviation of the importance over the members of an ensemble, `[T]`; None of another model."""
        return None if self.members is None else spread_of(self._importance(self.members))

    @property
    def contributions(self) -> np.ndarray:
        """What each base would contribute at each position, `[T, 4]`: changes less their mean over the bases.

        Subtracting the mean removes from a gradient what lies outside of one-hot sequences (Majdandzic et al. 2023,
        doi 10.1186/s13059-023-02956-3). TF-MoDISco calls these hypothetical contributions.
        """
        return self.changes - self.changes.mean(1, keepdims=True)

    def _importance(self, changes: np.ndarray) -> np.ndarray:
        substitutions = np.array([sum(base != letter for base in BASES) for letter in self.sequence])
        return -changes.sum(-1) / np.maximum(substitutions, 1)


def agreement(one: Attribution, other: Attribution) -> float:
    """Return the correlation of the importances of the same bases by two methods; NaN if one of them is constant.

    Example:
        >>> changes = np.array([[0, 1.0, 1.0, 1.0], [0, 0, 0, 3.0]])
        >>> one = Attribution("AA", 0, "yes", changes)
        >>> round(agreement(one, Attribution("AA", 0, "yes", -changes)), 6)
        nan
    """
    values = np.stack([one.importance, other.importance])
    if (values.std(1) <= 1e-12 * np.abs(values).max(1)).any():
        return float("nan")
    return float(np.corrcoef(values)[0, 1])


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

    Example:
        >>> from genomics.baselines import MajorityModel
        >>> model = MajorityModel(("no", "yes"), "classes", np.array([0.25, 0.75]))  # whatever the bases
        >>> found = mutagenesis(model, "ACGTACGT", window=(2, 5))
        >>> found.sequence, found.start, found.target, found.changes.tolist() == [[0.0] * 4] * 3
        ('GTA', 2, 'yes', True)
    """
    sequence = clean(sequence, "the sequence to explain")
    start, stop = _bounds(sequence, window)
    column = target_column(model, target)
    cells = [
        (place, number) for place in range(start, stop) for number, base in enumerate(BASES) if sequence[place] != base
    ]
    given = member_scores(model, [sequence])[:, 0, column]
    changes = np.zeros((len(given), stop - start, len(BASES)))
    # In portions, because all mutants of a long sequence together are its length squared.
    step = max(1, min(512, (1 << 20) // len(sequence)))
    for begin in range(0, len(cells), step):
        part = cells[begin : begin + step]
        mutants = [sequence[:place] + BASES[number] + sequence[place + 1 :] for place, number in part]
        for (place, number), scores in zip(part, member_scores(model, mutants)[:, :, column].T, strict=True):
            changes[:, place - start, number] = scores - given
        progress(begin + len(part))
    return Attribution.of(sequence[start:stop], start, target_names(model)[column], changes)


class Gradients(Model, Protocol):
    """Estimate substitutions from a gradient, as `Predictor` does."""

    def substitutions(self, records: Iterable[str], column: int) -> Iterator[np.ndarray]:
        """Give estimated changes `[T, 4]` of each sequence."""
        ...


def saliency(
    model: Model, sequence: str, target: str | None = None, window: tuple[int, int] | None = None
) -> Attribution:
    """Estimate the changes of `mutagenesis` from one gradient with respect to one-hot bases.

    It takes one pass in place of three a base, and is right to first order alone: where the two differ, believe
    mutagenesis.

    Args:
        model: see `Gradients`; or an ensemble of such models.
        sequence: of L letters; cleaned as files are.
        target: see `mutagenesis`.
        window: see `mutagenesis`.

    Raises:
        UserError: if the window does not fit, or there is no such target.

    Example:
        >>> from genomics.models import ClassifierConfig, encoder_preset
        >>> from genomics.models.untrained import new_classifier
        >>> from genomics.runs.predictor import Predictor
        >>> network = new_classifier(ClassifierConfig(encoder_preset("tiny"), "classes", 2), seed=0)
        >>> model = Predictor(network, ("no", "yes"), device="cpu")
        >>> saliency(model, "ACGTACGT").importance.shape
        (8,)
    """
    sequence = clean(sequence, "the sequence to explain")
    start, stop = _bounds(sequence, window)
    column = target_column(model, target)
    (found,) = saliencies(model, [sequence], target_names(model)[column])
    members = None if found.members is None else found.members[:, start:stop]
    return Attribution(sequence[start:stop], start, found.target, found.changes[start:stop], members)


def saliencies(model: Model, sequences: Sequence[str], target: str) -> Iterator[Attribution]:
    """Give `saliency` of each of many clean sequences, in batches.

    Args:
        model: see `saliency`.
        sequences: of any lengths.
        target: class, label or "value".

    Example:
        >>> from genomics.models import ClassifierConfig, encoder_preset
        >>> from genomics.models.untrained import new_classifier
        >>> from genomics.runs.predictor import Predictor
        >>> network = new_classifier(ClassifierConfig(encoder_preset("tiny"), "classes", 2), seed=0)
        >>> model = Predictor(network, ("no", "yes"), device="cpu")
        >>> [found.changes.shape for found in saliencies(model, ["ACGTACGT", "ACG"], "yes")]
        [(8, 4), (3, 4)]
    """
    column = target_column(model, target)
    each = [cast(Gradients, member).substitutions(sequences, column) for member in members_of(model)]
    for sequence, *changes in zip(sequences, *each, strict=True):
        yield Attribution.of(sequence, 0, target, changes)


def _bounds(sequence: str, window: tuple[int, int] | None) -> tuple[int, int]:
    start, stop = (0, len(sequence)) if window is None else window
    if not 0 <= start < stop <= len(sequence):
        raise UserError(
            f"the window {start}-{stop} does not lie in a sequence of {len(sequence)} bases: expected "
            f"0 <= first < last <= {len(sequence)}"
        )
    return start, stop
