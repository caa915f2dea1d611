"""`fit`: train a classifier on labelled sequences, stop early, keep the best weights."""

import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.files import atomic_path
from titans_seq.progress import Progress
from titans_seq.experiment.lightning_tools import SeedEpochs, Stop, new_trainer, quiet_and_apart, run_trainer

from ..models.classifier import Classifier, ClassifierConfig
from ..models.encoder import Encoder
from ..sequences.values import LabelledSequences
from .config import Monitor, TrainConfig
from .data import LabelledLoader, check_labels
from .module import ClassifierModule, regression_scale


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        train_loss: mean over the batches, in training mode.
        val_loss: over the validation part; None without one, like the next.
        val_mcc: None for a regression, too.
    """

    number: int
    train_loss: float
    val_loss: float | None
    val_mcc: float | None


@dataclass(frozen=True)
class FitResult:
    """What `fit` did: every epoch, and the number of the one whose weights were kept, from 1."""

    history: tuple[Epoch, ...]
    best_epoch: int

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return self.history[self.best_epoch - 1]


def new_classifier(config: ClassifierConfig, seed: int, init: Encoder | None = None) -> Classifier:
    """Build the untrained classifier that training starts from.

    Args:
        config: the classifier.
        seed: of its weights.
        init: a pretrained encoder, whose weights it begins with; only the directions may differ.

    Raises:
        UserError: if the pretrained encoder is of another shape, or a part of the configuration does not fit another.
    """
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = Classifier(config)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"the model cannot be built as configured: {error}") from error
    if init is not None:
        _begin_with(model.encoder, init)
    return model


def _begin_with(encoder: Encoder, init: Encoder) -> None:
    own, given = encoder.state_dict(), init.state_dict()
    joins = {name for name in own if name.startswith("join.")}
    shapes = {name: x.shape for name, x in own.items() if name not in joins}
    if shapes != {name: x.shape for name, x in given.items() if not name.startswith("join.")}:
        raise UserError(
            "the pretrained encoder has other blocks, another width or other tokens than the classifier: take the "
            "encoder and the tokenizer of the pretraining run"
        )
    encoder.load_state_dict(own | {name: x for name, x in given.items() if name in own})


def fit(
    model: Classifier,
    train: LabelledSequences,
    validation: LabelledSequences | None,
    config: TrainConfig,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress = "none",
    accelerator: str = "auto",
) -> FitResult:
    """Train a classifier in place and leave its best weights in it, on the CPU and in evaluation mode.

    Nothing is written but `checkpoint`, and the global random state stays as it was. A run that was stopped after an
    epoch and resumed ends with the same weights, bit for bit, as one that was not.

    Args:
        model: from `new_classifier`.
        train: what it learns from.
        validation: what stops it; None trains all epochs and keeps the last weights.
        config: how.
        checkpoint: file that holds the state after the latest epoch, for `resume`.
        resume: go on from `checkpoint`, which must exist.
        progress: a bar, one line an epoch on stderr, or nothing.
        accelerator: as Lightning names it: "auto", "cpu", "gpu".

    Raises:
        UserError: if the data or the mutations do not fit the model, nothing can be learnt from it, a loss is not
            finite, or the checkpoint is missing or of another model.
    """
    if resume and (checkpoint is None or not checkpoint.is_file()):
        raise UserError(f"there is no checkpoint {checkpoint} to resume from: train without resuming first")
    monitor = _monitor(model, config)
    if config.mutations and model.config.tokenizer.width > 1:
        raise UserError(
            "mutations are of single nucleotides, and this model reads longer words: leave them at 0, or let it read "
            "single nucleotides"
        )
    for part in (train, validation):
        if part is not None:
            _check_fits(model, part)
    _check_learnable(train)
    if train.kind == "regression" and not resume:
        _set_scale(model, train)
    tokenizer = model.config.tokenizer
    batches = LabelledLoader(train, tokenizer, config.rows, config.tokens, shuffle=True, seed=config.seed)
    held_out = None if validation is None else LabelledLoader(validation, tokenizer, config.rows, config.tokens)
    record = _Record(monitor, checkpoint, config.epochs, lines=progress == "lines")
    callbacks: list[Callback] = [SeedEpochs(config.seed), record]
    if validation is not None and config.patience is not None:
        mode = "max" if monitor == "mcc" else "min"
        callbacks.append(Stop(f"val_{monitor}", patience=config.patience, mode=mode, check_finite=False))
    module = ClassifierModule(model.train(), config, _weights(train, config))
    with tempfile.TemporaryDirectory() as folder, quiet_and_apart():
        trainer = new_trainer(
            callbacks,
            progress,
            accelerator=accelerator,
            devices=1,
            max_epochs=config.epochs,
            gradient_clip_val=config.optimiser.clip or None,
            default_root_dir=folder,
        )
        start = checkpoint if resume else None
        run_trainer(trainer, module, start, train_dataloaders=batches, val_dataloaders=held_out)
    model.cpu().eval().load_state_dict(record.best_weights)
    return FitResult(tuple(record.history), record.best_epoch)


class _Record(Checkpoint):
    """Keep history and best weights, print a line an epoch, and write the checkpoint.

    As a `Checkpoint` it runs after the module's own hooks and after all callbacks whose state it saves.
    """

    def __init__(self, monitor: Monitor, checkpoint: Path | None, epochs: int, lines: bool) -> None:
        self.monitor, self.checkpoint, self.epochs, self.lines = monitor, checkpoint, epochs, lines
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ClassifierModule)
        seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = Epoch(trainer.current_epoch + 1, seen["train_loss"], seen.get("val_loss"), seen.get("val_mcc"))
        self.history.append(epoch)
        if not self.best_weights or self._rank(epoch) > self._rank(self.history[self.best_epoch - 1]):
            self.best_epoch = epoch.number
            weights = pl_module.model.state_dict()
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        if self.lines:
            print(self._line(epoch), file=sys.stderr, flush=True)
        if self.checkpoint is not None:
            with atomic_path(self.checkpoint) as temporary:
                trainer.save_checkpoint(temporary, weights_only=False)

    def _rank(self, epoch: Epoch) -> tuple[float, float]:
        """The better, the larger; equal MCCs, which few sequences give often, are told apart by the loss."""
        if epoch.val_loss is None:
            return epoch.number, 0.0
        return (epoch.val_mcc or 0.0 if self.monitor == "mcc" else 0.0), -epoch.val_loss

    def _line(self, epoch: Epoch) -> str:
        line = f"epoch {epoch.number}/{self.epochs}: train loss {epoch.train_loss:.4f}"
        if epoch.val_loss is None:
            return line
        line += f", validation loss {epoch.val_loss:.4f}"
        line += "" if epoch.val_mcc is None else f", MCC {epoch.val_mcc:.4f}"
        return line + (", best so far" if self.best_epoch == epoch.number else "")

    def state_dict(self) -> dict[str, Any]:
        return {
            "history": [asdict(epoch) for epoch in self.history],
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = [Epoch(**epoch) for epoch in state_dict["history"]]
        self.best_epoch, self.best_weights = state_dict["best_epoch"], state_dict["best_weights"]


def _monitor(model: Classifier, config: TrainConfig) -> Monitor:
    kind = model.config.kind
    if config.monitor == "mcc" and kind == "regression":
        raise UserError("a regression has no MCC: monitor the loss")
    return config.monitor or ("mcc" if kind == "classes" else "loss")


def _check_fits(model: Classifier, data: LabelledSequences) -> None:
    outputs = 1 if data.kind == "regression" else len(data.classes)
    if (data.kind, outputs) != (model.config.kind, model.config.outputs):
        raise UserError(
            f"the data is of kind '{data.kind}' with {outputs} outputs, the model of kind '{model.config.kind}' with "
            f"{model.config.outputs}: build the model for the data"
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
    scale, labels = regression_scale(model), train.labels.astype(np.float64)
    scale.mean.fill_(float(labels.mean()))
    scale.deviation.fill_(float(labels.std()))


def _weights(train: LabelledSequences, config: TrainConfig) -> Tensor | None:
    """Weights of classes, or of each label's ones; what is absent counts as if it were there once."""
    if config.class_weights == "none":
        return None
    if train.kind == "regression":
        raise UserError("a regression has no classes to weigh: leave class_weights at none")
    if train.kind == "classes":
        counts = np.bincount(train.labels, minlength=len(train.classes)).clip(min=1)
        weights = len(train) / (len(train.classes) * counts)
    else:
        ones = train.labels.sum(0).clip(min=1)
        weights = (len(train) - ones).clip(min=1) / ones
    return torch.tensor(weights, dtype=torch.float32)
