"""What is evaluated and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from titans_seq.errors import UserError

from ..sequences.values import Kind


class Model(Protocol):
    """Predict labels of sequences, as a trained run, a baseline or a user's own model does."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of classes or labels in the order of the columns; none for regression."""
        ...

    @property
    def kind(self) -> Kind:
        """What the labels are."""
        ...

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        """Return float64 `[N, C]`: probabilities of classes (rows add to 1) or labels, or `[N, 1]` values."""
        ...

    def logits(self, sequences: list[str]) -> np.ndarray:
        """Return float64 `[N, C]`: what the probabilities are the softmax (classes) or the sigmoid (labels) of."""
        ...


@runtime_checkable
class Ensemble(Protocol):
    """Predict the mean of what other models predict, as `runs.members.Members` does."""

    @property
    def models(self) -> tuple[Model, ...]:
        """Its members, at least one."""
        ...


def members_of(model: Model) -> tuple[Model, ...]:
    """Return the members of an ensemble; of another model itself alone."""
    return model.models if isinstance(model, Ensemble) else (model,)


@dataclass(frozen=True)
class BootstrapOptions:
    """How the uncertainty of a score is estimated: the data is drawn again with replacement, many times.

    Attributes:
        repeats: number of draws, at least 0; 0 for no intervals.
        level: share of draws inside an interval, in (0, 1).
        seed: of the draws.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> BootstrapOptions(repeats=-1)
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: the number of bootstrap draws must be at least 0, got -1
    """

    repeats: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.repeats < 0:
            raise UserError(f"the number of bootstrap draws must be at least 0, got {self.repeats}")
        if not 0 < self.level < 1:
            raise UserError(f"the level of an interval must lie between 0 and 1, got {self.level}")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a model is on labelled sequences.

    Attributes:
        name: of the model, as tables print it.
        kind: what the labels are.
        classes: names of classes or labels; none for regression.
        labels: as in `LabelledSequences`.
        outputs: float64 `[N, C]`, what `predict_proba` gave.
        scores: by the names of `metrics.Measure`. A score that the data does not define is not there.
        intervals: lower and upper end by the same names; none without a bootstrap.
        confusion: int64 `[C, C]`, true class by predicted class; None unless the kind is "classes".
        by_class: precision, recall, specificity, f1 and count of every class; auroc, auprc, mcc, f1 and count of
            every one of several labels, None where the data does not define it; empty for regression.
        notes: how it was scored, and why scores are missing.
        threshold: see `called`.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...]
    labels: np.ndarray
    outputs: np.ndarray
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    confusion: np.ndarray | None
    by_class: Mapping[str, Mapping[str, float | None]]
    notes: tuple[str, ...]
    threshold: float | None = None

    def summary(self) -> dict[str, Any]:
        """Return all but labels and outputs, of JSON's types."""
        return {
            "name": self.name,
            "kind": self.kind,
            "classes": list(self.classes),
            "count": len(self.labels),
            "scores": dict(self.scores),
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "by_class": {name: dict(values) for name, values in self.by_class.items()},
            "notes": list(self.notes),
        }


def called(probabilities: np.ndarray, threshold: float | None = None) -> np.ndarray:
    """Return the numbers of the classes that probabilities `[..., C]` call, `[...]`.

    Args:
        probabilities: of all classes.
        threshold: smallest probability of the second of two classes that is called so; None for the likeliest class.

    Example:
        >>> int(called(np.array([0.6, 0.4]))), called(np.array([[0.6, 0.4], [0.8, 0.2]]), threshold=0.3).tolist()
        (0, [1, 0])
    """
    return probabilities.argmax(-1) if threshold is None else (probabilities[..., 1] >= threshold).astype(np.int64)


def number_text(number: float, kind: Kind) -> str:
    """Return what a model says as tables have it: with six digits; of a regression with twelve.

    Example:
        >>> number_text(0.1234567, "classes"), number_text(1000012.3456, "regression")
        ('0.123457', '1000012.3456')
    """
    return f"{number:.12g}" if kind == "regression" else f"{number:.6g}"


def checked_outputs(outputs: np.ndarray, count: int, columns: int, name: str) -> np.ndarray:
    """Return the outputs of a model as float64, after a look at their shape and values.

    Args:
        outputs: what a model gave.
        count: expected rows.
        columns: expected columns.
        name: of the model, for messages.

    Raises:
        ValueError: if the shape is another, or a value is not finite.

    Example:
        >>> checked_outputs(np.ones((2, 1)), 2, 3, "mine")
        Traceback (most recent call last):
        ...
        ValueError: mine gave outputs of shape (2, 1), expected (2, 3): a row a sequence, a column a class
    """
    values = np.asarray(outputs, dtype=np.float64)
    if values.shape != (count, columns):
        raise ValueError(
            f"{name} gave outputs of shape {values.shape}, expected {(count, columns)}: a row a sequence, a column a "
            "class"
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{name} gave an output that is not finite for {len(bad)} of {count} sequences, first {bad[0]}"
        )
    return values
