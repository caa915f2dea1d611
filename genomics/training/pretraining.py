"""`pretrain`: train an encoder on sequences without labels."""

import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from titans_seq.errors import UserError
from titans_seq.progress import Progress
from titans_seq.experiment.lightning_tools import (
    KeepLast,
    RandomState,
    last_checkpoint,
    new_trainer,
    quiet_and_apart,
    run_trainer,
)
from titans_seq.experiment.optimiser import build_optimiser
from titans_seq.experiment.run_folder import CHECKPOINTS

from ..models.encoder import Encoder, EncoderConfig
from ..tokens import Tokenizer
from .config import Objective, PretrainConfig
from .lightning_tools import CHECK_EVERY, check_losses, shortened_warmup
from .windows import IGNORED, Genome, PretrainBatch, ValidationLoader, WindowLoader


@dataclass(frozen=True)
class Validation:
    """How far pretraining has come.

    Attributes:
        step: optimiser steps so far.
        train_loss: mean over the steps since the last one, in nats a token.
        val_loss: over the validation part; None without one.
    """

    step: int
    train_loss: float
    val_loss: float | None


class PretrainModel(nn.Module):
    """An encoder and a head that names tokens: the next one, or all those of a step.

    Args:
        config: the encoder.
        tokenizer: what it reads.

    Example:
        >>> from dataclasses import replace
        >>> from genomics.models import encoder_preset
        >>> from genomics.tokens import Nucleotides
        >>> encoder = replace(encoder_preset("tiny"), directions="both")
        >>> model = PretrainModel(encoder, Nucleotides())
        >>> model(torch.tensor([[0, 1, 2]]), torch.tensor([3]), "masked").shape
        torch.Size([1, 3, 4])
    """

    def __init__(self, config: EncoderConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.encoder = Encoder(config, tokenizer.vocabulary)
        self.head = nn.Linear(config.dim, config.window * tokenizer.unknown)

    def forward(self, ids: Tensor, lengths: Tensor, objective: Objective) -> Tensor:
        """Logits of every token's answer, `[B, T, k-mers]`: of what follows it, or of itself."""
        if objective == "next":
            return self.head(self.encoder.read(self.encoder.local(ids, lengths)))
        logits = self.head(self.encoder(ids, lengths))
        return logits.unflatten(-1, (self.encoder.config.window, -1)).flatten(1, 2)[:, : ids.shape[1]]


def new_pretrain_model(encoder: EncoderConfig, tokenizer: Tokenizer, config: PretrainConfig) -> PretrainModel:
    """Build the model that a run starts from, its weights drawn from the run's seed.

    Raises:
        UserError: if the objective needs another encoder, or the encoder cannot be built.
    """
    if config.objective == "next" and encoder.stem is not None:
        raise UserError(
            "a stem sees bases on both sides, the next one too: take the objective 'masked', or an encoder without stem"
        )
    if config.objective == "masked" and encoder.directions != "both":
        raise UserError("hidden tokens are filled in from both sides: give the encoder directions 'both'")
    if tokenizer.step < tokenizer.width and config.objective == "masked":
        raise UserError(
            "tokens that overlap give each other away, so that hiding one asks nothing: take single nucleotides, a "
            "stride of k, or the objective 'next'"
        )
    if config.both_strands and tokenizer.step > 1:
        raise UserError("with a stride above 1 the other strand has other tokens: read the strand as given")
    try:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            return PretrainModel(encoder, tokenizer)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"the encoder cannot be built as configured: {error}") from error


