"""What the Lightning modules of all domains share: optimiser, clipping, a watch over the loss, and its mean."""

import math
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from titans_seq.errors import UserError
from titans_seq.experiment.optimiser import build_optimiser, parameter_groups
from titans_seq.experiment.processes import gather_ranks, of_this_rank
from titans_seq.experiment.settings import OptimiserConfig


class FitModule(pl.LightningModule):
    """Train a network; a domain adds `training_step` and `validation_step`.

    A validation logs the mean of the losses that `validation_step` notes; a domain with other scores logs those.

    A step whose loss or gradient is not finite, on any process, is left out: weights and optimiser stay as they are.
    More than `tolerated` such steps in a row end the training.

    Args:
        network: what is trained, in place.
        config: optimiser and schedule.
        tolerated: steps in a row that may be left out.
        shard: whether the strategy shards parameters (FSDP2).

    Raises:
        UserError: while training, if too many steps are not finite.
    """

    sharded_methods: tuple[str, ...] = ()
    """Methods of the network, besides its forward, that training calls."""

    def __init__(self, network: nn.Module, config: OptimiserConfig, *, tolerated: int = 0, shard: bool = False) -> None:
        super().__init__()
        self.network, self.config, self.tolerated, self.shard = network, config, tolerated, shard
        self.total_steps: int | None = None
        """Of the schedule; None for those that all epochs make."""
        self.skipped = 0
        """Steps left out so far."""
        self.targets = 0
        """What the loss was a mean over, summed up over all processes and steps."""
        self.gradient_norm, self.lr = math.nan, config.lr
        """Of the latest step: the norm before clipping; the rate."""
        self._skipped_in_a_row = 0
        self._step: list[Tensor] = []
        self._window: list[Tensor] = []
        self._validation = torch.zeros(2)

    def kept_network(self) -> nn.Module:
        """Return the network that is validated, and whose weights are kept."""
        return self.network

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters that are trained, each group with its weight decay."""
        return parameter_groups(self.network, self.config.weight_decay)

    def configure_model(self) -> None:
        """Shard the parameters where the strategy is to."""
        if not self.shard or self.device_mesh is None:
            return
        from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

        if not isinstance(self.network, FSDPModule):
            # One group: modules read the parameters of others, outside of their own forward.
            fully_shard(self.network, mesh=self.device_mesh["data_parallel"])
            for name in self.sharded_methods:
                register_fsdp_forward_method(self.network, name)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW with the configured schedule, moved every step."""
        # Asked for an estimate, Lightning makes the loaders before it knows where a resumed one stands.
        steps = self.total_steps or int(self.trainer.estimated_stepping_batches)
        optimiser, schedule = build_optimiser(self.parameter_groups(), self.config, steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def note_loss(self, total: Tensor, count: Tensor | float = 1) -> None:
        """Note a batch's loss: a sum, and the number of targets that it is over."""
        # The sum keeps its own precision; float64 holds any count.
        total = total.detach()
        self._step.append(torch.stack((total.double(), torch.as_tensor(count, device=total.device).double())))

    def over_processes(self, x: Tensor) -> Tensor:
        """Return the sum of all processes' tensors, which takes the place of `x`."""
        return self.trainer.strategy.reduce(x, reduce_op="sum") if self.trainer.world_size > 1 else x

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient, or leave the step out where loss or gradient is not finite.

        Raises:
            UserError: if more steps in a row than `tolerated` were left out.
        """
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip or math.inf)
        # Of a sharded model the norm is one too.
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        sums = torch.stack(self._step).sum(0)
        self._step = []
        loss = sums[0] / sums[1].clamp(min=1)
        bad = self.over_processes((~(norm.isfinite() & loss.isfinite())).float()) > 0
        # One transfer from the device, which the optimiser's step waits for: a bad one must not be taken.
        left_out, self.gradient_norm, loss = torch.stack((bad.double(), norm.double(), loss.double())).tolist()
        self.lr = optimizer.param_groups[0]["lr"]
        if not left_out:
            self._skipped_in_a_row = 0
            self._window.append(sums)
            return
        # An optimiser passes over parameters without a gradient, its own averages included.
        optimizer.zero_grad(set_to_none=True)
        self.skipped += 1
        self._skipped_in_a_row += 1
        self.on_step_skipped()
        if self._skipped_in_a_row > self.tolerated:
            raise UserError(self._describe_divergence(loss))

    def on_step_skipped(self) -> None:
        """Forget what a step that is left out may have broken."""

    def _describe_divergence(self, loss: float) -> str:
        step, count = self.global_step + 1, self._skipped_in_a_row
        what = f"the training loss became {loss} in step {step}"
        if math.isfinite(loss):
            what = f"the gradient's norm became {self.gradient_norm} in step {step}"
        if count > 1:
            what = (
                f"{count} steps in a row up to step {step} had a loss or gradient that is not finite (loss {loss}, "
                f"gradient norm {self.gradient_norm})"
            )
        return (
            f"{what}: lower the learning rate (it is {self.config.lr:g}), lengthen the warm-up (it is "
            f"{self.config.warmup:g}), look for extreme values in the data, or train in float32"
        )

    def training_row(self, batch: Any) -> dict[str, Any]:
        """Return what the log says of the steps since the last row; the loss is the mean over all processes' targets.

        The loss is not there if every step was left out.

        Args:
            batch: the latest; None at the end of an epoch.
        """
        sums = torch.stack(self._window).sum(0) if self._window else torch.zeros(2, dtype=torch.float64)
        self._window = []
        total, count = self.over_processes(sums.to(self.device)).tolist()
        self.targets += int(count)
        row = {} if not count else {"loss": total / count}
        return row | {"lr": self.lr, "gradient_norm": self.gradient_norm, "skipped": self.skipped}

    def on_validation_epoch_start(self) -> None:
        """Begin with nothing read."""
        self._validation = torch.zeros(2, dtype=torch.float64, device=self.device)

    def note_validation_loss(self, total: Tensor, count: Tensor) -> None:
        """Note a batch's loss: a sum, and the number of targets that it is over."""
        self._validation += torch.stack((total.double(), count.double()))

    def validation_loss(self) -> float:
        """Return the mean loss of a validation, over all targets of all processes."""
        total, count = self.over_processes(self._validation)
        return (total / count.clamp(min=1)).item()

    def on_validation_epoch_end(self) -> None:
        """Log the mean loss."""
        self.log_scores(validation_loss=self.validation_loss())

    def log_scores(self, **scores: float) -> None:
        """Log the scores of a validation, which all processes have computed alike.

        Raises:
            UserError: if one is not finite.
        """
        for name, score in scores.items():
            if not math.isfinite(score):
                raise UserError(
                    f"the {name.replace('_', ' ')} became {score} after step {self.global_step:,}: lower the learning "
                    f"rate (it is {self.config.lr:g}), lengthen the warm-up, or look for extreme values in the data"
                )
        # Loggers get the rows of the log.
        self.log_dict(scores, logger=False, sync_dist=self.trainer.world_size > 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the counts, and every process's losses since the last row of the log."""
        checkpoint["counts"] = (self.skipped, self._skipped_in_a_row, self.targets)
        checkpoint["window"] = gather_ranks([sums.cpu() for sums in self._window])

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them up again."""
        self.skipped, self._skipped_in_a_row, self.targets = checkpoint["counts"]
        self._window = [sums.to(self.device) for sums in of_this_rank(checkpoint["window"]) or []]
