"""What runs of classifiers and encoders keep in their folders, and the folders of several runs."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from titans_seq.config import register
from titans_seq.experiment.record import DataRecord, Origin
from titans_seq.experiment.run_folder import RunLayout

from ..models.classifier import ClassifierConfig
from ..models.encoder import EncoderConfig
from ..sequences.options import LoadOptions
from ..sequences.values import LabelledSequences
from ..tokens import Tokenizer
from ..training.config import PretrainConfig, TrainConfig
from .plan import Plan
from .training_range import TrainingRange

CHECK, FINAL, DECISION, STACK = "check.txt", "final", "decision.json", "stacking.json"
_EARLIER = ("README.md", "history.csv", "metrics.json", "checkpoint.pt")
RUNS = RunLayout((CHECK, FINAL, DECISION, STACK, *_EARLIER), finish="--resume", folds=True)
"""Of classifiers and of encoders: either may take the other's place. The last names are those of earlier versions."""

PACKAGES = ("torch", "lightning", "numpy", "scikit-learn", "biopython")
"""Distributions whose versions a run keeps."""


@dataclass(frozen=True)
class TrainSettings:
    """What `--set` may change of the training of a classifier."""

    classifier: ClassifierConfig
    training: TrainConfig


@register("dna_train_run")
@dataclass(frozen=True)
class TrainRun:
    """Everything to repeat the training of a classifier.

    Attributes:
        classifier: the model, with its tokenizer.
        training: how it is trained, with the seed.
        classes: names of the classes or labels, in the order of the outputs.
        data: where the data came from, and what it holds (`parts`).
        plan: how it was read and divided; None for data that no file holds.
        init: absolute path of the pretraining run that it begins with; None for none.
        chosen: what was chosen by the data, and why, in sentences.
        origin: versions, commit and command.
    """

    classifier: ClassifierConfig
    training: TrainConfig
    classes: tuple[str, ...]
    data: DataRecord
    plan: Plan | None = None
    init: str | None = None
    chosen: tuple[str, ...] = ()
    origin: Origin = field(default_factory=lambda: Origin.here(*PACKAGES))

    @staticmethod
    def upgraded(plain: dict[str, Any]) -> dict[str, Any]:
        """Return today's form of the plain values that earlier versions wrote (`train`, `source`)."""
        if "source" not in plain or "train" not in plain:
            # Before there were least steps, a step had as many rows as is said, and a resumed run goes on so.
            training = plain.get("training")
            return plain | {"training": {"least_steps": 0} | training} if isinstance(training, dict) else plain
        source = plain["source"]
        options = dict(source.get("options", {}))
        plan = None
        if "reading" in options:
            reading = {"kind" if name == "labels_are" else name: x for name, x in options.pop("reading").items()}
            whole = {name: options.pop(name) for name in ("fold", "seed") if name in options}
            plan = {"data": source.get("data"), "reading": reading, "parts": options} | whole
        return {
            "kind": plain.get("kind"),
            "classifier": plain.get("classifier"),
            "training": {"least_steps": 0} | plain["train"],
            "classes": plain.get("classes"),
            "data": {"path": source.get("data"), "sha256": source.get("fingerprint")},
            "plan": plan,
            "init": plain.get("init"),
            "origin": {"versions": plain.get("versions", {}), "commit": plain.get("commit")},
        }


@dataclass(frozen=True)
class PretrainSettings:
    """What `--set` may change of the pretraining of an encoder."""

    encoder: EncoderConfig
    tokenizer: Tokenizer
    training: PretrainConfig


@register("dna_pretrain_run")
@dataclass(frozen=True)
class PretrainRun:
    """Everything to repeat the pretraining of an encoder; see `TrainRun`.

    Attributes:
        encoder: the model.
        tokenizer: what it reads.
        training: how it is trained.
        data: where the data came from.
        files: absolute paths of the files; none for data that no file holds.
        reading: how they are read.
        origin: versions, commit and command.
    """

    encoder: EncoderConfig
    tokenizer: Tokenizer
    training: PretrainConfig
    data: DataRecord
    files: tuple[str, ...] = ()
    reading: LoadOptions = field(default_factory=LoadOptions)
    origin: Origin = field(default_factory=lambda: Origin.here(*PACKAGES))

    @staticmethod
    def upgraded(plain: dict[str, Any]) -> dict[str, Any]:
        """Return today's form of the plain values that earlier versions wrote (`pretrain`, `source`)."""
        if "source" not in plain or "pretrain" not in plain:
            return plain
        source = plain["source"]
        options = source.get("options", {})
        reading = {"kind" if name == "labels_are" else name: x for name, x in options.get("reading", {}).items()}
        return {
            "kind": plain.get("kind"),
            "encoder": plain.get("encoder"),
            "tokenizer": plain.get("tokenizer"),
            "training": plain["pretrain"],
            "data": {"path": source.get("data"), "sha256": source.get("fingerprint")},
            "files": options.get("files", []),
            "reading": reading,
            "origin": {"versions": plain.get("versions", {}), "commit": plain.get("commit")},
        }


def fingerprint(parts: Iterable[LabelledSequences | None]) -> str:
    """Return the SHA-256 of sequences, labels and classes, whatever files they came from.

    Example:
        >>> data = LabelledSequences(("a",), ("ACGT",), np.array([0]), ("no", "yes"), "classes")
        >>> fingerprint([data, None])[:8] == fingerprint([data])[:8]
        False
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"none" if part is None else "\n".join((part.kind, *part.classes, "", *part.sequences)).encode())
        # Of a regression in float32, as earlier versions kept its labels: their runs know their data again.
        kept = None if part is None else part.labels.astype(np.float32) if part.kind == "regression" else part.labels
        digest.update(b"" if kept is None else kept.tobytes())
    return digest.hexdigest()


def describe_part(part: LabelledSequences | None) -> dict[str, Any] | None:
    """Return how many sequences a part has, of which lengths and how well known, and of each class how many."""
    if part is None:
        return None
    found = TrainingRange.of(part)
    described: dict[str, Any] = {
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


def member_folder(out: Path, plan: Plan) -> Path:
    """Return the folder of the run of one fold, or of one of several seeds; of a single run the folder itself.

    Example:
        >>> str(member_folder(Path("z"), Plan("/data", fold=2))), str(member_folder(Path("z"), Plan("/data", member=0)))
        ('z/fold-2', 'z/seed-0')
    """
    if plan.fold is not None:
        return Path(out) / f"fold-{plan.fold}"
    return Path(out) if plan.member is None else Path(out) / f"seed-{plan.member}"


def member_runs(out: Path) -> list[Path]:
    """Return the runs of folds (fold-1, ...) or seeds (seed-0, ...) in a folder, in the order of their numbers."""
    return sorted(RUNS.folds_of(Path(out)), key=lambda path: int(path.name.partition("-")[2]))
