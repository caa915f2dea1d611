"""The Lightning module that trains a classifier."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.experiment.module import FitModule
from titans_seq.experiment.processes import gather_ranks
from titans_seq.training.writes import write_cost

from ..evaluation import metrics
from ..models.classifier import PIECE, Classifier
from ..models.strands import reverse_complement
from ..sequences.values import Kind
from .config import TrainConfig
from .data import LabelledBatch


class ClassifierModule(FitModule):
    """Train a `Classifier` on `LabelledBatch`es.

    Logs `loss`, and with validation data `validation_loss` and `validation_mcc`, over the whole part and so whatever
    the batches and processes. Only training sees the other strand at random.

    Args:
        model: what is trained, in place.
        settings: how.
        weights: of the classes, `[C]`, or of each label's ones relative to its zeros, `[L]`; None for none.
        shard: whether the strategy shards parameters.

    Raises:
        UserError: while training, if a loss is not finite.
    """

    network: Classifier
    sharded_methods = ("stream",)

    def __init__(
        self, model: Classifier, settings: TrainConfig, weights: Tensor | None = None, *, shard: bool = False
    ) -> None:
        super().__init__(model, settings.optimiser, shard=shard)
        self.settings = settings
        self.register_buffer("weights", weights, persistent=False)
        self._seen: list[tuple[Tensor, Tensor]] = []

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss: cross-entropy, or squared error in units of the target's standard deviation."""
        kind, weights = self.network.config.kind, getattr(self, "weights", None)
        if kind == "classes":
            return F.cross_entropy(logits, labels, weight=weights)
        if kind == "multilabel":
            return F.binary_cross_entropy_with_logits(logits, labels, pos_weight=weights)
        scale = self.network.scale
        assert scale is not None
        return ((logits[:, 0] - labels) / scale.deviation).square().mean()

    def logits(self, batch: LabelledBatch) -> Tensor:
        """Return the logits of a batch; a sequence that is too long for one call is read piece by piece."""
        ids, lengths = batch.batch.ids, batch.batch.lengths
        if ids.shape[1] <= PIECE:
            return self.network(ids, lengths)
        rows = zip(ids, lengths.tolist(), strict=True)
        return torch.stack([self.network.stream(row[:length]) for row, length in rows])

    def training_step(self, batch: LabelledBatch, batch_idx: int) -> Tensor:
        """Return the loss of one batch."""
        if self.network.config.strands == "augment":
            batch = self._augmented(batch)
        if self.settings.mutations:
            batch = self._mutated(batch, self.settings.mutations)
        with write_cost(self.network, self.settings.write_cost) as cost:
            loss = self.loss(self.logits(batch), batch.labels)
        share = self._share(batch)
        self.note_loss(loss * share, share)
        # Processes average their gradients: this makes it the mean over all their rows.
        return loss * (share * self.trainer.world_size) + cost()

    def _share(self, batch: LabelledBatch) -> float:
        """This process's part of the whole batch's mean, in [0, 1]."""
        if batch.rows == len(batch.everyone):
            return 1.0
        weights = getattr(self, "weights", None)
        if weights is None or self.network.config.kind != "classes":
            return batch.rows / len(batch.everyone)
        mine, all_ = (weights[labels].sum() for labels in (batch.labels[: batch.rows], batch.everyone))
        return (mine / all_).item()

    def _augmented(self, batch: LabelledBatch) -> LabelledBatch:
        ids, lengths = batch.batch.ids, batch.batch.lengths
        # Drawn on the CPU: its random numbers are the ones that are seeded for all devices alike.
        chosen = (torch.rand(len(ids)) < 0.5).to(ids.device)
        other = reverse_complement(ids, lengths, self.network.complement)
        rows = torch.where(chosen[:, None], other, ids)
        return batch._replace(batch=replace(batch.batch, ids=rows))

    def _mutated(self, batch: LabelledBatch, share: float) -> LabelledBatch:
        ids, bases = batch.batch.ids, self.network.config.tokenizer.unknown
        chosen = (torch.rand(ids.shape) < share).to(ids.device) & (ids < bases)
        drawn = torch.randint(bases, ids.shape).to(ids)
        return batch._replace(batch=replace(batch.batch, ids=torch.where(chosen, drawn, ids)))

    def on_validation_epoch_start(self) -> None:
        """Begin with nothing seen."""
        self._seen = []

    def validation_step(self, batch: LabelledBatch, batch_idx: int) -> None:
        """Keep logits and labels."""
        self._seen.append((self.logits(batch)[: batch.rows], batch.labels[: batch.rows]))

    def on_validation_epoch_end(self) -> None:
        """Log loss and MCC of the whole part; a regression has no MCC."""
        seen = [torch.cat(parts) for parts in zip(*self._seen, strict=True)]
        self._seen = []
        if self.trainer.world_size > 1:
            everyone = gather_ranks([part.cpu() for part in seen])
            seen = [torch.cat(parts).to(self.device) for parts in zip(*everyone, strict=True)]
        logits, labels = seen
        scores = {"validation_loss": self.loss(logits, labels).item()}
        kind = self.network.config.kind
        if kind != "regression":
            scores["validation_mcc"] = mcc(logits.cpu().numpy(), labels.cpu().numpy(), kind)
        self.log_scores(**scores)


def mcc(logits: np.ndarray, labels: np.ndarray, kind: Kind) -> float:
    """Return Matthews' correlation coefficient of the likeliest classes; of several labels the mean over them.

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
