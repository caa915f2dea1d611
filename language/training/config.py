"""How a language model is pretrained: settings that are flags and YAML alike, and need no PyTorch."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from tyro.conf import arg

from titans_seq.errors import UserError, choose, require_at_least, require_seed
from titans_seq.experiment.settings import OptimiserConfig

Mode = Literal["carry", "random"]
Precision = Literal["32-true", "bf16-mixed", "bf16-true"]


@dataclass(frozen=True)
class BatchConfig:
    """What a run reads in an optimiser step.

    Attributes:
        length: Tokens of a segment, at least 1; back-propagation ends at its start.
        rows: Segments that a device reads at once, at least 1; all of a step's if not given. Fewer take less memory,
            and read the text in another order.
        tokens: Tokens of an optimiser step, over all devices: a multiple of rows * length * devices, whose multiplier
            is how many batches are accumulated.
        mode: Read documents through and carry state from segment to segment, or read segments from anywhere.
        pack: Documents fill segments end to end, each read as if it were alone; else a segment holds one document, and
            the rest of it is padding.
        foreign_starts: Share of the documents, or of the segments from anywhere, that begin with the state that another
            left rather than with nothing read, in [0, 1): what is read after training is longer than a segment, and
            its state unlike a new one (Ruiz and Gu, arXiv 2507.02782).

    Raises:
        UserError: if a number is out of its range.
    """

    length: int = 256
    rows: Annotated[int | None, arg(help_behavior_hint="")] = None
    tokens: Annotated[int, arg(name="batch-tokens")] = 2048
    mode: Mode = "carry"
    pack: bool = True
    foreign_starts: float = 0.0

    def __post_init__(self) -> None:
        require_at_least(self, length=1)
        if not 0 <= self.foreign_starts < 1:
            raise UserError(
                f"foreign_starts must be at least 0 and below 1, for how to begin is learned too, "
                f"got {self.foreign_starts}"
            )
        if self.rows is not None:
            require_at_least(self, rows=1)
        choose(self.mode, get_args(Mode), "mode")
        self.accumulate(processes=1)

    def rows_of(self, processes: int) -> int:
        """Return the segments that a process reads at once.

        Example:
            >>> BatchConfig(tokens=2048, length=256).rows_of(processes=2)
            4
        """
        return max(1, self.tokens // (self.length * processes)) if self.rows is None else self.rows

    @property
    def keeps_state(self) -> bool:
        """Whether training needs the state that a batch leaves."""
        return self.mode == "carry" or self.foreign_starts > 0

    def accumulate(self, processes: int) -> int:
        """Return the batches that make an optimiser step.

        Raises:
            UserError: if `tokens` is no multiple of the tokens that all processes read at once.

        Example:
            >>> BatchConfig(tokens=8192, rows=8).accumulate(processes=2)
            2
        """
        rows = self.rows_of(processes)
        at_once = rows * self.length * processes
        if self.tokens < 1 or self.tokens % at_once:
            near = max(at_once, self.tokens // at_once * at_once)
            count = f" on {processes} processes" if processes > 1 else ""
            raise UserError(
                f"a step of {self.tokens:,} tokens cannot be made of batches of {rows} rows of {self.length} "
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
        log_every: Steps between rows of the log.
        peak_flops: What the devices can do together, in operations a second; adds the utilisation to the log.

    Raises:
        UserError: if a number is not at least 1, or the peak not above 0.
    """

    validate_every: int = 500
    validation_batches: Annotated[int | None, arg(help_behavior_hint="")] = None
    checkpoint_every: int = 200
    keep: int = 2
    log_every: int = 10
    peak_flops: Annotated[float | None, arg(help_behavior_hint="")] = None

    def __post_init__(self) -> None:
        require_at_least(self, validate_every=1, checkpoint_every=1, keep=1, log_every=1)
        if self.validation_batches is not None and self.validation_batches < 1:
            raise UserError(f"validation_batches must be at least 1, or null for all, got {self.validation_batches}")
        if self.peak_flops is not None and not self.peak_flops > 0:
            raise UserError(f"peak_flops must be above 0, or null if it is not known, got {self.peak_flops}")


@dataclass(frozen=True)
class PretrainConfig:
    """How a model is trained; the model, the data and what it runs on are not part of it.

    Attributes:
        steps: Optimiser steps, at least 1; as many as read the text once if not given.
        optimiser: AdamW and its schedule.
        batches: What is read at once.
        records: Validations, checkpoints and the log.
        write_cost: Weight in the loss of how far the memories' gates stand open; what is kept for long is then
            disturbed less.
        seed: Seed of initial weights and order.
        precision: Precision of the arithmetic, as Lightning names it; memories stay in float32.
        gradient_checkpointing: Keep the inputs of blocks alone and compute the blocks once more in the backward pass:
            less memory for a third more time.
        compile: Compile the model with torch.compile; only with --no-pack, as packed batches are all unlike.

    Raises:
        UserError: if a number is out of its range, or a compiled model is to read packed documents.
    """

    steps: Annotated[int | None, arg(name="max-steps", help_behavior_hint="")] = None
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)
    records: RecordConfig = field(default_factory=RecordConfig)
    write_cost: float = 0.0
    seed: int = 0
    precision: Precision = "32-true"
    gradient_checkpointing: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        require_seed(self.seed)
        require_at_least(self, write_cost=0)
        if self.compile and self.batches.pack:
            raise UserError(
                "a compiled model would be compiled anew for every batch of packed documents: add --no-pack, or leave "
                "out --compile"
            )
        if self.steps is not None:
            require_at_least(self, steps=1)


_ROWS = {"170m": 4, "340m": 2, "400m": 2}


def training_preset(model: str) -> PretrainConfig:
    """Return how a model is trained unless told otherwise, by the model's name; see `titans_seq.models.presets`.

    Tiny models have a rate of 1e-3 and at most 100 steps of warm-up. Others are trained as the paper's: segments of 4K
    tokens, half a million tokens a step, of which as many are read at once as `titans plan` says fit into 80 GB, a rate
    of 4e-4 after a warm-up over a billion tokens, bfloat16 products. The NeurIPS version has higher rates, 3e-3 for
    170M to 7e-4 for 1.3B. State is carried, but for a transformer, whose state would grow without end.

    Example:
        >>> training_preset("mag-170m").batches.tokens, training_preset("tiny-transformer").batches.mode
        (524288, 'random')
    """
    words = model.lower().split("-")
    mode: Mode = "random" if "transformer" in words else "carry"
    if "tiny" in words:
        return PretrainConfig(batches=BatchConfig(mode=mode))
    rows = next((rows for size, rows in _ROWS.items() if size in words), 1)
    return PretrainConfig(
        optimiser=OptimiserConfig(lr=4e-4, warmup=1907),
        batches=BatchConfig(length=4096, rows=rows, tokens=524_288, mode=mode),
        precision="bf16-mixed",
    )
