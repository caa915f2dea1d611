"""What Lightning leaves out: random numbers that resume, ends that come at once, and silence."""

import hashlib
import logging
import signal
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import Tensor, nn

from titans_seq.ending import end_on_sigterm_again, ending_on_sigterm
from titans_seq.errors import Terminated, UserError
from titans_seq.experiment.processes import gather_ranks, of_this_rank
from titans_seq.experiment.settings import Hardware


@contextmanager
def quiet_and_apart() -> Iterator[None]:
    """Keep Lightning's notes from the user, and leave the global random numbers as they were."""
    names = ("pytorch.utilities.rank_zero", "fabric.utilities.rank_zero", "fabric.utilities.distributed")
    notes = [logging.getLogger(f"lightning.{name}") for name in names]
    levels = [one.level for one in notes]
    for one in notes:
        one.setLevel(logging.WARNING)
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You defined a `validation_step` but have no")
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`")  # Lightning's own
            # It warns of changes in place, and there are none.
            warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
            # Of the convolutions' few weights; it costs nothing that can be measured.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
            yield
    finally:
        for one, level in zip(notes, levels, strict=True):
            one.setLevel(level)


def new_trainer(callbacks: Sequence[Callback], hardware: Hardware, **settings: Any) -> pl.Trainer:
    """Make a trainer that writes and says nothing of its own.

    Args:
        callbacks: of the training.
        hardware: what it runs on.
        settings: of `lightning.pytorch.Trainer`.

    Raises:
        UserError: if a GPU is asked for and there is none.
    """
    gpu = hardware.device() == "cuda"
    return pl.Trainer(
        callbacks=[EndAtOnce(), *callbacks],
        accelerator="gpu" if gpu else "cpu",
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy=_strategy(hardware),
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **settings,
    )


def _strategy(hardware: Hardware) -> Any:
    if hardware.sharded:
        from lightning.pytorch.strategies import ModelParallelStrategy

        return ModelParallelStrategy(data_parallel_size=hardware.processes, tensor_parallel_size=1)
    return "ddp" if hardware.processes > 1 else "auto"


@contextmanager
def stopping_at_once(trainer: pl.Trainer) -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and KeyboardInterrupt on Ctrl-C, wherever in the block; Lightning has other ends.

    Args:
        trainer: from `new_trainer`, which runs in the block.

    Raises:
        KeyboardInterrupt: if the user stops it.
        Terminated: on SIGTERM.
    """
    try:
        with ending_on_sigterm():
            yield
    except SystemExit as end:
        if not trainer.interrupted:
            raise
        raise KeyboardInterrupt from end  # what Lightning made an exit of
    except Terminated:
        if isinstance(trainer.strategy.launcher, _SubprocessScriptLauncher):
            trainer.strategy.launcher.kill(signal.SIGTERM)  # the processes that it started
        raise


def run_trainer(
    trainer: pl.Trainer, module: pl.LightningModule, data: pl.LightningDataModule, checkpoint: Path | None
) -> None:
    """Train, from a checkpoint if there is one.

    Args:
        trainer: from `new_trainer`.
        module: what is trained.
        data: what it reads.
        checkpoint: to go on from.

    Raises:
        UserError: if the checkpoint is damaged, or of another model.
    """
    if checkpoint is not None and checkpoint.is_file() and not zipfile.is_zipfile(checkpoint):
        raise UserError(
            f"the checkpoint {checkpoint} is damaged: restore it, or remove it to go on from the one before it"
        )
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except RuntimeError as error:
        if checkpoint is None or "state_dict" not in str(error):
            raise
        raise UserError(
            f"the checkpoint {checkpoint} is of another model than the configured one: resume with the configuration "
            f"it was trained with, or train anew ({error})"
        ) from error


class EndAtOnce(Callback):
    """Take SIGTERM back from Lightning, which waits for a step's end, and with several processes for each other."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let it raise `Terminated`."""
        end_on_sigterm_again()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let it raise `Terminated` in a validation on its own, too."""
        end_on_sigterm_again()


class SeedEpochs(Callback):
    """Make the random numbers of an epoch (dropout and the like) a function of seed and epoch, for exact resuming.

    Args:
        seed: at least 0.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw anew."""
        # The first process draws what one process alone would.
        rank = f" {trainer.global_rank}" if trainer.global_rank else ""
        digest = hashlib.sha256(f"{self.seed} {trainer.current_epoch}{rank}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:7], "big"))


class RandomState(Callback):
    """Save and restore PyTorch's random numbers of every process, which Lightning's checkpoints leave out."""

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the generators' states."""
        own = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        checkpoint["random_state"] = gather_ranks(own)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep them until the start of training, after which nothing else draws."""
        self._saved = of_this_rank(checkpoint["random_state"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on where the checkpoint was."""
        saved = getattr(self, "_saved", None)
        if saved is not None:
            torch.set_rng_state(saved["cpu"].cpu())
            if len(saved["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all([state.cpu() for state in saved["cuda"]])


def whole_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of a network's weights on the CPU, wherever the strategy keeps them.

    All processes must call it; where parameters are sharded, the first one alone gets them.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(network, options=options)
    return {name: x.detach().cpu().clone() for name, x in weights.items() if isinstance(x, Tensor)}
