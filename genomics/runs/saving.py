"""Saved models: a classifier with its tokenizer and class map, or an encoder, as a folder without pickles."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from titans_seq.checkpoint import CARD, CONFIG, WEIGHTS, load_folder, load_weights, save_folder
from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.experiment.record import CONFIG as RUN_CONFIG
from titans_seq.experiment.record import read_config
from titans_seq.files import read_text
from titans_seq.models.saving import MODEL

from ..models.classifier import Classifier, ClassifierConfig
from ..models.encoder import EncoderConfig
from ..models.untrained import PretrainModel, new_classifier
from ..tokens import Tokenizer
from .config import RUNS, TrainRun, member_runs
from .predictor import Predictor

_CLASSIFIER, _ENCODER = "dna_classifier", "dna_encoder"


def save_classifier(folder: str | os.PathLike[str], model: Classifier, classes: Sequence[str], card: str) -> None:
    """Write a classifier as a whole folder, in place of an earlier one.

    Args:
        folder: where.
        model: with its weights, on any device.
        classes: names of the classes or labels, in the order of the outputs; none for a regression.
        card: a short description, as Markdown.

    Raises:
        UserError: if `folder` exists and is no saved model.
        OSError: if it cannot be written.

    Example:
        >>> import tempfile
        >>> from genomics.models import encoder_preset
        >>> model = Classifier(ClassifierConfig(encoder_preset("tiny"), "classes", outputs=2))
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     save_classifier(f"{parent}/model", model, ("no", "yes"), "# Yes or no")
        ...     load_classifier(f"{parent}/model").classes
        ('no', 'yes')
    """
    config = {_CLASSIFIER: to_dict(model.config), "classes": list(classes)}
    save_folder(folder, config, model.state_dict(), card)


def save_encoder(
    folder: str | os.PathLike[str], model: PretrainModel, encoder: EncoderConfig, tokenizer: Tokenizer, card: str
) -> None:
    """Write a pretrained encoder as a whole folder; see `save_classifier`."""
    config = {_ENCODER: to_dict(encoder), "tokenizer": to_dict(tokenizer)}
    save_folder(folder, config, model.state_dict(), card)


def load_classifier(folder: str | os.PathLike[str], device: str | None = None) -> Predictor:
    """Return a saved classifier.

    Args:
        folder: a run folder, or the model's own inside of it.
        device: where it computes; None is a GPU if there is one.

    Raises:
        UserError: if there is no whole classifier; the message names the file and says what to do.
    """
    source, saved, tensors = _load(folder, _CLASSIFIER, "classifier")
    try:
        model = Classifier(from_dict(saved[_CLASSIFIER], ClassifierConfig))
        classes = tuple(map(str, saved["classes"]))
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{source / CONFIG}: damaged ({error}): restore the file or train again") from error
    if len(classes) != (0 if model.config.kind == "regression" else model.config.outputs):
        raise UserError(f"{source / CONFIG}: {len(classes)} classes for {model.config.outputs} outputs: restore it")
    card = read_text(source / CARD) if (source / CARD).is_file() else ""
    return Predictor(load_weights(model, tensors, source), classes, device, card=card)


def load_encoder(folder: str | os.PathLike[str]) -> tuple[PretrainModel, EncoderConfig, Tokenizer]:
    """Return a pretrained encoder with its head, on the CPU, its configuration and its tokenizer.

    Args:
        folder: a run folder of pretraining, or the model's own inside of it.

    Raises:
        UserError: if there is no whole encoder.
    """
    source, saved, tensors = _load(folder, _ENCODER, "pretrained encoder")
    try:
        config = from_dict(saved[_ENCODER], EncoderConfig)
        tokenizer = from_dict(saved["tokenizer"], Tokenizer)
        model = PretrainModel(config, tokenizer)
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{source / CONFIG}: damaged ({error}): restore the file or pretrain again") from error
    return load_weights(model, tensors, source), config, tokenizer


def load_embedder(folder: str | os.PathLike[str], device: str | None = None) -> Predictor:
    """Return a predictor to take embeddings from: a saved classifier, or a pretrained encoder without any head.

    What the latter predicts is meaningless.

    Args:
        folder: see `load_classifier` and `load_encoder`.
        device: where it computes; None is a GPU if there is one.

    Raises:
        UserError: if there is neither.
    """
    if _ENCODER not in _open(folder)[1]:
        return load_classifier(folder, device)
    pretrained, config, tokenizer = load_encoder(folder)
    model = new_classifier(ClassifierConfig(config, "regression", 1, tokenizer), 0, pretrained.encoder)
    return Predictor(model.eval(), (), device=device)


def whole_members(folder: Path) -> list[Path]:
    """Return the runs of folds or seeds in a folder, see `member_runs`; none where it holds one model alone.

    Raises:
        UserError: if training was stopped before it came to all of them.
    """
    found = member_runs(folder)
    # The members of a saved ensemble have no plan.
    if not found or (found[0] / WEIGHTS).is_file():
        return found
    plan = read_config(found[0], TrainRun).plan
    planned = 0 if plan is None else plan.parts.folds or plan.parts.seeds or 0
    if len(found) < planned:
        raise UserError(
            f"the runs in {folder} were not finished ({len(found)} of {planned} have begun): finish them with "
            f"{RUNS.finish}, or train anew with --overwrite"
        )
    return found


def load_embedders(folder: str | os.PathLike[str], device: str | None = None) -> dict[str, Predictor]:
    """Return `load_embedder` of each run in a folder of several, by its name; of one model alone, with no name.

    Raises:
        UserError: see `load_embedder` and `whole_members`.
    """
    members = whole_members(Path(folder))
    return {one.name: load_embedder(one, device) for one in members} or {"": load_embedder(folder, device)}


def _load(folder: str | os.PathLike[str], key: str, what: str) -> tuple[Path, Mapping[str, Any], dict[str, Tensor]]:
    source, saved, tensors = _open(folder)
    if key not in saved:
        other = " (it is a pretrained encoder: train a classifier from it with --init)" if _ENCODER in saved else ""
        raise UserError(f"{source / CONFIG}: not of a {what}{other}: check the path")
    return source, saved, tensors


def _open(folder: str | os.PathLike[str]) -> tuple[Path, Mapping[str, Any], dict[str, Tensor]]:
    source = Path(folder)
    if (source / MODEL).is_dir():
        source = source / MODEL
    elif (source / RUN_CONFIG).is_file() and not (source / WEIGHTS).exists():
        raise UserError(RUNS.describe_unfinished(source))
    elif members := member_runs(source):
        raise UserError(
            f"{source} holds {len(members)} runs, not one model: name one of them, such as {members[0]} (the mean of "
            "all is a genomics.DNAEnsemble in Python)"
        )
    return source, *load_folder(source)
