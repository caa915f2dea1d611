"""`titans lm pretrain`: a language model from token shards."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from titans_seq.errors import UserError

if TYPE_CHECKING:
    from ..training.config import PretrainConfig


@dataclass(frozen=True)
class Pretrain:
    """Train a language model on token shards that `titans lm prepare` made, into a run folder.

    A run that was stopped goes on with --resume, and ends with the same weights.
    """

    out: Path
    """Folder of the run; nothing is written anywhere else."""
    data: Path | None = None
    """Folder of token shards."""
    preset: str = "tiny-mac"
    """VARIANT-SIZE, with mac, mag, mal, lmm, window or transformer, and tiny, 170m, 340m, 400m, 760m or 1.3b."""
    max_steps: int | None = None
    """Optimiser steps; as many as read the text once if not given."""
    length: int = 256
    """Tokens of a segment; state is carried from each to the next of its document."""
    batch_tokens: int = 2048
    """Tokens of an optimiser step."""
    rows: int | None = None
    """Segments read at once on each device; the step's all if not given. Fewer take less memory."""
    lr: float | None = None
    """Largest learning rate; 1e-3 for tiny models, 4e-4 (the paper's) for others if not given."""
    warmup: int | None = None
    """Steps over which the rate rises; a tenth of all, at most 100 for tiny models and 1000 for others if not given."""
    weight_decay: float = 0.1
    """Of matrices."""
    mode: Literal["carry", "random"] | None = None
    """Read documents through, or segments from anywhere; carry if not given, except for a transformer."""
    precision: Literal["32-true", "bf16-mixed", "bf16-true"] = "32-true"
    """Of the arithmetic; memories stay in float32."""
    devices: int = 1
    """Processes on this machine, one a device."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """How several devices share the work: copies of the model, or shares of its parameters."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """What to train on."""
    compile: bool = False
    """Compile the model with torch.compile."""
    seed: int = 0
    """Of initial weights and order."""
    validate_every: int = 500
    """Steps between validations."""
    validation_batches: int | None = None
    """Batches of a validation; the whole split if not given."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints that stay."""
    log_every: int = 10
    """Steps between lines of the log."""
    peak_flops: float | None = None
    """What the devices can do together, in operations a second; adds the utilisation to the log."""
    resume: bool = False
    """Go on with the stopped run in --out, with its settings."""
    overwrite: bool = False
    """Replace the run in --out."""
    progress: Literal["bar", "lines", "none"] = "bar"
    """What to show meanwhile."""


def pretrain(options: Pretrain) -> None:
    """Train, and say what came of it."""
    from titans_seq.training.lightning_tools import is_first_process

    from ..runs.runs import pretrain_run, resume_run
    from ..training.config import Hardware
    from ..training.log import read_log
    from ..training.pretraining import LOG

    hardware = Hardware(options.accelerator, options.devices, options.strategy)
    if options.resume:
        if options != _only_resuming(options):
            raise UserError(
                "--resume goes on with the settings stored in the run: leave out all options but --out, --devices, "
                "--strategy, --accelerator and --progress, or train anew with --overwrite"
            )
        resume_run(options.out, hardware=hardware, progress=options.progress)
    else:
        if options.data is None:
            raise UserError("no data is given: add --data with a folder that titans lm prepare wrote")
        config = resolve(options, options.data)
        pretrain_run(
            options.data,
            options.out,
            config,
            overwrite=options.overwrite,
            hardware=hardware,
            progress=options.progress,
        )
    if not is_first_process():
        return
    validations = [row for row in read_log(options.out / LOG) if row.get("validation_loss") is not None]
    if validations:
        last = validations[-1]
        per_byte = "" if "bits_per_byte" not in last else f", {last['bits_per_byte']:.4f} bits a byte"
        print(f"validation loss {last['validation_loss']:.4f}, perplexity {last['perplexity']:.2f}{per_byte}")
    print(f"the run is in {options.out}; next:\n  titans lm generate {options.out} --prompt ...")


def resolve(options: Pretrain, data: Path) -> "PretrainConfig":
    """The settings of a run, with what was not given filled in.

    Raises:
        UserError: if there is no such preset, a number is out of range, or the folder holds no shards.
    """
    from titans_seq.models import language_model
    from titans_seq.training.optimiser import OptimiserConfig

    from ..data.manifest import read_manifest
    from ..data.stream import SegmentStream
    from ..data.token_shards import TokenShards
    from ..training.config import PretrainConfig

    try:
        model = language_model(options.preset, read_manifest(data).tokenizer.vocabulary)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"--preset: {error}") from error
    words = options.preset.lower().split("-")
    tiny, mode = "tiny" in words, options.mode or ("random" if "transformer" in words else "carry")
    rows = options.rows
    if rows is None:
        rows = max(1, options.batch_tokens // max(1, options.length * options.devices))
    steps = options.max_steps
    if steps is None:
        shards = TokenShards.open(data)
        stream = SegmentStream(shards, rows, options.length, mode=mode, world=options.devices)
        steps = max(1, len(stream) * rows * options.length * options.devices // max(1, options.batch_tokens))
    warmup = options.warmup
    if warmup is None:
        warmup = min(steps // 10, 100 if tiny else 1000)
    lr = options.lr if options.lr is not None else 1e-3 if tiny else 4e-4
    return PretrainConfig(
        model=model,
        steps=steps,
        optimiser=OptimiserConfig(lr=lr, warmup=warmup, weight_decay=options.weight_decay),
        length=options.length,
        rows=rows,
        batch_tokens=options.batch_tokens,
        mode=mode,
        seed=options.seed,
        precision=options.precision,
        compile=options.compile,
        validate_every=options.validate_every,
        validation_batches=options.validation_batches,
        checkpoint_every=options.checkpoint_every,
        keep=options.keep,
        log_every=options.log_every,
        peak_flops=options.peak_flops,
    )


def _only_resuming(options: Pretrain) -> Pretrain:
    return Pretrain(
        out=options.out,
        devices=options.devices,
        strategy=options.strategy,
        accelerator=options.accelerator,
        resume=True,
        progress=options.progress,
    )
