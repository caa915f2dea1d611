"""`pretrain_model`: run the Lightning trainer over token shards."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.layers import CausalAttention, NeuralMemory
from titans_seq.models import CausalLM
from titans_seq.progress import Progress
from titans_seq.training.carry import check_length
from titans_seq.experiment.lightning_tools import (
    KeepLast,
    RandomState,
    last_checkpoint,
    new_trainer,
    quiet_and_apart,
    run_trainer,
)
from titans_seq.experiment.run_folder import CHECKPOINTS

from ..data.token_shards import TokenShards
from .config import LOG, PretrainConfig
from .data import SegmentData
from .log import TrainingLog
from .module import LanguageModule
from .settings import ONE_DEVICE, Hardware


def new_model(config: PretrainConfig) -> CausalLM:
    """Build the untrained model that a run starts from, its weights drawn from the run's seed.

    Raises:
        UserError: if state is carried and the model cannot do that with bounded memory, the length cuts a chunk or
            segment in two, or writes cost something and the model has no memory.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = CausalLM(config.model)
    if config.batches.mode == "carry":
        if any(isinstance(module, CausalAttention) and module.config.window is None for module in model.modules()):
            raise UserError(
                "attention without a window sees everything before it, so that carried state grows without end: "
                "train this model with --mode random"
            )
        check_length(model, config.batches.length)
    if config.write_cost and not any(isinstance(module, NeuralMemory) for module in model.modules()):
        raise UserError(f"a write cost of {config.write_cost:g} for a model without memory: leave it out")
    return model


def pretrain_model(
    model: CausalLM,
    config: PretrainConfig,
    train: TokenShards,
    validation: TokenShards | None,
    folder: Path,
    *,
    hardware: Hardware = ONE_DEVICE,
    tokens_per_byte: float | None = None,
    resume: bool = False,
    progress: Progress = "none",
) -> CausalLM | None:
    """Train a model.

    Writes `log.jsonl` and `checkpoints/` into `folder`, and leaves the global random state as it was. A run that was
    killed and resumed ends with the same weights, bit for bit, as one that was not, on the same kind of machine with
    the same number of processes.

    Args:
        model: from `new_model`; its weights are used up.
        config: the run.
        train: what is trained on.
        validation: what is validated on, if anything.
        folder: where to write; made if need be.
        hardware: what to run on.
        tokens_per_byte: of the validation text, for bits per byte in the log.
        resume: go on from the last checkpoint in `folder`, if there is one.
        progress: a bar, a line for each in the log, or nothing.

    Returns:
        The trained model, on the CPU and in evaluation mode; None in all processes but the first.

    Raises:
        UserError: if training does not stay finite, the checkpoint is of another run, or a step's tokens cannot be
            shared out among the devices.
    """
    accumulate = config.batches.accumulate(hardware.devices)
    start = last_checkpoint(folder / CHECKPOINTS) if resume else None
    folder.mkdir(parents=True, exist_ok=True)
    log = TrainingLog(folder / LOG, config, model, tokens_per_byte, lines=progress == "lines")
    final = _KeepFinal()
    callbacks: list[Callback] = [
        RandomState(),
        log,
        final,
        KeepLast(folder / CHECKPOINTS, config.records.checkpoint_every, config.records.keep),
    ]
    module = LanguageModule(
        model,
        config.optimiser,
        config.steps,
        carry=config.batches.mode == "carry",
        write_cost=config.write_cost,
        shard=hardware.strategy == "fsdp",
    )
    if config.compile:
        model.compile()
    data = SegmentData(config, train, validation)
    with quiet_and_apart():
        torch.manual_seed(config.seed)
        trainer = new_trainer(
            callbacks,
            progress,
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            strategy=_strategy(hardware),
            precision=config.precision,
            max_epochs=1,
            max_steps=config.steps,
            accumulate_grad_batches=accumulate,
            val_check_interval=min(config.records.validate_every, config.steps) * accumulate,
            limit_val_batches=None if validation is not None else 0,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
        run_trainer(trainer, module, start, datamodule=data)
        if validation is not None and log.validated_at != config.steps:
            trainer.validate(module, data, verbose=False)
    if not trainer.is_global_zero:
        return None
    # A model of its own: that which was trained may be compiled, or sharded.
    trained = new_model(config)
    trained.load_state_dict(final.weights)
    return trained.eval()


class _KeepFinal(Callback):
    """Put the trained weights together on the first process, wherever the strategy keeps them."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        assert isinstance(pl_module, LanguageModule)
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(pl_module.network, options=options).items()
        self.weights = {name.removeprefix("model."): x for name, x in weights if isinstance(x, Tensor)}


def _strategy(hardware: Hardware) -> Any:
    if hardware.strategy == "fsdp":
        from lightning.pytorch.strategies import ModelParallelStrategy

        return ModelParallelStrategy(data_parallel_size=hardware.devices, tensor_parallel_size=1)
    return "ddp" if hardware.devices > 1 else "auto"
