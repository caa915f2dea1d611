"""A model on labelled sequences: scores, intervals, confusion."""

import math
from collections.abc import Mapping

import numpy as np

from titans_seq.errors import UserError

from ..sequences.values import LabelledSequences
from .metrics import Measure, by_class, confusion
from .values import BootstrapOptions, Evaluation, Kind, Model, called, checked_outputs


def evaluate(
    model: Model,
    data: LabelledSequences,
    bootstrap: BootstrapOptions | None = None,
    name: str = "model",
    *,
    threshold: float | None = None,
    notes: tuple[str, ...] = (),
) -> Evaluation:
    """Predict every sequence and score the predictions.

    Args:
        model: see `values.Model`.
        data: at least one sequence, labelled with the classes that the model knows.
        bootstrap: how intervals are made; the defaults of `BootstrapOptions` if None.
        name: of the model, for tables.
        threshold: of two classes, see `called`.
        notes: that the evaluation begins its own with.

    Raises:
        UserError: if there is no sequence, or kind or classes are not the model's.
        ValueError: if the model's outputs have another shape or are not finite.

    Example:
        >>> from genomics.baselines import MajorityModel
        >>> data = LabelledSequences(("a", "b", "c"), ("A", "C", "G"), np.array([1, 0, 1]), ("no", "yes"), "classes")
        >>> model = MajorityModel(("no", "yes"), "classes", np.array([0.25, 0.75]))
        >>> found = evaluate(model, data, BootstrapOptions(repeats=0))
        >>> round(found.scores["accuracy"], 3), found.scores["mcc"]
        (0.667, 0.0)
    """
    if not len(data):
        raise UserError("there is no sequence to evaluate on: give data with at least one labelled sequence")
    if model.kind != data.kind:
        raise UserError(
            f"{name} was made for labels of the kind '{model.kind}', the data has '{data.kind}': evaluate it on data "
            "labelled as its training data was"
        )
    if tuple(model.classes) != data.classes:
        raise UserError(
            f"{name} knows the classes {_listed(tuple(model.classes))}, the data has {_listed(data.classes)}: name the "
            "classes as in the training data"
        )
    columns = max(1, len(data.classes))
    outputs = checked_outputs(model.predict_proba(list(data.sequences)), len(data), columns, name)
    return evaluate_outputs(
        outputs, data.labels, data.classes, data.kind, bootstrap, name, threshold=threshold, notes=notes
    )


def evaluate_outputs(
    outputs: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    kind: Kind,
    bootstrap: BootstrapOptions | None = None,
    name: str = "model",
    *,
    threshold: float | None = None,
    notes: tuple[str, ...] = (),
) -> Evaluation:
    """Score predictions that are at hand, those of cross-validation for example.

    Args:
        outputs: `[N, C]`, finite.
        labels: as in `LabelledSequences`.
        classes: names.
        kind: what the labels are.
        bootstrap: how intervals are made; the defaults of `BootstrapOptions` if None.
        name: of the model, for tables.
        threshold: see `evaluate`.
        notes: see `evaluate`.

    Example:
        >>> outputs = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
        >>> evaluation = evaluate_outputs(outputs, np.array([0, 1, 1]), ("no", "yes"), "classes")
        >>> evaluation.scores["mcc"], evaluation.confusion.tolist()
        (0.5, [[1, 0], [1, 1]])
    """
    measure = Measure(labels, outputs, kind, threshold)
    scores = measure()
    table, each = None, {}
    if kind == "classes":
        table = confusion(labels, called(outputs, threshold), len(classes), np.ones(len(labels))).astype(np.int64)
        each = by_class(table)
    elif kind == "multilabel":
        each = measure.by_label()
    return Evaluation(
        name=name,
        kind=kind,
        classes=classes,
        labels=labels,
        outputs=outputs,
        scores={key: value for key, value in scores.items() if not math.isnan(value)},
        intervals=bootstrap_intervals(measure, bootstrap or BootstrapOptions()),
        confusion=table,
        by_class=_rows(each, classes) if each else {},
        notes=notes + _notes(labels, classes, kind, [key for key, value in scores.items() if math.isnan(value)]),
        threshold=threshold,
    )


def bootstrap_intervals(measure: Measure, options: BootstrapOptions) -> dict[str, tuple[float, float]]:
    """Return percentile intervals of all scores, from one set of draws.

    Args:
        measure: of the predictions.
        options: how many draws, of which seed.

    Returns:
        Lower and upper end by score. A score that less than half of the draws define has none.

    Example:
        >>> labels = np.array([0, 1] * 50)
        >>> measure = Measure(labels, np.eye(2)[np.roll(labels, 1) * (np.arange(100) < 20)], "classes")
        >>> low, high = bootstrap_intervals(measure, BootstrapOptions(repeats=200))["accuracy"]
        >>> low < measure()["accuracy"] < high
        True
    """
    count = len(measure.outputs)
    random = np.random.default_rng(options.seed)
    draws: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        weights = np.bincount(random.integers(count, size=count), minlength=count)
        for key, value in measure(weights).items():
            draws.setdefault(key, []).append(value)
    ends = (0.5 - options.level / 2, 0.5 + options.level / 2)
    intervals = {}
    for key, values in draws.items():
        defined = [value for value in values if not math.isnan(value)]
        if 2 * len(defined) >= len(values):
            low, high = np.quantile(defined, ends)
            intervals[key] = (float(low), float(high))
    return intervals


def _rows(columns: Mapping[str, np.ndarray], classes: tuple[str, ...]) -> dict[str, dict[str, float | None]]:
    def value(key: str, row: int) -> float | None:
        found = float(columns[key][row])
        return None if math.isnan(found) else found

    return {name: {key: value(key, row) for key in columns} for row, name in enumerate(classes)}


def _notes(labels: np.ndarray, classes: tuple[str, ...], kind: Kind, missing: list[str]) -> tuple[str, ...]:
    notes = []
    if kind == "classes":
        absent = [name for i, name in enumerate(classes) if not (labels == i).any()]
        if absent:
            notes.append(f"no sequence of class {_listed(tuple(absent))}: means over classes leave them out")
    if kind == "multilabel":
        mean = (labels > 0.5).mean(0)
        lone = int(((mean == 0) | (mean == 1)).sum())
        if lone:
            notes.append(f"{lone} of {len(classes)} labels are always or never present: mcc, f1 and areas omit them")
    if missing:
        why = "all values are equal" if kind == "regression" else "there is one class only"
        notes.append(f"{', '.join(missing)}: not defined, {why}")
    return tuple(notes)


def _listed(names: tuple[str, ...], most: int = 8) -> str:
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
