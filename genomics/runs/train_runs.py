"""Training a classifier into a run folder.

config.yaml    model with tokenizer, training with seed, class map, data and its hash, versions
history.csv    every epoch
metrics.json   what the best epoch came to on the validation part, and whether later ones learnt by heart
README.md      what the model is
checkpoint.pt  the state after the latest epoch, while training
model/         the trained model: safetensors, YAML, class map, card
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError
from titans_seq.files import write_text
from titans_seq.models.saving import MODEL
from titans_seq.progress import Progress
from titans_seq.training.run_folder import read_config, write_config

from ..models.classifier import Classifier, ClassifierConfig
from ..sequences.values import LabelledSequences, Splits
from ..training.config import TrainConfig
from ..training.fitting import fit, new_classifier
from ..training.overfitting import overfitting
from .card import classifier_card
from .folder import (
    CARD,
    CHECKPOINT,
    HISTORY,
    RUNS,
    Source,
    TrainRun,
    fingerprint,
    history_csv,
    write_metrics,
)
from .predictor import Predictor
from .saving import load_classifier, load_encoder, save_classifier
from .training_range import TrainingRange


def train_run(
    splits: Splits,
    out: Path,
    classifier: ClassifierConfig,
    config: TrainConfig,
    *,
    data: str = "sequences in memory",
    options: dict[str, object] | None = None,
    init: Path | None = None,
    overwrite: bool = False,
    progress: Progress = "none",
    accelerator: str = "auto",
) -> Predictor:
    """Train a classifier into a run folder; the test part is not looked at.

    Whatever stops it after an epoch, `resume_run` goes on from there. A failure before that leaves nothing.

    Args:
        splits: what it learns from, and what stops it; without a validation part all epochs are trained.
        out: the run folder: new, empty, or with `overwrite` that of an earlier run.
        classifier: the model.
        config: how it is trained.
        data: absolute path of the data, for the record.
        options: how it was read, as plain values, for the record.
        init: a pretraining run, or another folder that `load_encoder` reads, whose weights it begins with.
        overwrite: replace an earlier run.
        progress: see `fit`.
        accelerator: see `fit`.

    Raises:
        UserError: if the folder is taken, the data does not fit the settings, or training fails.
        OSError: if a file cannot be written.
    """
    out = Path(out)
    source = Source(data, fingerprint((splits.train, splits.validation)), dict(options or {}))
    start = None if init is None else str(Path(init).resolve())
    run = TrainRun(classifier, config, splits.train.classes, source, start)
    model = _new_model(run)  # says what does not fit before an earlier run is replaced
    with RUNS.claim(out, overwrite):
        write_config(out, run)
        return _train(run, model, splits, out, progress, accelerator)


def resume_run(out: Path, splits: Splits, *, progress: Progress = "none", accelerator: str = "auto") -> Predictor:
    """Go on with a run that was stopped, with its own settings; a finished one is returned as it is.

    Args:
        out: the run folder.
        splits: the data it was started on.
        progress: see `fit`.
        accelerator: see `fit`.

    Raises:
        UserError: if the folder is no run, or the data is not that which it was started on.
    """
    out = Path(out)
    run = read_config(out, TrainRun)
    if RUNS.is_finished(out):
        return load_classifier(out)
    if fingerprint((splits.train, splits.validation)) != run.source.fingerprint:
        raise UserError(
            f"the sequences or labels are not those that the run in {out} was started on ({run.source.data}): put "
            "those back, or start a new run"
        )
    return _train(run, _new_model(run), splits, out, progress, accelerator)


def _new_model(run: TrainRun) -> Classifier:
    if run.init is None:
        return new_classifier(run.classifier, run.train.seed)
    pretrained, _, tokenizer = load_encoder(run.init)
    if tokenizer != run.classifier.tokenizer:
        raise UserError(
            f"the encoder in {run.init} reads {tokenizer}, the classifier {run.classifier.tokenizer}: take the same "
            "tokenizer"
        )
    return new_classifier(run.classifier, run.train.seed, pretrained.encoder)


def _train(
    run: TrainRun, model: Classifier, splits: Splits, out: Path, progress: Progress, accelerator: str
) -> Predictor:
    checkpoint = out / CHECKPOINT
    result = fit(
        model,
        splits.train,
        splits.validation,
        run.train,
        checkpoint=checkpoint,
        resume=checkpoint.is_file(),
        progress=progress,
        accelerator=accelerator,
    )
    write_text(out / HISTORY, history_csv(result.history))
    metrics = {
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "best": asdict(result.best),
        "overfitting": overfitting(result.history),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "train": _described(splits.train),
        "validation": _described(splits.validation),
    }
    write_metrics(out, metrics)
    card = classifier_card(run, splits, result, model)
    write_text(out / CARD, card)
    # The model comes last: a folder with one is a finished run.
    save_classifier(out / MODEL, model, run.classes, card)
    checkpoint.unlink()
    RUNS.clear(out)
    return load_classifier(out)


def _described(part: LabelledSequences | None) -> dict[str, object] | None:
    if part is None:
        return None
    found = TrainingRange.of(part)
    described: dict[str, object] = {
        "sequences": len(part),
        "shortest_length": found.shortest,
        "median_length": found.median,
        "longest_length": found.longest,
        "most_unknown": found.unknown,
    }
    if part.kind == "regression":
        return described
    one_hot = part.labels if part.kind == "multilabel" else np.eye(len(part.classes))[part.labels]
    counts = one_hot.sum(0).astype(int).tolist()
    return described | {"of_class": dict(zip(part.classes, counts, strict=True))}
