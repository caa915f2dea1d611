"""Settings that every training has: the optimiser, and what a run runs on and shows. They need no PyTorch."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from tyro.conf import arg

from titans_seq.errors import UserError, choose, require_at_least
from titans_seq.progress import Progress

Schedule = Literal["cosine", "wsd", "linear"]
Accelerator = Literal["auto", "cpu", "gpu", "cuda"]
Strategy = Literal["auto", "ddp", "fsdp"]

LONGEST_WARMUP = 0.1
"""Share of all steps that a warm-up counted in steps takes at most."""


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW and its learning rate (Titans follows Gated DeltaNet: decay 0.1, clip 1, cosine, warm-up).

    Attributes:
        lr: Largest learning rate, above 0.
        schedule: How the rate falls after the warm-up: along a cosine, at the end alone (warm-up, stable, decay), or
            on a line.
        least: Share of the rate that the schedule ends at, in [0, 1].
        warmup: Steps over which the rate rises, at most a tenth of all; a number below 1 is a share of all steps.
        decay_share: Share of all steps over which "wsd" lets the rate fall, in (0, 1].
        betas: Decays of AdamW's two averages, each in [0, 1).
        weight_decay: Decoupled weight decay of matrices, at least 0.
        clip: Largest norm of the gradient; 0 for no clipping.

    Raises:
        UserError: if a value is out of range.
    """

    lr: float = 1e-3
    schedule: Schedule = "cosine"
    least: float = 0.1
    warmup: int | float = 100
    decay_share: float = 0.2
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    clip: float = 1.0

    def __post_init__(self) -> None:
        choose(self.schedule, get_args(Schedule), "schedule")
        whole = self.warmup >= 1 and self.warmup == int(self.warmup) if math.isfinite(self.warmup) else False
        for name, good, expected in (
            ("lr", self.lr > 0 and math.isfinite(self.lr), "above 0"),
            ("least", 0 <= self.least <= 1, "in [0, 1]"),
            ("warmup", whole or 0 <= self.warmup < 1, "a whole number of steps, or a share in [0, 1)"),
            ("decay_share", 0 < self.decay_share <= 1, "in (0, 1]"),
            ("betas", all(0 <= beta < 1 for beta in self.betas), "in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "at least 0 and finite"),
            ("clip", self.clip >= 0, "at least 0"),
        ):
            if not good:
                raise UserError(f"{name} must be {expected}, got {getattr(self, name)}")

    def warmup_steps(self, total: int) -> int:
        """Return the number of warm-up steps of a run of `total` steps.

        Example:
            >>> [OptimiserConfig(warmup=warmup).warmup_steps(200) for warmup in (10, 100, 0.25)]
            [10, 20, 50]
        """
        return int(self.warmup * total) if self.warmup < 1 else min(int(self.warmup), int(LONGEST_WARMUP * total))

    def factor(self, step: int, total: int) -> float:
        """Return the share of `lr` used at `step` (from 0) of `total` steps.

        Example:
            >>> config = OptimiserConfig(warmup=0.34, least=0.0)
            >>> [round(config.factor(step, total=6), 2) for step in range(6)]
            [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
        """
        warm = self.warmup_steps(total)
        if step < warm:
            return (step + 1) / warm
        begin = max(warm, total - self.decay_share * total) if self.schedule == "wsd" else warm
        done = min(1.0, max(0.0, step - begin) / max(1, total - begin))
        left = 0.5 * (1 + math.cos(math.pi * done)) if self.schedule == "cosine" else 1 - done
        return self.least + (1 - self.least) * left


@dataclass(frozen=True)
class Hardware:
    """What a run runs on.

    Attributes:
        accelerator: What to compute on; auto takes a GPU if there is one.
        devices: Processes on each machine, one a device, at least 1.
        strategy: How several devices share the work: copies of the model (ddp, which auto takes), or shares of its
            parameters (fsdp, which is FSDP2).
        nodes: Machines, at least 1; each is started with the same command (by torchrun or SLURM).

    Raises:
        UserError: if there is no device, or no such accelerator or strategy.
    """

    accelerator: Annotated[Accelerator, arg(aliases=("--device",))] = "auto"
    devices: int = 1
    strategy: Strategy = "auto"
    nodes: int = 1

    def __post_init__(self) -> None:
        require_at_least(self, devices=1, nodes=1)
        choose(self.accelerator, get_args(Accelerator), "accelerator")
        choose(self.strategy, get_args(Strategy), "strategy")

    @property
    def processes(self) -> int:
        """Number of processes on all machines."""
        return self.devices * self.nodes

    @property
    def sharded(self) -> bool:
        """True if parameters are shared out among the devices."""
        return self.strategy == "fsdp"

    def device(self) -> str:
        """Return PyTorch's name of the device: "cuda" or "cpu".

        Raises:
            UserError: if a GPU is asked for and there is none.

        Example:
            >>> Hardware("cpu").device()
            'cpu'
        """
        import torch

        if self.accelerator == "cpu":
            return "cpu"
        if torch.cuda.is_available():
            return "cuda"
        if self.accelerator == "auto":
            return "cpu"
        raise UserError(f"--accelerator {self.accelerator}: PyTorch finds no GPU here: leave it out, or see titans env")


ONE_DEVICE = Hardware()


@dataclass(frozen=True)
class Runtime:
    """What a training runs on and what it shows meanwhile; nothing here changes the model.

    Attributes:
        hardware: devices, and how they share the work.
        progress: a bar, a line for each row of the log, or nothing.
        logger: "tensorboard" or "wandb", to log there as well.
        later: what is trained, where a run has trained something before that it keeps, so that it can be resumed even
            without a checkpoint of this; for what is said of a stop.

    Raises:
        UserError: if there is no such way to show it.

    Example:
        >>> Runtime(Hardware("cpu"), progress="lines").hardware.processes
        1
    """

    hardware: Hardware = ONE_DEVICE
    progress: Progress = "none"
    logger: str | None = None
    later: str = ""

    def __post_init__(self) -> None:
        choose(self.progress, get_args(Progress), "progress")


RUNTIME = Runtime()
