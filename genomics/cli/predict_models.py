"""What predicts in `titans dna predict`: a run, the mean of its folds, or a simple model; and how it decides."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from .predict_options import Predict

if TYPE_CHECKING:
    from ..evaluation.values import Model
    from ..runs.decision import Decision
    from ..scan import Scanner


def load(options: Predict) -> "tuple[Scanner, Decision]":
    """Return what predicts, and how it decides.

    Raises:
        UserError: if there is no such model, or a threshold is given and there are not two classes.
    """
    from ..runs.decision import Decision, calibrated, read_decision
    from ..runs.members import Members, load_model
    from ..runs.saving import whole_members

    device = Hardware(options.compute.device).device()
    decision = Decision()
    model: Any
    if options.model != "trained":
        model = Members([_baseline(run, options.model, device) for run in whole_members(options.run) or [options.run]])
    else:
        decision = read_decision(options.run)
        model = calibrated(load_model(options.run, device), decision)
    if options.threshold is not None:
        if model.kind != "classes" or len(model.classes) != 2:
            raise UserError("--threshold is for models of two classes, which this one is not: leave it out")
        decision = Decision(options.threshold, decision.temperature)
    return model, decision


def _baseline(folder: Path, name: str, device: str) -> "Model":
    from ..runs.comparison import PREDICTING, chosen_baselines, like_network
    from ..runs.trained_on import own_parts

    run, parts = own_parts(folder)
    if parts.validation is None:
        raise UserError(f"the data of {folder} has no validation part, on which --model {name} is chosen")
    baselines = chosen_baselines("all", run.classifier.kind, like_network(run, device))
    baseline = next(one for one in baselines if PREDICTING.get(one.name) == name)
    return baseline.fit(parts.train, parts.validation, run.training.seed)


def trained_members(model: "Model") -> "tuple[Model, ...]":
    """Return the members of what predicts, or itself alone, whether calibrated or not."""
    from ..evaluation.values import members_of
    from ..runs.decision import Calibrated

    return members_of(model.model if isinstance(model, Calibrated) else model)


def token_width(model: "Model") -> int:
    """Return the bases of the longest token that a model, or one of its members, reads; 1 where it reads none."""
    from ..runs.predictor import Predictor

    trained = [one for one in trained_members(model) if isinstance(one, Predictor)]
    return max((one.model.config.tokenizer.width for one in trained), default=1)


def note_on_places(model: "Model") -> tuple[str, ...]:
    """Return a line on where sequences have to begin, if a model or one of its members weighs what stands where."""
    from ..runs.predictor import Predictor

    trained = [one for one in trained_members(model) if isinstance(one, Predictor)]
    places = max((one.model.config.places for one in trained), default=0)
    if not places:
        return ()
    return (
        f"note: the model weighs what stands at each of the first {places:,} places (--places of titans dna train): "
        "the scores of sequences that do not begin where those of training began are worth less",
    )
