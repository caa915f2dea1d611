"""Pretrain a language model on token shards."""

from pathlib import Path

import torch

from titans_seq.errors import UserError
from titans_seq.experiment.fit import FitPlan, fit
from titans_seq.experiment.history import History
from titans_seq.experiment.settings import RUNTIME, Runtime
from titans_seq.layers import CausalAttention, NeuralMemory
from titans_seq.models import CausalLM, CausalLMConfig
from titans_seq.training.carry import begun_length, check_length, common_length

from ..data.mixture import Mixture
from ..data.token_shards import TokenShards
from .config import PretrainConfig
from .data import FirstBatches, RunLoader, steps_of_an_epoch, training_stream, validation_stream
from .module import LanguageModule


def new_model(model: CausalLMConfig, config: PretrainConfig) -> CausalLM:
    """Build the untrained model that a run starts from, its weights drawn from the run's seed.

    Raises:
        UserError: if state is carried and the model cannot do that with bounded memory, the length cuts a chunk or
            segment in two, or writes cost something and the model has no memory.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        built = CausalLM(model)
    if config.batches.keeps_state:
        if any(isinstance(module, CausalAttention) and module.config.window is None for module in built.modules()):
            raise UserError(
                "attention without a window sees everything before it, so that carried state grows without end: "
                "train this model with --mode random and no --foreign-starts"
            )
        check_length(built, config.batches.length)
    if config.write_cost and not any(isinstance(module, NeuralMemory) for module in built.modules()):
        raise UserError(f"a write cost of {config.write_cost:g} for a model without memory: leave it out")
    return built


def pretrain_model(
    model: CausalLM,
    config: PretrainConfig,
    train: TokenShards | Mixture,
    validation: TokenShards | Mixture | None,
    folder: Path | None = None,
    *,
    runtime: Runtime = RUNTIME,
    tokens_per_byte: float | None = None,
    resume: bool = False,
) -> tuple[CausalLM | None, History]:
    """Train a model; see `titans_seq.experiment.fit.fit` for what is written and what a resumed run ends with.

    Args:
        model: from `new_model`, or trained before; its weights are used up.
        config: how.
        train: what is trained on.
        validation: what is validated on, if anything.
        folder: where to write; None writes nothing.
        runtime: what it runs on and shows meanwhile.
        tokens_per_byte: of the validation text, for bits per byte in the log.
        resume: go on from the last checkpoint in `folder`, if there is one.

    Returns:
        The trained model, on the CPU and in evaluation mode (None in all processes but the first), and the log.

    Raises:
        UserError: if training does not stay finite, the checkpoint is of another run, or a step's tokens cannot be
            shared out among the devices.
    """
    accumulate = config.batches.accumulate(runtime.hardware.processes)
    steps = config.steps or steps_of_an_epoch(config, train, runtime.hardware.processes)
    # What begins with another's state has no persistent tokens before it: there chunks are let end where they do.
    begun = 0 if config.batches.foreign_starts else begun_length(model)
    cuts = {"cut": common_length(model), "begun": begun}
    module = LanguageModule(model, config, tokens_per_byte=tokens_per_byte, shard=runtime.hardware.sharded)
    model.backbone.gradient_checkpointing = config.gradient_checkpointing
    if config.compile:
        model.compile()
    records = config.records
    plan = FitPlan(
        steps=steps,
        seed=config.seed,
        accumulate=accumulate,
        precision=config.precision,
        validate_every=records.validate_every,
        checkpoint_every=records.checkpoint_every,
        log_every=records.log_every,
        keep=records.keep,
    )
    fitted = fit(
        module,
        plan,
        lambda rank, world: RunLoader(training_stream(config, train, rank, world, **cuts), steps * accumulate),
        None
        if validation is None
        else lambda rank, world: FirstBatches(
            validation_stream(config, validation, rank, world, **cuts), records.validation_batches
        ),
        folder=folder,
        resume=resume,
        runtime=runtime,
    )
    if fitted.weights is None:
        return None, fitted.history
    # A model of its own: that which was trained may be compiled, or sharded.
    trained = new_model(model.config, config)
    trained.load_state_dict({name.removeprefix("model."): x for name, x in fitted.weights.items()})
    return trained.eval(), fitted.history
