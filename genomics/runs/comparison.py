"""A trained model beside the baselines, fitted and scored on the same parts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from titans_seq.errors import UserError

from ..baselines import Baseline, SmallCNN, standard_baselines
from ..evaluation import BootstrapOptions, Evaluation, Model, checked_outputs, evaluate_outputs
from ..sequences.labels import known_name
from ..sequences.values import Kind, LabelledSequences, Splits
from .config import TrainRun
from .decision import UNDECIDED, Decision
from .members import Members

BaselineSet = Literal["all", "quick", "none"]

PREDICTING = {
    "k-mer regression": "kmers",
    "ridge on k-mers": "kmers",
    "one-hot regression": "positions",
    "ridge on positions": "positions",
    "small CNN": "cnn",
}
"""What `titans dna predict --model` calls the baselines that may take the model's place."""

MAIN_SCORES = ("mcc", "r2")
"""What models are compared by: the first that the labels have."""


def chosen_baselines(
    which: BaselineSet, kind: Kind = "classes", network: SmallCNN | None = None
) -> tuple[Baseline, ...]:
    """Return the baselines to stand beside a model.

    Args:
        which: "all", "quick" (all but the network), or "none".
        kind: of the labels, which names them.
        network: how the network is trained; the defaults of `SmallCNN` if None.

    Example:
        >>> [baseline.name for baseline in chosen_baselines("quick")]
        ['majority', 'length only', 'k-mer regression', 'one-hot regression']
    """
    baselines = standard_baselines(kind, network)
    return {"all": baselines, "quick": baselines[:-1], "none": ()}[which]


def like_network(run: TrainRun, device: str = "cpu") -> SmallCNN:
    """Return the network among the baselines, with the strands, mutations and epochs of a run.

    Args:
        run: the configuration of a started run.
        device: of the network.
    """
    training, both = run.training, run.classifier.strands != "given"
    return SmallCNN(both_strands=both, mutations=training.mutations or 0.0, epochs=training.epochs or 10, device=device)


@dataclass(frozen=True)
class Comparison:
    """A model beside the baselines.

    Attributes:
        evaluations: of the model, of each member if it is an ensemble, then of each baseline, on all that was
            predicted.
        folds: the same for each fold of a cross-validation; empty without one.
        members: how many members there are among them.
    """

    evaluations: tuple[Evaluation, ...]
    folds: tuple[tuple[Evaluation, ...], ...] = ()
    members: int = 0

    def better(self) -> Evaluation | None:
        """Return the best of the baselines that score above the model, by MCC or R2; None if none does."""
        ours, others, score = self.evaluations[0], self.evaluations[1 + self.members :], self._score
        if score is None:
            return None
        best = max(others, key=lambda one: one.scores.get(score, -np.inf), default=ours)
        return best if best.scores.get(score, -np.inf) > ours.scores[score] else None

    def chance(self) -> float:
        """Return how far from 0 sequences without any signal bring the MCC once in twenty times or so; 0 for R2.

        Example:
            >>> import numpy as np
            >>> one = Evaluation("a", "classes", ("n", "y"), np.zeros(400), np.zeros(1), {}, {}, None, {}, ())
            >>> Comparison((one,)).chance()
            0.1
        """
        ours = self.evaluations[0]
        return 0.0 if ours.kind == "regression" else 2 / max(len(ours.labels), 1) ** 0.5

    def best(self) -> tuple[Evaluation, str] | None:
        """Return the model with the largest MCC or R2, and which of them it is; None if our model has neither."""
        score = self._score
        if score is None:
            return None
        return max(self.evaluations, key=lambda one: one.scores.get(score, -np.inf)), score

    @property
    def _score(self) -> str | None:
        return next((name for name in MAIN_SCORES if name in self.evaluations[0].scores), None)

    def spreads(self) -> dict[str, dict[str, "Spread"]]:
        """Return the mean and deviation over the folds of each model's scores, where all folds define the score."""
        found = {}
        for column in zip(*self.folds, strict=True):
            names = [name for name in column[0].scores if all(name in one.scores for one in column)]
            found[column[0].name] = {name: Spread.of(one.scores[name] for one in column) for name in names}
        return found


