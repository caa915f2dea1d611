"""The Lightning module that trains a classifier."""

import math
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.experiment.optimiser import build_optimiser
from titans_seq.training.writes import write_cost

from ..evaluation import metrics
from ..models.classifier import PIECE, Classifier, Rescaled
from ..models.strands import reverse_complement
from ..sequences.values import Kind
from .config import TrainConfig
from .data import LabelledBatch
from .lightning_tools import CHECK_EVERY, check_losses, shortened_warmup


class ClassifierModule(pl.LightningModule):
    """Train a `Classifier` on `LabelledBatch`es.

    Logs `train_loss`, and with validation data `val_loss` and `val_mcc`, over the whole part and so whatever the
    batches. Only training sees the other strand at random.

    Args:
        model: what is trained, in place.
        config: how.
        weights: of the classes, `[C]`, or of each label's ones relative to its zeros, `[L]`; None for none.

    Raises:
        UserError: while training, if a loss is not finite.
    """

    def __init__(self, model: Classifier, config: TrainConfig, weights: Tensor | None = None) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.register_buffer("weights", weights, persistent=False)
        self._losses: list[Tensor] = []
        self._sum, self._count, self._steps = 0.0, 0, 0
        self._seen: list[tuple[Tensor, Tensor]] = []

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with the configured schedule, moved every step."""
        steps = int(self.trainer.estimated_stepping_batches)
        optimiser, schedule = build_optimiser(self.model, shortened_warmup(self.config.optimiser, steps), steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss: cross entropy, or squared error in units of the target's standard deviation."""
        kind, weights = self.model.config.kind, getattr(self, "weights", None)
        if kind == "classes":
            return F.cross_entropy(logits, labels, weight=weights)
        if kind == "multilabel":
            return F.binary_cross_entropy_with_logits(logits, labels, pos_weight=weights)
        return ((logits[:, 0] - labels) / regression_scale(self.model).deviation).square().mean()

    def logits(self, batch: LabelledBatch) -> Tensor:
        """Logits of a batch; a sequence that is too long for one call is read piece by piece."""
        ids, lengths = batch.batch.ids, batch.batch.lengths
        if ids.shape[1] <= PIECE:
            return self.model(ids, lengths)
        return torch.stack([self.model.stream(row[:length]) for row, length in zip(ids, lengths.tolist(), strict=True)])

    def training_step(self, batch: LabelledBatch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        if self.model.config.strands == "augment":
            batch = self._augmented(batch)
        if self.config.mutations:
            batch = self._mutated(batch)
        with write_cost(self.model, self.config.write_cost) as cost:
            loss = self.loss(self.logits(batch), batch.labels)
        self._losses.append(loss.detach())
        return loss + cost()

    def _augmented(self, batch: LabelledBatch) -> LabelledBatch:
        ids, lengths = batch.batch.ids, batch.batch.lengths
        # Drawn on the CPU: its random numbers are the ones that are seeded for all devices alike.
        chosen = (torch.rand(len(ids)) < 0.5).to(ids.device)
        other = reverse_complement(ids, lengths, self.model.complement)
        rows = torch.where(chosen[:, None], other, ids)
        return LabelledBatch(replace(batch.batch, ids=rows), batch.labels)

    def _mutated(self, batch: LabelledBatch) -> LabelledBatch:
        ids, bases = batch.batch.ids, self.model.config.tokenizer.unknown
        chosen = (torch.rand(ids.shape) < self.config.mutations).to(ids.device) & (ids < bases)
        drawn = torch.randint(bases, ids.shape).to(ids)
        return LabelledBatch(replace(batch.batch, ids=torch.where(chosen, drawn, ids)), batch.labels)

    def on_train_batch_end(self, outputs: Any, batch: LabelledBatch, batch_idx: int) -> None:
        """Look now and then whether the losses are finite."""
        if len(self._losses) >= CHECK_EVERY:
            self._check_losses()

    def _check_losses(self) -> None:
        first = self.global_step - len(self._losses) + 1
        self._sum += check_losses(self._losses, first, self.config.optimiser.lr)
        self._count += len(self._losses)
        self._losses = []

    def on_train_epoch_end(self) -> None:
        """Log the mean training loss."""
        self._check_losses()
        self.log("train_loss", self._sum / max(self._count, 1), prog_bar=True)
        self._sum, self._count = 0.0, 0

    def on_validation_epoch_start(self) -> None:
        """Look at the training losses first, for they explain a bad validation."""
        self._check_losses()
        self._seen = []

    def validation_step(self, batch: LabelledBatch, batch_idx: int) -> None:
        """Keep logits and labels."""
        self._seen.append((self.logits(batch), batch.labels))

    def on_validation_epoch_end(self) -> None:
        """Log loss and MCC of the whole part; a regression has no MCC."""
        logits, labels = (torch.cat(parts) for parts in zip(*self._seen, strict=True))
        self._seen = []
        loss = self.loss(logits, labels).item()
        if not math.isfinite(loss):
            raise UserError(
                f"the validation loss became {loss} after epoch {self.current_epoch + 1}: lower the learning rate (it "
                f"is {self.config.optimiser.lr:g}), or lengthen the warm-up"
            )
        self.log("val_loss", loss, prog_bar=True)
        kind = self.model.config.kind
        if kind != "regression":
            self.log("val_mcc", mcc(logits.cpu().numpy(), labels.cpu().numpy(), kind), prog_bar=True)


def mcc(logits: np.ndarray, labels: np.ndarray, kind: Kind) -> float:
    """Matthews' correlation coefficient of the likeliest classes; of several labels the mean over them.

    Args:
        logits: `[N, C]`.
        labels: `[N]` of classes, or `[N, C]` of 0 and 1.
        kind: "classes" or "multilabel".

    Example:
        >>> mcc(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]), "classes")
        1.0
    """
    columns, weights = logits.shape[1], np.ones(len(labels))
    if kind == "classes":
        return metrics.mcc(metrics.confusion(labels, logits.argmax(1), columns, weights))
    pairs = zip(labels.T > 0, logits.T > 0, strict=True)
    return float(np.mean([metrics.mcc(metrics.confusion(1 * true, 1 * said, 2, weights)) for true, said in pairs]))


def regression_scale(model: Classifier) -> Rescaled:
    """Return the module that holds the target's mean and standard deviation."""
    return next(module for module in model.modules() if isinstance(module, Rescaled))
