"""What a run reads at once, what it notes down, and what it runs on: settings that need no PyTorch."""

from dataclasses import dataclass
from typing import Literal

from titans_seq.errors import UserError, require_at_least

Mode = Literal["carry", "random"]


@dataclass(frozen=True)
class BatchConfig:
    """What a run reads in an optimiser step.

    Attributes:
        length: tokens of a segment, at least 1; back-propagation ends at its start.
        rows: segments that a process reads at once, at least 1.
        tokens: of an optimiser step, over all processes: a multiple of `rows * length * processes`, whose multiplier is
            how many batches are accumulated.
        mode: "carry" carries state from segment to segment of a document, "random" takes segments from anywhere.

    Raises:
        UserError: if a number is out of its range.
    """

    length: int = 256
    rows: int = 8
    tokens: int = 2048
    mode: Mode = "carry"

    def __post_init__(self) -> None:
        require_at_least(self, length=1, rows=1)
        self.accumulate(processes=1)

    def accumulate(self, processes: int) -> int:
        """Batches that make an optimiser step.

        Raises:
            UserError: if `tokens` is no multiple of the tokens that all processes read at once.

        Example:
            >>> BatchConfig(tokens=8192).accumulate(processes=2)
            2
        """
        at_once = self.rows * self.length * processes
        if self.tokens < 1 or self.tokens % at_once:
            near = max(at_once, self.tokens // at_once * at_once)
            count = f" on {processes} processes" if processes > 1 else ""
            raise UserError(
                f"a step of {self.tokens:,} tokens cannot be made of batches of {self.rows} rows of {self.length} "
                f"tokens{count}: take a multiple of {at_once:,}, such as {near:,}"
            )
        return self.tokens // at_once


@dataclass(frozen=True)
class RecordConfig:
    """Validations, checkpoints and the log. There is a validation and a checkpoint at the end in any case.

    Attributes:
        validate_every: Steps between validations.
        validation_batches: Batches of a validation, from the split's start; the whole split if not given.
        checkpoint_every: Steps between checkpoints.
        keep: Checkpoints that stay.
        log_every: Steps between lines of the log.
        peak_flops: What the devices can do together, in operations a second; adds the utilisation to the log.

    Raises:
        UserError: if a number is not at least 1, or the peak not above 0.
    """

    validate_every: int = 500
    validation_batches: int | None = None
    checkpoint_every: int = 200
    keep: int = 2
    log_every: int = 10
    peak_flops: float | None = None

    def __post_init__(self) -> None:
        require_at_least(self, validate_every=1, checkpoint_every=1, keep=1, log_every=1)
        if self.validation_batches is not None and self.validation_batches < 1:
            raise UserError(f"validation_batches must be at least 1, or null for all, got {self.validation_batches}")
        if self.peak_flops is not None and not self.peak_flops > 0:
            raise UserError(f"peak_flops must be above 0, or null if it is not known, got {self.peak_flops}")


@dataclass(frozen=True)
class Hardware:
    """What a run runs on.

    Attributes:
        accelerator: What to train on.
        devices: Processes on this machine, one a device, at least 1.
        strategy: How several devices share the work: copies of the model (ddp, which auto takes), or shares of its
            parameters (fsdp, which is FSDP2).

    Raises:
        UserError: if there is no device.
    """

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"

    def __post_init__(self) -> None:
        require_at_least(self, devices=1)


ONE_DEVICE = Hardware()
