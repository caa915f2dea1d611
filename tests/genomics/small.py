"""Small models and data that the tests of models, training and runs share."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from genomics.models import Classifier, ClassifierConfig, EncoderConfig, encoder_preset
from genomics.sequences.values import LabelledSequences, Record, Splits

MOTIF = "GATTACAG"


def encoder(**changes: Any) -> EncoderConfig:
    """The preset for tests, without a stem, with changes."""
    return replace(encoder_preset("tiny"), **({"stem": None} | changes))


def classifier(encoder_changes: dict[str, Any] | None = None, **changes: Any) -> Classifier:
    """A random classifier whose logits are not small, in evaluation mode."""
    base: dict[str, Any] = {"encoder": encoder(**(encoder_changes or {})), "kind": "classes", "outputs": 3}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Classifier(ClassifierConfig(**(base | changes)))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(1.5)
    return model.eval()


def random_sequence(length: int, random: np.random.Generator) -> str:
    return "".join(random.choice(list("ACGT"), length))


def labelled(count: int, seed: int) -> LabelledSequences:
    """Sequences of 20 to 40 bases with a motif in half of them, and classes that say so."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 2)
    sequences = []
    for label in labels:
        sequence = random_sequence(int(random.integers(20, 41)), random)
        at = int(random.integers(len(sequence) - len(MOTIF)))
        sequences.append(sequence[:at] + MOTIF + sequence[at + len(MOTIF) :] if label else sequence)
    names = tuple(f"s{number}" for number in range(count))
    return LabelledSequences(names, tuple(sequences), labels, ("background", "motif"), "classes")


def splits(train: int = 48, validation: int = 24) -> Splits:
    return Splits(labelled(train, 0), labelled(validation, 1))


def records(count: int = 3, length: int = 300, seed: int = 0) -> list[Record]:
    """Repetitive sequences, in which the next base can be learnt."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(1, count + 1):
        sequence = (random_sequence(5, np.random.default_rng(9)) * length)[: length + int(random.integers(9))]
        made.append(Record(f"r{number}", sequence, "r.fa", number))
    return made
