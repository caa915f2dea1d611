"""One number a sequence: what mutagenesis and variant scoring compare."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import logsumexp

from titans_seq.errors import UserError

from ..evaluation.values import Model, checked_outputs, members_of

_MOST_BASES = 1 << 20
_MOST_SEQUENCES = 512


def target_names(model: Model) -> tuple[str, ...]:
    """Return what a model has scores for: its classes or labels, or "value" for regression.

    Example:
        >>> from genomics.baselines import MajorityModel
        >>> target_names(MajorityModel((), "regression", np.array([0.5])))
        ('value',)
    """
    return ("value",) if model.kind == "regression" else tuple(model.classes)


def target_column(model: Model, target: str | None) -> int:
    """Return the column of a target.

    Args:
        model: see `evaluation.Model`.
        target: one of `target_names`; None for the second of two classes, or for the only one.

    Raises:
        UserError: if there is no such target, or None leaves a choice.

    Example:
        >>> from genomics.baselines import MajorityModel
        >>> model = MajorityModel(("no", "yes"), "classes", np.array([0.25, 0.75]))
        >>> target_column(model, "no"), target_column(model, None)
        (0, 1)
    """
    names = target_names(model)
    if target in names:
        return names.index(target)
    known = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    if target is not None:
        raise UserError(f"the model has no class or label '{target}': expected one of {known}")
    if not _leaves_a_choice(model):
        return len(names) - 1
    raise UserError(f"the model has several classes or labels: choose the target (--target) among {known}")


def likeliest_target(model: Model, sequence: str) -> str | None:
    """Return the likeliest of several classes or labels for a sequence; None where `target_column` needs no choice.

    Example:
        >>> from genomics.baselines import MajorityModel
        >>> likeliest_target(MajorityModel(("a", "b", "c"), "classes", np.array([0.2, 0.5, 0.3])), "ACGT")
        'b'
    """
    if not _leaves_a_choice(model):
        return None
    return target_names(model)[int(model.logits([sequence])[0].argmax())]


def _leaves_a_choice(model: Model) -> bool:
    """Of two classes the second one is meant."""
    return len(target_names(model)) > (2 if model.kind == "classes" else 1)


def target_scores(model: Model, sequences: Sequence[str]) -> np.ndarray:
    """Return the log odds of every class or label, log(p / (1 - p)), or the predicted value for regression.

    For labels these are the logits. For classes it is a class's logit against all the others together (of two classes
    the difference of both), which, unlike a logit, does not change when the same is added to all of them.

    Args:
        model: see `evaluation.Model`.
        sequences: of any lengths; the model sees them in portions.

    Returns:
        Float64 `[N, C]`, finite; of an ensemble the mean of its members' scores.

    Raises:
        ValueError: if the model's outputs have another shape or are not finite.

    Example:
        >>> from genomics.baselines import MajorityModel
        >>> model = MajorityModel(("no", "yes"), "classes", np.array([0.25, 0.75]))
        >>> target_scores(model, ["ACGT"]).round(3).tolist()  # log(3), and the same against
        [[-1.099, 1.099]]
    """
    return member_scores(model, sequences).mean(0)


def member_scores(model: Model, sequences: Sequence[str]) -> np.ndarray:
    """Return `target_scores` of each member of an ensemble, `[M, N, C]`; M is 1 for another model."""
    columns = len(target_names(model))
    found = []
    for member in members_of(model):
        parts = [np.empty((0, columns))]
        for portion in portions(sequences):
            logits = checked_outputs(member.logits(portion), len(portion), columns, "the model")
            parts.append(log_odds(logits) if model.kind == "classes" else logits)
        found.append(np.concatenate(parts))
    return np.stack(found)


def spread_of(values: np.ndarray) -> np.ndarray | None:
    """Return the standard deviation over the first axis, the members of an ensemble; None of a single one.

    Example:
        >>> spread_of(np.array([[1.0], [3.0]])), spread_of(np.array([[1.0]]))
        (array([1.41421356]), None)
    """
    return values.std(0, ddof=1) if len(values) > 1 else None


def portions(sequences: Sequence[str]) -> Iterator[list[str]]:
    """Cut a list so that no part holds more than about a million bases.

    Example:
        >>> [len(portion) for portion in portions(["ACGT"] * 600)]
        [512, 88]
    """
    part: list[str] = []
    bases = 0
    for sequence in sequences:
        if part and (len(part) == _MOST_SEQUENCES or bases + len(sequence) > _MOST_BASES):
            yield part
            part, bases = [], 0
        part.append(sequence)
        bases += len(sequence)
    if part:
        yield part


def log_odds(logits: np.ndarray) -> np.ndarray:
    """Return each class's logit minus the log of the summed exponentials of the others, `[N, C]` with C at least 2.

    Example:
        >>> log_odds(np.array([[1.0, 3.0]])).tolist()
        [[-2.0, 2.0]]
    """
    columns = logits.shape[1]
    others = [logsumexp(np.delete(logits, column, axis=1), axis=1) for column in range(columns)]
    return logits - np.stack(others, axis=1)