def compare(
    runs: Sequence[tuple[Model, Splits, LabelledSequences]],
    baselines: Sequence[Baseline],
    bootstrap: BootstrapOptions,
    *,
    seed: int = 0,
    name: str = "this model",
    notify: Callable[[str], object] = lambda name: None,
    decision: Decision = UNDECIDED,
) -> Comparison:
    """Score models, and beside each the baselines fitted on the same parts.

    Args:
        runs: each with a trained model, the parts it was trained on, and what it is scored on: one, or one a fold.
        baselines: to fit on the training part, their settings chosen on the validation part.
        bootstrap: how intervals are made.
        seed: of the baselines.
        name: of the model, in tables.
        notify: called with the name of each baseline before it is fitted.
        decision: threshold and temperature that the model, or the mean of an ensemble, is scored with.

    Raises:
        UserError: if there is no validation part for the baselines.
    """
    outputs = [_outputs(*run, name, baselines, seed, notify) for run in runs]
    for one in outputs:
        first = next(iter(one))
        one[first] = decision.calibrate(one[first], runs[0][0].kind)
    data = [scored_on for _, _, scored_on in runs]
    pooled = {each: np.concatenate([one[each] for one in outputs]) for each in outputs[0]}
    labels = np.concatenate([one.labels for one in data])
    evaluations = _scored(pooled, labels, data[0], bootstrap, decision)
    members = len(evaluations) - 1 - len(baselines)
    if len(runs) == 1:
        return Comparison(evaluations, members=members)
    plain = BootstrapOptions(repeats=0)
    folds = tuple(_scored(one, part.labels, part, plain, decision) for one, part in zip(outputs, data, strict=True))
    return Comparison(evaluations, folds, members)


def _outputs(
    model: Model,
    parts: Splits,
    data: LabelledSequences,
    name: str,
    baselines: Sequence[Baseline],
    seed: int,
    notify: Callable[[str], object],
) -> dict[str, np.ndarray]:
    models: dict[str, Model] = {}
    for baseline in baselines:
        if parts.validation is None:
            raise UserError("there is no validation part on which baselines are chosen: leave them out")
        notify(baseline.name)
        models[baseline.name] = baseline.fit(parts.train, parts.validation, seed)
    sequences = list(data.sequences)
    if isinstance(model, Members):
        each = model.each(sequences)
        found = {f"mean of {len(each)} models": each.mean(0), **dict(zip(model.names, each, strict=True))}
    else:
        found = {name: model.predict_proba(sequences)}
    found |= {baseline: one.predict_proba(sequences) for baseline, one in models.items()}
    columns = max(1, len(data.classes))
    return {one: checked_outputs(values, len(data), columns, one) for one, values in found.items()}


def _scored(
    outputs: dict[str, np.ndarray],
    labels: np.ndarray,
    data: LabelledSequences,
    bootstrap: BootstrapOptions,
    decision: Decision,
) -> tuple[Evaluation, ...]:
    """Score the model, which comes first, with its decision, and all others without."""
    by = [decision, *[UNDECIDED] * (len(outputs) - 1)]
    return tuple(
        evaluate_outputs(
            values,
            labels,
            data.classes,
            data.kind,
            bootstrap,
            name,
            threshold=one.threshold,
            notes=one.notes(data.classes),
        )
        for (name, values), one in zip(outputs.items(), by, strict=True)
    )


@dataclass(frozen=True)
class Spread:
    """A score over several folds or seeds.

    Attributes:
        mean: of them.
        deviation: their sample standard deviation; 0 of a single one.
        count: how many.
    """

    mean: float
    deviation: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the mean and deviation of at least one value.

        Example:
            >>> Spread.of([1.0, 3.0])
            Spread(mean=2.0, deviation=1.4142135623730951, count=2)
        """
        seen = np.array(list(values))
        return cls(float(seen.mean()), float(seen.std(ddof=1)) if len(seen) > 1 else 0.0, len(seen))

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.deviation:.4f}"


def with_classes(data: LabelledSequences, model: Model) -> LabelledSequences:
    """Return the data labelled with all the classes that a model knows, in its order.

    Args:
        data: labelled with some of them, at least.
        model: trained.

    Raises:
        UserError: if the kind of labels is another, or a class is not the model's.
    """
    if data.kind != model.kind:
        raise UserError(
            f"the model was made for labels of the kind '{model.kind}', the data has '{data.kind}': label it as its "
            "training data was, or name the kind"
        )
    data = replace(data, classes=tuple(known_name(name, tuple(model.classes)) for name in data.classes))
    unknown = [name for name in data.classes if name not in model.classes]
    if unknown:
        raise UserError(
            f"the data has the class or label {unknown[0]!r}, which the model does not know: expected "
            f"{', '.join(map(repr, model.classes[:20]))}; name them as in the training data"
        )
    if data.classes == tuple(model.classes):
        return data
    if data.kind == "multilabel" and len(data.classes) < len(model.classes):
        missing = next(name for name in model.classes if name not in data.classes)
        raise UserError(f"the data has no column for the label {missing!r}, which the model knows: add it")
    if data.kind == "multilabel":
        labels = data.labels[:, [data.classes.index(name) for name in model.classes]]
    else:
        labels = np.array([model.classes.index(name) for name in data.classes])[data.labels]
    return LabelledSequences(data.names, data.sequences, labels, tuple(model.classes), data.kind)
