"""Models for a data set: a preset or a pretrained encoder, with changes by path."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.experiment.overrides import override

from ..baselines.linear_probe import LinearProbe, probe
from ..models import ClassifierConfig, EncoderConfig, encoder_preset
from ..models.classifier import Strands
from ..models.presets import Mixer
from ..sequences.values import LabelledSequences
from ..tokens import KMers, Nucleotides, Tokenizer
from .saving import load_encoder

PRESET = "small"
AUTO = "auto"
"""Strands that `chosen_by_data` chooses."""
_WORDS, _MOST_OUTPUTS = 6, 64
_MEASURED = "held-out loss of linear models"


def new_encoder(preset: str = PRESET, mixer: Mixer = "memory", stem: bool = True) -> EncoderConfig:
    """Return an encoder by name, see `encoder_preset`; without a stem each token is a step."""
    encoder = encoder_preset(preset, mixer)
    return encoder if stem else replace(encoder, stem=None)


def new_tokenizer(kmer: int | None = None, stride: int | None = None) -> Tokenizer:
    """Return what reads single nucleotides, or k-mers some bases apart.

    Example:
        >>> new_tokenizer(), new_tokenizer(kmer=6, stride=3)
        (Nucleotides(), KMers(k=6, stride=3))
    """
    if kmer in (None, 1) and stride in (None, 1):
        return Nucleotides()
    return KMers(1 if kmer is None else kmer, 1 if stride is None else stride)


def classifier_for(
    data: LabelledSequences,
    encoder: EncoderConfig | None = None,
    tokenizer: Tokenizer | None = None,
    *,
    init: Path | None = None,
    base: ClassifierConfig | None = None,
    changes: Mapping[str, Any] | None = None,
) -> ClassifierConfig:
    """Return the classifier for a data set: its kind of labels and number of outputs are those of the data.

    Args:
        data: labelled.
        encoder: the encoder; the small preset if None.
        tokenizer: what it reads; single nucleotides if None.
        init: a pretraining run, whose encoder and tokenizer it has instead.
        base: another classifier, whose settings it has instead.
        changes: other values by path, such as `{"strands": "average", "encoder.directions": "both"}`.

    Raises:
        UserError: if the encoder cannot be had both by name and pretrained, or a change does not fit.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> config = classifier_for(planted_motifs(4, 20, seed=0), changes={"encoder.directions": "both"})
        >>> config.kind, config.outputs, config.encoder.directions
        ('classes', 2, 'both')
    """
    if init is not None:
        if encoder is not None or tokenizer is not None:
            raise UserError(f"the encoder and its tokens are those of the pretraining run {init}: leave others out")
        _, encoder, tokenizer = load_encoder(init)
    outputs = 1 if data.kind == "regression" else len(data.classes)
    if base is None:
        config = ClassifierConfig(encoder or new_encoder(), data.kind, outputs, tokenizer or new_tokenizer())
    else:
        config = replace(base, kind=data.kind, outputs=outputs)
    return override(config, changes or {})


def chosen_by_data(
    classifier: ClassifierConfig,
    train: LabelledSequences,
    seed: int = 0,
    *,
    strands: bool = True,
    places: bool = True,
    words: bool = True,
) -> tuple[ClassifierConfig, tuple[str, ...]]:
    """Let the data choose which strands a classifier reads, "given" or "augment", and what has weights of its own.

    Args:
        classifier: what is decided otherwise.
        train: the training part, on which linear models measure it.
        seed: of what is held out meanwhile.
        strands: whether to choose strands.
        places: whether to choose places: all of a sequence, or none.
        words: whether to choose words: those of up to six bases, or none of words of several bases, or for very many
            labels.

    Returns:
        The classifier with what was chosen, and why, a sentence for each.

    Example:
        >>> from genomics.synthetic import planted_motifs
        >>> data = planted_motifs(8, 20, seed=0)
        >>> found, why = chosen_by_data(classifier_for(data), data, places=False)
        >>> why
        ('strands given: there are too few training sequences to measure it',)
        >>> found.words
        6
    """
    tokenizer, chosen = classifier.tokenizer, []
    if words and tokenizer.width == 1 and classifier.outputs <= _MOST_OUTPUTS:
        classifier = replace(classifier, words=_WORDS)
    places = places and tokenizer.width == 1
    measured = probe(train, seed) if places or (strands and tokenizer.step == 1) else None
    if strands:
        found, why = _chosen_strands(measured, tokenizer)
        classifier = replace(classifier, strands=found)
        chosen.append(f"strands {found}{why}")
    if places and measured is not None:
        count = len(train.sequences[0]) if measured.places_matter else 0
        classifier = replace(classifier, places=count)
        chosen.append(f"places {count} ({_MEASURED}: {measured.describe_places()})")
    return classifier, tuple(chosen)


def _chosen_strands(measured: LinearProbe | None, tokenizer: Tokenizer) -> tuple[Strands, str]:
    if tokenizer.step > 1:
        return "given", ": tokens several bases apart are in another frame on the other strand"
    if measured is None:
        return "given", ": there are too few training sequences to measure it"
    why = f" ({_MEASURED} on {measured.count:,} training sequences: {measured.describe_strands()})"
    return "augment" if measured.belongs_to_both else "given", why
