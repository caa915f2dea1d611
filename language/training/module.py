"""The Lightning module that trains a language model on segments of documents."""

import math
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from titans_seq.errors import UserError
from titans_seq.models import BackboneState, CausalLM, map_state
from titans_seq.models.packing import pack_state, unpack_state
from titans_seq.training.carry import reset_rows
from titans_seq.experiment.lightning_tools import gather_ranks, of_this_rank
from titans_seq.experiment.optimiser import build_optimiser
from titans_seq.experiment.settings import OptimiserConfig
from titans_seq.training.writes import write_cost

from ..data.stream import IGNORED, SegmentBatch

MOST_SKIPPED = 10
"""So many steps in a row without a finite gradient end the training."""


class CarryingLM(nn.Module):
    """A language model that begins anew in the rows whose document does.

    A module of its own, because a strategy that shards parameters has them whole in a module's forward alone.

    Args:
        model: the language model.
    """

    def __init__(self, model: CausalLM) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, ids: Tensor, state: BackboneState | None, fresh: Tensor, *, return_state: bool = True
    ) -> tuple[Tensor, BackboneState | None]:
        """Logits `[B, T, vocabulary]` of ids `[B, T]`, and the state after them; fresh is bool `[B]`."""
        return self.model(ids, reset_rows(self.model, state, fresh), return_state=return_state)


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


class LanguageModule(pl.LightningModule):
    """Train a `CausalLM` on `SegmentBatch`es.

    What is minimised is the sum of the targets' losses over the number of positions: every token counts alike, however
    a step is shared out among batches and processes. What is logged is the mean over the targets. The state of each
    row is carried from one batch to the next and cut off from the graph between them (truncated back-propagation), and
    begins anew where the batch says so.

    A step whose loss or gradient is not finite, on any process, is left out: weights and optimiser stay as they are,
    and the carried state, which may be what is broken, is forgotten.

    Args:
        model: what is trained, in place.
        config: optimiser and schedule.
        steps: optimiser steps of the whole schedule.
        carry: whether state is carried; otherwise every segment begins anew.
        write_cost: weight in the loss of what the memories write; see `titans_seq.training.writes`.
        shard: whether the strategy shards parameters (FSDP2).

    Raises:
        UserError: while training, if `MOST_SKIPPED` steps in a row are not finite.
    """

    def __init__(
        self,
        model: CausalLM,
        config: OptimiserConfig,
        steps: int,
        *,
        carry: bool = True,
        write_cost: float = 0.0,
        shard: bool = False,
    ) -> None:
        super().__init__()
        self.network = CarryingLM(model)
        self.config, self.steps, self.carry, self.shard = config, steps, carry, shard
        self.write_weight = write_cost
        self.skipped = 0
        """Steps left out so far."""
        self.loss, self.cost, self.gradient_norm, self.lr = math.nan, math.nan, math.nan, config.lr
        """Of the latest step: on this process the mean over its targets, and what was added to that for the memories'
        writes; the norm before clipping; the rate."""
        self._skipped_in_a_row = 0
        self._carried: BackboneState | None = None
        self._step_sums: list[Tensor] = []
        self._step_costs: list[Tensor] = []
        self._validation_state: BackboneState | None = None
        self._sums = torch.zeros(2)

    def configure_model(self) -> None:
        """Shard the parameters where the strategy is to."""
        if not self.shard or self.device_mesh is None:
            return
        from torch.distributed.fsdp import FSDPModule, fully_shard

        if not isinstance(self.network, FSDPModule):
            # One group: resetting rows reads the memories' initial weights, outside of the blocks' own forward.
            fully_shard(self.network, mesh=self.device_mesh["data_parallel"])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with the configured schedule, moved every step."""
        optimiser, schedule = build_optimiser(self.network, self.config, self.steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: SegmentBatch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        before = self._carried if self.carry else None
        with write_cost(self.network, self.write_weight) as cost:
            logits, state = self.network(batch.ids, before, batch.fresh, return_state=self.carry)
        self._carried = map_state(state, Tensor.detach)
        total, count = summed_loss(logits, batch.targets)
        self._step_sums.append(torch.stack((total.detach(), count)))
        self._step_costs.append(cost().detach())
        return total / batch.targets.numel() + cost()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient, or leave the step out."""
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip or math.inf)
        # Of a sharded model the norm is one too.
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        total, count = torch.stack(self._step_sums).sum(0)
        self.cost = torch.stack(self._step_costs).mean().item()
        self._step_sums, self._step_costs = [], []
        loss = total / count.clamp(min=1)
        bad = ~(norm.isfinite() & loss.isfinite())
        if self.trainer.world_size > 1:
            bad = self.trainer.strategy.reduce(bad.float(), reduce_op="sum") > 0
        self.loss, self.gradient_norm, self.lr = loss.item(), norm.item(), optimizer.param_groups[0]["lr"]
        if not bad:
            self._skipped_in_a_row = 0
            return
        # An optimiser passes over parameters without a gradient, its own averages included.
        optimizer.zero_grad(set_to_none=True)
        self._carried = None
        self.skipped += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= MOST_SKIPPED:
            raise UserError(
                f"{MOST_SKIPPED} steps in a row up to step {self.global_step + 1} had a loss or gradient that is not "
                f"finite (loss {self.loss}, gradient norm {self.gradient_norm}): lower the learning rate (it is "
                f"{self.config.lr:g}), lengthen the warm-up (it is {self.config.warmup} steps), or train in float32"
            )

    def on_validation_epoch_start(self) -> None:
        """Begin with nothing read."""
        self._validation_state = None
        self._sums = torch.zeros(2, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: SegmentBatch, batch_idx: int) -> None:
        """Add the losses and the number of targets of one batch."""
        before = self._validation_state if self.carry else None
        logits, self._validation_state = self.network(batch.ids, before, batch.fresh, return_state=self.carry)
        self._sums += torch.stack(summed_loss(logits, batch.targets)).to(self._sums)

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all targets of all processes as `val_loss`, in nats a token."""
        self._validation_state = None
        sums = self.trainer.strategy.reduce(self._sums, reduce_op="sum") if self.trainer.world_size > 1 else self._sums
        self.log("val_loss", (sums[0] / sums[1].clamp(min=1)).float(), sync_dist=self.trainer.world_size > 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the carried state of every process, and the count of steps left out."""
        packed = pack_state(map_state(self._carried, Tensor.cpu))
        checkpoint["carried"] = gather_ranks(packed)
        checkpoint["skipped"] = (self.skipped, self._skipped_in_a_row)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them up again; with another number of processes than before all documents begin anew."""
        state = unpack_state(of_this_rank(checkpoint["carried"]))
        self._carried = map_state(state, lambda tensor: tensor.to(self.device))
        self.skipped, self._skipped_in_a_row = checkpoint["skipped"]
