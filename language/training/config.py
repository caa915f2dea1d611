"""All settings of a pretraining run."""

from dataclasses import dataclass, field
from typing import Literal

from titans_seq.errors import UserError
from titans_seq.models import CausalLMConfig
from titans_seq.training.optimiser import OptimiserConfig

Mode = Literal["carry", "random"]
Precision = Literal["32-true", "bf16-mixed", "bf16-true"]
Accelerator = Literal["auto", "cpu", "gpu"]
Strategy = Literal["auto", "ddp", "fsdp"]


@dataclass(frozen=True)
class Hardware:
    """What a run runs on.

    Attributes:
        accelerator: as Lightning names it.
        devices: processes on this machine, one a device, at least 1.
        strategy: "ddp" copies the model to every process, "fsdp" shares out its parameters (FSDP2); "auto" is ddp
            with several devices.

    Raises:
        UserError: if there is no device.
    """

    accelerator: Accelerator = "auto"
    devices: int = 1
    strategy: Strategy = "auto"

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise UserError(f"devices must be at least 1, got {self.devices}")


ONE_DEVICE = Hardware()


@dataclass(frozen=True)
class PretrainConfig:
    """A model and how it is trained; where the data is and what it runs on are not part of it.

    Attributes:
        model: what is trained.
        steps: optimiser steps, at least 1.
        optimiser: AdamW and its schedule.
        length: tokens of a segment, at least 1; back-propagation ends at its start.
        rows: segments that a process reads at once, at least 1.
        batch_tokens: tokens of an optimiser step, over all processes: a multiple of `rows * length * processes`, whose
            multiplier is how many batches are accumulated.
        mode: "carry" carries state from segment to segment of a document, "random" takes segments from anywhere.
        seed: of weights and order, at least 0.
        precision: as Lightning names it.
        compile: whether the model goes through torch.compile.
        validate_every: steps between validations, at least 1; there is one at the end in any case.
        validation_batches: batches of a validation, at least 1, from the split's start; None for the whole split.
        checkpoint_every: steps between checkpoints, at least 1.
        keep: how many checkpoints stay, at least 1.
        log_every: steps between lines of the log, at least 1.
        peak_flops: floating-point operations a second that all devices can do together, for the utilisation in the
            log; None leaves it out.

    Raises:
        UserError: if a number is out of its range.
    """

    model: CausalLMConfig
    steps: int
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    length: int = 256
    rows: int = 8
    batch_tokens: int = 2048
    mode: Mode = "carry"
    seed: int = 0
    precision: Precision = "32-true"
    compile: bool = False
    validate_every: int = 500
    validation_batches: int | None = None
    checkpoint_every: int = 200
    keep: int = 2
    log_every: int = 10
    peak_flops: float | None = None

    def __post_init__(self) -> None:
        least = {"seed": 0} | dict.fromkeys(
            ("steps", "length", "rows", "validate_every", "checkpoint_every", "keep", "log_every"), 1
        )
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise UserError(f"{name} must be at least {smallest}, got {getattr(self, name)}")
        if self.validation_batches is not None and self.validation_batches < 1:
            raise UserError(f"validation_batches must be at least 1, or null for all, got {self.validation_batches}")
        if self.peak_flops is not None and not self.peak_flops > 0:
            raise UserError(f"peak_flops must be above 0, or null if it is not known, got {self.peak_flops}")
        self.accumulate(processes=1)

    def accumulate(self, processes: int) -> int:
        """Batches that make an optimiser step.

        Raises:
            UserError: if `batch_tokens` is no multiple of the tokens that all processes read at once.

        Example:
            >>> from titans_seq.models import language_model
            >>> PretrainConfig(language_model("tiny-mac"), steps=1, batch_tokens=8192).accumulate(processes=2)
            2
        """
        at_once = self.rows * self.length * processes
        if self.batch_tokens < 1 or self.batch_tokens % at_once:
            near = max(at_once, self.batch_tokens // at_once * at_once)
            count = f" on {processes} processes" if processes > 1 else ""
            raise UserError(
                f"a step of {self.batch_tokens:,} tokens cannot be made of batches of {self.rows} rows of "
                f"{self.length} tokens{count}: take a multiple of {at_once:,}, such as {near:,}"
            )
        return self.batch_tokens // at_once
