"""Several models as one: the mean of their probabilities, and how far they lie apart."""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError

from ..baselines.values import log_odds_form
from ..evaluation.values import Model
from ..sequences.values import Kind, Record
from .config import member_runs
from .predictor import Prediction, Predictor, named, prediction_columns
from .saving import load_classifier, whole_members

_AT_ONCE = 1024


class Members:
    """Predict the mean of what several members predict.

    Args:
        models: at least one; of one kind and with the same classes.
        names: of each, for tables; "model 1", ... if not given.

    Raises:
        UserError: if there is none, or they do not predict the same.

    Example:
        >>> import numpy as np
        >>> from genomics.baselines.trivial import MajorityModel
        >>> models = [MajorityModel(("no", "yes"), "classes", np.array([p, 1 - p])) for p in (0.2, 0.4)]
        >>> Members(models).predict_proba(["ACGT"]).round(2).tolist()
        [[0.3, 0.7]]
    """

    def __init__(self, models: Sequence[Model], names: Sequence[str] = ()) -> None:
        if not models:
            raise UserError("there is no model to take the mean of: name at least one")
        self.models = tuple(models)
        self.names = tuple(names) or tuple(f"model {number}" for number in range(1, len(models) + 1))
        first = self.models[0]
        odd = next(
            (one for one in models if (one.kind, tuple(one.classes)) != (first.kind, tuple(first.classes))), None
        )
        if odd is not None:
            raise UserError(
                f"models of {', '.join(first.classes) or first.kind} and of {', '.join(odd.classes) or odd.kind} have "
                "no mean: take runs that were trained on the same labels"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes or labels."""
        return tuple(self.models[0].classes)

    @property
    def kind(self) -> Kind:
        """What is predicted."""
        return self.models[0].kind

    @property
    def reads_both_strands(self) -> bool:
        """Whether each prediction is that of both strands, in all members."""
        return all(getattr(model, "reads_both_strands", False) for model in self.models)

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        """Return the mean of the members' probabilities, or values, float64 `[N, C]`."""
        return self.each(sequences).mean(0)

    def logits(self, sequences: list[str]) -> np.ndarray:
        """Return the logits of `predict_proba`, `[N, C]`."""
        return log_odds_form(self.predict_proba(sequences), self.kind)

    @property
    def columns(self) -> list[str]:
        """Names of what a table of predictions holds of each sequence, see `prediction_row`, and of the spreads."""
        spreads = [f"spread_{name}" for name in self.classes or ("value",)] if len(self.models) > 1 else []
        return [*prediction_columns(self.kind, self.classes), *spreads]

    def predictions(self, records: Iterable[Record | str]) -> Iterator[Prediction]:
        """Predict a stream of records, or bare sequences, in their order, each with what the members predict."""
        stream = named(records)
        while block := list(itertools.islice(stream, _AT_ONCE)):
            each = self.each([record.sequence for record in block])
            for place, record in enumerate(block):
                mean = each[:, place].mean(0)
                yield Prediction(record.name, log_odds_form(mean[None], self.kind)[0], mean, each[:, place])

    def each(self, sequences: list[str]) -> np.ndarray:
        """Return what each member predicts, `[M, N, C]`; see `predict_proba`."""
        return np.stack([model.predict_proba(sequences) for model in self.models])


def load_members(folder: Path, device: str | None = None) -> Members:
    """Load the models of a folder of runs, those of folds or of seeds, as one.

    Args:
        folder: with run folders in it, as `titans dna train --folds` and `--seeds` leave it.
        device: see `load_classifier`.

    Raises:
        UserError: if there is none, or not all of them are finished.
    """
    runs = whole_members(folder)
    if not runs:
        raise UserError(f"{folder}: holds no runs of folds or seeds: name the folder of a run")
    return Members([load_classifier(run, device) for run in runs], [run.name for run in runs])


def load_model(folder: str | os.PathLike[str], device: str | None = None) -> Predictor | Members:
    """Load the model of a run, or those of a folder of runs as one.

    Args:
        folder: see `load_classifier` and `load_members`.
        device: where it computes; None is a GPU if there is one.

    Raises:
        UserError: if there is none.
    """
    return load_members(Path(folder), device) if member_runs(Path(folder)) else load_classifier(folder, device)
