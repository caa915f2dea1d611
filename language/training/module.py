"""The Lightning module that trains a language model on segments of documents."""

import functools
import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.experiment.module import FitModule
from titans_seq.experiment.processes import gather_ranks, of_this_rank
from titans_seq.experiment.throughput import Throughput, training_flops
from titans_seq.models import BackboneState, CausalLM, map_state
from titans_seq.models.packing import pack_state, unpack_state
from titans_seq.state import select_rows
from titans_seq.training.carry import common_length, reset_rows
from titans_seq.training.statistics import memory_statistics
from titans_seq.training.writes import write_cost

from ..data.stream import IGNORED, SegmentBatch
from .config import PretrainConfig

MOST_SKIPPED = 10
"""This many steps in a row without a finite gradient end the training."""


class CarryingLM(nn.Module):
    """Run a language model that begins anew in the rows whose document does.

    A module of its own, because a strategy that shards parameters has them whole in a module's forward alone.

    Args:
        model: the language model.
        foreign_starts: while training, the share of what begins anew that begins with the state of another.
    """

    def __init__(self, model: CausalLM, foreign_starts: float = 0.0) -> None:
        super().__init__()
        self.model, self._foreign_starts = model, foreign_starts

    def forward(
        self, batch: SegmentBatch, state: BackboneState | None, *, return_state: bool = True
    ) -> tuple[Tensor, BackboneState | None]:
        """Return logits `[..., vocabulary]` of a batch's ids, and the state after its rows, or documents that go on.

        Args:
            batch: what is read.
            state: after the batch before; None if all begin anew.
            return_state: pass False if nothing goes on.
        """
        if batch.cu_seqlens is None or batch.goes_on is None:
            fresh = batch.fresh & ~self._foreign(batch.fresh)
            return self.model(batch.ids, reset_rows(self.model, state, fresh), return_state=return_state)
        carried = itertools.count()
        before = [-1 if state is None or fresh else next(carried) for fresh in batch.fresh.tolist()]
        if state is not None:
            foreign = (self._foreign(batch.fresh) & batch.fresh).nonzero().flatten().tolist()
            for document, row in zip(foreign, torch.randint(state.batch, (len(foreign),)).tolist(), strict=True):
                before[document] = row
        return self.model(
            batch.ids,
            select_rows(state, before),
            cu_seqlens=batch.cu_seqlens,
            return_state=self._kept(batch.cu_seqlens, batch.goes_on) if return_state else False,
        )

    def _foreign(self, fresh: Tensor) -> Tensor:
        """Which rows or documents would begin with the state of another, as `fresh`; none but while training."""
        share = self._foreign_starts if self.training else 0.0
        return (torch.rand(len(fresh)) < share).to(fresh.device) if share else torch.zeros_like(fresh)

    def _kept(self, cu_seqlens: Tensor, goes_on: Tensor) -> list[int]:
        """The documents of a packed batch whose state is kept."""
        if self.training and self._foreign_starts and not goes_on.any():
            # Others can begin with these. All are equally far in a chunk and segment, as one batch has to be.
            goes_on = cu_seqlens.diff() % common_length(self.model) == 0
        return goes_on.nonzero().flatten().tolist()