def pretrain(
    model: PretrainModel,
    genome: Genome,
    config: PretrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    progress: Progress = "none",
    accelerator: str = "auto",
) -> tuple[Validation, ...]:
    """Train in place, on the CPU and in evaluation mode at the end.

    Writes `checkpoints/` into `folder`. A run that was killed and resumed ends with the same weights, bit for bit, as
    one that was not.

    Args:
        model: from `new_pretrain_model`.
        genome: the sequences.
        config: the run.
        folder: where to write; made if need be.
        resume: go on from the last checkpoint in `folder`, if there is one.
        progress: a bar, a line for each validation on stderr, or nothing.
        accelerator: as Lightning names it.

    Raises:
        UserError: if a loss is not finite, there is nothing to train on, or the checkpoint is of another model.
    """
    if not genome.train:
        raise UserError("the training part has no sequence of two tokens: give more sequences or validate on less")
    folder = Path(folder)
    start = last_checkpoint(folder / CHECKPOINTS) if resume else None
    record = _Record(ValidationLoader(genome, config), config.steps, lines=progress == "lines")
    callbacks: list[Callback] = [RandomState(), record, KeepLast(folder / CHECKPOINTS, config.every)]
    module = _PretrainModule(model.train(), config)
    with quiet_and_apart():
        torch.manual_seed(config.seed)
        trainer = new_trainer(
            callbacks,
            progress,
            accelerator=accelerator,
            devices=1,
            max_epochs=1,
            max_steps=config.steps,
            gradient_clip_val=config.optimiser.clip or None,
            limit_val_batches=0,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
        run_trainer(trainer, module, start, train_dataloaders=WindowLoader(genome, config))
    model.cpu().eval()
    return tuple(record.history)


class _PretrainModule(pl.LightningModule):
    def __init__(self, model: PretrainModel, config: PretrainConfig) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.losses: list[Tensor] = []
        self.sum, self.count = 0.0, 0

    def configure_optimizers(self) -> OptimizerLRScheduler:
        steps = self.config.steps
        optimiser, schedule = build_optimiser(self.model, shortened_warmup(self.config.optimiser, steps), steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: PretrainBatch, batch_idx: int) -> Tensor:
        total, count = self.summed_loss(batch)
        loss = total / count.clamp(min=1)
        self.losses.append(loss.detach())
        return loss

    def summed_loss(self, batch: PretrainBatch) -> tuple[Tensor, Tensor]:
        """Sum of the losses, and number of targets."""
        logits = self.model(batch.batch.ids, batch.batch.lengths, self.config.objective)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), batch.targets.flatten(), reduction="sum")
        return loss, (batch.targets != IGNORED).sum()

    def check(self) -> None:
        """Move the losses to the sum, after a look at them."""
        self.sum += check_losses(self.losses, self.global_step - len(self.losses) + 1, self.config.optimiser.lr)
        self.count += len(self.losses)
        self.losses = []

    @torch.no_grad()
    def validation_loss(self, loader: ValidationLoader) -> float | None:
        """Mean loss of a token over the validation part."""
        sums = torch.zeros(2, dtype=torch.float64)
        self.model.eval()
        for batch in loader:
            moved = PretrainBatch(batch.batch.to(self.device), batch.targets.to(self.device))
            sums += torch.stack(self.summed_loss(moved)).double().cpu()
        self.model.train()
        return (sums[0] / sums[1]).item() if sums[1] else None


class _Record(Callback):
    """Validate, keep the history, look whether losses are finite, and print a line for each validation."""

    def __init__(self, held_out: ValidationLoader, steps: int, lines: bool) -> None:
        self.held_out, self.steps, self.lines = held_out, steps, lines
        self.history: list[Validation] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, _PretrainModule)
        step, module = trainer.global_step, pl_module
        due = step % module.config.every == 0 or step == self.steps
        if due or len(module.losses) >= CHECK_EVERY:
            module.check()
        if not due:
            return
        loss = module.validation_loss(self.held_out)
        if loss is not None and not math.isfinite(loss):
            raise UserError(f"the validation loss became {loss} in step {step}: lower the learning rate")
        self.history.append(Validation(step, module.sum / module.count, loss))
        module.sum, module.count = 0.0, 0
        if self.lines:
            shown = "" if loss is None else f", validation loss {loss:.4f} nats a token"
            print(f"step {step:,}/{self.steps:,}: train loss {self.history[-1].train_loss:.4f}{shown}", file=sys.stderr)

    def state_dict(self) -> dict[str, Any]:
        return {"history": [asdict(one) for one in self.history]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = [Validation(**one) for one in state_dict["history"]]
