"""The state of a run folder, free, unfinished or finished, and what its `config.yaml` holds."""

import csv
import dataclasses
import hashlib
import io
import json
import platform
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import titans_seq
from titans_seq.checkpoint import CONFIG as MODEL_CONFIG
from titans_seq.config import from_yaml, register, to_yaml
from titans_seq.env import checkout_commit, installed_version
from titans_seq.errors import UserError
from titans_seq.files import atomic_path
from titans_seq.training.lightning_tools import last_checkpoint

from ..models.classifier import ClassifierConfig
from ..models.encoder import EncoderConfig
from ..sequences.values import LabelledSequences
from ..tokens import Tokenizer
from ..training.config import PretrainConfig, TrainConfig
from ..training.pretraining import CHECKPOINTS

CONFIG = "config.yaml"
MODEL = "model"
CARD = "README.md"
HISTORY = "history.csv"
METRICS = "metrics.json"
CHECKPOINT = "checkpoint.pt"
CHECK = "check.txt"
EVALUATION = "evaluation"
_OURS = (CONFIG, CARD, HISTORY, METRICS, CHECKPOINT, CHECKPOINTS, CHECK, EVALUATION, MODEL)
"""What a run writes; anything else in its folder belongs to the user."""
_PACKAGES = ("torch", "lightning", "numpy", "scikit-learn", "biopython")

Run = TypeVar("Run")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that training uses, by name."""
    found = {name: installed_version(name) or "not installed" for name in _PACKAGES}
    return {"python": platform.python_version(), "titans-seq": titans_seq.__version__} | found


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


def read_run(out: Path, expected: type[Run]) -> Run:
    """Read the configuration of a run.

    Args:
        out: the run folder.
        expected: `TrainRun` or `PretrainRun`.

    Raises:
        UserError: if the folder is no such run, or its configuration is damaged.
    """
    path = Path(out) / CONFIG
    try:
        return from_yaml(path.read_text(encoding="utf-8"), expected, str(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{out} is not a run folder: it has no {CONFIG}; check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged, it is not UTF-8 text: restore the file") from error


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_run(out: Path, run: TrainRun | PretrainRun) -> None:
    """Write `config.yaml` into a run folder."""
    write_text(Path(out) / CONFIG, to_yaml(run))


def write_metrics(out: Path, metrics: dict[str, Any]) -> None:
    """Write `metrics.json` into a run folder."""
    write_text(Path(out) / METRICS, json.dumps(metrics, indent=2, allow_nan=False) + "\n")


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


def is_finished(out: Path) -> bool:
    """Whether a run folder holds a whole model."""
    return (Path(out) / MODEL / MODEL_CONFIG).is_file()


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse a folder that a new run cannot have.

    Raises:
        UserError: if it is a file, holds something that is no run, or a run that is not to be replaced.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give the name of a new folder for the run")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / CONFIG).is_file():
        raise UserError(f"{out} holds other files and no run: give the name of a new or empty folder")
    if overwrite:
        return
    if is_finished(out):
        raise UserError(f"{out} already holds a trained model: give another folder, or replace it with --overwrite")
    raise UserError(f"the run in {out} was not finished: finish it with --resume, or train anew with --overwrite")


@contextmanager
def claim(out: Path, overwrite: bool) -> Iterator[None]:
    """Make `out` the folder of a new run, in place of an earlier one, for the time of the block.

    If the block fails before there is a checkpoint, nothing of the new run is left.

    Raises:
        UserError: see `check_free`.
    """
    check_free(out, overwrite)
    existed = out.exists()
    _remove_run(out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if not (out / CHECKPOINT).is_file() and last_checkpoint(out / CHECKPOINTS) is None:
            _remove_run(out)
            if not existed:
                out.rmdir()
        raise


def _remove_run(out: Path) -> None:
    for name in _OURS:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def fold_folder(out: Path, number: int) -> Path:
    """Folder of the run of one fold of a cross-validation, from 1."""
    return Path(out) / f"fold-{number}"


def has_folds(out: Path) -> bool:
    """Whether a folder holds runs of a cross-validation."""
    return bool(_fold_runs(Path(out)))


@contextmanager
def claim_folds(out: Path, overwrite: bool) -> Iterator[None]:
    """Make `out` the folder of a new cross-validation, for the time of the block; see `claim`.

    Raises:
        UserError: if it is taken by something that is not to be replaced.
    """
    check_folds_free(out, overwrite)
    existed = out.exists()
    _remove_run(out)
    for folder in _fold_runs(out):
        _remove_run(folder)
    try:
        yield
    except BaseException:
        if not existed and out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        raise


def check_folds_free(out: Path, overwrite: bool) -> None:
    """Refuse a folder that a new cross-validation cannot have.

    Raises:
        UserError: see `check_free`.
    """
    if not out.is_dir() or not has_folds(out):
        check_free(out, overwrite)
    elif not overwrite:
        raise UserError(
            f"{out} already holds a cross-validation: give another folder, finish it with --resume, or train anew with "
            "--overwrite"
        )


def _fold_runs(out: Path) -> list[Path]:
    return [path for path in out.glob("fold-*") if (path / CONFIG).is_file()]