def summed_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the cross entropy in nats, in float32, and the number of targets that are not `IGNORED`.

    Args:
        logits: `[B, T, vocabulary]`.
        targets: `[B, T]`.

    Example:
        >>> loss, count = summed_loss(torch.zeros(1, 2, 4), torch.tensor([[3, -100]]))
        >>> round(loss.item(), 4), count.item()
        (1.3863, 1)
    """
    loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")
    return loss, (targets != IGNORED).sum()


class LanguageModule(FitModule):
    """Train a `CausalLM` on `SegmentBatch`es.

    What is minimised is the sum of the targets' losses over the number of positions: every token counts alike, however
    a step is shared out among batches and processes. What is logged is the mean over the targets. The state of each
    row is carried from one batch to the next and cut off from the graph between them (truncated back-propagation), and
    begins anew where the batch says so. Where a step is left out, the carried state, which may be what is broken, is
    forgotten.

    A row of the log about steps holds, besides what every training's holds, `tokens` (targets so far) and
    `tokens_per_second`, of all processes together; `flops_utilisation` if the peak is known; `write_cost` (what the
    memories' writes added to this step's loss) if they cost anything; and for a model with memory the means over its
    memories of what `memory_statistics` finds, as `memory_lr`, `memory_surprise` and so on. The losses are without the
    cost of writing. One about a validation holds `validation_loss` (nats a token), `perplexity`, and `bits_per_byte`
    if the bytes of the text are known.

    Args:
        model: what is trained, in place.
        config: how.
        tokens_per_byte: of the validation text; None if that is not known.
        shard: whether the strategy shards parameters (FSDP2).

    Raises:
        UserError: while training, if `MOST_SKIPPED` steps in a row are not finite.
    """

    def __init__(
        self, model: CausalLM, config: PretrainConfig, *, tokens_per_byte: float | None = None, shard: bool = False
    ) -> None:
        super().__init__(
            CarryingLM(model, config.batches.foreign_starts), config.optimiser, tolerated=MOST_SKIPPED - 1, shard=shard
        )
        self._settings, self._tokens_per_byte = config, tokens_per_byte
        self._carry = config.batches.mode == "carry"
        self._throughput = Throughput(training_flops(model, config.batches.length), config.records.peak_flops)
        self._carried: BackboneState | None = None
        self._costs: list[Tensor] = []
        self._validation_state: BackboneState | None = None

    def on_train_start(self) -> None:
        """Take the time from now."""
        self._throughput.start()

    def training_step(self, batch: SegmentBatch, batch_idx: int) -> Tensor:
        """Return the loss of one batch."""
        keep = self._settings.batches.keeps_state
        with write_cost(self.network, self._settings.write_cost) as cost:
            logits, state = self.network(batch, self._carried if keep else None, return_state=keep)
        self._carried = map_state(state, Tensor.detach)
        total, count = summed_loss(logits, batch.targets)
        self.note_loss(total, count)
        self._costs = [*self._costs, cost().detach()][-self.trainer.accumulate_grad_batches :]
        # A packed batch has a few positions more or less than its share of a step.
        shares = self.trainer.accumulate_grad_batches * self.trainer.world_size
        return total / (self._settings.batches.tokens // shares) + cost()

    def on_step_skipped(self) -> None:
        """Forget the carried state."""
        self._carried = None

    def training_row(self, batch: Any) -> dict[str, Any]:
        """Return what the log says of the steps since the last row."""
        before = self.targets
        row = super().training_row(batch)
        rate, utilisation = self._throughput.look(self.targets - before)
        row = {"tokens": self.targets, **row, "tokens_per_second": rate}
        if utilisation is not None:
            row["flops_utilisation"] = utilisation
        if self._settings.write_cost:
            row["write_cost"] = torch.stack(self._costs).mean().item()
        # Through the module, for where parameters are sharded it alone has them whole.
        statistics = memory_statistics(self.network, functools.partial(self._read_a_document, batch))
        row |= {f"memory_{name}": sum(values) / len(values) for name, values in statistics.items()}
        # The look into the memories is no training.
        self._throughput.start()
        return row

    def _read_a_document(self, batch: SegmentBatch) -> None:
        """Read the first row, or the longest document of a packed batch."""
        ids = batch.ids[:1]
        if batch.cu_seqlens is not None:
            ids = max(ids.tensor_split(batch.cu_seqlens[1:-1].cpu(), 1), key=lambda piece: piece.shape[1])
        self.network(SegmentBatch(ids, ids, torch.ones(1, dtype=torch.bool)), None, return_state=False)

    def on_validation_epoch_start(self) -> None:
        """Begin with nothing read."""
        super().on_validation_epoch_start()
        self._validation_state = None

    def validation_step(self, batch: SegmentBatch, batch_idx: int) -> None:
        """Note the loss of a batch."""
        before = self._validation_state if self._carry else None
        logits, self._validation_state = self.network(batch, before, return_state=self._carry)
        self.note_validation_loss(*summed_loss(logits, batch.targets))

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all targets of all processes, in nats a token."""
        self._validation_state = None
        loss = self.validation_loss()
        scores = {"validation_loss": loss, "perplexity": math.exp(min(loss, 700.0))}
        if self._tokens_per_byte is not None:
            scores["bits_per_byte"] = loss * self._tokens_per_byte / math.log(2)
        self.log_scores(**scores)

    def on_validation_end(self) -> None:
        """Leave the validation out of the time of training."""
        self._throughput.start()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the carried state of every process."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["carried"] = gather_ranks(pack_state(map_state(self._carried, Tensor.cpu)))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again; with another number of processes than before all documents begin anew."""
        super().on_load_checkpoint(checkpoint)
        state = unpack_state(of_this_rank(checkpoint["carried"]))
        self._carried = map_state(state, lambda tensor: tensor.to(self.device))
