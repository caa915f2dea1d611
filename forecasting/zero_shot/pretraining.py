"""Pretrain the zero-shot network on made-up series, resumable to the bit."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.experiment.fit import FitPlan, fit
from titans_seq.experiment.history import History
from titans_seq.experiment.module import FitModule
from titans_seq.experiment.settings import RUNTIME, OptimiserConfig, Runtime

from .batches import TrainingBatch, pool
from .features import BASES
from .loss import quantile_loss
from .network import AnyConfig, AnyNetwork, ZeroShotConfig, ZeroShotNetwork
from .settings import PretrainingConfig

_TRAINING, _VALIDATION = 0, 1
_SEASON = BASES.index("season")


class PoolLoader:
    """Batches of made-up series without end, or the same first pools in every round; saved and resumed by Lightning.

    Args:
        seed: of all pools.
        batches: how many batches there are.
        config: how they are drawn.
        network: which resolutions there are.
        rank: number of this process.
        world: number of processes; each has pools of its own.
        again: whether every round begins anew, as a validation does.
    """

    def __init__(
        self,
        seed: tuple[int, ...],
        batches: int,
        config: PretrainingConfig,
        network: AnyConfig,
        *,
        rank: int = 0,
        world: int = 1,
        again: bool = False,
    ) -> None:
        self._seed, self._batches, self._config, self._network = seed, batches, config.batches, network
        self._rank, self._world, self._again = rank, world, again
        self._done = 0

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[TrainingBatch]:
        if self._again:
            self._done = 0
        size = self._config.pool
        while self._done < self._batches:
            number, skipped = divmod(self._done, size)
            drawn = list(pool(self._seed, number * self._world + self._rank, self._config, self._network))
            for batch in drawn[skipped : skipped + self._batches - self._done]:
                self._done += 1
                yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return the number of batches that were read."""
        return {"done": self._done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after them."""
        self._done = state["done"]


class PretrainingModule(FitModule):
    """Train a network on `TrainingBatch`es."""

    def __init__(self, network: AnyNetwork, optimiser: OptimiserConfig, *, shard: bool = False) -> None:
        super().__init__(network, optimiser, tolerated=10, shard=shard)
        self.levels: Tensor
        self.register_buffer("levels", torch.tensor(network.config.output.levels), persistent=False)

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        loss, count = self._loss(batch)
        self.note_loss(loss * count, count)
        if self.trainer.world_size == 1:
            return loss
        # Processes wait for the gradients of all parameters, and a batch is of one resolution alone.
        return loss + 0.0 * torch.stack([weight.sum() for weight in self.network.parameters()]).sum()

    def validation_step(self, batch: TrainingBatch, batch_idx: int) -> None:
        """Note the loss of a batch."""
        self.note_validation_loss(*self.summed_loss(batch))

    def summed_loss(self, batch: TrainingBatch) -> Tensor:
        """Return the loss summed over the targets of a batch, and their number, float64 `[2]`."""
        loss, count = self._loss(batch)
        return torch.stack((loss * count, count)).double()

    def _loss(self, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        features = batch.features
        quantiles = self.network(features, batch.patch)
        naive = features.bases[..., _SEASON]
        loss = quantile_loss(quantiles, self.levels, batch.target, batch.weight, batch.unit, naive)
        return loss, batch.weight.sum()


def new_network(config: ZeroShotConfig, seed: int) -> ZeroShotNetwork:
    """Build a network whose initial weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ZeroShotNetwork(config)


def _held_out(config: PretrainingConfig, network: AnyConfig, *, rank: int = 0, world: int = 1) -> PoolLoader:
    """Whatever the seed of the run, the same series: runs can be compared."""
    count = config.validation_pools * config.batches.pool
    return PoolLoader((_VALIDATION, _VALIDATION), count, config, network, rank=rank, world=world, again=True)


def held_out_loss(network: AnyNetwork, config: PretrainingConfig | None = None) -> float:
    """Return the loss on the made-up series that no training reads: the validation loss of the log.

    Args:
        network: any.
        config: which series; None takes the usual ones, so that networks trained on others compare.

    Example:
        >>> from forecasting.zero_shot.settings import BatchConfig
        >>> small = PretrainingConfig(validation_pools=1, batches=BatchConfig(tokens=64, pool=1))
        >>> held_out_loss(new_network(ZeroShotConfig(width=8, layers=1), seed=0), small) > 0
        True
    """
    config = config or PretrainingConfig()
    module = PretrainingModule(network, config.optimiser)
    with torch.inference_mode():
        sums = torch.stack([module.summed_loss(batch) for batch in _held_out(config, network.config)]).sum(0)
    return (sums[0] / sums[1]).item()


def pretrain(
    network: ZeroShotNetwork,
    config: PretrainingConfig,
    folder: Path | None = None,
    *,
    runtime: Runtime = RUNTIME,
    resume: bool = False,
) -> tuple[ZeroShotNetwork | None, History]:
    """Train a network on made-up series; see `titans_seq.experiment.fit.fit` for what is written.

    Args:
        network: from `new_network`, or trained before; its weights are used up.
        config: how.
        folder: where to write; None writes nothing.
        runtime: what it runs on and shows meanwhile.
        resume: go on from the last checkpoint in `folder`, if there is one.

    Returns:
        The trained network, on the CPU and in evaluation mode (None in all processes but the first), and the log.

    Raises:
        UserError: if the resolutions do not fit the network, or training does not stay finite.
    """
    shares, patches = config.batches.resolutions, network.config.patches
    if len(shares) != len(patches):
        raise UserError(
            f"resolutions has {len(shares)} weights and the network {len(patches)} patches: give one for each"
        )
    plan = FitPlan(
        steps=config.steps,
        seed=config.seed,
        validate_every=config.validate_every,
        checkpoint_every=config.checkpoint_every,
        log_every=config.log_every,
    )
    described = network.config

    def training(rank: int, world: int) -> PoolLoader:
        return PoolLoader((config.seed, _TRAINING), config.steps, config, described, rank=rank, world=world)

    def validation(rank: int, world: int) -> PoolLoader:
        return _held_out(config, described, rank=rank, world=world)

    module = PretrainingModule(network.train(), config.optimiser, shard=runtime.hardware.sharded)
    fitted = fit(
        module,
        plan,
        training,
        validation,
        folder=folder,
        resume=resume,
        runtime=runtime,
    )
    if fitted.weights is None:
        return None, fitted.history
    trained = ZeroShotNetwork(described)
    trained.load_state_dict(fitted.weights)
    return trained.eval(), fitted.history
