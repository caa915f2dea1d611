"""`fit`: train a classifier on labelled sequences, stop early, keep the best weights."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.experiment import fit as experiment
from titans_seq.experiment.history import History
from titans_seq.experiment.recorder import Score
from titans_seq.experiment.settings import RUNTIME, Runtime

from ..models.classifier import Classifier, ClassifierConfig
from ..sequences.values import Kind, LabelledSequences
from .config import TrainConfig
from .data import LabelledLoader, check_labels
from .defaults import completed
from .module import ClassifierModule

LOSS, MCC = Score("validation_loss"), Score("validation_mcc", "max")


def fit(
    model: Classifier,
    train: LabelledSequences,
    validation: LabelledSequences | None,
    config: TrainConfig,
    *,
    folder: Path | None = None,
    resume: bool = False,
    runtime: Runtime = RUNTIME,
) -> History:
    """Train a classifier in place and leave its best weights in it, on the CPU and in evaluation mode.

    See `titans_seq.experiment.fit.fit` for what is written and what a resumed run ends with. Processes share the rows
    of each batch: together they train what one trains.

    Args:
        model: from `new_classifier`.
        train: what it learns from.
        validation: what stops it; None trains all epochs and keeps the last weights.
        config: how; what it leaves open follows from the size of `train`, see `completed`.
        folder: where log and checkpoints are written; None writes nothing.
        resume: go on from the last checkpoint in `folder`, if there is one.
        runtime: what it runs on and shows meanwhile.

    Raises:
        UserError: see `check_fit`; or if a loss is not finite, or the checkpoint is of another model.
    """
    config = completed(config, train, model.config.tokenizer)
    check_fit(model.config, train, validation, config)
    scores = _keep_best(model.config.kind, config)
    if train.kind == "regression":
        _set_scale(model, train)

    def loader(data: LabelledSequences, rank: int, world: int) -> LabelledLoader:
        shuffle = data is train
        tokenizer = model.config.tokenizer
        return LabelledLoader(data, tokenizer, config.rows, config.tokens, shuffle, config.seed, rank, world)

    shard = runtime.hardware.sharded
    # What is sharded stays sharded: the model itself gets the whole weights in the end.
    trained = copy.deepcopy(model) if shard else model
    fitted = experiment.fit(
        ClassifierModule(trained.train(), config, _weights(train, config), shard=shard),
        experiment.FitPlan(epochs=config.epochs, seed=config.seed, keep_best=scores, patience=config.patience),
        lambda rank, world: loader(train, rank, world),
        None if validation is None else lambda rank, world: loader(validation, rank, world),
        folder=folder,
        resume=resume,
        runtime=runtime,
    )
    if fitted.weights is not None:
        model.cpu().eval().load_state_dict(fitted.weights)
    return fitted.history


def check_fit(
    classifier: ClassifierConfig, train: LabelledSequences, validation: LabelledSequences | None, config: TrainConfig
) -> None:
    """Refuse what `fit` cannot train, before anything is computed or written.

    Args:
        classifier: the model.
        train: what it learns from.
        validation: what stops it, if anything does.
        config: how it is trained.

    Raises:
        UserError: if the data, the mutations, the score or the weights do not fit the model, or nothing can be learnt.
    """
    if config.mutations and classifier.tokenizer.width > 1:
        raise UserError(
            f"mutations are of single nucleotides, and this model reads words of {classifier.tokenizer.width}: leave "
            "them out (--mutations 0), or let it read single nucleotides (--kmer 1)"
        )
    if config.monitor == "mcc" and classifier.kind == "regression":
        raise UserError("a regression has no MCC: monitor the loss (--monitor loss)")
    if config.class_weights != "none" and classifier.kind == "regression":
        raise UserError("a regression has no classes to weigh: leave class weights out (--class-weights none)")
    for part in (train, validation):
        if part is not None:
            _check_fits(classifier, part)
    _check_learnable(train)


def _keep_best(kind: Kind, config: TrainConfig) -> tuple[Score, ...]:
    # Equal MCCs, which few sequences give often, are told apart by the loss.
    return (MCC, LOSS) if (config.monitor or ("loss" if kind != "classes" else "mcc")) == "mcc" else (LOSS,)


def _check_fits(classifier: ClassifierConfig, data: LabelledSequences) -> None:
    outputs = 1 if data.kind == "regression" else len(data.classes)
    if (data.kind, outputs) != (classifier.kind, classifier.outputs):
        raise UserError(
            f"the data is of kind '{data.kind}' with {outputs} outputs, the model of kind '{classifier.kind}' with "
            f"{classifier.outputs}: build the model for the data"
        )


def _check_learnable(train: LabelledSequences) -> None:
    check_labels(train)
    different = np.unique(train.labels.astype(np.float64), axis=0)
    if len(different) < 2:
        what = train.classes[int(train.labels[0])] if train.kind == "classes" else train.labels[0]
        raise UserError(
            f"all {len(train)} training sequences have the same label ({what}): expected at least two different ones; "
            "check the column of labels, or add the other class"
        )


def _set_scale(model: Classifier, train: LabelledSequences) -> None:
    scale = model.scale
    assert scale is not None
    scale.mean.fill_(float(train.labels.mean()))
    scale.deviation.fill_(float(train.labels.std()))


def _weights(train: LabelledSequences, config: TrainConfig) -> Tensor | None:
    """Weights of classes, or of each label's ones; what is absent counts as if it were there once."""
    if config.class_weights == "none":
        return None
    if train.kind == "classes":
        counts = np.bincount(train.labels, minlength=len(train.classes)).clip(min=1)
        weights = len(train) / (len(train.classes) * counts)
    else:
        ones = train.labels.sum(0).clip(min=1)
        weights = (len(train) - ones).clip(min=1) / ones
    return torch.tensor(weights, dtype=torch.float32)
