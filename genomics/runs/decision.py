"""How a run turns logits into probabilities and decisions: chosen on its validation part, kept in its folder."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError
from titans_seq.files import write_text

from ..baselines.values import log_odds_form
from ..evaluation.deciding import Rule, choose_threshold, fit_temperature
from ..evaluation.values import Model
from ..sequences.values import Kind, LabelledSequences, Record
from .config import DECISION
from .members import Members
from .predictor import Prediction, Predictor, probabilities


@dataclass(frozen=True)
class Decision:
    """A threshold and a temperature.

    Attributes:
        threshold: smallest probability of the second of two classes that is called so; None for the likeliest class.
        temperature: by which logits are divided, above 0.
        rule: what the threshold was chosen for.
    """

    threshold: float | None = None
    temperature: float = 1.0
    rule: str = ""

    def notes(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Say by what a model is scored that has this decision; nothing of one without.

        Example:
            >>> Decision(0.25, rule="mcc").notes(("no", "yes"))
            ('scored with the decision kept in the run (mcc, on validation): yes from a probability of 0.25 on',)
        """
        parts = [] if self.threshold is None else [f"{classes[1]} from a probability of {self.threshold:.4g} on"]
        parts += [] if self.temperature == 1 else [f"temperature {self.temperature:.4g}"]
        rule = f" ({self.rule}, on validation)" if self.rule else ""
        return (f"scored with the decision kept in the run{rule}: {', '.join(parts)}",) if parts else ()

    def calibrate(self, values: np.ndarray, kind: Kind) -> np.ndarray:
        """Return probabilities `[N, C]` as they are with the temperature."""
        return values if self.temperature == 1 else probabilities(log_odds_form(values, kind) / self.temperature, kind)


UNDECIDED = Decision()
"""The likeliest class, and logits as they are."""


def decide(model: Model, validation: LabelledSequences, rule: Rule, calibrate: bool = True) -> Decision:
    """Choose temperature and threshold on validation sequences.

    Args:
        model: of two classes.
        validation: labelled sequences that it was not trained on.
        rule: what the threshold is chosen for.
        calibrate: whether a temperature is fitted.

    Raises:
        UserError: if there are not two classes, or see `choose_threshold`.
    """
    if model.kind != "classes" or len(model.classes) != 2:
        raise UserError(
            f"a threshold and a temperature are for models of two classes, this one {_described(model)}: it is used as "
            "it is; titans dna predict writes all that it says of each sequence, to choose from"
        )
    logits = model.logits(list(validation.sequences))
    temperature = fit_temperature(logits, validation.labels, model.kind) if calibrate else 1.0
    positive = probabilities(logits / temperature, model.kind)[:, 1]
    return Decision(choose_threshold(positive, validation.labels == 1, rule), temperature, str(rule))


def _described(model: Model) -> str:
    what = "labels" if model.kind == "multilabel" else "classes"
    return "is a regression" if model.kind == "regression" else f"has {len(model.classes)} {what}"


class Calibrated:
    """Predict as a model does, with its logits divided by a temperature.

    Args:
        model: it.
        temperature: above 0.
    """

    def __init__(self, model: Predictor | Members, temperature: float) -> None:
        self.model, self.temperature = model, temperature
        self.kind: Kind = model.kind
        self.classes = model.classes
        self.reads_both_strands = model.reads_both_strands

    def logits(self, sequences: list[str]) -> np.ndarray:
        """Return calibrated logits, `[N, C]`."""
        return self.model.logits(sequences) / self.temperature

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        """Return calibrated probabilities, `[N, C]`."""
        return self._calibrated(self.model.logits(sequences))

    def predictions(self, records: Iterable[Record | str]) -> Iterator[Prediction]:
        """Predict records, or bare sequences, in their order."""
        for one in self.model.predictions(records):
            members = None if one.members is None else self._calibrated(log_odds_form(one.members, self.kind))
            logits = one.logits / self.temperature
            yield replace(one, logits=logits, probabilities=self._calibrated(one.logits[None])[0], members=members)

    def _calibrated(self, logits: np.ndarray) -> np.ndarray:
        return probabilities(logits / self.temperature, self.kind)


def calibrated(model: Predictor | Members, decision: Decision) -> Predictor | Members | Calibrated:
    """Return a model with the temperature of a decision."""
    return model if decision.temperature == 1 else Calibrated(model, decision.temperature)


def write_decision(run: Path, decision: Decision) -> None:
    """Keep a decision in a run's folder."""
    write_text(Path(run) / DECISION, json.dumps(asdict(decision), indent=2) + "\n")


def read_decision(run: Path) -> Decision:
    """Read the decision of a run; the likeliest class, and logits as they are, where none was chosen.

    Raises:
        UserError: if the file is damaged.
    """
    path = Path(run) / DECISION
    if not path.is_file():
        return UNDECIDED
    try:
        found = Decision(**json.loads(path.read_text(encoding="utf-8")))
        if not (found.temperature > 0 and np.isfinite(found.temperature)):
            raise ValueError(f"temperature {found.temperature}")
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}): remove it, or choose again with titans dna decide") from error
    return found
