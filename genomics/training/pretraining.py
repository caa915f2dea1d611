"""`pretrain`: train an encoder on sequences without labels."""

import copy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.experiment.fit import FitPlan, fit
from titans_seq.experiment.history import History
from titans_seq.experiment.module import FitModule
from titans_seq.experiment.settings import RUNTIME, Runtime

from ..models.encoder import EncoderConfig
from ..models.untrained import PretrainModel
from ..tokens import Tokenizer
from .config import PretrainConfig
from .windows import IGNORED, Genome, PretrainBatch, ValidationLoader, WindowLoader


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
    folder: Path | None = None,
    *,
    resume: bool = False,
    runtime: Runtime = RUNTIME,
) -> History:
    """Train in place, on the CPU and in evaluation mode at the end.

    See `titans_seq.experiment.fit.fit` for what is written and what a resumed run ends with.

    Args:
        model: from `new_pretrain_model`.
        genome: the sequences.
        config: the run.
        folder: where to write; None writes nothing.
        resume: go on from the last checkpoint in `folder`, if there is one.
        runtime: what it runs on and shows meanwhile.

    Raises:
        UserError: if a loss is not finite, there is nothing to train on, or the checkpoint is of another model.
    """
    if not genome.train:
        raise UserError("the training part has no sequence of two tokens: give more sequences or validate on less")
    every = min(config.every, config.steps)
    shard = runtime.hardware.sharded
    # What is sharded stays sharded: the model itself gets the whole weights in the end.
    trained = copy.deepcopy(model) if shard else model
    fitted = fit(
        PretrainModule(trained.train(), config, shard=shard),
        FitPlan(
            steps=config.steps, seed=config.seed, validate_every=every, checkpoint_every=every, log_every=every, keep=2
        ),
        lambda rank, world: WindowLoader(genome, config, rank, world),
        None if not genome.validation else lambda rank, world: ValidationLoader(genome, config, rank, world),
        folder=folder,
        resume=resume,
        runtime=runtime,
    )
    model.cpu().eval()
    if fitted.weights is not None:
        model.load_state_dict(fitted.weights)
    return fitted.history


class PretrainModule(FitModule):
    """Train a `PretrainModel` on `PretrainBatch`es; losses are in nats a token that is asked for.

    Args:
        model: what is trained, in place.
        settings: how.
        shard: whether the strategy shards parameters.
    """

    def __init__(self, model: PretrainModel, settings: PretrainConfig, *, shard: bool = False) -> None:
        super().__init__(model, settings.optimiser, shard=shard)
        self._settings = settings

    def training_step(self, batch: PretrainBatch, batch_idx: int) -> Tensor:
        """Return the loss of one batch."""
        world = self.trainer.world_size
        loss = self.summed_loss(batch) / max(1, batch.asked)
        self.note_loss(loss, torch.tensor(1 / world))
        # Processes average their gradients: this makes it the mean over all their targets.
        return loss * world if world > 1 else loss

    def summed_loss(self, batch: PretrainBatch) -> Tensor:
        """Sum of the losses of a batch's targets."""
        logits = self.network(batch.batch.ids, batch.batch.lengths, self._settings.objective)
        targets = batch.targets.flatten()
        return F.cross_entropy(logits.flatten(0, 1).float(), targets, ignore_index=IGNORED, reduction="sum")

    def validation_step(self, batch: PretrainBatch, batch_idx: int) -> None:
        """Note the loss of a batch."""
        self.note_validation_loss(self.summed_loss(batch), (batch.targets != IGNORED).sum())
