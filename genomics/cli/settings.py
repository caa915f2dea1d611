"""From options of a command line to the settings of readers, models and trainings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from titans_seq.errors import UserError

from ..models import ClassifierConfig, EncoderConfig, encoder_preset
from ..runs.saving import load_encoder
from ..sequences.options import LoadOptions
from ..sequences.values import LabelledSequences
from ..tokens import KMers, Nucleotides, Tokenizer
from ..training.config import TrainConfig
from .options import Device, HeadOptions, ModelOptions, ReadingOptions, RecordOptions, TrainingOptions


def load_options(options: ReadingOptions | RecordOptions) -> LoadOptions:
    """How data is read; a reference is found again from any folder."""
    labelled = isinstance(options, ReadingOptions)
    return LoadOptions(
        sequence=options.sequence,
        labels=options.label if labelled else (),
        kind=options.kind if labelled else None,
        reference=None if options.reference is None else str(options.reference.resolve()),
        window=options.window,
        edges=options.edges,
        skip_bad=options.skip_bad,
    )


def encoder_and_tokens(options: ModelOptions, init: Path | None = None) -> tuple[EncoderConfig, Tokenizer]:
    """The encoder and what it reads, by name or as it was pretrained.

    Raises:
        UserError: if there is no such encoder, or options contradict a pretrained one.
    """
    if init is None:
        encoder = encoder_preset(options.preset or "small", options.mixer or "memory")
        if options.stem == "none":
            encoder = replace(encoder, stem=None)
        stride = 1 if options.stride is None else options.stride
        tokens = Nucleotides() if options.kmer in (None, 1) and stride == 1 else KMers(options.kmer or 1, stride)
    else:
        if given := [
            name for name in ("preset", "mixer", "stem", "kmer", "stride") if getattr(options, name) is not None
        ]:
            raise UserError(f"--{given[0]} is that of the pretrained encoder in --init {init}: leave it out")
        _, encoder, tokens = load_encoder(init)
    return _changed(encoder, directions=options.directions), tokens


def classifier_config(
    model: ModelOptions, head: HeadOptions, training: TrainingOptions, data: LabelledSequences, init: Path | None
) -> ClassifierConfig:
    """The classifier for a data set.

    Raises:
        UserError: see `encoder_and_tokens`; also if a setting is out of range.
    """
    encoder, tokens = encoder_and_tokens(model, init)
    encoder = _changed(encoder, dropout=training.dropout)
    outputs = 1 if data.kind == "regression" else len(data.classes)
    return ClassifierConfig(encoder, data.kind, outputs, tokens, head.pooling, head.strands or "given")


def train_config(options: TrainingOptions, seed: int) -> TrainConfig:
    """How a classifier is trained: the defaults, changed by what is given."""
    config = TrainConfig(seed=seed, class_weights=options.class_weights, monitor=options.monitor)
    optimiser = _changed(config.optimiser, lr=options.lr, weight_decay=options.weight_decay)
    passes = {"epochs": options.epochs, "patience": options.patience, "rows": options.rows}
    return _changed(config, **passes, mutations=options.mutations, optimiser=optimiser)


def chosen_device(device: Device) -> str:
    """A device of PyTorch by its name in options.

    Raises:
        UserError: if it is "cuda" and there is none.
    """
    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise UserError("--device cuda: PyTorch finds no GPU here: leave it out, or see titans env")
    return ("cuda" if found else "cpu") if device == "auto" else device


def accelerator(device: str) -> str:
    """The name that Lightning has for a device of PyTorch.

    Example:
        >>> accelerator("cuda")
        'gpu'
    """
    return "gpu" if device == "cuda" else "cpu"


def _changed(config: Any, **changes: Any) -> Any:
    return replace(config, **{name: value for name, value in changes.items() if value is not None})
