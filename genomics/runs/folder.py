"""What runs of classifiers and encoders keep in their folders, and the folders of a cross-validation."""

import csv
import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from titans_seq.config import register
from titans_seq.experiment.provenance import checkout_commit, versions_of
from titans_seq.files import write_text
from titans_seq.experiment.run_folder import CHECKPOINTS, RunLayout

from ..models.classifier import ClassifierConfig
from ..models.encoder import EncoderConfig
from ..sequences.values import LabelledSequences
from ..tokens import Tokenizer
from ..training.config import PretrainConfig, TrainConfig

CARD = "README.md"
HISTORY = "history.csv"
METRICS = "metrics.json"
CHECKPOINT = "checkpoint.pt"
CHECK = "check.txt"
EVALUATION = "evaluation"
RUNS = RunLayout((CHECKPOINT, CHECKPOINTS), (CARD, HISTORY, METRICS, CHECK, EVALUATION), finish="--resume", folds=True)
"""Of classifiers and of encoders: either may take the other's place."""


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that training uses, by name."""
    return versions_of("torch", "lightning", "numpy", "scikit-learn", "biopython")


@dataclass(frozen=True)
class Source:
    """Where data came from.

    Attributes:
        data: absolute path, or a few words for data that no file holds.
        fingerprint: SHA-256 of its sequences and labels, in hexadecimal.
        options: how it was read, as plain values.
    """

    data: str
    fingerprint: str
    options: dict[str, Any] = field(default_factory=dict)


@register("dna_train_run")
@dataclass(frozen=True)
class TrainRun:
    """Everything to repeat the training of a classifier.

    Attributes:
        classifier: the model, with its tokenizer.
        train: how it is trained, with the seed.
        classes: names of the classes or labels, in the order of the outputs.
        source: of the data.
        init: absolute path of the pretraining run that it begins with; None for none.
        versions: of Python and the packages, by name.
        commit: of this package's repository, where it runs from a checkout.
    """

    classifier: ClassifierConfig
    train: TrainConfig
    classes: tuple[str, ...]
    source: Source
    init: str | None = None
    versions: dict[str, str] = field(default_factory=versions)
    commit: str | None = field(default_factory=lambda: checkout_commit("genomics", "titans_seq"))


@register("dna_pretrain_run")
@dataclass(frozen=True)
class PretrainRun:
    """Everything to repeat the pretraining of an encoder; see `TrainRun`."""

    encoder: EncoderConfig
    tokenizer: Tokenizer
    pretrain: PretrainConfig
    source: Source
    versions: dict[str, str] = field(default_factory=versions)
    commit: str | None = field(default_factory=lambda: checkout_commit("genomics", "titans_seq"))


def write_metrics(out: Path, metrics: dict[str, Any]) -> None:
    """Write `metrics.json` into a run folder."""
    write_text(Path(out) / METRICS, json.dumps(metrics, indent=2, allow_nan=False) + "\n")


def read_metrics(out: Path) -> dict[str, Any]:
    """The `metrics.json` of a finished run."""
    return json.loads((Path(out) / METRICS).read_text(encoding="utf-8"))


def history_csv(rows: Sequence[Any]) -> str:
    """Rows of one dataclass as CSV, None as an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in dataclasses.fields(rows[0]))
    writer.writerows(["" if value is None else value for value in dataclasses.astuple(row)] for row in rows)
    return text.getvalue()


def fingerprint(parts: Iterable[LabelledSequences | None]) -> str:
    """SHA-256 of sequences, labels and classes, whatever files they came from.

    Example:
        >>> import numpy as np
        >>> data = LabelledSequences(("a",), ("ACGT",), np.array([0]), ("no", "yes"), "classes")
        >>> fingerprint([data, None])[:8] == fingerprint([data])[:8]
        False
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"none" if part is None else "\n".join((part.kind, *part.classes, "", *part.sequences)).encode())
        digest.update(b"" if part is None else part.labels.tobytes())
    return digest.hexdigest()


def fold_folder(out: Path, number: int) -> Path:
    """Folder of the run of one fold of a cross-validation, from 1."""
    return Path(out) / f"fold-{number}"


def has_folds(out: Path) -> bool:
    """Whether a folder holds runs of a cross-validation."""
    return bool(RUNS.folds_of(Path(out)))
